"""Promise: a copy that is the only one left of a freed photo is never forgotten once it is lost."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from connectors.base import Receipt
from connectors.errors import Fatal
from connectors.memory import MemorySink, Shelf
from pipeline.ledger import Ledger
from pipeline.limits import GivenUp
from pipeline.runner import rebuild, verify
from pipeline.runner.verification import Verified
from pipeline.states import Exit
from pipeline.stopping import Stop, Stopped
from tests.engine.rig import Recorder, contents, go
from tests.reclaim.rig import World
from tests.reclaim.test_reclaim import LIVE

pytestmark = pytest.mark.wide


def checked(world: World, *, accept_lost: bool = False) -> Verified:
    with Ledger.open(world.ledger) as ledger:
        return verify(world.job, ledger, Recorder(), stop=Stop(), accept_lost=accept_lost)


def lose(world: World, *shelves: Shelf) -> None:
    """The photo's own file, somewhere."""
    for shelf in shelves:
        del shelf.visible[world.path(shelf, LIVE)]


def killed(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run that ends between a sink's answer and the ledger."""

    def ended(*_: object) -> None:
        raise Stopped

    with monkeypatch.context() as meanwhile:
        meanwhile.setattr("pipeline.ledger.steps.confirmed", ended)
        go(world.job, world.ledger)


def test_each_verify_names_it_and_says_what_helps(tmp_path: Path) -> None:
    world = World(tmp_path)
    _, done = world.reclaim()
    assert done.whole and not world.present()
    lose(world, *world.shelves)
    for _ in range(2):
        found = checked(world)
        assert found.exit is Exit.ITEMS_FAILED
        wrong = [one for sink in found.sinks for one in sink.wrong]
        assert len(wrong) == len(world.shelves)
        for _, why in wrong:
            assert why.startswith("missing") and "outpour reclaim --undo" in why
        outcome = go(world.job, world.ledger)
        assert outcome.exit is Exit.ITEMS_FAILED and outcome.lost == len(world.shelves)
    assert not world.undo().ended_early and LIVE in world.present()
    assert go(world.job, world.ledger).exit is Exit.OK
    assert checked(world).exit is Exit.OK


def test_what_was_deleted_on_purpose_may_be_missing(tmp_path: Path) -> None:
    """Only what is missing then, and only until the photo is back at its source."""
    world = World(tmp_path)
    world.reclaim()
    lose(world, *world.shelves)
    accepted = checked(world, accept_lost=True)
    assert accepted.exit is Exit.OK
    assert [len(sink.accepted) for sink in accepted.sinks] == [1, 1]
    outcome = go(world.job, world.ledger)
    assert (outcome.exit, outcome.lost) == (Exit.OK, 0)
    assert checked(world).exit is Exit.OK

    shelf = world.shelves[0]
    shelf.visible.pop(next(iter(shelf.visible)))
    assert checked(world).exit is Exit.ITEMS_FAILED
    assert not world.undo().ended_early and LIVE in world.present()
    assert go(world.job, world.ledger).exit is Exit.OK
    assert all(world.path(shelf, LIVE) in shelf.visible for shelf in world.shelves)


def test_what_is_damaged_is_not_taken_for_deleted(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.reclaim()
    before = [contents(shelf) for shelf in world.shelves]
    shelf = world.shelves[0]
    path = world.path(shelf, LIVE)
    world.become(shelf, path, b"rotten")
    assert checked(world, accept_lost=True).exit is Exit.ITEMS_FAILED
    del shelf.visible[path]  # whoever sees that there is nothing to be kept of it
    assert go(world.job, world.ledger).exit is Exit.OK
    assert [contents(shelf) for shelf in world.shelves] == before


def test_both_halves_of_a_live_photo_go_beside_what_somebody_put_there(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.reclaim()
    shelf = world.shelves[0]
    still = world.path(shelf, LIVE)
    stem = still.rpartition(".")[0]
    world.become(shelf, still, b"mine")
    assert checked(world).exit is Exit.ITEMS_FAILED
    assert go(world.job, world.ledger).exit is Exit.OK
    world.become(shelf, f"{stem}.MOV", b"mine, too")
    assert checked(world).exit is Exit.ITEMS_FAILED
    assert go(world.job, world.ledger).exit is Exit.OK
    ours = {path for path in contents(shelf) if path.startswith(f"{stem}-")}
    assert {path.rpartition(".")[2] for path in ours} == {"HEIC", "MOV"}
    assert len({path.rpartition(".")[0] for path in ours}) == 1
    assert checked(world).exit is Exit.OK


def test_nothing_is_doubled_where_its_place_was_taken_for_a_while(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = World(tmp_path)
    world.reclaim()
    shelf = world.shelves[0]
    path, count = world.path(shelf, LIVE), len(shelf.visible)
    world.become(shelf, path, b"mine")
    assert checked(world).exit is Exit.ITEMS_FAILED
    killed(world, monkeypatch)
    assert len(shelf.visible) == count + 1
    del shelf.visible[path]
    assert go(world.job, world.ledger).exit is Exit.OK
    assert len(shelf.visible) == count
    assert checked(world).exit is Exit.OK


def test_the_next_run_makes_it_again_from_another_sink(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.reclaim()
    before = [contents(shelf) for shelf in world.shelves]
    lose(world, world.shelves[0])
    assert checked(world).exit is Exit.ITEMS_FAILED
    watcher = Recorder()
    assert go(world.job, world.ledger, watcher).exit is Exit.OK
    assert [contents(shelf) for shelf in world.shelves] == before
    assert any("1 lost copy made again" in notice.text for notice in watcher.notices)
    assert checked(world).exit is Exit.OK
    assert not world.present(), "it is not back at its source for that"


def test_bytes_that_are_not_the_photo_s_any_more_are_never_spread(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.reclaim()
    lose(world, world.shelves[0])
    assert checked(world).exit is Exit.ITEMS_FAILED
    other = world.shelves[1]
    world.become(other, world.path(other, LIVE), b"something else")
    outcome = go(world.job, world.ledger)
    assert outcome.exit is Exit.ITEMS_FAILED and outcome.lost == 2
    assert b"something else" not in contents(world.shelves[0]).values()


def test_a_run_that_is_killed_in_between_doubles_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = World(tmp_path)
    world.reclaim()
    before = [contents(shelf) for shelf in world.shelves]
    lose(world, world.shelves[0])
    assert checked(world).exit is Exit.ITEMS_FAILED
    killed(world, monkeypatch)
    assert go(world.job, world.ledger).exit is Exit.OK
    assert [contents(shelf) for shelf in world.shelves] == before
    assert checked(world).exit is Exit.OK


def test_what_a_person_put_in_its_place_stays_and_it_is_made_again_beside_that(
    tmp_path: Path,
) -> None:
    world = World(tmp_path)
    world.reclaim()
    shelf = world.shelves[0]
    path = world.path(shelf, LIVE)
    world.become(shelf, path, b"mine")
    lost = contents(world.shelves[1])[world.path(world.shelves[1], LIVE)]
    assert checked(world).exit is Exit.ITEMS_FAILED
    for _ in range(2):
        assert go(world.job, world.ledger).exit is Exit.OK
        assert contents(shelf)[path] == b"mine"
        (beside,) = [there for there, data in contents(shelf).items() if data == lost]
        assert beside.startswith(path.rpartition(".")[0] + "-")
    assert checked(world).exit is Exit.OK


def test_a_person_may_put_it_back(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.reclaim()
    (shelf, *_) = world.shelves
    lost = world.path(shelf, LIVE)
    kept = shelf.visible.pop(lost)
    assert checked(world).exit is Exit.ITEMS_FAILED
    shelf.visible[lost] = kept
    assert checked(world).exit is Exit.OK
    assert go(world.job, world.ledger).exit is Exit.OK


def test_a_copy_of_the_ledger_that_is_put_back_knows_it_and_a_rebuilt_one_does_not(
    tmp_path: Path,
) -> None:
    world = World(tmp_path)
    world.reclaim()
    kept = tmp_path / "elsewhere" / "copy.sqlite"
    kept.parent.mkdir()
    world.ledger.rename(kept)
    with Ledger.open(world.ledger) as ledger:
        rebuilt = rebuild(world.job, ledger, Recorder(), stop=Stop())
    assert [(sink.files, sink.foreign) for sink in rebuilt.sinks] == [(0, 12), (0, 12)]
    shelf = world.shelves[0]
    lost = world.path(shelf, LIVE)
    del shelf.visible[lost]
    assert checked(world).exit is Exit.OK
    for path in tmp_path.glob(f"{world.ledger.name}*"):
        path.unlink()
    kept.rename(world.ledger)
    (wrong,) = [one for sink in checked(world).sinks for one in sink.wrong]
    assert wrong[0] == lost


def test_a_sink_that_is_given_up_is_missed_by_no_run(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.reclaim()
    (shelf, *_) = world.shelves
    del shelf.visible[world.path(shelf, LIVE)]
    assert checked(world).exit is Exit.ITEMS_FAILED
    job = world.job
    rest = job.pipeline.model_copy(update={"sinks": job.pipeline.sinks[1:]})
    assert go(replace(job, pipeline=rest, sinks=job.sinks[1:]), world.ledger).exit is Exit.OK


def test_a_place_that_was_given_up_is_passed_over(tmp_path: Path) -> None:
    """It would have had the photo; the one after it has it too."""

    class Away(MemorySink):
        def read(self, receipt: Receipt) -> Iterator[bytes]:
            raise GivenUp(Fatal("it is closed"))

    world = World(tmp_path, sinks=3)
    world.reclaim()
    before = [contents(shelf) for shelf in world.shelves]
    lose(world, world.shelves[0])
    assert checked(world).exit is Exit.ITEMS_FAILED
    first, _, last = world.sinks
    world.sinks = [first, Away("to1", world.shelves[1]), last]
    assert go(world.job, world.ledger).exit is Exit.OK
    assert [contents(shelf) for shelf in world.shelves] == before
