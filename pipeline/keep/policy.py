"""Which sinks get what people would miss, as the pipeline asks for it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from connectors.base import Role, Sink
from pipeline.config.models import Keep
from pipeline.keep import xmp


def excluded_roles(keep: Keep, sinks: Iterable[Sink]) -> dict[str, frozenset[Role]]:
    """Roles of files that do not go to each sink: what it cannot keep, and sidecars where
    none are to stand."""
    wanted = {"never": False, "always": True}.get(keep.sidecars)
    return {
        sink.name: sink.traits.refuses
        if (sink.traits.sidecars if wanted is None else wanted)
        else sink.traits.refuses | {Role.METADATA}
        for sink in sinks
    }


def completes(sinks: Iterable[Sink], excluded: Mapping[str, Collection[Role]]) -> bool:
    """Whether a sidecar that says too little can be made whole later wherever one is to stand.
    ``excluded`` is what ``excluded_roles`` says of each sink."""
    return all(sink.traits.replaces or Role.METADATA in excluded[sink.name] for sink in sinks)


def takes_index(keep: Keep, sink: Sink) -> bool:
    """Whether an album index is to stand at the sink."""
    return keep.albums == "index" and sink.traits.sidecars and sink.traits.replaces


def form(excluded: Mapping[str, Collection[Role]]) -> str:
    """Names the way sidecars are made now; empty if no sink gets any. ``excluded`` is
    what ``excluded_roles`` says of each sink."""
    wanted = any(Role.METADATA not in roles for roles in excluded.values())
    return f"xmp {xmp.VERSION}" if wanted else ""
