"""Why an asset is no longer at its source: its owner took it away, or reclaim did.

Of one of several sources that is told of its sighting, since the asset may be at another still.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, exists, func, or_, select, update

from pipeline.ledger import schema
from pipeline.states import AssetState, TrashState

_A, _R, _T = schema.assets.c, schema.resources.c, schema.trash.c
_S, _N = schema.sightings.c, schema.prints.c
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
    mine = had.where(_S.principal == _A.asset_id)
    return and_(mine.where(_S.freed != "").exists(), ~mine.where(~_S.gone).exists())


def left(asset: Any = schema.assets.c) -> ColumnElement[bool]:
    """Whether an asset is gone since its owner took it away."""
    return and_(asset.state == AssetState.GONE, ~freed(asset))


def hand_over(connection: Connection) -> None:
    """What was freed while the pipeline had one source is told of that source from now on: its
    assets have become sightings, with their ids."""
    same = select(func.min(_S.id)).join_from(
        schema.sightings, schema.assets, _S.asset_id == _A.asset_id
    )
    connection.execute(
        update(schema.trash)
        .where(_T.sighting.is_(None))
        .values(sighting=same.where(_A.id == _T.asset).scalar_subquery())
    )
    trashed = (_T.state == TrashState.TRASHED, freed())
    these = select(_T.sighting).join_from(schema.trash, schema.assets).where(*trashed)
    reason = select(func.max(_A.reason)).join_from(schema.trash, schema.assets)
    connection.execute(
        update(schema.sightings)
        .where(_S.gone, _S.id.in_(these))
        .values(freed=reason.where(*trashed, _T.sighting == _S.id).scalar_subquery())
    )


def _in_state(state: TrashState) -> Any:
    return select(_T.asset).where(_T.state == state)
