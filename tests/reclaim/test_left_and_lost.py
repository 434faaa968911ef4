"""Promise: a lost copy of what its owner deleted at the source, or selects no more, is not
forgotten: it is made again where it can be, and else named until somebody says that it may be."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from pipeline.config.models import Select
from pipeline.states import Exit
from tests.engine.rig import Recorder, contents, go
from tests.reclaim.rig import World
from tests.reclaim.test_lost_after import checked, lose
from tests.reclaim.test_reclaim import LIVE

pytestmark = pytest.mark.wide

SMALL = Select(max_size=1000)


def deleted(tmp_path: Path, *, sinks: int = 2) -> World:
    """The owner deleted the photo in iCloud, and all that landed stayed."""
    world = World(tmp_path, sinks=sinks)
    world.library.trash(LIVE)
    assert go(world.job, world.ledger).exit is Exit.OK
    return world


def said(world: World) -> list[str]:
    return [why for sink in checked(world).sinks for _, why in sink.wrong]


def test_another_sink_gives_it(tmp_path: Path) -> None:
    world = deleted(tmp_path)
    before = [contents(shelf) for shelf in world.shelves]
    lose(world, world.shelves[0])
    (why,) = said(world)
    assert "no longer at the source" in why and "from another sink" in why
    watcher = Recorder()
    assert go(world.job, world.ledger, watcher).exit is Exit.OK
    assert [contents(shelf) for shelf in world.shelves] == before
    assert any("1 lost copy made again" in notice.text for notice in watcher.notices)
    assert not said(world)


def test_where_none_does_it_is_named_until_it_is_accepted(tmp_path: Path) -> None:
    world = deleted(tmp_path, sinks=1)
    lose(world, *world.shelves)
    for _ in range(2):
        assert len(said(world)) == 1
        outcome = go(world.job, world.ledger)
        assert (outcome.exit, outcome.lost) == (Exit.ITEMS_FAILED, 1)
    assert checked(world, accept_lost=True).exit is Exit.OK
    assert go(world.job, world.ledger).exit is Exit.OK and not said(world)


def test_a_photo_that_was_brought_in_again_has_lost_nothing(tmp_path: Path) -> None:
    """Its old copy was deleted with it; the new one has the same bytes."""
    world = deleted(tmp_path, sinks=1)
    shelf = world.shelves[0]
    for name in ("original", "live"):
        del shelf.visible[world.path(shelf, LIVE, name)]
    assert len(said(world)) == 2
    files = dict(zip(("original", "live"), world.held[LIVE], strict=True))
    world.library.put(replace(world.library.bin[LIVE], id="again"), files)
    assert go(world.job, world.ledger).exit is Exit.OK
    assert not said(world)
    assert [*contents(shelf).values()].count(world.held[LIVE][0]) == 1


def test_what_select_leaves_out_is_named_and_not_made_again(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.select = SMALL
    assert go(world.job, world.ledger).exit is Exit.OK
    shelf = world.shelves[0]
    big = next(path for path, data in contents(shelf).items() if len(data) > 1000)
    _, kept = shelf.visible.pop(big)
    for _ in range(2):
        (why,) = said(world)
        assert "select leaves it out" in why
        assert go(world.job, world.ledger).exit is Exit.OK and big not in shelf.visible
    world.select = None
    assert go(world.job, world.ledger).exit is Exit.OK
    assert contents(shelf)[big] == kept and not said(world)


def test_what_select_leaves_out_may_be_missing(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.select = SMALL
    assert go(world.job, world.ledger).exit is Exit.OK
    for shelf in world.shelves:
        for path in [path for path, data in contents(shelf).items() if len(data) > 1000]:
            del shelf.visible[path]
    accepted = checked(world, accept_lost=True)
    assert accepted.exit is Exit.OK and all(sink.accepted for sink in accepted.sinks)
    assert not said(world)
    world.select = None  # and it is there to be had again
    assert go(world.job, world.ledger).exit is Exit.OK
    assert all(len(shelf.visible) == 12 for shelf in world.shelves)
