"""A full place whose look fails: what waiting mends is waited for, the rest goes to a person."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from connectors.abilities import Capacity, Prompter
from connectors.errors import (
    CapacityExceeded,
    Fatal,
    Misconfigured,
    OutpourError,
    SessionExpired,
    Transient,
)
from connectors.memory import Library, MemorySink, MemorySource, Shelf
from pipeline.config.models import Route
from pipeline.rooms import Room
from pipeline.runner import Outcome
from pipeline.states import Exit
from tests.engine.rig import Recorder, contents, ending, fill, go, job

pytestmark = pytest.mark.wide


class Locked(MemorySink):
    """Full halfway. After the first look, which finds that out, each look meets ``errors`` in
    turn, the last one for ever; ``open`` ends that and lifts the limit."""

    def __init__(self, limit: int, errors: Sequence[OutpourError | None]) -> None:
        super().__init__("to", Shelf(limit=limit))
        self.errors = list(errors)
        self.looks = 0
        self.reconnects = 0

    def open(self) -> None:
        self.errors = [None]
        self._shelf.limit = None

    def capacity(self) -> Capacity:
        self.looks += 1
        if self.looks > 1:
            error = self.errors.pop(0) if len(self.errors) > 1 else self.errors[0]
            if error is not None:
                raise error
            self._shelf.limit = None
        return super().capacity()

    def reconnect(self, prompter: Prompter) -> None:
        self.reconnects += 1
        self.open()


class Nobody:
    """A prompter that is never asked: ``Locked`` needs no answer."""

    def tell(self, message: str) -> None: ...

    def ask(self, question: str, *, secret: bool = False) -> str:
        raise AssertionError(question)

    def choose(self, question: str, options: Sequence[str]) -> int:
        raise AssertionError(question)


class World:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.library = Library()
        held = fill(self.library, 30)
        self.half = sum(len(data) for files in held.values() for data in files) // 2
        self.observer = Recorder()

    def run(
        self, sink: MemorySink, *others: MemorySink, prompter: Prompter | None = None
    ) -> Outcome:
        work = job(
            MemorySource("from", self.library),
            [sink, *others],
            staging=self.folder / "s",
            route=Route(full="wait"),
        )
        ended = ending(lambda: go(work, self.folder / "l.sqlite", self.observer, prompter=prompter))
        assert isinstance(ended, Outcome), ended
        return ended

    def said(self, text: str) -> list[str]:
        """The hints of what was said of this."""
        return [notice.hint for notice in self.observer.notices if text in notice.text]

    def whole(self, sink: MemorySink) -> bool:
        landed = sorted(contents(sink._shelf).values())
        return landed == sorted(self.library.contents.values())


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    monkeypatch.setattr("pipeline.rooms._FIRST_LOOK", 0.05)
    return World(tmp_path)


EXPIRED = SessionExpired("the sign-in has ended", hint="Run outpour connect to.")


def test_where_nobody_can_be_asked_the_run_ends_and_says_how_to_sign_in(world: World) -> None:
    sink = Locked(world.half, [EXPIRED])
    outcome = world.run(sink)
    assert outcome.exit is Exit.NEEDS_PERSON
    assert "the sign-in has ended" in outcome.error and "outpour connect" in outcome.error
    sink.open()
    assert world.run(sink).exit is Exit.OK and world.whole(sink)


def test_the_person_is_asked_and_the_place_is_looked_at_again(world: World) -> None:
    sink, other = Locked(world.half, [EXPIRED]), MemorySink("other", Shelf())
    outcome = world.run(sink, other, prompter=Nobody())
    assert outcome.exit is Exit.OK and world.whole(sink) and world.whole(other)
    assert sink.reconnects == 1
    assert world.said("waits for you") == [EXPIRED.hint]


@pytest.mark.parametrize(
    "error",
    [
        Fatal("the account is closed", hint="Ask them."),
        Misconfigured("no such folder", hint="Ask them."),
    ],
)
def test_what_neither_time_nor_a_sign_in_mends_ends_the_run(error: Fatal, world: World) -> None:
    outcome = world.run(Locked(world.half, [error]))
    assert outcome.exit is Exit.FATAL
    assert str(error) in outcome.error and error.hint in outcome.error


@pytest.mark.parametrize("error", [Fatal("it is closed"), Misconfigured("no such folder")])
def test_nor_does_it_keep_another_sink_from_its_copies(error: Fatal, world: World) -> None:
    other = MemorySink("other", Shelf())
    outcome = world.run(Locked(world.half, [error]), other)
    assert outcome.exit is Exit.FATAL and str(error) in outcome.error
    assert world.whole(other)


def test_a_look_that_fails_for_now_is_told_once_with_its_hint_and_repeated(world: World) -> None:
    broken = Transient("no answer", hint="Is it on?")
    sink = Locked(world.half, [broken, broken, broken, None])
    assert world.run(sink).exit is Exit.OK and world.whole(sink)
    assert world.said("no answer") == ["Is it on?"]


def test_after_a_sign_in_nobody_waits_for_the_next_look() -> None:
    """Looks at a full place are minutes apart; the person who signed in is there now."""
    sink = Locked(10, [EXPIRED])
    room = Room(sink)
    room.look()
    room.sleep(CapacityExceeded("full"))
    room._look_at = 0.0
    with pytest.raises(SessionExpired):
        room.wake(1)
    assert room.look_is_due
    sink.open()
    assert room.wake(1) and room.asleep is None
