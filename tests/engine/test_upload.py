"""What a sink answers about one file of a batch concerns that file, and is done as it says."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import count
from pathlib import Path

import pytest

from connectors.base import (
    Asset,
    Body,
    Checkpoint,
    Kind,
    Put,
    Receipt,
    Resource,
    Role,
    Transferred,
)
from connectors.errors import OutpourError, SessionExpired, Throttled, Transient, Unreachable
from connectors.memory import Library, MemorySink, MemorySource, Shelf
from pipeline.events import ItemEvent
from pipeline.runner import Outcome
from pipeline.states import Exit
from tests.engine.rig import START, Recorder, apple, contents, ending, fill, go, job

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

    def transfer(self, put: Put, body: Body, token: str | None, keep: Checkpoint) -> Transferred:
        busy = self.busy("send", put) if self.victim and len(self.asked) <= self.times else None
        if busy:
            raise busy
        return super().transfer(put, body, token, keep)

    def commit(self, items: Sequence[Transferred]) -> list[Receipt | OutpourError]:
        done = super().commit
        return [self.busy("commit", item.put) or done([item])[0] for item in items]


def sent(sink: MemorySink, folder: Path, *, attempts: int = 3) -> Outcome:
    """A run that sends twelve assets, sixteen files, to the sink."""
    library = Library()
    fill(library, 12, size=500)
    work = job(MemorySource("from", library), [sink], staging=folder / "s", attempts=attempts)
    return go(work, folder / "ledger.sqlite")


@pytest.mark.parametrize("step", ["send", "commit"])
def test_a_file_the_place_is_too_busy_for_is_waited_for_and_not_failed(
    step: str, tmp_path: Path
) -> None:
    """More refusals than a file has attempts, each honoured for as long as it says."""
    sink = Busy(step, Throttled("too many writes", retry_after=0.05), times=7)
    assert sent(sink, tmp_path).exit is Exit.OK
    assert len(contents(sink._shelf)) == 16
    waits = [after - before for before, after in zip(sink.asked, sink.asked[1:], strict=False)]
    assert len(waits) >= 7 and min(waits[:7]) >= 0.05


@pytest.mark.wide
@pytest.mark.parametrize("step", ["send", "commit"])
def test_a_line_that_is_down_for_one_answer_is_waited_for(step: str, tmp_path: Path) -> None:
    """As for a place as a whole: longer than by attempts, and no sink is left out for it."""
    sink = Busy(step, Unreachable("no route to it"), times=3)
    outcome = sent(sink, tmp_path, attempts=2)
    assert outcome.exit is Exit.OK and len(contents(sink._shelf)) == 16


@pytest.mark.parametrize("step", ["send", "commit"])
def test_a_file_that_keeps_failing_ends_alone(step: str, tmp_path: Path) -> None:
    sink = Busy(step, Transient("it broke"), times=1000)
    outcome = sent(sink, tmp_path)
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


Told = list[tuple[str, int]]
"""The checkpoints of one try: a token, and the bytes that are there."""


class Dropping(MemorySink):
    """A line that drops within each transfer. ``story`` says which checkpoints one takes till
    then; when it has no more to tell the file goes through."""

    traits = replace(MemorySink.traits, batch_below=0)

    def __init__(self, story: Iterator[Told]) -> None:
        super().__init__("to", Shelf())
        self.story = story
        self.tries = 0
        self.known: list[str | None] = []

    def transfer(self, put: Put, body: Body, token: str | None, keep: Checkpoint) -> Transferred:
        told = next(self.story, None)
        if told is None:
            return super().transfer(put, body, token, keep)
        self.tries += 1
        self.known.append(token)
        for checkpoint, held in told:
            keep(checkpoint, held)
        raise Transient("connection reset")


def advancing(parts: int, each: int) -> Iterator[Told]:
    """``parts`` parts, so many in each try."""
    for start in range(0, parts, each):
        end = min(start + each, parts)
        yield [(f"session, {part} parts", part) for part in range(start, end)]


def asked(tries: int) -> Iterator[Told]:
    """The token stays as it is; how far the last try got the place says in the next one."""
    return ([("session", number * 100)] for number in range(tries))


def restarting(parts: int) -> Iterator[Told]:
    """A place that loses its session with all it has of the file, each time."""
    return ([(f"{n}, {part} parts", part) for part in range(parts)] for n in count())


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipeline.retry._FIRST", 0.01)


def send(sink: MemorySink, folder: Path, attempts: int) -> Exit:
    """One file of 10,000 bytes."""
    library = Library()
    key, data = "one", bytes(10_000)
    resource = Resource("o", Role.ORIGINAL, "IMG_1.MOV", len(data), apple(data))
    library.put(Asset(key, Kind.VIDEO, START, (resource,)), {"o": data})
    work = job(MemorySource("from", library), [sink], staging=folder / "s", attempts=attempts)
    ended = ending(lambda: go(work, folder / "l.sqlite"))
    assert isinstance(ended, Outcome), ended
    return ended.exit


@pytest.mark.wide
@pytest.mark.usefixtures("quick")
def test_an_upload_that_gets_further_each_time_survives_more_drops_than_it_has_attempts(
    tmp_path: Path,
) -> None:
    sink = Dropping(advancing(parts=80, each=8))
    assert send(sink, tmp_path, attempts=3) is Exit.OK
    assert sink.tries == 10
    assert sink.known[-1] == "session, 71 parts", "it went on where it was"


@pytest.mark.usefixtures("quick")
def test_getting_further_by_one_answer_in_each_try_is_enough(tmp_path: Path) -> None:
    sink = Dropping(asked(30))
    assert send(sink, tmp_path, attempts=3) is Exit.OK
    assert sink.tries == 30


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize(
    "story",
    [
        ([] for _ in count()),
        ([("session", 100)] for _ in count()),
        ([(f"session {n}", 0)] for n in count()),
        ([("id", 0), (f"session {n}", 0), ("id", 0)] for n in count()),
        ([(f"session {n}", 100), (f"another id {n}", 0)] for n in count()),
    ],
    ids=["nothing", "the same", "a new session", "an id and a session", "a session and an id"],
)
def test_an_upload_that_never_advances_uses_up_its_attempts(
    story: Iterator[Told], tmp_path: Path
) -> None:
    """However many tokens tell of it: a new one may mean a new session without a new byte."""
    sink = Dropping(story)
    assert send(sink, tmp_path, attempts=4) is Exit.ITEMS_FAILED
    assert sink.tries == 4


@pytest.mark.wide
@pytest.mark.usefixtures("quick")
def test_a_place_that_loses_what_it_has_each_time_is_not_sent_to_for_ever(tmp_path: Path) -> None:
    """Each try sends half of the file."""
    sink = Dropping(restarting(50))
    assert send(sink, tmp_path, attempts=4) is Exit.ITEMS_FAILED
    assert sink.tries == 4
