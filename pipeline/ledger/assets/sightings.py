"""What each of several sources lists, and which of their assets are one.

A sighting belongs to a merged asset, its *principal*. A principal has at most one asset of each
source, so two equal photos of one phone stay two. Sightings are never deleted: one that is gone
says which principal its asset was, should it, or its twin, come back.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, bindparam, exists, func, insert, or_, select, tuple_, update

from connectors.base import Asset, Problem, Role
from pipeline.ledger import leaving, schema
from pipeline.ledger.codec import dump_asset, parse_asset, timestamp
from pipeline.states import TrashState

_S, _N = schema.sightings.c, schema.prints.c
_A, _R, _T = schema.assets.c, schema.resources.c, schema.trash.c


@dataclass(frozen=True, slots=True)
class Row:
    """A sighting as it stands in the ledger; ``computed`` by resource id. What was ``freed`` is
    there no more."""

    key: int
    source: str
    asset: Asset
    principal: str
    computed: dict[str, str]
    freed: bool


def any_yet(connection: Connection) -> bool:
    return connection.execute(select(_S.id).limit(1)).first() is not None


def next_listing(connection: Connection, source: str) -> int:
    """A number for a listing of the source that is about to begin."""
    last = connection.execute(select(func.max(_S.seen)).where(_S.source == source)).scalar()
    return int(last or 0) + 1


@dataclass(frozen=True, slots=True)
class Entered:
    """``rows`` that are new or changed, by asset id. The originals of those that are ``altered``
    have other bytes than before: they are of another size."""

    rows: dict[str, Any]
    altered: frozenset[str]


def put(connection: Connection, source: str, assets: Sequence[Asset], listing: int) -> Entered:
    """Enter a page of one source."""
    before = rows(connection, source, [asset.id for asset in assets])
    same = [
        asset.id
        for asset in assets
        if (row := before.get(asset.id)) is not None
        and row.revision is not None
        and (row.revision, row.gone) == (asset.revision, False)
    ]
    seen = update(schema.sightings).where(_S.source == source, _S.asset_id.in_(same))
    connection.execute(seen.values(seen=listing))
    fresh = [asset for asset in assets if asset.id not in set(same)]
    new, changed = [], []
    for asset in fresh:
        values = _values(asset) | {"seen": listing, "gone": False, "freed": ""}
        if asset.id in before:
            changed.append(values | {"key": before[asset.id].id})
        else:
            new.append(values | {"source": source, "asset_id": asset.id, "principal": ""})
    if new:
        connection.execute(insert(schema.sightings), new)
    if changed:
        names = (name for name in changed[0] if name != "key")
        statement = update(schema.sightings).where(_S.id == bindparam("key"))
        connection.execute(
            statement.values({name: bindparam(f"new_{name}") for name in names}),
            [{k if k == "key" else f"new_{k}": v for k, v in row.items()} for row in changed],
        )
    entered = rows(connection, source, [asset.id for asset in fresh])
    as_before = {
        row.id for asset in fresh
        if (row := before.get(asset.id)) is not None
        and row.revision is not None
        and row.revision == asset.revision
    }  # fmt: skip
    files = [(entered[asset.id].id, asset) for asset in fresh]
    altered = _put_prints(connection, source, files, as_before)
    return Entered(entered, frozenset(altered))


def rows(connection: Connection, source: str, ids: Sequence[str]) -> dict[str, Any]:
    """What ``twins.Matching`` needs of these sightings, by asset id."""
    columns = (_S.id, _S.asset_id, _S.source, _S.principal, _S.revision, _S.gone, _S.created)
    query = select(*columns).where(_S.source == source, _S.asset_id.in_(ids))
    return {row.asset_id: row for row in connection.execute(query)}


def _values(asset: Asset) -> dict[str, Any]:
    original = next((r for r in asset.resources if r.role is Role.ORIGINAL), None)
    return {
        "revision": asset.revision,
        "asset": dump_asset(asset),
        "created": timestamp(asset.created),
        "filename": asset.resources[0].filename if asset.resources else asset.id,
        "size": sum(r.size or 0 for r in asset.resources),
        "local": original is not None and original.local,
    }


def _put_prints(
    connection: Connection,
    source: str,
    entered: Sequence[tuple[int, Asset]],
    as_before: Collection[int],
) -> set[str]:
    """The assets whose originals are of another size than before.

    What was computed stays where the asset is of the revision it was of (``as_before``).

    Of another revision a file may hold other bytes of the same size: it is read again, and
    what earlier downloads computed is not taken over for it.
    """
    keys = [key for key, _ in entered]
    found = connection.execute(select(schema.prints).where(_N.sighting.in_(keys)))
    before: dict[tuple[int, str], Any] = {(row.sighting, row.resource_id): row for row in found}
    connection.execute(schema.prints.delete().where(_N.sighting.in_(keys)))
    fresh, altered = [], set()
    for key, asset in entered:
        for resource in asset.resources:
            row = before.get((key, resource.id))
            sizes = {row.size if row else None, resource.size} - {None}
            if resource.role is Role.ORIGINAL and len(sizes) > 1:
                altered.add(asset.id)
            verifiable = resource.checksum is not None and resource.checksum.verifiable
            content = str(resource.checksum) if verifiable else None
            computed = False
            if row is not None and not verifiable:
                computed = row.computed or row.content is not None
                same = key in as_before and row.size == resource.size
                content = row.content if same else None
            fresh.append(
                {
                    "sighting": key,
                    "resource_id": resource.id,
                    "source": source,
                    "role": resource.role,
                    "size": resource.size,
                    "content": content,
                    "computed": computed,
                    "merged": row.merged if row else None,
                }
            )
    if fresh:
        connection.execute(insert(schema.prints), fresh)
    return altered


def of(connection: Connection, principals: Iterable[str]) -> dict[str, list[Row]]:
    """The sightings of each principal that are there, or were freed."""
    wanted = list(principals)
    told = or_(~_S.gone, _S.freed != "")
    query = select(schema.sightings).where(_S.principal.in_(wanted), told)
    rows = connection.execute(query).all()
    prints = connection.execute(
        select(_N.sighting, _N.resource_id, _N.content).where(
            _N.sighting.in_([row.id for row in rows]), _N.computed, _N.content.is_not(None)
        )
    )
    computed: dict[int, dict[str, str]] = {}
    for row in prints:
        computed.setdefault(row.sighting, {})[row.resource_id] = row.content
    found: dict[str, list[Row]] = {principal: [] for principal in wanted}
    for row in rows:
        found[row.principal].append(
            Row(
                row.id,
                row.source,
                parse_asset(row.asset),
                row.principal,
                computed.get(row.id, {}),
                bool(row.freed),
            )
        )
    return found


def known(connection: Connection, names: Sequence[str]) -> dict[str, list[Any]]:
    """Files of merged assets that the ledger has: rows of resource_id, role, checksum (the
    source's), apple (computed from what was received) and whether it was freed at a source."""
    freed = (
        exists()
        .where(_S.principal == _A.asset_id, _S.freed != "")
        .where(_N.sighting == _S.id, _N.merged == _R.resource_id)
        .correlate(schema.assets, schema.resources)
    )
    query = (
        select(_A.asset_id, _R.resource_id, _R.role, _R.checksum, _R.apple, freed.label("freed"))
        .join(schema.assets, _A.id == _R.asset)
        .where(_A.asset_id.in_(names))
    )
    found: dict[str, list[Any]] = {}
    for row in connection.execute(query):
        found.setdefault(row.asset_id, []).append(row)
    return found


def freed_files(connection: Connection, principal: str) -> set[str]:
    """Ids of files of a merged asset that were freed at a source."""
    query = select(_N.merged).join(schema.sightings, _S.id == _N.sighting)
    rows = connection.execute(query.where(_S.principal == principal, _S.freed != ""))
    return set(rows.scalars())


def problems(connection: Connection, source: str) -> tuple[Problem, ...]:
    """What of the source could not be read when it was listed last."""
    p = schema.problems.c
    rows = connection.execute(
        select(p.id, p.reason).where(p.id.startswith(f"{source}/", autoescape=True))
    )
    return tuple(Problem(row.id, row.reason) for row in rows)


def name(connection: Connection, key: int, ids: dict[str, str]) -> None:
    """Remember the merged ids of a sighting's files, by resource id."""
    statement = update(schema.prints).where(_N.sighting == key, _N.resource_id == bindparam("own"))
    rows = [{"own": own, "merged_id": merged} for own, merged in ids.items()]
    if rows:
        connection.execute(statement.values(merged=bindparam("merged_id")), rows)


def leave(connection: Connection, source: str, asset_ids: Sequence[str]) -> list[str]:
    """Mark as gone, and as freed what reclaim asked for without an answer yet; returns the
    principals concerned."""
    here = (_S.source == source, _S.asset_id.in_(asset_ids))
    principals = list(connection.execute(select(_S.principal).where(*here)).scalars())
    connection.execute(update(schema.sightings).where(*here).values(gone=True))
    asked = select(_S.id, _T.run, _T.time).join(schema.trash, _T.sighting == _S.id)
    for row in connection.execute(asked.where(*here, _T.state == TrashState.INTENDED)).all():
        freed = leaving.by_reclaim(row.run, row.time)
        connection.execute(update(schema.sightings).where(_S.id == row.id).values(freed=freed))
    return principals


def stale(connection: Connection, source: str, listing: int, most: int) -> list[str]:
    """Assets that a full listing did not name, at most so many."""
    query = select(_S.asset_id).where(_S.source == source, _S.seen < listing, ~_S.gone)
    return list(connection.execute(query.limit(most)).scalars())


def count(connection: Connection, source: str) -> int:
    query = select(func.count()).select_from(schema.sightings)
    return int(connection.execute(query.where(_S.source == source, ~_S.gone)).scalar_one())


def count_principals(connection: Connection) -> int:
    """How many merged assets there are."""
    query = select(func.count(func.distinct(_S.principal))).where(~_S.gone)
    return int(connection.execute(query).scalar_one())


def learn(connection: Connection) -> None:
    """Take over what earlier downloads computed, so that nothing is read only to be compared."""
    received = (
        select("apple:" + _R.apple)
        .join(schema.assets, _A.id == _R.asset)
        .join(schema.sightings, _S.principal == _A.asset_id)
        .where(_S.id == _N.sighting, _R.resource_id == _N.merged, _R.apple.is_not(None))
        .limit(1)
        .scalar_subquery()
    )
    connection.execute(
        update(schema.prints)
        .where(_N.content.is_(None), ~_N.computed, _N.merged.is_not(None), received.is_not(None))
        .values(content=received, computed=True)
    )


def unidentified(
    connection: Connection, source: str, others: Sequence[str], after: tuple[int, str], most: int
) -> list[Any]:
    """Files of ``source`` whose bytes have to be read to know: one of ``others`` has one of the
    same role and size. (sighting, resource_id) rows in that order, after ``after``."""
    mine, theirs = schema.prints.alias(), schema.prints.alias()
    own, other = schema.sightings.alias(), schema.sightings.alias()
    rival = (
        exists()
        .where(theirs.c.size == mine.c.size, theirs.c.role == mine.c.role)
        .where(theirs.c.source.in_(others))
        .where(other.c.id == theirs.c.sighting, or_(~other.c.gone, other.c.freed != ""))
    )
    query = (
        select(
            mine.c.sighting, mine.c.resource_id,
            own.c.asset, own.c.asset_id, own.c.principal,
        )
        .join(own, own.c.id == mine.c.sighting)
        .where(mine.c.source == source, mine.c.content.is_(None), ~own.c.gone, rival)
        .where(tuple_(mine.c.sighting, mine.c.resource_id) > tuple_(*after))
        .order_by(mine.c.sighting, mine.c.resource_id)
        .limit(most)
    )  # fmt: skip
    return list(connection.execute(query))


def rename(connection: Connection, names: Mapping[str, str]) -> None:
    """Sources have other names now; two may have changed theirs with one another. What a
    cursor says of them by name is forgotten."""
    changed = {before: now for before, now in names.items() if before != now}
    if changed:
        connection.execute(update(schema.cursors).values(cursor=None))
    for table in (schema.sightings, schema.prints) if changed else ():
        between = {before: f"\0{number}" for number, before in enumerate(changed)}
        steps = [*between.items(), *((between[before], now) for before, now in changed.items())]
        for before, now in steps:
            connection.execute(update(table).where(table.c.source == before).values(source=now))


def set_content(connection: Connection, sighting: int, resource_id: str, content: str) -> None:
    """A file was read and this is its content."""
    connection.execute(
        update(schema.prints)
        .where(_N.sighting == sighting, _N.resource_id == resource_id)
        .values(content=content, computed=True)
    )


def seed(connection: Connection, source: str, assets: Sequence[Asset], *, gone: bool) -> None:
    """Take over the library of a pipeline that had one source until now. Its files are known by
    the names that they had there, so that nothing is read only to be compared."""
    put(connection, source, assets, 0)
    fresh = (_S.source == source, _S.principal == "")
    keys = select(_S.id).where(*fresh)
    connection.execute(
        update(schema.prints).where(_N.sighting.in_(keys)).values(merged=_N.resource_id)
    )
    connection.execute(
        update(schema.sightings).where(*fresh).values(principal=_S.asset_id, gone=gone)
    )
