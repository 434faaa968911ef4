"""Whether a run has anything to do yet, by the pipeline's ``when``."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from connectors.abilities import Capacity, HasCapacity
from connectors.base import Sink, Source
from connectors.errors import Misconfigured
from pipeline.config.models import When

AskCapacity = Callable[[Source | Sink, Callable[[], Capacity]], Capacity]
"""Reads the capacity of a place, however many attempts that takes."""


def why_idle(when: When, sources: Sequence[Source], sinks: Sequence[Sink], ask: AskCapacity) -> str:
    """Why nothing is to be done now; empty if a run is due.

    Misconfigured where the policy names a place that does not tell how full it is.
    """
    if not when.full and not when.used_above:
        return ""
    reasons = []
    ends: list[Source | Sink] = [*sources, *sinks]
    for source in sources if when.full else ():
        room = _capacity(source, ask)
        if room.full or room.free == 0:
            return ""
        reasons.append(f"{source.name} is not full")
    for end in ends:
        share = when.used_above.get(end.name)
        if share is None:
            continue
        room = _capacity(end, ask)
        if not room.total:
            raise Misconfigured(f"when: {end.name} has no limit, so no share of it is ever used")
        if room.used > share * room.total:
            return ""
        reasons.append(f"{end.name} is {room.used / room.total:.1%} used, not above {share:.0%}")
    return ", ".join(reasons)


def _capacity(end: Source | Sink, ask: AskCapacity) -> Capacity:
    if not isinstance(end, HasCapacity):
        raise Misconfigured(f"when: {end.name} does not tell how full it is")
    return ask(end, end.capacity)
