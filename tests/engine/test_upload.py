"""What a sink answers about one file of a batch concerns that file, and is done as it says."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from connectors.base import Body, Put, Receipt, Transferred
from connectors.errors import OutpourError, SessionExpired, Throttled, Transient
from connectors.memory import Library, MemorySink, MemorySource, Shelf
from pipeline.events import ItemEvent
from pipeline.runner import Outcome
from pipeline.states import Exit
from tests.engine.rig import Recorder, contents, ending, fill, go, job

Sent = Sequence[tuple[Put, Body, str | None]]


class Busy(MemorySink):
    """Answers ``error`` about the first file of a batch it meets, ``times`` times."""

    def __init__(self, step: str, error: OutpourError, times: int) -> None:
        super().__init__("to", Shelf())
        self.step = step
        self.error = error
        self.times = times
        self.victim = ""
        self.asked: list[float] = []

    def busy(self, step: str, put: Put) -> OutpourError | None:
        self.victim = self.victim or (put.path if step == self.step else "")
        if step != self.step or put.path != self.victim:
            return None
        self.asked.append(time.monotonic())
        return self.error if len(self.asked) <= self.times else None

    def transfer_many(self, items: Sent) -> list[Transferred | OutpourError]:
        sent = super().transfer_many
        return [self.busy("send", item[0]) or sent([item])[0] for item in items]

    def transfer(self, put, body, token, keep):  # type: ignore[no-untyped-def]
        busy = self.busy("send", put) if self.victim and len(self.asked) <= self.times else None
        if busy:
            raise busy
        return super().transfer(put, body, token, keep)

    def commit(self, items: Sequence[Transferred]) -> list[Receipt | OutpourError]:
        done = super().commit
        return [self.busy("commit", item.put) or done([item])[0] for item in items]


@pytest.mark.parametrize("step", ["send", "commit"])
def test_a_file_the_place_is_too_busy_for_is_waited_for_and_not_failed(
    step: str, tmp_path: Path
) -> None:
    """More refusals than a file has attempts, each honoured for as long as it says."""
    sink = Busy(step, Throttled("too many writes", retry_after=0.05), times=7)
    library = Library()
    fill(library, 12, size=500)
    work = job(MemorySource("from", library), [sink], staging=tmp_path / "s", attempts=3)
    assert go(work, tmp_path / "ledger.sqlite").exit is Exit.OK
    assert len(contents(sink._shelf)) == 16
    waits = [after - before for before, after in zip(sink.asked, sink.asked[1:], strict=False)]
    assert len(waits) >= 7 and min(waits[:7]) >= 0.05


@pytest.mark.parametrize("step", ["send", "commit"])
def test_a_file_that_keeps_failing_ends_alone(step: str, tmp_path: Path) -> None:
    sink = Busy(step, Transient("it broke"), times=1000)
    library = Library()
    fill(library, 12, size=500)
    work = job(MemorySource("from", library), [sink], staging=tmp_path / "s", attempts=3)
    outcome = go(work, tmp_path / "ledger.sqlite")
    assert outcome.exit is Exit.ITEMS_FAILED and outcome.summary.confirmed == 11
    assert sink.victim not in contents(sink._shelf) and len(sink.asked) <= 6


@pytest.mark.parametrize("step", ["send", "commit"])
def test_a_sign_in_that_ends_within_a_batch_concerns_the_place(step: str, tmp_path: Path) -> None:
    """No file fails for it: all wait for the person, and the next run goes on."""
    sink = Busy(step, SessionExpired("the sign-in has ended"), times=1)
    library = Library()
    fill(library, 12, size=500)
    work = job(MemorySource("from", library), [sink], staging=tmp_path / "s", attempts=3)
    outcome = go(work, tmp_path / "ledger.sqlite")
    assert outcome.exit is Exit.NEEDS_PERSON and not outcome.summary.failures
    assert go(work, tmp_path / "ledger.sqlite").exit is Exit.OK
    assert len(contents(sink._shelf)) == 16


class Defective(MemorySink):
    """Raises what no sink should, at ``step``."""

    def __init__(self, step: str) -> None:
        super().__init__("to", Shelf())
        self.step = step

    def transfer_many(self, items: Sent) -> list[Transferred | OutpourError]:
        if self.step == "send":
            raise ZeroDivisionError
        return super().transfer_many(items)

    def commit(self, items: Sequence[Transferred]) -> list[Receipt | OutpourError]:
        if self.step == "commit":
            raise ZeroDivisionError
        return super().commit(items)


@pytest.mark.parametrize("step", ["send", "commit"])
def test_a_defect_of_a_sink_ends_its_items_and_not_the_run(step: str, tmp_path: Path) -> None:
    library = Library()
    fill(library, 12, size=500)
    work = job(MemorySource("from", library), [Defective(step)], staging=tmp_path / "s")
    outcome = go(work, tmp_path / "ledger.sqlite")
    assert outcome.exit is Exit.ITEMS_FAILED and outcome.summary.confirmed == 0


class Speechless(Recorder):
    """Fails when it is told of the third item."""

    def item(self, event: ItemEvent) -> None:
        super().item(event)
        if len(self.items) == 3:
            raise ZeroDivisionError


def test_a_defect_after_a_file_has_ended_ends_the_run_and_is_named(tmp_path: Path) -> None:
    library, shelf = Library(), Shelf()
    fill(library, 30)
    work = job(MemorySource("from", library), [MemorySink("to", shelf)], staging=tmp_path / "s")
    ended = ending(lambda: go(work, tmp_path / "l.sqlite", Speechless()))
    assert isinstance(ended, ZeroDivisionError)
    again = ending(lambda: go(work, tmp_path / "l.sqlite"))
    assert isinstance(again, Outcome) and again.exit is Exit.OK
    assert sorted(contents(shelf).values()) == sorted(library.contents.values())
