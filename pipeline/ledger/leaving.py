"""Why an asset is no longer at its source: its owner took it away, or reclaim did."""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, and_, or_, select

from pipeline.ledger import schema
from pipeline.states import AssetState, TrashState

_T = schema.trash.c
BY_ITS_OWNER = "no longer at the source"
"""The reason of what a listing named no more."""


def by_reclaim(run: int, moment: str) -> str:
    """The reason of what a run freed at ``moment`` (ISO 8601)."""
    return f"freed by reclaim, run {run}, {moment[:10]}"


def freed(asset: Any = schema.assets.c) -> ColumnElement[bool]:
    """Whether an asset is gone since reclaim took it away, so that its copies are all that is left
    of it; not one that came back since, by whatever way, and that its owner took away then."""
    unknown = asset.id.in_(_in_state(TrashState.INTENDED))  # what became of it, so far
    done = and_(asset.id.in_(_in_state(TrashState.TRASHED)), asset.reason != BY_ITS_OWNER)
    return and_(asset.state == AssetState.GONE, or_(unknown, done))


def left(asset: Any = schema.assets.c) -> ColumnElement[bool]:
    """Whether an asset is gone since its owner took it away."""
    return and_(asset.state == AssetState.GONE, ~freed(asset))


def _in_state(state: TrashState) -> Any:
    return select(_T.asset).where(_T.state == state)
