"""Albums, their members, and which selection the ledger's choices were made with."""

from __future__ import annotations

import json
from collections.abc import Iterable
from functools import partial

from sqlalchemy import Connection, delete, insert, select
from sqlalchemy.dialects.sqlite import insert as upsert

from connectors.base import Album
from pipeline.ledger import schema
from pipeline.ledger.store import Ledger

_B, _M = schema.albums.c, schema.album_members.c
_SELECTION = "selection"


def replace(ledger: Ledger, albums: Iterable[tuple[Album, Iterable[str]]]) -> None:
    """Set all albums and members anew, an album at a time."""

    def clear(connection: Connection) -> None:
        connection.execute(delete(schema.album_members))
        connection.execute(delete(schema.albums))

    def fill(connection: Connection, key: int, album: Album, members: list[str]) -> None:
        values = {"id": key, "album_id": album.id, "path": json.dumps(album.path)}
        connection.execute(insert(schema.albums).values(**values))
        if members:
            rows = [{"album": key, "asset_id": asset_id} for asset_id in members]
            connection.execute(insert(schema.album_members).prefix_with("OR IGNORE"), rows)

    ledger.transact(clear)
    for key, (album, members) in enumerate(albums, 1):
        ledger.transact(partial(fill, key=key, album=album, members=list(members)))


def members(ledger: Ledger, wanted: Iterable[str]) -> tuple[set[str], list[str]]:
    """Asset ids in the albums called ``wanted`` (folders and title joined by ``/``; a folder
    stands for all albums below it), and the names that match no album."""
    found: set[str] = set()
    unknown = []
    with ledger.read() as connection:
        rows = connection.execute(select(schema.albums))
        paths = {row.id: "/".join(json.loads(row.path)) for row in rows}
        for name in wanted:
            keys = [k for k, path in paths.items() if path == name or path.startswith(f"{name}/")]
            if not keys:
                unknown.append(name)
            query = select(_M.asset_id).where(_M.album.in_(keys))
            found.update(connection.execute(query).scalars())
    return found, unknown


def names(ledger: Ledger) -> list[str]:
    """How each album is called in a selection: its folders and its title joined by ``/``."""
    with ledger.read() as connection:
        return [
            "/".join(json.loads(path)) for path in connection.execute(select(_B.path)).scalars()
        ]


def of(connection: Connection, asset_id: str) -> list[tuple[str, ...]]:
    """Paths of the albums an asset is in."""
    query = (
        select(_B.path).join(schema.album_members).where(_M.asset_id == asset_id).order_by(_B.path)
    )
    return [tuple(json.loads(path)) for path in connection.execute(query).scalars()]


def selection(connection: Connection) -> str | None:
    """Digest of the selection the choices were made with."""
    query = select(schema.meta.c.value).where(schema.meta.c.key == _SELECTION)
    return connection.execute(query).scalar()


def remember_selection(ledger: Ledger, digest: str) -> None:
    statement = upsert(schema.meta).values(key=_SELECTION, value=digest)
    ledger.transact(
        lambda c: c.execute(statement.on_conflict_do_update(["key"], set_={"value": digest}))
    )
