"""Verify: are the copies the ledger calls confirmed still there, byte for byte?"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TypeVar

from connectors.abilities import Inventory, Prompter, ReadBack
from connectors.base import Receipt, Sink
from connectors.errors import ItemError, Misconfigured, OutpourError, Transient
from pipeline import retry
from pipeline.events import Notice, Observer, telling
from pipeline.ledger import Ledger, asset_states
from pipeline.ledger.copies import checks, losses
from pipeline.ledger.copies.comparison import Comparison
from pipeline.ledger.copies.losses import Fate, Loss
from pipeline.left_out import LeftOut
from pipeline.limits import Gate
from pipeline.meter import Meter
from pipeline.runner.attention import Attention
from pipeline.runner.copies import moved_copies
from pipeline.runner.ending import EXITS, recorded, state_without
from pipeline.runner.job import Job
from pipeline.runner.places.overlap import in_sources
from pipeline.runner.places.same_place import looking_through
from pipeline.stages.copy_lookup import SecondLook, find_copy
from pipeline.stages.recheck import reread, sha256
from pipeline.states import CopyState, Exit, RunState
from pipeline.stopping import Stop

T = TypeVar("T")
_READERS = 4
_ACCEPT = "(deleted on purpose: outpour verify --accept-lost)"
_ELSEWHERE = "outpour run makes it again from another sink that has it"
_FATES = {
    Fate.AGAIN: "",
    Fate.FREED: f", and freed at the source: {_ELSEWHERE}; else outpour reclaim --undo brings it "
    f"back while its bin has it {_ACCEPT}",
    Fate.LEFT: f", and no longer at the source: {_ELSEWHERE} {_ACCEPT}",
    Fate.OWED: f", and freed at the source: {_ELSEWHERE}",
    Fate.LEFT_OUT: f", and select leaves it out: nothing makes it again while it does {_ACCEPT}",
}


@dataclass
class SinkCheck:
    """What one sink was found to hold.

    ``wrong`` names copies that are missing or changed, also those that an earlier check found so
    and no run has brought back; ``acceptable`` counts those of them that the source does not give
    (``accept_lost``). ``unread`` names those of which nothing more is known because they could
    not be read; ``edited`` counts sidecars that somebody changed (theirs now, and not wrong),
    ``foreign`` files the ledger does not know, of which ``strangers`` names a thousand at most;
    ``doubled`` names content held twice, ``moved`` counts copies that are elsewhere now,
    unchanged; ``accepted`` names what is missed no more. ``away`` says why it could not be looked
    at, or not to the end.
    """

    name: str
    checked: int = 0
    bytes_read: int = 0
    wrong: list[tuple[str, str]] = field(default_factory=list)
    unread: list[tuple[str, str]] = field(default_factory=list)
    foreign: int = 0
    strangers: list[str] = field(default_factory=list)
    moved: int = 0
    edited: int = 0
    doubled: list[str] = field(default_factory=list)
    acceptable: int = 0
    accepted: list[str] = field(default_factory=list)
    away: str = ""


@dataclass(frozen=True)
class Verified:
    """``ended`` is COMPLETE where all sinks could be looked at."""

    sinks: tuple[SinkCheck, ...]
    ended: RunState

    @property
    def exit(self) -> Exit:
        if any(sink.wrong or sink.unread for sink in self.sinks):
            return Exit.ITEMS_FAILED
        return EXITS.get(self.ended, Exit.OK)


def verify(
    job: Job,
    ledger: Ledger,
    observer: Observer,
    *,
    stop: Stop,
    download: float | None = None,
    accept_lost: bool = False,
    prompter: Prompter | None = None,
) -> Verified:
    """Check every confirmed copy at every sink and mark what is not as it was.

    A sink whose listing carries its own checksums is checked by listing, without a download;
    ``download`` (a share from 0 to 1) reads that part of the files back as well. Any other
    sink is read back whole. What is missing or changed is moved again by the next run; of what
    could not be read nothing changes. With ``accept_lost`` copies that are missing of assets that
    are no longer at the source, or not selected, are asked for no more. A sink that cannot be
    looked at holds up no other; where none can, the last one's error is raised. ``prompter`` asks
    a person whose sign-in has ended for a new one; None where nobody can be asked.
    """
    meter = Meter()
    meter.begin("verifying", unit="file")
    attempts = job.pipeline.limits.attempts
    gates = {sink.name: Gate(sink.name, _READERS, stop, attempts) for sink in job.sinks}

    tell = telling(observer)
    left_out = LeftOut(gates, tell)
    places = [(gates[sink.name], sink) for sink in job.sinks]
    attention = Attention(places, stop, prompter, tell, left_out.leave_out)

    def check(run: int) -> tuple[SinkCheck, ...]:
        for sink in job.sinks:
            why = job.away.get(sink.name)
            if why is not None and not left_out.leave_out(gates[sink.name], why):
                raise why
        order = _Order(job, ledger, observer, stop, meter, download, run if accept_lost else None)
        return tuple(_Checker(order, sink, gate).check(left_out) for gate, sink in places)

    losses.owe(ledger, job.goal)
    with recorded(ledger, "verify", stop) as record, asset_states.rechecked_if_interrupted(ledger):
        checked = attention.during(lambda: check(record.run))
        lost = list(left_out.reasons.values())
        record.state = state_without(lost) if lost else RunState.COMPLETE
    return Verified(checked, record.state)


@dataclass(frozen=True, slots=True)
class _Order:
    """What is the same for every sink. ``download`` is the share to read back, ``accepting`` the
    run that notes which losses are accepted."""

    job: Job
    ledger: Ledger
    observer: Observer
    stop: Stop
    meter: Meter
    download: float | None
    accepting: int | None


class _Checker:
    """Looks at one sink."""

    def __init__(self, order: _Order, sink: Sink, gate: Gate) -> None:
        self._order = order
        self._ledger = order.ledger
        self._stop = order.stop
        self._goal = order.job.goal
        self._sink = sink
        self._gate = gate
        self._result = SinkCheck(sink.name)
        self._wrong: checks.Wrong = {}

    def check(self, left_out: LeftOut) -> SinkCheck:
        pipeline = self._order.job.pipeline
        with (
            left_out.tolerating(self._sink.name),
            looking_through(self._ledger, pipeline, self._sink, self._patiently),
        ):
            self._look()
        self._result.away = self._gate.left_out.advice if self._gate.left_out else ""
        checks.mark_waiting(self._ledger, self._sink.name, self._goal)
        if self._order.accepting is not None and not self._result.away:  # to the end: no empty disk
            self._accept_lost(self._order.accepting)
        self._tell_wrong(losses.owed(self._ledger, self._sink.name, self._goal.sinks))
        return self._result

    def _tell_wrong(self, owed: Mapping[int, Loss]) -> None:
        told = {key: (one.path, one.reason + _FATES[one.fate]) for key, one in owed.items()}
        self._result.wrong = list({**self._wrong, **told}.values())
        acceptable = (one.fate not in (Fate.AGAIN, Fate.OWED) for one in owed.values())
        self._result.acceptable = sum(acceptable)
        for path, why in self._result.wrong:
            self._order.observer.notice(Notice("error", f"{path}: {why}", self._sink.name))

    def _accept_lost(self, run: int) -> None:
        gone = losses.accept(self._ledger, run, self._sink.name, self._goal.sinks)
        for resource, path in gone.items():
            self._result.accepted.append(path)
            self._wrong.pop(resource, None)

    def _look(self) -> None:
        listed = self._sink.traits.algorithm is not None and isinstance(self._sink, Inventory)
        if listed:
            listed = self._by_listing()
        share = (self._order.download or 0.0) if listed else 1.0
        if share:
            if not isinstance(self._sink, ReadBack):
                raise Misconfigured(f"{self._sink.name} cannot be read back")
            self._by_reading(self._sink, share, counted=listed)
            if isinstance(self._sink, Inventory) and not listed:
                self._find_moved(self._sink, self._sink.inventory)

    def _by_listing(self) -> bool:
        """Whether the listing told a checksum of every file we know."""
        compared = self._patiently(self._compared)
        compared.finish(SecondLook(self._find_copy))
        self._result.foreign, self._result.strangers = compared.foreign, compared.strangers
        self._result.moved = compared.moved
        self._result.doubled = compared.doubled
        self._result.edited = compared.edited
        self._wrong = compared.wrong
        # Of what came without a checksum nothing is proven: it is read, and counted then.
        self._result.checked = 0 if compared.bare else compared.checked
        return not compared.bare

    def _compared(self) -> Comparison:
        """One whole listing; begun afresh where it breaks."""
        assert isinstance(self._sink, Inventory)
        comparison = Comparison(self._ledger, self._sink.name)
        for receipt in self._sink.inventory():
            self._stop.check()
            comparison.saw(receipt)
            self._tell()
        self._stop.check()  # from here on, what was not listed is missing
        return comparison

    def _find_copy(self, copy: checks.Held) -> Receipt | None:
        return self._patiently(lambda: find_copy(self._sink, copy.path, copy.remote_id))

    def _patiently(self, work: Callable[[], T]) -> T:
        self._stop.check()
        return retry.call(self._gate, work)

    def _by_reading(self, sink: ReadBack, share: float, *, counted: bool) -> None:
        """Read copies back; ``counted`` says that the listing had them among the checked."""
        with ThreadPoolExecutor(_READERS, thread_name_prefix="verify") as readers:
            for batch in self._sampled(share):
                answers = readers.map(lambda copy: self._read(sink, copy), batch)
                for copy, found in zip(batch, answers, strict=True):
                    self._tell()
                    if isinstance(found, OutpourError):
                        self._could_not_read(copy, found)
                        continue
                    self._result.checked += not counted
                    self._result.bytes_read += copy.size
                    self._order.meter.add(downloaded=copy.size, done=copy.size)
                    state = checks.mark(self._ledger, copy, found)
                    self._result.edited += state is CopyState.YIELDED
                    if state is CopyState.MISSING:
                        self._wrong[copy.resource] = (copy.path, found)

    def _find_moved(self, sink: ReadBack, listing: Callable[[], Iterator[Receipt]]) -> None:
        """Look for copies that are gone among the files that are no copy."""
        self._ledger.flush()

        def read(receipt: Receipt) -> str:
            return self._patiently(lambda: sha256(sink, receipt, self._stop))

        def look() -> None:
            name = self._sink.name
            apart = in_sources(self._order.job.pipeline, name)
            for copy, receipt in moved_copies.find(self._ledger, name, listing(), apart, read):
                self._result.moved += receipt.path != copy.path
                self._wrong.pop(copy.resource, None)
                checks.found_at(self._ledger, copy, receipt)
                checks.mark(self._ledger, copy, "")
                self._ledger.flush()  # should the listing break, it is not looked for again

        self._patiently(look)

    def _could_not_read(self, copy: checks.Held, error: OutpourError) -> None:
        self._result.unread.append((copy.path, f"could not be read: {error}"))
        text = f"{copy.path}: could not be read: {error}"
        self._order.observer.notice(Notice("error", text, self._sink.name, error.hint))

    def _sampled(self, share: float) -> Iterator[list[checks.Held]]:
        for batch in checks.held(self._ledger, self._sink.name):
            yield [copy for copy in batch if share >= 1 or random.random() < share]

    def _read(self, sink: ReadBack, copy: checks.Held) -> str | OutpourError:
        """Why the copy is not what it was, empty if it is; or why that cannot be told."""
        try:
            why = self._patiently(lambda: reread(sink, copy, self._stop))
        except (ItemError, Transient) as error:
            if isinstance(error, Transient) and (place := self._gate.dead_end(error)):
                raise place from error
            return error
        self._gate.succeeded(copy.size)
        return why

    def _tell(self) -> None:
        if self._order.meter.count_one() % 50 == 0:
            self._order.observer.progress(self._order.meter.snapshot())
