"""Is a place still the one that its name stood for? A name alone does not say so.

Another folder, disk or account under the name of a sink holds none of the copies that the
ledger counts there, and a disk that is not connected leaves an empty folder in its stead.
While a place calls itself what it did last time, nothing else is asked.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol, TypeVar

from connectors.abilities import Recognises, Situated, Traces
from connectors.base import Sink, Source
from connectors.errors import Fatal, Misconfigured, OutpourError
from pipeline.config.models import Pipeline, Place
from pipeline.ledger import Ledger, places, renaming
from pipeline.ledger.copies import adoption
from pipeline.stages.copy_lookup import find_copy
from pipeline.wording import counted

T = TypeVar("T")
_SAMPLES = 20
_AT_ONCE = _SAMPLES  # a cloud takes its time for each question
_END = '"]'  # of a place's JSON
_OF_ANY = "Connect the disk or account that does."
_NEW = "A new place gets a name of its own in a pipeline file, or with --to another folder."


class Ask(Protocol):
    """One question to the place, asked again as its errors say."""

    def __call__(self, question: Callable[[], T], /) -> T: ...


def check_sink(
    ledger: Ledger, pipeline: Pipeline, sink: Sink, ask: Ask, *, after: bool = False
) -> str:
    """Which place it is, empty where there is none yet; Misconfigured where the copies that the
    ledger counts at it are not in it, Fatal where its disk is not connected.

    If it is another place than last time, copies spread over all of them have to be there. Was
    it exchanged while copies were made, some may be in either: ``after`` that, no place is
    the sink's until it was looked into.
    """
    try:
        where = _recognised(ledger, pipeline, sink, ask, _SAMPLES)
        _follow(ledger, pipeline, sink, where)
        _remember(ledger, sink, where)
    except Fatal:
        if after:
            places.remember(ledger, sink.name, "")
        raise
    return where


def why_elsewhere(ledger: Ledger, pipeline: Pipeline, sink: Sink) -> OutpourError | None:
    """Why a sink on this computer is not the place that its copies went to; None if it is, and of
    one that would have to be asked over a network. Remembers nothing."""
    if sink.traits.local:
        try:
            _recognised(ledger, pipeline, sink, lambda question: question(), _SAMPLES)
        except OutpourError as error:
            return error
    return None


def check_distinct(found: Sequence[tuple[Sink, str]]) -> None:
    """Misconfigured where two of these are one place: it would hold one copy, not two."""
    first: dict[str, str] = {}
    for sink, where in found:
        other = first.setdefault(where, sink.name)
        if where and other != sink.name and isinstance(sink, Situated):
            raise Misconfigured(f"{sink.name} is the same place as {other}: name it once")


@contextlib.contextmanager
def looking_through(ledger: Ledger, pipeline: Pipeline, sink: Sink, ask: Ask) -> Iterator[None]:
    """For whoever looks at all copies: one that is there is enough to begin, and the place is
    the sink's from the end on."""
    where = _recognised(ledger, pipeline, sink, ask, 1)
    _follow(ledger, pipeline, sink, where)
    yield
    _remember(ledger, sink, where)


def check_source(ledger: Ledger, source: Source, ask: Ask) -> None:
    """Fatal where a source that had assets is another place now and has none: it is not there.
    Misconfigured where it knows itself that it is another one."""
    if not isinstance(source, Situated):
        return
    where, last = ask(source.whereabouts), places.remembered(ledger, source.name)
    if where == last:
        return
    if last and isinstance(source, Recognises):
        recognise = source.recognise
        ask(lambda: recognise(last))
    before = places.assets_of(ledger, source.name)
    if last and before and ask(lambda: not next(iter(source.pages())).assets):
        raise Fatal(
            f"{source.name} is empty, and had {counted(before)}",
            hint="Connect its disk, or check its path.",
        )
    places.remember(ledger, source.name, where)


def source_whereabouts(place: Place, source: Source, ask: Ask) -> str:
    """Which place it is, in the words that are kept of a sink; empty where it does not say so."""
    return _told(place, ask(source.whereabouts)) if isinstance(source, Situated) else ""


def _recognised(ledger: Ledger, pipeline: Pipeline, sink: Sink, ask: Ask, enough: int) -> str:
    """Which place it is; empty where there is none yet, which then holds nothing."""
    where = ask(lambda: _whereabouts(pipeline, sink))
    before = places.remembered(ledger, sink.name)
    if where and where == before:
        return where
    wanted = places.sample_copies(ledger, sink.name, _SAMPLES)
    if before and not wanted:
        if places.has_had_copies(ledger, sink.name):
            raise _gone(pipeline, sink, ask)  # all may have changed at the source
        if not where and sink.traits.local:  # a folder here does not go by itself
            raise Fatal(
                f"{sink.name}: its folder is gone",
                hint="Connect its disk, or make the folder again.",
            )
    found = _found(sink, wanted, ask) if where else 0
    if found < min(1 if _tells_more(where, before) else enough, len(wanted)):
        raise _missed(sink.name, found, len(wanted)) if found else _gone(pipeline, sink, ask)
    return where


def _tells_more(where: str, before: str | None) -> bool:
    """Whether it says what it did, and more: an earlier version did not ask for its folder."""
    return before is not None and where.startswith(f"{before.removesuffix(_END)} ")


def _follow(ledger: Ledger, pipeline: Pipeline, sink: Sink, where: str) -> None:
    names = {place.name for place in (*pipeline.sources, *pipeline.sinks)}
    renaming.follow(ledger, sink.name, where, names)


def _remember(ledger: Ledger, sink: Sink, where: str) -> None:
    before = places.remembered(ledger, sink.name)
    if where and where != before:
        places.remember(ledger, sink.name, where)
        if before is not None:  # what it holds beside the copies is not what the other held
            adoption.look_again(ledger, sink.name)


def _whereabouts(pipeline: Pipeline, sink: Sink) -> str:
    """What it says itself, however the file spells it; else what the file says."""
    place = pipeline.sink(sink.name)
    if not isinstance(sink, Situated):
        return json.dumps(place.identity if place else [])
    return _told(place, sink.whereabouts())


def _told(place: Place | None, where: str) -> str:
    return where and json.dumps([place.type if place else "", where])  # ends with _END


def _found(sink: Sink, wanted: Sequence[places.SampleCopy], ask: Ask) -> int:
    with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="same-place") as workers:
        return sum(workers.map(lambda known: ask(lambda: _holds(sink, known)), wanted))


def _holds(sink: Sink, known: places.SampleCopy) -> bool:
    receipt = find_copy(sink, known.path, known.remote_id)
    return receipt is not None and receipt.size == known.size


def _gone(pipeline: Pipeline, sink: Sink, ask: Ask) -> Fatal:
    """Fatal for a folder of this computer, whose disk is probably not connected; Misconfigured for
    anything else."""
    known = ask(sink.trace) if isinstance(sink, Traces) else ""
    place = pipeline.sink(sink.name)
    now = place.identity[1] if place else ""
    return (Fatal if sink.traits.local else Misconfigured)(
        f"{sink.name} holds none of the copies that were made there",
        hint=f"{f'It is {now} now. ' if now else ''}{known or _OF_ANY} {_NEW}",
    )


def _missed(name: str, found: int, wanted: int) -> Misconfigured:
    return Misconfigured(
        f"{name} is another place: {wanted - found} of {wanted} copies looked for are not there",
        hint=f"If it should be the same, outpour verify finds out what is missing. {_NEW}",
    )
