"""Promise: what was freed of an asset costs nothing of it, though the phone has the rest still."""

from __future__ import annotations

from dataclasses import replace

import pytest

from connectors.abilities import Album
from connectors.base import Role
from pipeline.ledger.reclaimable import Order
from pipeline.states import AssetState, Exit
from tests.engine.rig import contents
from tests.reclaim.joint import BOTH, ONLY_CLOUD, World, ids, name
from tests.reclaim.rig import ask

pytestmark = pytest.mark.wide


def test_what_only_the_cloud_knew_of_it_stays_known(world: World) -> None:
    """Sidecars are made from that: room in the cloud must not cost a caption or an album."""
    world.sidecars = "always"
    asset = world.in_cloud.assets["C0"]
    told = replace(asset.metadata, caption="At the lake", keywords=("lake",), favorite=True)
    world.change(world.in_cloud, "C0", replace(asset, metadata=told))
    world.in_cloud.albums[Album("A", ("Trips", "Lake"))] = ("C0", "C3")
    world.on_phone.albums[Album("A", ("Phone",))] = ("P0", "P5")
    world.run()
    before = world.described()
    assert ("Trips", "Lake") in before[name(0)][1] and ("Phone",) in before[name(0)][1]
    assert world.reclaim(ask(favorites=True))[1].assets == 5
    world.in_cloud.albums[Album("A", ("Trips", "Lake"))] = ()
    world.put(world.in_cloud, "C9", 9, Role.ORIGINAL)  # so that albums are read again
    world.run()
    after = world.described()
    assert {key: after[key] for key in before} == before
    world.on_phone.albums[Album("A", ("Phone",))] = ("P5",)
    world.put(world.on_phone, "P9", 9, Role.ORIGINAL)
    world.run()
    assert world.described()[name(0)][1] == [("Trips", "Lake")], "what the phone tells is heard"


@pytest.mark.parametrize("purged", [False, True], ids=["in the bin", "for good"])
def test_what_only_the_cloud_had_of_it_is_made_again_where_it_is_lost(
    world: World, purged: bool
) -> None:
    """An edit made in the cloud, of a photo that the phone has as it was."""
    world.edit("C0", b"edited in the cloud")
    world.run()
    assert world.reclaim()[1].assets == 5
    world.run()
    if purged:
        world.in_cloud.bin.clear()
        for key in [key for key in world.in_cloud.contents if key[0] == "C0"]:
            del world.in_cloud.contents[key]
    shelf = world.shelves[1]
    paths = [p for p, (_, data) in shelf.visible.items() if data == b"edited in the cloud"]
    (lost,) = paths
    del shelf.visible[lost]
    assert world.verify("outpour reclaim --undo") == 1
    world.run()
    assert shelf.visible[lost][1] == b"edited in the cloud"
    assert {state for state, _ in world.states(there=True).values()} == {AssetState.CONFIRMED}
    assert world.verify() == 0


def test_what_only_the_cloud_had_of_it_is_the_last_once_the_phone_lost_it_too(world: World) -> None:
    world.edit("C0", b"edited in the cloud")
    world.run()
    world.reclaim()
    for number in BOTH:
        world.on_phone.trash(f"P{number}")
    world.run()
    world.in_cloud.bin.clear()
    shelf = world.shelves[0]
    (lost,) = (p for p, (_, data) in shelf.visible.items() if data == b"edited in the cloud")
    del shelf.visible[lost]
    assert world.verify() == 1
    world.run()
    assert shelf.visible[lost][1] == b"edited in the cloud"


def test_what_only_the_cloud_had_of_it_is_given_to_a_sink_that_is_added(world: World) -> None:
    world.edit("C0", b"edited in the cloud")
    world.run()
    world.reclaim()
    world.run()
    assert contents(world.add_sink_without_the_cloud()) == contents(world.shelves[0])


@pytest.mark.parametrize("changed", ["a favourite", "unreadable", "other bytes", "another size"])
def test_what_becomes_of_it_on_the_phone_costs_no_copy_of_what_was_freed(
    world: World, changed: str
) -> None:
    held = set(contents(world.shelves[0]).values())
    world.reclaim()
    world.run()
    asset = world.on_phone.assets["P0"]
    old = world.on_phone.contents["P0", "original"]
    new = old if "bytes" not in changed and "size" not in changed else bytes(len(old))
    new = new + b"longer" * (changed == "another size")
    files = (replace(asset.resources[0], size=len(new)), *asset.resources[1:])
    world.on_phone.contents["P0", "original"] = new
    dear = replace(asset.metadata, favorite=True)
    world.change(world.on_phone, "P0", replace(asset, resources=files, metadata=dear))
    if changed == "unreadable":
        del world.on_phone.contents["P0", "original"]
    world.run(Exit.ITEMS_FAILED if changed == "unreadable" else Exit.OK)
    assert world.verify() == 0
    assert set(contents(world.shelves[0]).values()) == held | {new}
    video = new != old  # of the phone's other photo, which has one too
    assert len(contents(world.shelves[0])) == len(held | {new}) + video
    world.on_phone.trash("P0")
    world.run()
    (lost,) = (p for p, (_, data) in world.shelves[0].visible.items() if data == old)
    del world.shelves[0].visible[lost]
    assert world.verify() == 1, "it is not forgotten"
    world.run()
    assert set(contents(world.shelves[0]).values()) == held | {new}
    done = world.undo()
    assert done.assets == 5 and "C0" in world.in_cloud.assets


@pytest.mark.parametrize("order", ["largest", "oldest"])
def test_two_equal_photos_of_the_cloud_stay_two(world: World, order: Order) -> None:
    """One that was freed comes back after another of its bytes took its place."""
    world.reclaim()
    world.put(world.in_cloud, "C0b", 0, Role.ORIGINAL, Role.LIVE_VIDEO)
    world.run()
    assert world.undo().assets == 5
    world.run()
    assert set(world.in_cloud.assets) == {"C0b", *ids(*BOTH, *ONLY_CLOUD)}
    chosen, done = world.reclaim(ask(order=order))
    assert len(chosen.candidates) == done.assets == 6 and done.whole
    assert not world.in_cloud.assets
    assert world.undo().assets == 6


def test_what_then_left_the_phone_too_was_freed(world: World) -> None:
    """A phone that shares its library with the cloud loses what was freed there by itself."""
    world.reclaim()
    for number in BOTH:
        world.on_phone.trash(f"P{number}")
    world.run()
    for number in BOTH:
        state, reason = world.states()[name(number)]
        assert state == AssetState.GONE and reason.startswith("freed by reclaim, run 2")
    assert world.undo().assets == 5
