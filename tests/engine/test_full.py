"""A full place is a state and no error: others go on, nothing is sent twice, work returns."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Literal

import pytest

from connectors.abilities import Capacity
from connectors.base import Body, Checkpoint, Put, Receipt, Transferred
from connectors.errors import DailyLimit, LimitReached, OutpourError
from connectors.memory import Library, MemorySink, MemorySource, Shelf
from pipeline.config.models import Route
from pipeline.events import Notice
from pipeline.rooms import Room
from pipeline.runner import Outcome
from pipeline.states import Exit
from tests.engine.rig import Recorder, contents, fill, go, job

To = Literal["all", "first", "spread"]
Full = Literal["next", "wait", "stop"]


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipeline.rooms._FIRST_LOOK", 0.05)


class Counting(MemorySink):
    """Knows how many bytes it was sent; ``lag`` is by how much its figures are behind."""

    def __init__(self, name: str, shelf: Shelf, lag: int = 0) -> None:
        super().__init__(name, shelf)
        self.sent = 0
        self.looks = 0
        self.lag = lag
        self._lock = threading.Lock()

    def transfer(self, put: Put, body: Body, token: str | None, keep: Checkpoint) -> Transferred:
        done = super().transfer(put, body, token, keep)
        with self._lock:
            self.sent += put.size
        return done

    def capacity(self) -> Capacity:
        self.looks += 1
        told = super().capacity()
        if told.total is None or told.free is None or not self.lag:
            return told
        used = max(0, told.used - self.lag)
        return Capacity(used, told.total, told.total - used)


class Crowded(Counting):
    """Others write here: after a few files the rest of the room is theirs."""

    def transfer(self, put: Put, body: Body, token: str | None, keep: Checkpoint) -> Transferred:
        done = super().transfer(put, body, token, keep)
        with self._shelf.lock:
            self._shelf.limit = self._shelf.used
        return done


class Emptied(Recorder):
    """A person who makes room each time a place says it is full, ``times`` at most."""

    def __init__(self, shelf: Shelf, times: int) -> None:
        super().__init__()
        self.shelf = shelf
        self.times = times

    def notice(self, notice: Notice) -> None:
        super().notice(notice)
        if "full" in notice.text or "no room" in notice.text:
            with self.shelf.lock:
                if self.times:
                    self.times -= 1
                    self.shelf.used -= sum(len(data) for _, data in self.shelf.visible.values())
                    self.shelf.visible.clear()


def states(observer: Recorder, place: str) -> list[str]:
    """The lines about one place: full or room, in order."""
    said = [notice.text for notice in observer.notices if notice.place == place]
    return ["room" if "has room" in text else "full" for text in said]


def move(
    tmp_path: Path,
    library: Library,
    sinks: Sequence[MemorySink],
    *,
    to: To = "all",
    full: Full = "next",
    observer: Recorder | None = None,
) -> Outcome:
    route = Route(to=to, full=full)
    work = job(MemorySource("from", library), sinks, staging=tmp_path / "staging", route=route)
    return go(work, tmp_path / "ledger", observer)


def filled(count: int = 60) -> tuple[Library, int]:
    library = Library()
    held = fill(library, count)
    return library, sum(len(data) for files in held.values() for data in files)


@pytest.mark.wide
def test_three_sinks_that_only_together_are_large_enough(tmp_path: Path) -> None:
    library, total = filled(90)
    sinks = [Counting(name, Shelf(limit=int(total * share))) for name, share in
             (("a", 0.4), ("b", 0.4), ("c", 0.3))]  # fmt: skip
    observer = Recorder()
    assert move(tmp_path, library, sinks, to="first", observer=observer).exit is Exit.OK
    assert sum(sink.sent for sink in sinks) == total, "a byte was sent twice"
    where: dict[str, set[str]] = {}
    for sink in sinks:
        shelf = sink._shelf
        assert shelf.limit is not None and shelf.used <= shelf.limit
        for receipt, _ in shelf.visible.values():
            where.setdefault(receipt.properties["asset"], set()).add(sink.name)
    assert len(where) == 90 and all(len(at) == 1 for at in where.values()), "an asset was split"
    assert not any("full" in notice.text for notice in observer.notices), "it was known before"
    assert [n.text for n in observer.notices if n.text.startswith("by free space")]


@pytest.mark.wide
def test_a_sink_emptied_five_times_takes_the_whole_library(tmp_path: Path) -> None:
    library, total = filled()
    sink = Counting("a", Shelf(limit=total // 5))
    observer = Emptied(sink._shelf, 5)
    assert move(tmp_path, library, [sink], full="wait", observer=observer).exit is Exit.OK
    assert sink.sent == total and observer.times == 0
    lines = states(observer, "a")[1:]  # the first tells before the first byte
    assert lines.count("room") == 5
    assert all(one != other for one, other in pairwise(lines)), lines


def test_only_the_full_place_is_spoken_of(tmp_path: Path) -> None:
    """Whoever has room is neither put to sleep nor said to lack it."""
    library, total = filled()
    tight, wide = Counting("tight", Shelf(limit=total // 2)), Counting("wide", Shelf(limit=10**9))
    observer = Emptied(tight._shelf, 3)
    outcome = move(tmp_path, library, [tight, wide], full="wait", observer=observer)
    assert outcome.exit is Exit.OK and (tight.sent, wide.sent) == (total, total)
    assert states(observer, "wide") == []


@pytest.mark.parametrize("full", ["next", "stop"])
def test_without_waiting_the_run_ends_with_4(full: Full, tmp_path: Path) -> None:
    library, total = filled()
    tight, wide = Counting("tight", Shelf(limit=total // 2)), Counting("wide", Shelf())
    outcome = move(tmp_path, library, [tight, wide], full=full)
    assert outcome.exit is Exit.NO_ROOM
    if full == "next":
        assert wide.sent == total, "the other place went on"
    else:
        assert wide.sent < total, "nothing more was started"
    assert tight._shelf.limit is not None and tight._shelf.used <= tight._shelf.limit


def test_what_others_write_meanwhile_sends_the_rest_on(tmp_path: Path) -> None:
    library, total = filled()
    first, second = Crowded("first", Shelf(limit=total)), Counting("second", Shelf())
    observer = Recorder()
    outcome = move(tmp_path, library, [first, second], to="first", observer=observer)
    assert outcome.exit is Exit.OK and second.sent > 0
    held = {**contents(first._shelf), **contents(second._shelf)}
    assert len(held) == len(library.contents)
    assert states(observer, "first").count("full") == 1


@pytest.mark.wide
def test_figures_that_lag_are_believed_less_and_less(tmp_path: Path) -> None:
    """A place that says it has room and then refuses is asked more and more seldom."""
    library, total = filled(30)
    sink = Counting("a", Shelf(limit=total // 2), lag=total)
    done = threading.Timer(1.5, lambda: setattr(sink._shelf, "limit", None))
    done.start()
    observer = Recorder()
    outcome = move(tmp_path, library, [sink], full="wait", observer=observer)
    done.join()
    assert outcome.exit is Exit.OK and sink.sent == total
    assert sink.looks <= 12
    assert observer.last is not None and observer.last.bytes_done == total, "counted twice"
    assert all(one != other for one, other in pairwise(states(observer, "a")[1:]))


class Tired(MemorySink):
    """Takes ``most`` files, then none until a moment later."""

    def __init__(self, most: int) -> None:
        super().__init__("tired", Shelf())
        self.most = most
        self.until: datetime | None = None

    def commit(self, items: Sequence[Transferred]) -> list[Receipt | OutpourError]:
        return [self._one(item) for item in items]

    def _one(self, item: Transferred) -> Receipt | OutpourError:
        if len(self._shelf.visible) >= self.most and self.until is None:
            self.until = datetime.now(UTC) + timedelta(seconds=1)
        if self.until is not None and datetime.now(UTC) < self.until:
            return DailyLimit("enough for today", resume_at=self.until)
        return super().commit([item])[0]


def test_a_daily_limit_is_a_wait_with_a_time_and_no_error(tmp_path: Path) -> None:
    library, _ = filled(20)
    sink, observer = Tired(10), Recorder()
    assert move(tmp_path, library, [sink], observer=observer).exit is Exit.OK
    told = [notice for notice in observer.notices if notice.place == "tired"]
    assert len(told) == 2 and "goes on" in told[0].hint and "has room" in told[1].text


class Strict(Counting):
    """Takes ``most`` files and no more, however much room it has, until asked ``patience`` times
    how much that is."""

    def __init__(self, most: int, patience: int) -> None:
        super().__init__("strict", Shelf())
        self.most = most
        self.patience = patience
        self.refused: list[int] = []  # files, for each look at its room
        self._count = 0

    def capacity(self) -> Capacity:
        self.refused.append(self._count)
        self._count = 0
        return super().capacity()

    def commit(self, items: Sequence[Transferred]) -> list[Receipt | OutpourError]:
        return [self._one(item) for item in items]

    def _one(self, item: Transferred) -> Receipt | OutpourError:
        if len(self._shelf.visible) >= self.most and self.looks <= self.patience:
            self._count += 1
            return LimitReached("it holds as many files as it may")
        return super().commit([item])[0]


def test_a_limit_that_nobody_knows_the_end_of_is_no_reason_to_wait(tmp_path: Path) -> None:
    """There is room, but not for us: what cannot go there is left to a later run."""
    library, _ = filled(20)
    sink, observer = Strict(10, patience=10**6), Recorder()
    assert move(tmp_path, library, [sink], observer=observer).exit is Exit.NO_ROOM
    assert states(observer, "strict") == ["full"]


@pytest.mark.wide
def test_whether_a_limit_was_lifted_is_tried_with_one_file_at_a_time(tmp_path: Path) -> None:
    library, _ = filled(20)
    sink, observer = Strict(10, patience=4), Recorder()
    assert move(tmp_path, library, [sink], full="wait", observer=observer).exit is Exit.OK
    assert len(contents(sink._shelf)) == len(library.contents)
    before, first, *probes = sink.refused
    assert before == 0 and first > 0 and probes == [1, 1, 1]
    assert states(observer, "strict") == ["full", "room"], "only a change is told"


def test_a_trial_that_came_to_nothing_is_followed_by_another() -> None:
    """The file could not be had from its source: that says nothing of the sink."""
    room = Room(Counting("a", Shelf()))
    room.sleep(LimitReached("enough"))
    for _ in range(2):
        room._look_at = 0.0
        assert room.wake(1) and room.asleep
        assert room.reserve(5) and not room.reserve(5) and not room.look_is_due
        room.give_back(5)
    room._look_at = 0.0
    assert room.wake(1) and room.reserve(5)
    room.spend(5, 5)
    assert room.asleep is None and room.reserve(5) and room.reserve(5)


def test_before_the_first_byte_the_run_says_what_will_not_fit(tmp_path: Path) -> None:
    library, total = filled()
    sink = Counting("a", Shelf(limit=total - 10_000))

    class First(Recorder):
        before: int | None = None

        def notice(self, notice: Notice) -> None:
            super().notice(notice)
            if "will not fit" in notice.text:
                self.before = sink.sent

    observer = First()
    assert move(tmp_path, library, [sink], observer=observer).exit is Exit.NO_ROOM
    assert observer.before == 0
    line = next(notice.text for notice in observer.notices if "will not fit" in notice.text)
    assert "10.0 kB will not fit" in line and "waits for a later run" in line
