"""What an album index says, and which versions of it we wrote."""

from __future__ import annotations

import json
from collections.abc import Iterator

from sqlalchemy import Connection, select

from connectors.base import Role
from pipeline.ledger import meta, schema
from pipeline.ledger.store import Ledger
from pipeline.states import CopyState

NAMES = ("albums.json", "albums.txt")

_A, _R, _C = schema.assets.c, schema.resources.c, schema.copies.c
_B, _M = schema.albums.c, schema.album_members.c


def albums(connection: Connection, sink: str) -> Iterator[tuple[tuple[str, ...], list[str]]]:
    """Each album's path with the paths of its files at the sink, in an order of its own: also of
    those that are selected no more, or have left the source, as long as they are kept."""
    for album in connection.execute(select(schema.albums).order_by(_B.path, _B.album_id)).all():
        query = (
            select(_C.path)
            .join(schema.resources, _R.id == _C.resource)
            .join(schema.assets, _A.id == _R.asset)
            .join(schema.album_members, _M.asset_id == _A.asset_id)
            .where(_M.album == album.id, _R.role != Role.METADATA)
            .where(_C.sink == sink, _C.state == CopyState.CONFIRMED)
            .order_by(_A.created, _C.path)
        )
        yield tuple(json.loads(album.path)), list(connection.execute(query).scalars())


def written(ledger: Ledger, sink: str, name: str) -> list[str]:
    """SHA-256 sums of what we may have written; the first is what is there, if we know it."""
    with ledger.read() as connection:
        return (meta.get(connection, _key(sink, name)) or "").split(" ")


def remember(ledger: Ledger, sink: str, name: str, sums: list[str]) -> None:
    """Durable when this returns."""
    ledger.transact(lambda connection: meta.put(connection, _key(sink, name), " ".join(sums)))


def keys(sink: str) -> list[str]:
    """Under which the ledger remembers what was written there."""
    return [_key(sink, name) for name in NAMES]


def _key(sink: str, name: str) -> str:
    return f"index {sink} {name}"
