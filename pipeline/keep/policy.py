"""Which sinks get what people would miss, as the pipeline asks for it."""

from __future__ import annotations

from collections.abc import Iterable

from connectors.base import Sink
from pipeline.config.models import Keep
from pipeline.keep import xmp


def sidecar_sinks(keep: Keep, sinks: Iterable[Sink]) -> frozenset[str]:
    """Names of the sinks where a sidecar is to stand beside each asset."""
    wanted = {"never": False, "always": True}.get(keep.sidecars)
    return frozenset(s.name for s in sinks if (s.traits.sidecars if wanted is None else wanted))


def takes_index(keep: Keep, sink: Sink) -> bool:
    """Whether an album index is to stand at the sink."""
    return keep.albums == "index" and sink.traits.sidecars and sink.traits.replaces


def form(sidecars: Iterable[str]) -> str:
    """Names the way sidecars are made now; empty if nobody wants any."""
    return f"xmp {xmp.VERSION}" if any(sidecars) else ""
