"""Assets whose sidecar is to be made anew, since their metadata or albums changed."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import Connection, insert

from pipeline.ledger import schema


def mark_due(connection: Connection, asset_ids: Iterable[str]) -> None:
    """The sidecars of these assets are to be made anew."""
    rows = [{"asset_id": asset_id} for asset_id in asset_ids]
    if rows:
        connection.execute(insert(schema.sidecars_due).prefix_with("OR IGNORE"), rows)
