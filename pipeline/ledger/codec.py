"""Between the contract's dataclasses and the ledger's columns."""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from connectors.base import Asset, Kind, Location, Metadata, Resource, Role
from connectors.checksums import Checksum


def now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def timestamp(moment: datetime | None) -> str | None:
    return moment.astimezone(UTC).isoformat() if moment else None


def moment(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None


def dump_metadata(metadata: Metadata) -> str:
    """Compact JSON; what is empty is left out, since there is one for each asset."""
    fields = asdict(metadata)
    fields["added"] = timestamp(metadata.added)
    return json.dumps({key: value for key, value in fields.items() if value}, ensure_ascii=False)


def load_metadata(text: str) -> Metadata:
    fields: dict[str, Any] = json.loads(text)
    if "location" in fields:
        fields["location"] = Location(**fields["location"])
    fields["added"] = moment(fields.get("added"))
    fields["keywords"] = tuple(fields.get("keywords", ()))
    return Metadata(**fields)


def load_resource(row: Any) -> Resource:
    """A row of ``resources`` as the source gave it."""
    return Resource(
        id=row.resource_id,
        role=Role(row.role),
        filename=row.filename,
        size=row.size,
        checksum=Checksum.parse(row.checksum) if row.checksum else None,
        media_type=row.media_type,
        handle=row.handle,
        local=row.local,
    )


def load_asset(row: Any, resources: tuple[Resource, ...]) -> Asset:
    """A row of ``assets`` as the source gave it."""
    return Asset(
        id=row.asset_id,
        kind=Kind(row.kind),
        created=moment(row.created),
        resources=resources,
        metadata=load_metadata(row.metadata),
        revision=row.revision,
        library=row.library,
    )
