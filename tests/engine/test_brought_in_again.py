"""A photo that its owner brought in again is another asset with the same bytes: it has a copy."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from connectors.base import Body, Checkpoint, Put, Receipt, Sink, Transferred
from connectors.errors import ItemError
from connectors.local.sink import LocalSink
from connectors.memory import MemorySink, Shelf
from pipeline.config.models import Keep
from pipeline.states import Exit
from tests.engine.rig import contents, go
from tests.keep.rig import World
from tests.ledger.plans import explained
from tests.reclaim.rig import World as Freeable

pytestmark = pytest.mark.wide

ID = "asset-00002"
AGAIN = "another"


def bring_in_again(world: World) -> None:
    """The photo goes to the bin and comes back as something new."""
    library = world.library
    asset = library.assets[ID]
    data = {file.id: library.contents[ID, file.id] for file in asset.resources}
    library.trash(ID)
    library.put(replace(asset, id=AGAIN), data)


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def test_nothing_is_fetched_and_its_sidecar_says_who_it_is_now(world: World) -> None:
    world.run()
    photos = {path for path in world.root.rglob("*") if path.suffix != ".xmp"}
    before = world.sidecars()
    bring_in_again(world)
    assert world.run().summary.downloaded_bytes == 0
    assert {path for path in world.root.rglob("*") if path.suffix != ".xmp"} == photos
    now = world.sidecars()
    assert now[AGAIN] == before[ID], "the same file, rewritten"
    assert set(now.values()) == set(before.values())
    assert world.verify().exit is Exit.OK
    assert world.run().summary.moved_assets == 0


@pytest.mark.parametrize("then", ["was refused", "was not wanted"])
def test_its_sidecar_becomes_its_own_whatever_had_become_of_it(world: World, then: str) -> None:
    """Nobody else writes to it any more: it would tell of what is gone for good."""

    class Refusing(LocalSink):
        def transfer(
            self, put: Put, body: Body, token: str | None, keep: Checkpoint
        ) -> Transferred:
            raise ItemError("not today")

    world.run()
    before = world.sidecars()
    if then == "was refused":
        world.say(ID, title="second")
        world.run(Refusing("here", world.root))
        bring_in_again(world)
    else:
        world.keep = Keep(sidecars="never")
        bring_in_again(world)
        world.run()
        world.keep = Keep()
    assert world.run().exit is Exit.OK
    assert world.sidecars() == {AGAIN if key == ID else key: path for key, path in before.items()}


def test_at_each_sink_what_it_has(world: World) -> None:
    """One was away at first: it gets the photo under the name that it has at the other."""
    here, shelf = LocalSink("here", world.root), Shelf()
    world.run(here)
    bring_in_again(world)
    world.run(here, MemorySink("there", shelf))
    assert sorted(world.library.contents[key, file.id] for key, a in world.library.assets.items()
                  for file in a.resources) == sorted(contents(shelf).values())  # fmt: skip
    assert len(list(world.root.rglob("*.HEIC"))) == len(world.library.assets)


def test_a_sink_that_names_no_checksum_of_the_sources_is_believed_of_its_own(world: World) -> None:
    """It says that the copy is as it was, and what that was the ledger knows."""

    class Own(MemorySink):
        def stat(self, path: str) -> Receipt | None:
            receipt = super().stat(path)
            return replace(receipt, properties={}) if receipt else None

    sink: Sink = Own("own", Shelf())
    world.run(sink)
    bring_in_again(world)
    assert world.run(sink).summary.downloaded_bytes == 0


def test_a_large_ledger_is_not_read_whole_for_a_few_new_photos(world: World) -> None:
    """Neither for each of them nor once: what may be theirs is found by its size."""
    world.run()
    bring_in_again(world)
    with explained("trash") as left, explained("paths.folded IN") as candidates:
        world.run()
    assert left and candidates
    steps = {step for plan in left + candidates for step in plan.splitlines()}
    assert not steps & {"SCAN assets", "SCAN resources", "SCAN copies", "SCAN paths"}
    assert any("resources_size" in step for step in steps)


def test_the_copies_of_what_was_freed_stay_its_own(tmp_path: Path) -> None:
    """They are all that is left of it; what it shares its bytes with gets copies of its own."""
    world = Freeable(tmp_path)
    freed = world.library.assets[ID]
    data = {file.id: world.library.contents[ID, file.id] for file in freed.resources}
    before = [len(shelf.visible) for shelf in world.shelves]
    _, done = world.reclaim()
    assert not done.refused and ID not in world.present()
    world.library.put(replace(freed, id=AGAIN), data)
    assert go(world.job, world.ledger).exit is Exit.OK
    assert [len(shelf.visible) for shelf in world.shelves] == [count + 1 for count in before]
    world.undo()
    assert {ID, AGAIN} <= world.present()
    assert go(world.job, world.ledger).exit is Exit.OK
    assert [len(shelf.visible) for shelf in world.shelves] == [count + 1 for count in before]


def test_of_what_came_back_by_another_way_than_ours_the_copies_go_on_too(tmp_path: Path) -> None:
    """Its owner restored it himself, and deleted it later: it was not freed by us any more."""
    world = Freeable(tmp_path)
    freed = world.library.assets[ID]
    data = {file.id: world.library.contents[ID, file.id] for file in freed.resources}
    before = [len(shelf.visible) for shelf in world.shelves]
    world.reclaim()
    world.library.restore(ID)
    assert go(world.job, world.ledger).exit is Exit.OK
    world.library.trash(ID)
    world.library.put(replace(freed, id=AGAIN), data)
    assert go(world.job, world.ledger).exit is Exit.OK
    assert [len(shelf.visible) for shelf in world.shelves] == before


def test_what_comes_back_after_its_copies_went_on_has_copies_of_its_own(tmp_path: Path) -> None:
    """So that neither is freed on the other's."""
    world = Freeable(tmp_path)
    photo = world.library.assets[ID]
    data = {file.id: world.library.contents[ID, file.id] for file in photo.resources}
    before = [len(shelf.visible) for shelf in world.shelves]
    world.library.trash(ID)
    world.library.put(replace(photo, id=AGAIN), data)
    assert go(world.job, world.ledger).exit is Exit.OK
    assert [len(shelf.visible) for shelf in world.shelves] == before
    world.library.restore(ID)
    assert go(world.job, world.ledger).exit is Exit.OK
    assert [len(shelf.visible) for shelf in world.shelves] == [count + 1 for count in before]
