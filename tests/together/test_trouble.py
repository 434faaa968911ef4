"""A source that fails after it began to give a file, or gives another: the next one is asked."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from connectors.base import Resource, Role, Stream
from connectors.errors import OutpourError, SessionExpired, Transient
from pipeline.ledger import Ledger
from pipeline.ledger.assets import listing
from pipeline.runner.comparing import compare
from pipeline.states import AssetState, Exit
from pipeline.stopping import Stop
from tests.engine.rig import Recorder
from tests.ledger.plans import explained
from tests.together.rig import Counting, Photo, World, files, other_scheme, together
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


# --- while bytes are compared ----------------------------------------------------------------


class Unsteady(Counting):
    """Raises ``error``, where there is one, for every file."""

    error: OutpourError | None = None

    def open(self, asset_id: str, resource: Resource, offset: int = 0) -> Stream:
        if self.error is not None:
            raise self.error
        return super().open(asset_id, resource, offset)


def test_a_source_that_needs_a_person_while_bytes_are_compared_ends_the_run(world: World) -> None:
    photo = world.both(1, known=False)
    phone = Unsteady("phone", world.phone)
    world.sources[0] = phone
    phone.error = SessionExpired("the phone is not there")
    assert world.run().exit is Exit.NEEDS_PERSON
    phone.error = None
    assert world.run().exit is Exit.OK
    assert world.landed() == files(photo)


def test_what_cannot_be_compared_is_named_and_waits_instead_of_landing_twice(
    world: World,
) -> None:
    photo, other = world.both(1, known=False), world.only(world.cloud, 2)
    phone = Unsteady("phone", world.phone)
    world.sources[0] = phone
    phone.error = Transient("the file is busy")
    outcome = world.run()
    assert outcome.exit is Exit.ITEMS_FAILED
    (problem,) = outcome.summary.problems
    assert "busy" in problem.reason and "IMG_0001.HEIC" in problem.reason
    assert world.landed() == files(photo, other), "what the other source knows moves"
    phone.error = None
    outcome = world.run()
    assert outcome.exit is Exit.OK and not outcome.summary.problem_count
    assert world.landed() == files(photo, other)
    assert states(world) == {AssetState.CONFIRMED: 2}


def test_questions_to_a_large_ledger_are_answered_by_its_indexes(world: World) -> None:
    """No table is read whole for each of its rows, which a large library would never end."""
    world.both(1, known=False)
    with explained("prints") as plans:
        assert world.run().exit is Exit.OK
        compare(world.sources, world.ledger, Recorder(), stop=Stop(), attempts=1)
    assert plans
    for plan in plans:
        nested = plan.partition("CORRELATED")[2]
        assert "SCAN prints" not in nested and "SCAN sightings" not in nested, plan


def test_killed_between_two_becoming_one_and_the_ledger_hearing_of_it(world: World) -> None:
    photo = Photo.made(1)
    world.put(world.phone, photo, photo.asset("P1", known=False, absent=["original"]))
    world.put(world.cloud, photo, photo.asset("C1"))
    assert world.run().exit is Exit.ITEMS_FAILED  # nobody can tell yet, and the phone has no bytes
    world.put(world.phone, photo, photo.asset("P1"))
    with Ledger.open(world.ledger) as ledger:
        with ledger.read() as connection:
            last = listing.last(connection, "phone + cloud")
        assert last is not None
        for _ in together(world.sources, ledger).pages(last.cursor):
            pass  # what it says is not written any more
    assert world.run().exit is Exit.OK
    assert world.landed() == files(photo)
    assert states(world)[AssetState.CONFIRMED] == 1
