"""What changes between the choice and the deletion keeps its photo, and so does silence."""

from __future__ import annotations

import time
from collections.abc import Sequence
from itertools import count
from pathlib import Path

import pytest
from sqlalchemy import update

from connectors.base import Receipt
from connectors.errors import Fatal, OutpourError, Throttled, Transient
from connectors.memory import MemorySink, MemorySource
from pipeline.ledger import Ledger, schema
from pipeline.reclaim import freeing, reclaiming
from pipeline.states import CopyState
from pipeline.stopping import Stop
from tests.engine.rig import Recorder
from tests.reclaim.rig import FAST, World, ask
from tests.reclaim.test_reclaim import LIVE, rows


class Mutating(MemorySource):
    """Someone edits a photo in the instant before it is deleted."""

    def trash(self, assets: Sequence[tuple[str, str | None]]) -> list[OutpourError | None]:
        if any(asset == LIVE for asset, _ in assets):
            self._library.put(self._library.assets[LIVE], {})
        return super().trash(assets)


def test_a_change_in_the_last_instant_is_refused_by_the_source(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.source = Mutating("from", world.library)
    _, done = world.reclaim()
    assert world.present() == {LIVE}
    assert len(done.refused) == 1 and "changed" in done.refused[0][1]
    assert [row["state"] for row in rows(world, schema.trash)].count("refused") == 1


class Grumpy(MemorySource):
    """Throttles, loses answers after having acted, and answers some items with 'later'."""

    calls = 0

    def trash(self, assets: Sequence[tuple[str, str | None]]) -> list[OutpourError | None]:
        self.calls += 1
        if self.calls % 4 == 1:
            raise Throttled("429", retry_after=0.01)
        if self.calls % 4 == 2:
            super().trash(assets[:1])
            raise Transient("the answer was lost")
        done = super().trash(assets[:-1])
        last = [Transient("try again")] if self.calls % 4 == 3 else super().trash(assets[-1:])
        return [*done, *last]


def test_answers_that_say_later_are_asked_again(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.source = Grumpy("from", world.library)
    _, done = world.reclaim()
    assert done.whole and done.assets == 9 and not world.present()


@pytest.mark.wide
@pytest.mark.parametrize("acted", [False, True])
def test_copies_are_looked_at_again_before_a_request_is_repeated(
    tmp_path: Path, acted: bool
) -> None:
    """Hours may lie between two requests, where a person has to sign in."""
    world = World(tmp_path)
    lost = world.path(world.shelves[1], LIVE)
    calls = count(1)

    class Busy(MemorySource):
        def trash(self, assets: Sequence[tuple[str, str | None]]) -> list[OutpourError | None]:
            if next(calls) == 1:
                answers = super().trash(assets) if acted else []
                world.shelves[1].visible.pop(lost, None)
                raise Throttled(f"later, after {len(answers)}", retry_after=0.01)
            return super().trash(assets)

    world.source = Busy("from", world.library)
    _, done = world.reclaim()
    assert [why for _, why in done.withdrawn if "the next run finds out" in why]
    assert (done.assets, len(done.withdrawn)) == (8, 1)
    assert world.present() == (set() if acted else {LIVE})
    with Ledger.open(world.ledger) as ledger, world.session(ledger) as session:
        session.survey(ask())
    told = [row["state"] for row in rows(world, schema.trash)]
    assert told.count("trashed") == 9 - len(world.present())


@pytest.mark.wide
def test_a_look_that_waited_for_a_person_is_no_proof(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the first sink answered is old once the second one's sign-in was waited for."""
    world = World(tmp_path, count=4)
    lost = world.path(world.shelves[0], LIVE)

    class SignedOut(MemorySink):
        def stat(self, path: str) -> Receipt | None:
            time.sleep(0.3)
            world.shelves[0].visible.pop(lost, None)
            return super().stat(path)

    monkeypatch.setattr(freeing, "_LONG", 0.2)
    monkeypatch.setattr(freeing, "_FRESH", 0.1)
    world.sinks = [world.sinks[0], SignedOut("to1", world.shelves[1])]
    _, done = world.reclaim()
    assert (done.assets, len(done.withdrawn), world.present()) == (3, 1, {LIVE})


class Silent(MemorySource):
    """Acts, and then never answers."""

    def trash(self, assets: Sequence[tuple[str, str | None]]) -> list[OutpourError | None]:
        super().trash(assets[:2])
        raise Transient("connection reset")


def test_a_lost_answer_is_read_from_the_next_listing(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.source = Silent("from", world.library)
    _, done = world.reclaim()
    assert (done.unclear, done.assets) == (4, 0) and done.error
    assert [row["state"] for row in rows(world, schema.trash)] == ["intended"] * 4
    world.source = MemorySource("from", world.library)
    with Ledger.open(world.ledger) as ledger, world.session(ledger) as session:
        session.survey(ask())
    told = [row["state"] for row in rows(world, schema.trash)]
    assert (told.count("trashed"), told.count("refused")) == (2, 2)
    assert world.undo(done.run).assets == 2 and len(world.present()) == 9


def test_nothing_goes_while_a_listing_is_not_complete(tmp_path: Path) -> None:
    world = World(tmp_path)
    with Ledger.open(world.ledger) as ledger, world.session(ledger) as session:
        chosen = session.survey(ask())
        ledger.transact(lambda c: c.execute(update(schema.cursors).values(complete=False)))
        done = session.free(ask(), chosen)
    assert isinstance(done.error, Fatal) and "not complete" in str(done.error)
    assert len(world.present()) == 9


def test_what_changed_in_the_ledger_since_it_was_chosen_stays(tmp_path: Path) -> None:
    world = World(tmp_path)
    with Ledger.open(world.ledger) as ledger, world.session(ledger) as session:
        chosen = session.survey(ask())
        mine = schema.assets.c.asset_id == LIVE
        statement = update(schema.assets).where(mine).values(revision="another")
        ledger.transact(lambda c: c.execute(statement))
        done = session.free(ask(), chosen)
    assert world.present() == {LIVE} and len(done.withdrawn) == 1


def test_a_stop_ends_between_two_batches(tmp_path: Path) -> None:
    world = World(tmp_path)
    stop = Stop()

    class Impatient(MemorySource):
        def trash(self, assets: Sequence[tuple[str, str | None]]) -> list[OutpourError | None]:
            stop.set("interrupted")
            return super().trash(assets)

    world.source = Impatient("from", world.library)
    with (
        Ledger.open(world.ledger) as ledger,
        reclaiming(world.job, ledger, Recorder(), stop=stop, pace=FAST) as session,
    ):
        done = session.free(ask(), session.survey(ask()))
    assert done.interrupted and (done.assets, len(world.present())) == (4, 5)


# --- sinks that cannot be asked ------------------------------------------------------------


class Unreachable(MemorySink):
    def stat(self, path: str) -> None:
        raise Transient("connection refused")


def test_a_sink_that_cannot_be_asked_is_no_proof_and_no_loss(tmp_path: Path) -> None:
    world = World(tmp_path, count=2)
    world.sinks = [world.sinks[0], Unreachable("to1", world.shelves[1])]
    _, done = world.reclaim()
    assert len(done.withdrawn) == 2 and len(world.present()) == 2
    assert {row["state"] for row in rows(world, schema.copies)} == {CopyState.CONFIRMED}
