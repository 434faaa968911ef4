"""A source that fails after it began to give a file, or gives another: the next one is asked."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from connectors.base import Resource, Role, Stream
from connectors.errors import Transient
from pipeline.states import AssetState, Exit
from tests.together.rig import Counting, Photo, World, files, other_scheme
from tests.together.test_together import states


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


class Breaking:
    """A stream that opens and never brings its file to an end."""

    def __init__(self, stream: Stream) -> None:
        self.offset = stream.offset
        self.total = stream.total
        self._stream = stream

    def __iter__(self) -> Iterator[bytes]:
        yield from self._stream
        raise Transient("the file changed while it was read")

    def close(self) -> None:
        self._stream.close()


class Restless(Counting):
    def open(self, asset_id: str, resource: Resource, offset: int = 0) -> Stream:
        return Breaking(super().open(asset_id, resource, offset))


def test_a_file_that_never_comes_whole_from_one_source_comes_from_the_other(world: World) -> None:
    shared = [world.both(n) for n in range(4)]
    world.sources[0] = Restless("phone", world.phone)
    assert world.run().exit is Exit.OK
    assert world.landed() == files(*shared)


@pytest.mark.parametrize("damage", ["another byte", "cut short"])
def test_a_file_damaged_at_one_source_comes_from_the_other(world: World, damage: str) -> None:
    photo = Photo.made(1)
    data = photo.files["original"][1]
    bad = bytes([data[0] ^ 1]) + data[1:] if damage == "another byte" else data[:-10]
    world.phone.put(photo.asset("P1"), {"original": bad})
    world.put(world.cloud, photo, photo.asset("C1"))
    assert world.run().exit is Exit.OK
    assert world.landed() == files(photo)


def test_a_file_damaged_at_both_is_quarantined_and_named(world: World) -> None:
    photo = Photo.made(1)
    for library, key in ((world.phone, "P1"), (world.cloud, "C1")):
        library.put(photo.asset(key), {"original": bytes(len(photo.files["original"][1]))})
    outcome = world.run()
    assert outcome.exit is Exit.ITEMS_FAILED
    assert not world.landed()
    assert states(world) == {AssetState.QUARANTINED: 1}


@pytest.mark.parametrize("crossed", [False, True])
def test_equal_ids_at_two_sources_mean_nothing(world: World, crossed: bool) -> None:
    one, two = Photo.made(1), Photo.made(2)
    world.put(world.phone, one, one.asset("X"))
    world.put(world.cloud, two, two.asset("X"))
    if crossed:
        world.put(world.phone, two, two.asset("Y"))
        world.put(world.cloud, one, one.asset("Y"))
    for _ in range(2):
        assert world.run().exit is Exit.OK
        assert world.landed() == files(one, two)
        assert states(world) == {AssetState.CONFIRMED: 2}


def test_a_photo_without_any_usable_fingerprint_lands_once_over_time(world: World) -> None:
    """Moved from the phone, then seen in the cloud, then gone from the phone."""
    photo = world.only(world.phone, 1, Role.ORIGINAL, Role.LIVE_VIDEO, known=False)
    assert world.run().exit is Exit.OK
    world.put(world.cloud, photo, other_scheme(photo.asset("C1")))
    assert world.run().exit is Exit.OK
    world.phone.trash("P1")
    assert world.run().exit is Exit.OK
    assert world.landed() == files(photo)
