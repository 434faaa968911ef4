"""Assets that come out of hiding or out of the bin, or go into hiding.

Albums, as sources list them, leave such assets out, and do not count as changed by it.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, and_, func, select

from connectors.base import Asset
from pipeline.ledger import schema
from pipeline.ledger.codec import load_metadata
from pipeline.states import AssetState, RunState


def shown_otherwise(
    connection: Connection, assets: Mapping[str, Asset], known: Mapping[str, Any]
) -> bool:
    """Whether albums may list any of these assets now, or no longer do. They are the source's
    changes; ``known`` are their rows as they were."""
    if any(_turned(row, assets[key]) for key, row in known.items()):
        return True
    added = (asset.metadata.added for key, asset in assets.items() if key not in known)
    first = min((moment for moment in added if moment), default=None)
    return first is not None and _was_there(connection, first)


def _turned(row: Any, asset: Asset) -> bool:
    if row.state == AssetState.GONE:
        return True
    return load_metadata(row.metadata).hidden is not asset.metadata.hidden


def _was_there(connection: Connection, added: datetime) -> bool:
    """Whether an asset new to the ledger was at the source when it was listed last: it was out
    of sight then. One that its device took long to upload looks the same."""
    runs = schema.runs.c
    # What only looks at copies lists nothing.
    listed = and_(runs.state != RunState.RUNNING, runs.command != "verify")
    query = select(func.max(runs.started)).where(listed)
    last = connection.execute(query).scalar()
    return last is not None and added < datetime.fromisoformat(last)
