"""By which revisions of its source's assets a file is known to hold the bytes that it held."""

from __future__ import annotations

import json
from collections.abc import Sequence

from connectors.base import Resource


def dump(resource: Resource) -> str | None:
    """As the ledger keeps them; None where the asset's own revision says it all."""
    return json.dumps(resource.revisions) if resource.revisions else None


def renewed(kept: str | None, before: str | None, resource: Resource, now: str | None) -> bool:
    """Whether the file may hold other bytes than it did, as far as revisions tell.

    ``kept`` is what ``dump`` gave, ``before`` and ``now`` are the asset's revision then and now.
    As long as one revision stays, of the file or of the whole asset, so do the bytes.
    """
    old = _all(json.loads(kept) if kept else (), before)
    new = _all(resource.revisions, now)
    return old.isdisjoint(new) if old and new else old != new


def _all(own: Sequence[str], of_asset: str | None) -> set[str]:
    return {*own, of_asset} if of_asset is not None else set(own)
