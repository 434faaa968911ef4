"""Which sinks count for a reclaim, and which of them count as one.

Two folders on one disk or in one account are lost together (``HasMedium``); a sink that is the
source itself, or only sends back what it was told, does not count.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from connectors.abilities import HasMedium, ReadBack
from connectors.base import Sink
from connectors.errors import OutpourError
from pipeline.config.models import Pipeline, Place


@dataclass(frozen=True)
class SinkGroups:
    """The sinks whose word counts. ``groups`` puts those together that count as one;
    ``remarks`` say why some do not count, or not by themselves."""

    sinks: dict[str, Sink]
    groups: tuple[tuple[str, ...], ...]
    remarks: tuple[str, ...] = ()


def group_sinks(pipeline: Pipeline, sinks: Sequence[Sink], *, same_disk: bool) -> SinkGroups:
    """Which sinks count, and which of them count as one. Asks no place but local ones."""
    remarks: list[str] = []
    counted: dict[str, Sink] = {}
    places = {place.name: place for place in pipeline.sinks}
    for sink in sinks:
        place = places[sink.name]
        if any(place.same_as(source) is not False for source in pipeline.sources):
            why = "it is the source itself, as far as its settings tell"
            remarks.append(f"{sink.name} does not count: {why}")
        elif sink.traits.algorithm is None and not isinstance(sink, ReadBack):
            remarks.append(f"{sink.name} does not count: its copies cannot be checked")
        else:
            counted[sink.name] = sink
    groups = _grouped(counted, places, same_disk=same_disk)
    for group in groups:
        if len(group) > 1:
            one = "the same place" if same_disk else "on one disk or account (see --same-disk)"
            remarks.append(f"{' and '.join(group)} count as one copy: they are {one}")
    return SinkGroups(counted, groups, tuple(remarks))


def _grouped(
    sinks: Mapping[str, Sink], places: Mapping[str, Place], *, same_disk: bool
) -> tuple[tuple[str, ...], ...]:
    """Names of sinks that are lost together, or with ``same_disk`` of those that are alike."""
    media: dict[str, str] = {}
    if not same_disk:
        media = {name: _medium(sink) for name, sink in sinks.items() if isinstance(sink, HasMedium)}
    unsure = {places[name].type for name, medium in media.items() if not medium}
    groups: dict[tuple[str, str], list[str]] = {}
    for name in sinks:
        place = places[name]
        if place.type in unsure:
            key = ("type", place.type)
        elif name in media:
            key = ("medium", media[name])
        else:
            key = ("place", next(p.name for p in places.values() if _alike(p, place)))
        groups.setdefault(key, []).append(name)
    return tuple(map(tuple, groups.values()))


def _medium(sink: HasMedium) -> str:
    try:
        return sink.medium()
    except OutpourError:
        return ""  # nobody signed in: what it held may be in any other's account


def _alike(one: Place, other: Place) -> bool:
    return (one.type, one.settings) == (other.type, other.settings)
