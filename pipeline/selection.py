"""Which assets and files are wanted, where they go, and why the others are not wanted."""

from __future__ import annotations

import hashlib
from collections.abc import Collection

from connectors.base import Asset, Kind, Resource
from pipeline.config.models import Choices, Select
from pipeline.ledger.assets.listing import Choice
from pipeline.naming import Template, suffix_for
from pipeline.states import AssetState
from pipeline.wording import show_size

_A_KIND = {Kind.PHOTO: "a photo", Kind.LIVE: "a Live Photo", Kind.VIDEO: "a video"}


class Selection:
    """Decides for each asset of a listing. ``members`` are the ids that the wanted albums
    hold, None where the selection names no album."""

    def __init__(self, config: Choices, members: Collection[str] | None = None) -> None:
        self._select = config.select
        self._template = Template(config.path)
        self._members = members
        text = f"{config.select.model_dump_json()}\n{config.path}\n{sorted(members or ())}"
        self.digest = hashlib.sha256(text.encode()).hexdigest()

    def __call__(self, asset: Asset, distinct: bool = False) -> Choice:
        """The choice for one asset; ``distinct`` asks for names no other asset can have."""
        wanted = [r for r in asset.resources if r.role in self._select.roles]
        reason = refusal(self._select, asset, wanted, self._members)
        if reason:
            return Choice({}, AssetState.EXCLUDED, reason)
        suffix = suffix_for(asset.id) if distinct else ""
        paths = self._template.paths(asset, wanted, suffix)
        absent = [_absent(r) for r in wanted if not r.local]
        if absent:
            reason = f"not stored at the source: {', '.join(absent)}"
            return Choice(paths, AssetState.UNAVAILABLE, reason)
        return Choice(paths)


def _is(what: str, so: bool) -> str:
    return f"is {what}" if so else f"is not {what}"


def _absent(resource: Resource) -> str:
    instead = f" (only {resource.instead} is)" if resource.instead else ""
    return f"{resource.filename}{instead}"


def refusal(
    select: Select, asset: Asset, wanted: Collection[Resource], members: Collection[str] | None
) -> str:
    """Why the selection leaves this asset out; empty if it does not."""
    size = sum(resource.size or 0 for resource in wanted)
    created, metadata = asset.created, asset.metadata
    since, until = select.since, select.until
    rules = (
        (not wanted, "has none of the selected files"),
        (asset.kind not in select.kinds, f"is {_A_KIND[asset.kind]}"),
        (created is None and (since or until), "has no capture date"),
        (created and since and created < since, "captured before 'since'"),
        (created and until and created >= until, "not captured before 'until'"),
        (select.favorites not in (None, metadata.favorite), _is("a favourite", metadata.favorite)),
        (select.hidden not in (None, metadata.hidden), _is("hidden", metadata.hidden)),
        (size < select.min_size, f"smaller than min_size: {show_size(size)}"),
        (
            select.max_size is not None and size > select.max_size,
            f"larger than max_size: {show_size(size)}",
        ),
        (members is not None and asset.id not in members, "in none of the selected albums"),
    )
    return next((reason for applies, reason in rules if applies), "")
