"""Two sources, one library: every asset once, its bytes from the preferred source."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import delete, select

from connectors.base import Metadata, Page, Role
from connectors.memory import MemorySource
from pipeline.ledger import Ledger, schema
from pipeline.ledger.assets import sightings
from pipeline.states import AssetState, Exit
from pipeline.together import joining
from tests.together.rig import Photo, World, files, other_scheme

LIVE = (Role.ORIGINAL, Role.LIVE_VIDEO)


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def states(world: World) -> Counter[str]:
    with Ledger.open(world.ledger, exclusive=False) as ledger, ledger.read() as connection:
        return Counter(connection.execute(select(schema.assets.c.state)).scalars())


def test_what_both_have_lands_once_and_comes_from_the_preferred_one(world: World) -> None:
    shared = [world.both(n, *LIVE) for n in range(20)]
    alone = [world.only(world.phone, 50), world.only(world.cloud, 60)]
    assert world.run().exit is Exit.OK
    assert world.landed() == files(*shared, *alone)
    assert states(world) == {AssetState.CONFIRMED: 22}
    phone, cloud = world.sources
    assert sum(phone.opened.values()) == 41
    assert dict(cloud.opened) == {("C60", "original"): 1}


def test_a_second_run_moves_nothing_and_new_assets_are_found_on_either_side(world: World) -> None:
    shared = [world.both(n) for n in range(5)]
    world.run()
    before = dict(world.shelf.visible)
    assert world.run().exit is Exit.OK and world.shelf.visible == before
    new = [world.only(world.phone, 10), world.both(11), world.only(world.cloud, 12)]
    assert world.run().exit is Exit.OK
    assert world.landed() == files(*shared, *new)


def test_a_photo_seen_on_the_phone_first_is_not_copied_again_from_the_cloud(world: World) -> None:
    photo = world.only(world.phone, 1, *LIVE)
    world.run()
    world.put(world.cloud, photo, photo.asset("C1"))
    assert world.run().exit is Exit.OK
    world.phone.trash("P1")
    assert world.run().exit is Exit.OK
    assert world.landed() == files(photo)
    assert states(world) == {AssetState.CONFIRMED: 1}
    assert not world.sources[1].opened
    world.cloud.trash("C1")
    world.run()
    assert states(world) == {AssetState.GONE: 1}


@pytest.mark.wide
@pytest.mark.parametrize("side", ["phone", "cloud"])
@pytest.mark.parametrize("anew", [False, True], ids=["by its changes", "listed anew"])
def test_a_photo_that_one_side_got_again_between_two_runs_lands_once(
    world: World, side: str, anew: bool
) -> None:
    """Deleted and imported again, or a phone that was erased and filled again."""
    photos = [world.both(n, *LIVE) for n in range(5)]
    world.run()
    library = world.phone if side == "phone" else world.cloud
    for photo in photos:
        library.trash(f"{side[0].upper()}{photo.number}")
        world.put(library, photo, photo.asset(f"again-{photo.number}"))
    if anew:
        with Ledger.open(world.ledger) as ledger:
            ledger.transact(lambda connection: connection.execute(delete(schema.cursors)))
    for source in world.sources:
        source.opened.clear()
    assert world.run().exit is Exit.OK
    assert world.landed() == files(*photos)
    assert not any(source.opened for source in world.sources)
    assert states(world)[AssetState.CONFIRMED] == 5


@pytest.mark.wide
@pytest.mark.parametrize("anew", [False, True], ids=["touched", "edited"])
def test_a_photo_that_changes_as_its_twin_appears_lands_once(world: World, anew: bool) -> None:
    """Its copies are in doubt just then, and are its copies all the same."""
    photo = world.only(world.phone, 1, known=False)
    assert world.run().exit is Exit.OK
    more = Photo(1, {**photo.files, "edited": (Role.EDITED, b"an edit")}) if anew else photo
    world.put(world.phone, more, more.asset("P1", known=False))
    world.put(world.cloud, photo, photo.asset("C1"))
    for _ in range(2):
        assert world.run().exit is Exit.OK
        assert world.landed() == files(more)
    assert states(world)[AssetState.CONFIRMED] == 1


@pytest.mark.wide
def test_what_both_edit_and_take_back_one_after_the_other_is_not_copied_again(
    world: World,
) -> None:
    """Apart for a while, one again, apart and one again: each content has its copy by then."""
    before = world.both(1, known=False)
    assert world.run().exit is Exit.OK
    after = Photo(1, {"original": (Role.ORIGINAL, before.files["original"][1][::-1])})
    for photo, landed in ((after, files(before, after)), (before, files(before, after))):
        for library, key in ((world.phone, "P1"), (world.cloud, "C1")):
            world.put(library, photo, photo.asset(key, known=library is world.cloud))
            assert world.run().exit is Exit.OK
            assert world.landed() == landed
    assert states(world)[AssetState.CONFIRMED] == 1


def test_files_that_only_one_side_has_join_the_one_asset(world: World) -> None:
    photo = Photo.made(1, *LIVE, Role.EDITED, Role.SIDECAR)
    world.put(world.phone, photo, _without(photo, "edited").asset("P1"))
    world.put(world.cloud, photo, _without(photo, "sidecar").asset("C1"))
    assert world.run().exit is Exit.OK
    assert world.landed() == files(photo)
    assert states(world) == {AssetState.CONFIRMED: 1}
    stems = {path.rpartition("/")[2].split(".")[0].split("-")[0] for path in world.shelf.visible}
    assert len(stems) == 1, "all files of one asset stand side by side"


def _without(photo: Photo, name: str) -> Photo:
    return replace(photo, files={key: one for key, one in photo.files.items() if key != name})


def test_an_original_the_phone_does_not_hold_comes_from_the_cloud(world: World) -> None:
    photo = Photo.made(1)
    photo.files["original"] = (Role.ORIGINAL, b"the original")
    world.put(world.phone, photo, photo.asset("P1", absent=["original"]))
    world.put(world.cloud, photo, photo.asset("C1"))
    assert world.run().exit is Exit.OK
    assert world.landed() == files(photo)
    assert dict(world.sources[1].opened) == {("C1", "original"): 1}


def test_equal_photos_of_one_source_stay_as_many_as_they_are(world: World) -> None:
    photo = Photo.made(1)
    for number in range(3):
        world.put(world.phone, photo, photo.asset(f"P{number}"))
    for number in range(2):
        world.put(world.cloud, photo, photo.asset(f"C{number}"))
    assert world.run().exit is Exit.OK
    assert world.landed() == Counter({photo.files["original"][1]: 3})
    assert states(world) == {AssetState.CONFIRMED: 3}


@pytest.mark.parametrize("known_on_phone", [True, False])
def test_without_a_fingerprint_the_bytes_decide_and_never_the_name(
    world: World, known_on_phone: bool
) -> None:
    """Same name, date and size: one pair is equal, the other is not."""
    same = Photo.made(1)
    ours, theirs = Photo.made(2), Photo.made(2)
    data = theirs.files["original"][1]
    theirs.files["original"] = (Role.ORIGINAL, bytes([data[0] ^ 1]) + data[1:])
    for photo, key in ((same, "1"), (ours, "2")):
        world.put(world.phone, photo, photo.asset(f"P{key}", known=known_on_phone))
    for photo, key in ((same, "1"), (theirs, "2")):
        world.put(world.cloud, photo, other_scheme(photo.asset(f"C{key}")))
    assert world.run().exit is Exit.OK
    assert world.landed() == files(same, ours, theirs)
    assert states(world) == {AssetState.CONFIRMED: 3}
    opened = [dict(source.opened) for source in world.sources]
    assert world.run().exit is Exit.OK
    assert [dict(source.opened) for source in world.sources] == opened, "compared once"


def test_what_was_downloaded_before_need_not_be_read_to_be_compared(world: World) -> None:
    photo = world.only(world.phone, 1, known=False)
    world.run()
    world.put(world.cloud, photo, photo.asset("C1"))
    world.sources[0].opened.clear()
    assert world.run().exit is Exit.OK
    assert world.landed() == files(photo)
    assert not world.sources[0].opened and not world.sources[1].opened


def test_where_the_preferred_source_fails_the_other_gives_the_bytes(world: World) -> None:
    shared = [world.both(n) for n in range(6)]
    world.sources[0].broken = True
    assert world.run().exit is Exit.OK
    assert world.landed() == files(*shared)


def test_a_changed_photo_is_moved_and_what_was_there_stays(world: World) -> None:
    photo = world.both(1)
    world.run()
    edited = replace(photo, files=photo.files | {"edited": (Role.EDITED, b"black and white")})
    world.put(world.phone, edited, edited.asset("P1"))
    assert world.run().exit is Exit.OK
    world.put(world.cloud, edited, edited.asset("C1"))
    assert world.run().exit is Exit.OK
    assert world.landed() == files(edited)
    assert states(world) == {AssetState.CONFIRMED: 1}


@pytest.mark.wide
@pytest.mark.parametrize("killed", [False, True])
def test_an_edit_of_the_same_size_does_not_pass_for_what_the_file_was(
    world: World, killed: bool
) -> None:
    before = world.both(1, known=False)
    world.run()
    data = before.files["original"][1]
    after = replace(before, files={"original": (Role.ORIGINAL, bytes(reversed(data)))})
    world.put(world.phone, after, after.asset("P1", known=False))
    if killed:  # after the change was entered, before the assets were recorded
        with Ledger.open(world.ledger) as ledger:
            asset = world.phone.assets["P1"]
            ledger.transact(lambda c: sightings.put(c, "phone", [asset], 9))
    assert world.run().exit is Exit.OK
    assert world.landed() == files(before, after)
    assert world.run().exit is Exit.OK
    assert world.landed() == files(before, after)


def test_a_change_that_leaves_the_bytes_alone_copies_nothing(world: World) -> None:
    photo = world.both(1, known=False)
    world.run()
    listed = photo.asset("P1", known=False)
    world.put(world.phone, photo, replace(listed, metadata=Metadata(favorite=True)))
    assert world.run().exit is Exit.OK
    assert world.landed() == files(photo)
    assert states(world) == {AssetState.CONFIRMED: 1}
    opened = [dict(source.opened) for source in world.sources]
    world.phone.trash("P1")
    world.run()
    world.phone.restore("P1")
    assert world.run().exit is Exit.OK
    assert world.landed() == files(photo)
    assert [dict(source.opened) for source in world.sources] == opened, "it is the same revision"


def test_a_source_that_counts_more_than_it_lists_is_not_believed(world: World) -> None:
    class Short(MemorySource):
        def pages(self, since: str | None = None) -> Iterator[Page]:
            for page in super().pages(since):
                yield replace(page, expected=page.expected and page.expected + 2)

    world.both(1)
    outcome = world.run([world.sources[0], Short("cloud", world.cloud)])
    assert outcome.exit is Exit.ITEMS_FAILED


def test_the_summary_tells_what_the_cable_spared(world: World) -> None:
    shared = [world.both(n) for n in range(4)]
    summary = world.run().summary
    (spared,) = summary.spared
    assert (spared.taken, spared.instead, spared.files) == ("phone", "cloud", 4)
    assert spared.bytes == sum(len(data) for data in files(*shared).elements())


def test_a_second_source_may_be_added_later(tmp_path: Path) -> None:
    """What one source brought is not moved again when it comes to be one of two."""
    first = World(tmp_path)
    photos = [first.both(n, *LIVE) for n in range(5)]
    first.run(first.sources[1:])
    with Ledger.open(first.ledger) as ledger:
        ledger.transact(lambda c: joining.adopt_library(c, "cloud"))
    for source in first.sources:
        source.opened.clear()
    more = [first.only(first.phone, 50)]
    assert first.run().exit is Exit.OK
    assert first.landed() == files(*photos, *more)
    assert [dict(source.opened) for source in first.sources] == [{("P50", "original"): 1}, {}]


@pytest.mark.wide
@pytest.mark.parametrize("known", [True, False])
def test_what_left_the_first_source_is_known_when_a_second_one_has_it(
    tmp_path: Path, known: bool
) -> None:
    """Space that was freed at one must not bring all of it again from the other."""
    first = World(tmp_path)
    photos = [first.only(first.cloud, n, *LIVE, known=known) for n in range(5)]
    first.run(first.sources[1:])
    for n in range(5):
        first.cloud.trash(f"C{n}")
    first.run(first.sources[1:])
    with Ledger.open(first.ledger) as ledger:
        ledger.transact(lambda c: joining.adopt_library(c, "cloud"))
    for photo in photos:
        first.put(first.phone, photo, photo.asset(f"P{photo.number}"))
    for source in first.sources:
        source.opened.clear()
    for _ in range(2):
        assert first.run().exit is Exit.OK
        assert first.landed() == files(*photos)
        assert not first.sources[0].opened
    assert states(first) == {AssetState.CONFIRMED: 5}


def test_an_unchanged_library_costs_one_question_a_source(world: World) -> None:
    asked: list[tuple[str, bool]] = []

    class Asked(MemorySource):
        def pages(self, since: str | None = None) -> Iterator[Page]:
            asked.append((self.name, since is None))
            return super().pages(since)

    world.both(1, known=False)
    world.only(world.phone, 2)
    sources = [Asked("phone", world.phone), Asked("cloud", world.cloud)]
    world.run(sources)
    asked.clear()
    world.run(sources)
    assert asked == [("phone", False), ("cloud", False)]
