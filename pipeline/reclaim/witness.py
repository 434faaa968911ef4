"""Asking the sinks: is every copy still there, and are the copies really several?

What could fool the evidence, and how it is met: a hard link or a folder configured twice is
one copy (``Identifies``, or the sink's own id); two folders on one disk or in one account are
lost together (``HasMedium``); a sink that is the source itself, or only sends back what it was
told, is no witness.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from connectors.abilities import HasMedium, Identifies, ReadBack
from connectors.base import Receipt, Sink
from connectors.checksums import Algorithm
from connectors.errors import ItemError, NotFound, OutpourError
from pipeline.config.models import Pipeline, Place
from pipeline.ledger.checks import GONE, Held
from pipeline.ledger.codec import now
from pipeline.ledger.evidence import Claim, File
from pipeline.stages.looking import look
from pipeline.stages.recheck import differs, reread
from pipeline.stopping import Stop


@dataclass(frozen=True, slots=True)
class Seen:
    """What a sink said of one copy today. ``wrong`` says what is not as it was, ``unproven``
    why nothing can be said; both empty: the bytes are there. ``identity`` names those bytes."""

    copy: Held
    how: str = ""
    checksum: str = ""
    time: str = ""
    identity: str | None = None
    wrong: str = ""
    unproven: str = ""

    @property
    def good(self) -> bool:
        return not self.wrong and not self.unproven


@dataclass(frozen=True)
class Panel:
    """The sinks whose word counts. ``groups`` puts those together that count as one;
    ``remarks`` say why some do not count, or not by themselves."""

    sinks: dict[str, Sink]
    groups: tuple[tuple[str, ...], ...]
    remarks: tuple[str, ...] = ()


def panel(pipeline: Pipeline, sinks: Sequence[Sink], *, same_disk: bool) -> Panel:
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
    return Panel(counted, groups, tuple(remarks))


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


def examine(sink: Sink, file: File, copy: Held, stop: Stop) -> Seen:
    """Look at one copy: by the sink's own checksum where it keeps one, else by its bytes.

    Raises what says nothing about the copy (Transient, SessionExpired, ...).
    """
    receipt = look(sink, copy.path, copy.remote_id)
    if receipt is None:
        return Seen(copy, wrong=GONE)
    algorithm = sink.traits.algorithm
    if algorithm is not None and algorithm in {given.algorithm for given in receipt.checksums}:
        expected = file.digests.values.get(algorithm)
        if expected is None:
            return Seen(copy, unproven=f"{algorithm} of its bytes is not known")
        wrong = differs(sink.traits, receipt, file.digests)
        how, checksum = "listed", f"{algorithm}:{expected}"
    elif isinstance(sink, ReadBack):
        wrong = reread(sink, copy, stop)
        how, checksum = "read back", f"{Algorithm.SHA256}:{copy.sha256}"
    else:
        return Seen(copy, unproven="the sink gives no checksum of it")
    if wrong:
        return Seen(copy, wrong=wrong)
    try:
        identity = _identity(sink, copy, receipt)
    except NotFound:
        return Seen(copy, wrong=GONE)
    except ItemError as error:
        return Seen(copy, unproven=str(error))
    return Seen(copy, how, checksum, now(), identity)


def _identity(sink: Sink, copy: Held, receipt: Receipt) -> str | None:
    return sink.identity(copy.path) if isinstance(sink, Identifies) else receipt.id


@dataclass
class Hearing:
    """What the sinks said of one asset."""

    claim: Claim
    seen: dict[int, list[Seen]] = field(default_factory=dict)  # by file

    def hear(self, file: File, seen: Seen) -> None:
        self.seen.setdefault(file.key, []).append(seen)

    @property
    def wrong(self) -> list[Seen]:
        """Copies that are not as they were."""
        return [one for seen in self.seen.values() for one in seen if one.wrong]

    def objection(self, groups: Iterable[Sequence[str]], copies: int) -> str:
        """Why the asset may not go; empty if it may."""
        for file in self.claim.files:
            for one in self.seen.get(file.key, ()):
                if not one.good:
                    return f"{one.copy.sink}: {one.copy.path}: {one.wrong or one.unproven}"
        whole = self._distinct(groups)
        if whole < copies:
            return f"has {whole} of {copies} independent copies"
        return ""

    def _distinct(self, groups: Iterable[Sequence[str]]) -> int:
        """Places that hold every file; those that share the bytes of one count once."""
        clusters = [set(group) for group in groups]
        for file in self.claim.files:
            shared: dict[str, set[str]] = {}
            for one in self.seen.get(file.key, ()):
                if one.identity is not None:
                    shared.setdefault(one.identity, set()).add(one.copy.sink)
            for sinks in shared.values():
                touched = [cluster for cluster in clusters if cluster & sinks]
                clusters = [cluster for cluster in clusters if not cluster & sinks]
                clusters.append(set().union(*touched))
        return sum(1 for cluster in clusters if cluster & self._whole())

    def _whole(self) -> set[str]:
        held = [
            {one.copy.sink for one in self.seen.get(file.key, ()) if one.good}
            for file in self.claim.files
        ]
        return set.intersection(*held) if held else set()


def unheard(copy: Held, error: OutpourError) -> Seen:
    """A copy whose sink could not be asked."""
    return Seen(copy, unproven=f"could not be checked: {error}")
