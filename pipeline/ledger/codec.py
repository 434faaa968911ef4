"""Between the contract's dataclasses and the ledger's columns."""

from __future__ import annotations

import json
from dataclasses import asdict, fields
from datetime import UTC, datetime
from typing import Any

from connectors.base import Asset, Kind, Location, Metadata, Resource, Role
from connectors.checksums import Algorithm, Checksum, Digests

_RESOURCE = (
    "id", "role", "filename", "size", "checksum", "media_type", "handle", "local", "instead",
)  # fmt: skip
"""What is written of a resource, in this order; those of older ledgers end earlier."""
_METADATA = tuple(field.name for field in fields(Metadata))


def now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def timestamp(moment: datetime | None) -> str | None:
    return moment.astimezone(UTC).isoformat() if moment else None


def moment(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None


def dump_metadata(metadata: Metadata) -> str:
    """Compact JSON; what is empty is left out, since there is one for each asset."""
    # By hand: asdict() copies deeply, which is most of what a listed asset would cost here.
    found = {name: value for name in _METADATA if (value := getattr(metadata, name))}
    if metadata.location is not None:
        found["location"] = asdict(metadata.location)
    if metadata.utc_offset == 0:  # the zone of London in winter, not an unknown one
        found["utc_offset"] = 0
    if metadata.added is not None:
        found["added"] = timestamp(metadata.added)
    return json.dumps(found, ensure_ascii=False) if found else "{}"


def load_metadata(text: str) -> Metadata:
    found: dict[str, Any] = json.loads(text)
    if "location" in found:
        found["location"] = Location(**found["location"])
    found["added"] = moment(found.get("added"))
    found["keywords"] = tuple(found.get("keywords", ()))
    return Metadata(**found)


def load_digests(row: Any, size: int) -> Digests:
    """Those that a row of ``resources`` has of ``size`` bytes."""
    values = {a: value for a in Algorithm if (value := getattr(row, a.value)) is not None}
    return Digests(size, values)


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
        instead=row.instead,
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


def dump_asset(asset: Asset) -> str:
    """As a source lists it, as JSON."""
    return json.dumps(
        {
            "id": asset.id,
            "kind": asset.kind,
            "created": timestamp(asset.created),
            "metadata": dump_metadata(asset.metadata),
            "revision": asset.revision,
            "library": asset.library,
            "resources": [[getattr(one, name) for name in _RESOURCE] for one in asset.resources],
        },
        ensure_ascii=False,
        default=str,  # a checksum
    )


def parse_asset(text: str) -> Asset:
    """What ``dump_asset`` wrote."""
    data = json.loads(text)
    return Asset(
        id=data["id"],
        kind=Kind(data["kind"]),
        created=moment(data["created"]),
        resources=tuple(
            _parse_resource(dict(zip(_RESOURCE, values, strict=False)))
            for values in data["resources"]
        ),
        metadata=load_metadata(data["metadata"]),
        revision=data["revision"],
        library=data["library"],
    )


def _parse_resource(found: dict[str, Any]) -> Resource:
    found["role"] = Role(found["role"])
    if found["checksum"] is not None:
        found["checksum"] = Checksum.parse(found["checksum"])
    return Resource(**found)
