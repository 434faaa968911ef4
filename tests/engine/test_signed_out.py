"""Promise: a sink whose sign-in has ended holds up no other. It is left out, named, and brought up
to date by the first run after somebody signed in."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

import pytest
from sqlalchemy import select

from connectors.abilities import Capacity, Prompter
from connectors.base import Body, Checkpoint, Put, Receipt, Sink, Transferred
from connectors.errors import DailyLimit, Misconfigured, OutpourError, SessionExpired, Throttled
from connectors.local import LocalSink
from connectors.memory import Library, MemorySink, MemorySource, Shelf
from pipeline.config.models import Route
from pipeline.ledger import Ledger, schema
from pipeline.runner import Outcome, verify
from pipeline.states import Exit, RunState
from pipeline.stopping import Stop
from tests.engine.rig import Recorder, contents, ending, fill, go, job
from tests.engine.test_full_and_lost import Nobody

pytestmark = pytest.mark.wide

COUNT = 40
When = Literal["at the start", "after some", "at the commits"]


class Leaving(MemorySink):
    """Its sign-in ends after so many questions, and comes back with ``signed_in``."""

    def __init__(self, left: int, *, commits: bool = False) -> None:
        super().__init__("to", Shelf())
        self.left = left
        self.commits = commits
        self.signed_in = False

    def _ask(self) -> None:
        self.left -= 1
        if self.left < 0 and not self.signed_in:
            raise SessionExpired("the sign-in has ended", hint="run: outpour connect to")

    def whereabouts(self) -> str:
        self._ask()
        return super().whereabouts()

    def capacity(self) -> Capacity:
        self._ask()
        return super().capacity()

    def stat(self, path: str) -> Receipt | None:
        self._ask()
        return super().stat(path)

    def transfer(self, put: Put, body: Body, token: str | None, keep: Checkpoint) -> Transferred:
        if not self.commits:
            self._ask()
        return super().transfer(put, body, token, keep)

    def commit(self, items: Sequence[Transferred]) -> list[Receipt | OutpourError]:
        self._ask()
        return super().commit(items)


class World:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.library = Library()
        fill(self.library, COUNT)
        self.here = LocalSink("here", folder / "Photos", readback=False)
        self.recorder = Recorder()

    def run(self, *sinks: MemorySink, route: Route | None = None) -> Outcome:
        made = job(
            MemorySource("from", self.library), [*sinks, self.here], staging=self.folder / "s",
            route=route,
        )  # fmt: skip
        return go(made, self.folder / "l.sqlite", self.recorder)

    @property
    def landed(self) -> list[bytes]:
        files = (path for path in (self.folder / "Photos").rglob("*.*") if path.is_file())
        return sorted(path.read_bytes() for path in files)

    @property
    def whole(self) -> list[bytes]:
        return sorted(self.library.contents.values())


def last_command(ledger: Path) -> tuple[str, str]:
    """As the history has it: the last one, and how it ended."""
    with Ledger.open(ledger) as opened, opened.read() as connection:
        runs = schema.runs.c
        row = connection.execute(select(runs.command, runs.state).order_by(runs.id.desc())).first()
    assert row is not None
    return row.command, row.state


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipeline.rooms._FIRST_LOOK", 0.05)


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


@pytest.mark.parametrize("left", [0, 1, 2, 5, 17])
@pytest.mark.parametrize("commits", [False, True])
def test_the_others_get_all_of_it_in_this_run_and_in_the_next(
    world: World, left: int, commits: bool
) -> None:
    sink = Leaving(left, commits=commits)
    for _ in range(2):
        outcome = world.run(sink)
        assert outcome.exit is Exit.NEEDS_PERSON
        assert outcome.error == "the sign-in has ended. Run: outpour connect to"
        assert world.landed == world.whole
        assert outcome.summary.failed == 0, "nothing is wrong with the photos"
        fill(world.library, COUNT + 5)  # which the second run finds
    sink.signed_in = True
    assert world.run(sink).exit is Exit.OK
    assert sorted(contents(sink._shelf).values()) == world.landed == world.whole


def test_what_was_meant_for_it_goes_where_the_policy_has_another_place(world: World) -> None:
    sink = Leaving(4)
    outcome = world.run(sink, route=Route(to="first"))
    assert outcome.exit is Exit.NEEDS_PERSON and outcome.summary.confirmed == COUNT
    assert sorted([*contents(sink._shelf).values(), *world.landed]) == world.whole


def test_when_no_other_is_left_the_run_ends(world: World) -> None:
    outcome = go(
        job(MemorySource("from", world.library), [Leaving(5)], staging=world.folder / "s"),
        world.folder / "l.sqlite",
    )
    assert outcome.exit is Exit.NEEDS_PERSON and outcome.summary.confirmed < COUNT


@pytest.mark.parametrize("first", [True, False], ids=["named first", "named last"])
def test_verify_checks_the_others(world: World, first: bool) -> None:
    sink = Leaving(10_000)
    assert world.run(sink).exit is Exit.OK
    sink.left = 0
    sinks: list[Sink] = [sink, world.here] if first else [world.here, sink]

    def check() -> tuple[Exit, dict[str, tuple[int, int, str]]]:
        with Ledger.open(world.folder / "l.sqlite") as ledger:
            made = job(MemorySource("from", world.library), sinks, staging=world.folder / "s")
            found = verify(made, ledger, Recorder(), stop=Stop())
        return found.exit, {s.name: (s.checked, len(s.wrong), s.away) for s in found.sinks}

    files = len(world.whole)
    away = "the sign-in has ended. Run: outpour connect to"
    assert check() == (Exit.NEEDS_PERSON, {"to": (0, 0, away), "here": (files, 0, "")})
    assert last_command(world.folder / "l.sqlite") == ("verify", RunState.NEEDS_PERSON)
    next((world.folder / "Photos").rglob("*.HEIC")).unlink()
    assert check() == (Exit.ITEMS_FAILED, {"to": (0, 0, away), "here": (files, 1, "")})
    assert world.run(sink).exit is Exit.NEEDS_PERSON
    assert world.landed == world.whole


@pytest.mark.parametrize("when", [0, 1])
def test_a_daily_limit_met_before_the_first_byte_stops_no_other(world: World, when: int) -> None:
    """Not only uploads are counted: a place may refuse the very question which one it is."""

    class Tired(Leaving):
        def _ask(self) -> None:
            self.left -= 1
            if self.left < 0:
                raise DailyLimit("enough for today", resume_at=datetime.now(UTC))

    sink = Tired(10_000)
    assert world.run(sink).exit is Exit.OK
    fill(world.library, COUNT + 5)
    sink.left = when
    outcome = world.run(sink)
    assert outcome.exit is Exit.NO_ROOM and world.landed == world.whole
    assert "enough for today. It goes on" in outcome.error
    sink.left = 10_000
    assert world.run(sink).exit is Exit.OK
    assert sorted(contents(sink._shelf).values()) == world.whole


@pytest.mark.parametrize("when", [0, 1])
def test_a_place_that_only_asks_for_pauses_holds_up_no_other(
    world: World, when: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipeline.runner.connections._OTHERS_WAIT", 0.2)

    class Busy(Leaving):
        def _ask(self) -> None:
            self.left -= 1
            if self.left < 0:
                raise Throttled("later", retry_after=0.01)

    sink = Busy(10_000)
    assert world.run(sink).exit is Exit.OK
    fill(world.library, COUNT + 5)
    sink.left = when
    assert world.run(sink).exit is Exit.FATAL and world.landed == world.whole


def test_of_two_places_that_ask_for_pauses_at_once_one_is_waited_for(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As two folders of one account do."""
    monkeypatch.setattr("pipeline.runner.connections._OTHERS_WAIT", 0.2)
    until = time.monotonic() + 1.5

    class Busy(MemorySink):
        def whereabouts(self) -> str:
            if time.monotonic() < until:
                raise Throttled("later", retry_after=0.01)
            return super().whereabouts()

    sinks = [Busy(name, Shelf()) for name in ("one", "two")]
    made = job(MemorySource("from", world.library), sinks, staging=world.folder / "s")
    assert go(made, world.folder / "l.sqlite").exit is Exit.FATAL
    assert sorted(len(contents(sink._shelf)) for sink in sinks) == [0, len(world.whole)]


def test_verify_says_which_place_takes_no_more_questions_today(world: World) -> None:
    class Tired(MemorySink):
        tired = False

        def whereabouts(self) -> str:
            if self.tired:
                raise DailyLimit("enough for today", resume_at=datetime.now(UTC))
            return super().whereabouts()

    sink = Tired("to", Shelf())
    assert world.run(sink).exit is Exit.OK
    sink.tired = True
    with Ledger.open(world.folder / "l.sqlite") as ledger:
        made = job(MemorySource("from", world.library), [sink, world.here], staging=world.folder)
        found = verify(made, ledger, Recorder(), stop=Stop())
    assert found.exit is Exit.NO_ROOM and found.sinks[0].away.startswith("enough for today.")
    assert found.sinks[1].checked == len(world.whole) and not found.sinks[1].unread


def test_verify_asks_whoever_is_there_and_goes_on(world: World) -> None:
    class Renewed(Leaving):
        def reconnect(self, prompter: Prompter) -> None:
            self.signed_in = True

    sink = Renewed(10_000)
    assert world.run(sink).exit is Exit.OK
    sink.left = 0
    made = job(MemorySource("from", world.library), [sink], staging=world.folder / "s")
    with Ledger.open(world.folder / "l.sqlite") as ledger:
        found = verify(made, ledger, Recorder(), stop=Stop(), prompter=Nobody())
    assert sink.signed_in and found.exit is Exit.OK
    assert found.sinks[0].checked == len(world.whole)


@pytest.mark.parametrize("full", ["wait", "next", "stop"])
@pytest.mark.parametrize("left", [1, 6])
def test_nobody_waits_for_room_where_nothing_is_left_to_put(
    world: World, full: Literal["wait", "next", "stop"], left: int
) -> None:
    """The other sink has everything, and just no room for more."""
    sink, shelf = Leaving(left), Shelf(limit=sum(map(len, world.whole)) + 10)
    made = job(
        MemorySource("from", world.library), [sink, MemorySink("exact", shelf)],
        staging=world.folder / "s", route=Route(full=full),
    )  # fmt: skip
    outcome = ending(lambda: go(made, world.folder / "l.sqlite"))
    assert isinstance(outcome, Outcome) and outcome.exit is Exit.NEEDS_PERSON
    assert sorted(contents(shelf).values()) == world.whole
    assert set(outcome.summary.waiting) == {"a person is needed at to"}


def test_a_sink_that_is_full_and_then_signed_out_is_waited_for_no_longer(world: World) -> None:
    class Full(Leaving):
        def capacity(self) -> Capacity:
            self._ask()
            return Capacity(10, 10, 0)

    full = Full(3)
    full._shelf.limit = 10
    made = job(
        MemorySource("from", world.library), [full, world.here], staging=world.folder / "s",
        route=Route(full="wait"),
    )  # fmt: skip
    outcome = ending(lambda: go(made, world.folder / "l.sqlite"))
    assert isinstance(outcome, Outcome) and outcome.exit is Exit.NEEDS_PERSON
    assert world.landed == world.whole


def test_a_failed_sign_in_at_a_terminal_stops_no_other_sink(world: World) -> None:
    class Hopeless(Leaving):
        def reconnect(self, prompter: Prompter) -> None:
            raise Misconfigured("the client is not accepted")

    made = job(
        MemorySource("from", world.library), [Hopeless(4), world.here], staging=world.folder / "s"
    )
    outcome = go(made, world.folder / "l.sqlite", prompter=Nobody())
    assert outcome.exit is Exit.NEEDS_PERSON and world.landed == world.whole


class Asking(Leaving):
    """Its question stays open until the other sink has everything; ``in_vain`` if that never is."""

    def __init__(self, left: int, world: World) -> None:
        super().__init__(left)
        self._world = world
        self.in_vain = True

    def reconnect(self, prompter: Prompter) -> None:
        deadline = time.monotonic() + 20
        while self.in_vain and time.monotonic() < deadline:
            with contextlib.suppress(FileNotFoundError):  # gets its name just now
                self.in_vain = self._world.landed != self._world.whole
            time.sleep(0.02)
        self.signed_in = True  # somebody came at last


@pytest.mark.parametrize("left", [0, 4])
def test_nor_does_a_question_that_nobody_answers(
    world: World, left: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Staging is small: what waits for the sink that asks would soon hold the other."""
    monkeypatch.setattr("pipeline.runner.attention._UNANSWERED", 0.2)

    sink = Asking(left, world)
    made = job(
        MemorySource("from", world.library), [sink, world.here],
        staging=world.folder / "s", budget=300_000,
    )  # fmt: skip
    outcome = go(made, world.folder / "l.sqlite", world.recorder, prompter=Nobody())
    assert not sink.in_vain and world.landed == world.whole
    assert outcome.exit is Exit.NEEDS_PERSON
    assert outcome.error == "the sign-in has ended. Run: outpour connect to"
    assert world.run(sink).exit is Exit.OK
    assert sorted(contents(sink._shelf).values()) == world.whole


def test_of_the_only_place_an_answer_is_waited_for(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipeline.runner.attention._UNANSWERED", 0.05)

    class Slow(Leaving):
        def reconnect(self, prompter: Prompter) -> None:
            time.sleep(0.3)
            self.signed_in = True

    made = job(MemorySource("from", world.library), [Slow(5)], staging=world.folder / "s")
    outcome = go(made, world.folder / "l.sqlite", prompter=Nobody())
    assert outcome.exit is Exit.OK


def test_nor_does_one_whose_turn_to_be_asked_never_comes(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two sign-ins have ended, and the question about the first stays open."""
    monkeypatch.setattr("pipeline.runner.attention._UNANSWERED", 0.2)

    first, second = Asking(4, world), Asking(4, world)
    second.name = "too"
    made = job(
        MemorySource("from", world.library), [first, second, world.here],
        staging=world.folder / "s", budget=300_000,
    )  # fmt: skip
    outcome = go(made, world.folder / "l.sqlite", prompter=Nobody())
    assert not first.in_vain and world.landed == world.whole
    assert outcome.exit is Exit.NEEDS_PERSON
