"""Why an asset is no longer at its source: its owner took it away, or reclaim did.

Of one of several sources that is told of its sighting, since the asset may be at another still.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, bindparam, exists, func, or_, select, update

from pipeline.ledger import schema
from pipeline.states import AssetState, TrashState

_A, _R, _T = schema.assets.c, schema.resources.c, schema.trash.c
_S, _N = schema.sightings.c, schema.prints.c
_AT_ONCE = 500
BY_ITS_OWNER = "no longer at the source"
"""The reason of what a listing named no more."""


def by_reclaim(run: int, moment: str) -> str:
    """The reason of what a run freed at ``moment`` (ISO 8601)."""
    return f"freed by reclaim, run {run}, {moment[:10]}"


def why() -> Any:
    """The reason of an asset that no listing names any more: what its owner deleted elsewhere too
    was freed all the same, as far as one of several sources had it last."""
    freed = select(func.max(_S.freed)).where(_S.principal == _A.asset_id, _S.freed != "")
    return func.coalesce(freed.scalar_subquery(), BY_ITS_OWNER)


def freed(asset: Any = schema.assets.c) -> ColumnElement[bool]:
    """Whether an asset is gone since reclaim took it away, so that its copies are all that is left
    of it; not one that came back since, by whatever way, and that its owner took away then."""
    unknown = asset.id.in_(_in_state(TrashState.INTENDED))  # what became of it, so far
    done = and_(asset.id.in_(_in_state(TrashState.TRASHED)), asset.reason != BY_ITS_OWNER)
    of_one = exists().where(_S.principal == asset.asset_id, _S.freed != "")
    return and_(asset.state == AssetState.GONE, or_(unknown, done, of_one))


def freed_file() -> ColumnElement[bool]:
    """Whether the source that a file was freed at was the last that had it, though not the last
    that had its asset."""
    had = select(_N.sighting).join(schema.sightings).where(_N.merged == _R.resource_id)
    # Also from within a query of files within one of assets, or the other way round.
    mine = had.where(_S.principal == _A.asset_id).correlate(schema.assets, schema.resources)
    return and_(mine.where(_S.freed != "").exists(), ~mine.where(~_S.gone).exists())


def left(asset: Any = schema.assets.c) -> ColumnElement[bool]:
    """Whether an asset is gone since its owner took it away."""
    return and_(asset.state == AssetState.GONE, ~freed(asset))


def hand_over(connection: Connection) -> None:
    """What was freed while the pipeline had one source is told of that source from now on: its
    assets have become sightings, with their ids."""
    columns = (_T.run, _T.asset, _T.state, _T.time, _A.asset_id, left().label("left"))
    query = select(*columns).join_from(schema.trash, schema.assets).where(_T.sighting.is_(None))
    rows = connection.execute(query).all()
    found = _sightings(connection, {row.asset_id for row in rows})
    known = [row for row in rows if row.asset_id in found]
    mine = (_T.run == bindparam("of"), _T.asset == bindparam("key"))
    told = [{"of": row.run, "key": row.asset, "what": found[row.asset_id]} for row in known]
    gone = [
        {"what": found[row.asset_id], "why": by_reclaim(row.run, row.time)}
        for row in known
        if row.state == TrashState.TRASHED and not row.left
    ]
    statement = update(schema.sightings).where(_S.id == bindparam("what"), _S.gone)
    if told:
        connection.execute(
            update(schema.trash).where(*mine).values(sighting=bindparam("what")), told
        )
    if gone:
        connection.execute(statement.values(freed=bindparam("why")), gone)


def _sightings(connection: Connection, asset_ids: Collection[str]) -> dict[str, int]:
    """By these ids, those of the source that was there first."""
    first = func.min(_S.id)
    sources = connection.execute(select(_S.source).group_by(_S.source).order_by(first)).scalars()
    found: dict[str, int] = {}
    for source in sources.all():
        rest = sorted(set(asset_ids) - found.keys())
        for start in range(0, len(rest), _AT_ONCE):
            here = _S.asset_id.in_(rest[start : start + _AT_ONCE])
            query = select(_S.asset_id, _S.id).where(_S.source == source, here)
            found |= {row.asset_id: row.id for row in connection.execute(query)}
    return found


def _in_state(state: TrashState) -> Any:
    return select(_T.asset).where(_T.state == state)
