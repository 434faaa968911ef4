"""Albums and their members."""

from __future__ import annotations

import json
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from functools import partial

from sqlalchemy import (
    Connection,
    and_,
    bindparam,
    delete,
    exists,
    func,
    insert,
    or_,
    select,
    update,
)

from connectors.abilities import Album
from pipeline.ledger import meta, schema
from pipeline.ledger.sidecars_due import mark_due
from pipeline.ledger.store import Ledger
from pipeline.states import AssetState, CopyState

_B, _M = schema.albums.c, schema.album_members.c
_A, _R, _C = schema.assets.c, schema.resources.c, schema.copies.c
_S = schema.sightings.c
# Left the source, and is kept at a sink: what became one with another asset is neither.
_LEFT = (
    exists()
    .where(_A.asset_id == _M.asset_id, _A.state == AssetState.GONE)
    .where(_R.asset == _A.id, _C.resource == _R.id, _C.state == CopyState.CONFIRMED)
)
_AT = func.substr(_B.album_id, 1, func.length(_S.source) + 1) == _S.source + "/"
_MINE = _S.principal == _M.asset_id
# Freed, and the album is of no source that still has a part of the asset.
_FREED = and_(
    exists().where(_MINE, _S.freed != ""),
    ~exists().where(_MINE, ~_S.gone, _B.id == _M.album, _AT),
)
_KEPT = or_(_LEFT, _FREED)
_ALBUMS = "albums"
_STALE, _FRESH = "stale", "fresh"


def replace(ledger: Ledger, albums: Iterable[tuple[Album, Iterable[str] | None]]) -> None:
    """Bring all albums and members up to date, an album at a time.

    Where members are None, nobody could tell them: they stay as known, and the albums ``stale``.

    The sidecars of assets that joined or left an album, or whose album has another name, are
    due. Until the end, the albums count as ``stale``. Assets that left the source stay in the
    albums they were in last: their copies are kept, and space that was freed costs no album.
    """
    seen: set[str] = set()
    whole = True
    for album, members in albums:
        seen.add(album.id)
        if members is None:
            whole = False
        else:
            ledger.transact(partial(_put, album=album, members=set(members)))

    def finish(connection: Connection) -> None:
        for row in connection.execute(select(schema.albums)).all():
            if row.album_id not in seen:
                mark_due(connection, _members(connection, row.id))
                connection.execute(delete(schema.album_members).where(_M.album == row.id, ~_KEPT))
                empty = ~exists().where(_M.album == _B.id)
                connection.execute(delete(schema.albums).where(_B.id == row.id, empty))
        if whole:
            meta.put(connection, _ALBUMS, _FRESH)

    ledger.transact(finish)


def _put(connection: Connection, album: Album, members: set[str]) -> None:
    path = json.dumps(album.path)
    row = connection.execute(select(schema.albums).where(_B.album_id == album.id)).one_or_none()
    if row is None:
        done = connection.execute(insert(schema.albums).values(album_id=album.id, path=path))
        assert done.inserted_primary_key is not None
        key, before = done.inserted_primary_key[0], set[str]()
    else:
        key, before = row.id, set(_members(connection, row.id))
        if row.path != path:
            connection.execute(update(schema.albums).where(_B.id == key).values(path=path))
            mark_due(connection, before & members)
    mark_due(connection, before ^ members)
    gone = [{"was": asset_id} for asset_id in before - members]
    if gone:
        connection.execute(
            delete(schema.album_members).where(
                _M.album == key, _M.asset_id == bindparam("was"), ~_KEPT
            ),
            gone,
        )
    new = [{"album": key, "asset_id": asset_id} for asset_id in members - before]
    if new:
        connection.execute(insert(schema.album_members), new)


def _members(connection: Connection, album: int) -> Iterable[str]:
    return connection.execute(select(_M.asset_id).where(_M.album == album)).scalars().all()


def mark_stale(connection: Connection) -> None:
    """The source says that albums changed: what is known of them is stale."""
    meta.put(connection, _ALBUMS, _STALE)


def stale(ledger: Ledger) -> bool:
    """Whether the albums were never read, or have changed since."""
    with ledger.read() as connection:
        return meta.get(connection, _ALBUMS) != _FRESH


def members(ledger: Ledger, wanted: Iterable[str]) -> tuple[set[str], list[str]]:
    """Asset ids in the albums called ``wanted`` (folders and title joined by ``/``; a folder
    stands for all albums below it), and the names that match no album."""
    found: set[str] = set()
    unknown = []
    with ledger.read() as connection:
        rows = connection.execute(select(schema.albums))
        paths = {row.id: _composed("/".join(json.loads(row.path))) for row in rows}
        for name in wanted:
            same, below = _composed(name), f"{_composed(name)}/"
            keys = [k for k, path in paths.items() if path == same or path.startswith(below)]
            if not keys:
                unknown.append(name)
            query = select(_M.asset_id).where(_M.album.in_(keys))
            found.update(connection.execute(query).scalars())
    return found, unknown


def _composed(name: str) -> str:
    """One spelling for what looks alike: an é may be one character or two."""
    return unicodedata.normalize("NFC", name)


def names(ledger: Ledger) -> list[str]:
    """How each album is called in a selection: its folders and its title joined by ``/``."""
    with ledger.read() as connection:
        return [
            "/".join(json.loads(path)) for path in connection.execute(select(_B.path)).scalars()
        ]


def known(connection: Connection, prefix: str) -> list[Album]:
    """Those whose ids begin so."""
    rows = connection.execute(
        select(schema.albums).where(_B.album_id.startswith(prefix, autoescape=True))
    )
    return [Album(row.album_id, tuple(json.loads(row.path))) for row in rows]


def of(connection: Connection, asset_id: str) -> list[tuple[str, ...]]:
    """Paths of the albums an asset is in, in order."""
    return of_many(connection, [asset_id])[asset_id]


def of_many(
    connection: Connection, asset_ids: Sequence[str]
) -> Mapping[str, list[tuple[str, ...]]]:
    """The same for each of these assets; an empty list for those in none."""
    query = (
        select(_M.asset_id, _B.path)
        .join(schema.albums)
        .where(_M.asset_id.in_(asset_ids))
        .order_by(_B.path)
    )
    found: defaultdict[str, list[tuple[str, ...]]] = defaultdict(list)
    for asset_id, path in connection.execute(query):
        found[asset_id].append(tuple(json.loads(path)))
    return found
