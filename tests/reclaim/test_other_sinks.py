"""Promise: what was freed goes along when the sinks of its pipeline change, or is missed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from connectors.base import Receipt
from connectors.memory import MemorySink, Shelf
from pipeline.config.models import Route
from pipeline.ledger import Ledger
from pipeline.ledger.copies import checks
from pipeline.runner.copies import moved_copies
from pipeline.states import Exit
from tests.engine.rig import contents, go
from tests.engine.test_lookalikes import archived
from tests.ledger.earlier import as_version_seven
from tests.reclaim.rig import World
from tests.reclaim.test_lost_after import checked
from tests.reclaim.test_reclaim import LIVE

pytestmark = pytest.mark.wide


def freed(tmp_path: Path, sinks: int = 1, route: Route | None = None) -> World:
    world = World(tmp_path, sinks=sinks, route=route)
    _, done = world.reclaim(copies=1)
    assert done.whole and not world.present()
    return world


def test_a_sink_that_is_added_gets_it_from_another(tmp_path: Path) -> None:
    world = freed(tmp_path)
    added = Shelf()
    world.sinks = [*world.sinks, MemorySink("added", added)]
    assert go(world.job, world.ledger).exit is Exit.OK
    assert contents(added) == contents(world.shelves[0])
    assert checked(world).exit is Exit.OK
    world.sinks = world.sinks[1:]  # the old one goes
    world.shelves[0].visible.clear()
    outcome = go(world.job, world.ledger)
    assert outcome.exit is Exit.OK
    assert [sink.name for sink in outcome.summary.sinks] == ["added"], "nobody looks after another"
    assert checked(world).exit is Exit.OK


def test_one_that_took_the_place_of_the_only_other_is_said_to_lack_it(tmp_path: Path) -> None:
    world = freed(tmp_path)
    world.sinks = [MemorySink("instead", Shelf())]
    outcome = go(world.job, world.ledger)
    assert (outcome.exit, outcome.lost) == (Exit.ITEMS_FAILED, 12)
    assert checked(world).exit is Exit.ITEMS_FAILED
    assert checked(world, accept_lost=True).exit is Exit.OK
    for _ in range(2):
        assert go(world.job, world.ledger).exit is Exit.OK
    world.sinks = [*world.sinks, MemorySink("further", Shelf())]
    assert go(world.job, world.ledger).exit is Exit.ITEMS_FAILED, "it was accepted of the other"
    assert checked(world, accept_lost=True).exit is Exit.OK
    assert go(world.job, world.ledger).exit is Exit.OK


@pytest.mark.parametrize("before", [lambda ledger: None, as_version_seven])
def test_what_was_accepted_of_one_is_missed_at_another_only(
    tmp_path: Path, before: Callable[[Path], None]
) -> None:
    """Also where an earlier version took note of it."""
    world = freed(tmp_path)
    world.sinks = [MemorySink("instead", Shelf())]
    go(world.job, world.ledger)
    assert checked(world, accept_lost=True).exit is Exit.OK
    before(world.ledger)
    world.sinks = [*world.sinks, MemorySink("further", Shelf())]
    go(world.job, world.ledger)
    missed = {sink.name: len(sink.wrong) for sink in checked(world).sinks}
    assert missed == {"instead": 0, "further": 12}


def test_one_with_another_name_has_what_it_had(tmp_path: Path) -> None:
    world = freed(tmp_path)
    shelf = world.shelves[0]
    before = contents(shelf)
    world.sinks = [MemorySink("renamed", shelf)]
    assert go(world.job, world.ledger).exit is Exit.OK
    assert contents(shelf) == before
    del shelf.visible[world.path(shelf, LIVE)]
    assert checked(world).exit is Exit.ITEMS_FAILED


def test_more_copies_than_before_are_made_of_it_too(tmp_path: Path) -> None:
    world = freed(tmp_path, 3, Route(to="first", copies=1))
    assert not world.shelves[1].visible
    world.route = Route(to="first", copies=2)
    assert go(world.job, world.ledger).exit is Exit.OK
    first, second, third = map(contents, world.shelves)
    assert first == second and not third
    assert checked(world).exit is Exit.OK


@pytest.mark.parametrize("limit", [0, 4000])
def test_where_the_first_is_full_the_next_gets_it(tmp_path: Path, limit: int) -> None:
    world = freed(tmp_path, route=Route(to="first", copies=1))
    old, full, roomy = world.sinks[0], Shelf(limit), Shelf()
    world.route = Route(to="first", copies=2)
    world.sinks = [old, MemorySink("full", full), MemorySink("roomy", roomy)]
    go(world.job, world.ledger)
    held = sorted([*contents(full).values(), *contents(roomy).values()])
    assert set(contents(world.shelves[0]).values()) <= set(held)
    assert go(world.job, world.ledger).exit is Exit.OK and checked(world).exit is Exit.OK


def test_undone_it_is_like_any_other(tmp_path: Path) -> None:
    world = freed(tmp_path)
    world.sinks = [MemorySink("instead", Shelf())]
    assert go(world.job, world.ledger).exit is Exit.ITEMS_FAILED
    assert not world.undo().ended_early
    assert go(world.job, world.ledger).exit is Exit.OK
    assert checked(world).exit is Exit.OK


def test_what_was_accepted_once_is_not_given_up_for_good(tmp_path: Path) -> None:
    """Brought back and freed again, it goes along like any other."""
    world = freed(tmp_path)
    world.shelves[0].visible.clear()
    assert checked(world, accept_lost=True).exit is Exit.OK
    assert not world.undo().ended_early
    assert go(world.job, world.ledger).exit is Exit.OK
    _, done = world.reclaim(copies=1)
    assert done.whole
    added = Shelf()
    world.sinks = [*world.sinks, MemorySink("added", added)]
    assert go(world.job, world.ledger).exit is Exit.OK
    assert contents(added) == contents(world.shelves[0])


def test_what_another_sink_has_is_not_accepted_as_lost(tmp_path: Path) -> None:
    """It was never there: the added sink had no room yet."""
    world = freed(tmp_path)
    added = Shelf(0)
    world.sinks = [*world.sinks, MemorySink("added", added)]
    outcome = go(world.job, world.ledger)
    assert outcome.exit is Exit.NO_ROOM and "no room" in outcome.error
    checked(world, accept_lost=True)
    added.limit = None
    assert go(world.job, world.ledger).exit is Exit.OK
    assert contents(added) == contents(world.shelves[0])


def test_verify_alone_misses_what_a_new_sink_lacks(tmp_path: Path) -> None:
    world = freed(tmp_path)
    world.sinks = [MemorySink("instead", Shelf())]
    assert checked(world).exit is Exit.ITEMS_FAILED


def test_what_the_added_sink_has_under_other_names_is_not_doubled(tmp_path: Path) -> None:
    world = freed(tmp_path)
    added = Shelf()
    for number, data in enumerate(contents(world.shelves[0]).values()):
        archived(added, f"Old/{number}.bin", data)
    before = contents(added)
    world.sinks = [*world.sinks, MemorySink("added", added)]
    assert go(world.job, world.ledger).exit is Exit.OK
    assert contents(added) == before
    assert checked(world).exit is Exit.OK


def test_of_files_of_one_name_each_is_looked_at(tmp_path: Path) -> None:
    """Where names are no keys: beside the copy that is there, the one that is missed may lie."""
    world = freed(tmp_path)
    with Ledger.open(world.ledger) as ledger:
        there, missed, *_ = next(checks.held(ledger, "to0"))
        checks.found_at(ledger, there, Receipt(there.path, there.size, (), "one"))
        checks.mark(ledger, missed, checks.GONE)
        ledger.flush()
        for identity, found in (("one", 0), ("two", 1)):
            beside = Receipt(there.path, missed.size, (), identity)
            for apart in (set(), {there.path}):
                pairs = moved_copies.find(
                    ledger, "to0", [beside], apart.__contains__, lambda _: missed.sha256
                )
                assert len(list(pairs)) == (0 if apart else found)
