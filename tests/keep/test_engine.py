"""Sidecars through the whole engine: one fate with their asset, never over anybody's work."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path

import pytest

from connectors.base import Asset, Metadata
from connectors.local import LocalSink
from connectors.memory import MemorySink, Shelf
from pipeline.config.models import Keep
from pipeline.ledger import Ledger, work
from pipeline.states import AssetState, Exit
from tests.engine.rig import BadDay, ShakySink, ShakySource, contents, go, job
from tests.keep.reading import read
from tests.keep.rig import GARDEN, NORWAY, World


def test_each_asset_gets_one_beside_its_first_file(world: World) -> None:
    outcome = world.run()
    assert outcome.exit is Exit.OK and outcome.summary.whole
    assert world.sidecars().keys() == world.library.assets.keys()
    for key, path in world.sidecars().items():
        assert path.name == f"IMG_{int(key[-5:]):04}.HEIC.xmp" and path.with_suffix("").is_file()
    assert world.tags("asset-00000") == ["Albums/Trips/Norway"]
    (sink,) = outcome.summary.sinks
    assert (sink.copies, sink.sidecars) == (8, 6), "files and sidecars are counted apart"
    assert outcome.summary.verified_files == 8
    files = [p for p in world.root.rglob("*.*") if p.is_file() and p.suffix != ".xmp"]
    assert sorted(p.read_bytes() for p in files) == sorted(world.library.contents.values())


def test_an_unchanged_library_costs_nothing_and_changes_nothing(world: World) -> None:
    world.run()
    before = {path: path.stat().st_mtime_ns for path in world.root.rglob("*")}
    asked, world.source.albums_changed = world.source.asked, False
    outcome = world.run()
    assert outcome.exit is Exit.OK and outcome.summary.moved_assets == 0
    assert world.source.asked == asked, "albums are not asked for again"
    assert {path: path.stat().st_mtime_ns for path in world.root.rglob("*")} == before


def test_what_changes_at_the_source_changes_in_ours_and_moves_no_photo(world: World) -> None:
    world.run()
    world.say("asset-00002", caption="new")
    world.library.albums = {GARDEN: ("asset-00001",), replace(NORWAY, path=("Norge",)): (
        "asset-00000", "asset-00003")}  # fmt: skip
    outcome = world.run()
    assert outcome.exit is Exit.OK and outcome.summary.downloaded_bytes == 0
    assert outcome.summary.moved_assets == 4
    told = read(world.sidecars()["asset-00002"].read_bytes())
    assert told.lists["dc:description"] == ["new"]
    assert world.tags("asset-00000") == world.tags("asset-00003") == ["Albums/Norge"]
    assert world.tags("asset-00001") == ["Albums/Garden"]
    assert world.run().summary.yielded == 0 and len(world.sidecars()) == 6


@pytest.mark.wide
def test_what_was_taken_back_at_the_source_is_told_no_more(world: World) -> None:
    """Also where nothing is left that a sidecar would have been made for."""
    world.library.put(replace(world.library.assets["asset-00001"], metadata=Metadata()), {})
    world.run()
    assert world.tags("asset-00001") == ["Albums/Trips/Norway"]
    world.library.albums = {}
    world.library.put(replace(world.library.assets["asset-00003"], metadata=Metadata()), {})
    outcome = world.run()
    assert outcome.exit is Exit.OK and outcome.summary.downloaded_bytes == 0
    assert world.tags("asset-00001") == []
    told = read(world.sidecars()["asset-00003"].read_bytes())
    assert "dc:title" not in told.plain and "dc:title" not in told.lists
    assert world.run().summary.moved_assets == 0 and not world.verify().sinks[0].wrong
    world.keep = Keep(sidecars="never")
    world.run()
    world.library.put(replace(world.library.assets["asset-00004"], metadata=Metadata()), {})
    world.run()
    world.keep = Keep()
    assert world.run().exit is Exit.OK
    assert "dc:title" not in read(world.sidecars()["asset-00004"].read_bytes()).lists


def test_what_a_person_edited_stays_and_is_told(world: World) -> None:
    world.run()
    path = world.sidecars()["asset-00002"]
    edited = path.read_bytes().replace(b"asset-00002</rdf:li>", b"my words</rdf:li>")
    path.write_bytes(edited)
    world.say("asset-00002", caption="new")
    outcome = world.run()
    assert outcome.exit is Exit.OK and outcome.summary.yielded == 1
    assert path.read_bytes() == edited
    world.say("asset-00002", caption="newer")
    assert world.run().exit is Exit.OK and path.read_bytes() == edited
    path.unlink()
    world.say("asset-00002", caption="newest")
    assert world.run().summary.yielded == 0
    assert b"newest" in path.read_bytes()


@pytest.mark.wide
def test_one_that_was_there_before_stays(world: World) -> None:
    world.run()
    path = world.sidecars()["asset-00001"]
    world.ledger.unlink()
    path.write_bytes(b"of another program")
    outcome = world.run()
    assert outcome.exit is Exit.OK and outcome.summary.yielded == 1
    assert path.read_bytes() == b"of another program"


def test_verify_misses_ours_and_leaves_theirs_alone(world: World) -> None:
    world.run()
    world.sidecars()["asset-00001"].write_bytes(b"edited")
    lost = next(world.root.rglob("IMG_0002.HEIC.xmp"))
    lost.unlink()
    (sink,) = world.verify().sinks
    assert [(Path(path).name, why) for path, why in sink.wrong] == [(lost.name, "missing")]
    assert sink.edited == 1
    outcome = world.run()
    assert outcome.exit is Exit.OK and lost.is_file()
    assert outcome.summary.yielded == 1 and outcome.summary.downloaded_bytes == 0
    assert world.verify().exit is Exit.OK


@pytest.mark.wide
def test_a_lost_file_that_nobody_asks_for_any_more_opens_no_asset(world: World) -> None:
    """Nothing would bring it again: an asset that is whole must not wait for it for ever."""
    world.run()
    world.keep = Keep(sidecars="never")
    world.run()
    world.sidecars()["asset-00001"].unlink()
    for _ in range(2):
        world.verify()
        with Ledger.open(world.ledger) as ledger:
            assert work.counts(ledger) == {AssetState.CONFIRMED: 6}


def test_a_lost_ledger_finds_its_sidecars_again(world: World) -> None:
    world.run()
    world.ledger.unlink()
    outcome = world.run()
    assert outcome.exit is Exit.OK and outcome.summary.downloaded_bytes == 0
    assert outcome.summary.sinks[0].sidecars == 6 and outcome.summary.yielded == 0
    assert len(list(world.root.rglob("*.*"))) == 14


def test_it_stands_beside_an_archive_s_own_names(world: World) -> None:
    world.root.mkdir()
    old = world.root / "old name.heic"
    old.write_bytes(world.library.contents["asset-00004", "original"])
    assert world.run().exit is Exit.OK
    assert world.sidecars()["asset-00004"] == old.with_name("old name.heic.xmp")


def test_it_follows_a_photo_that_had_to_take_another_name(world: World) -> None:
    taken = world.root / "2024/05/IMG_0004.HEIC"
    taken.parent.mkdir(parents=True)
    taken.write_bytes(b"another photo")
    assert world.run().exit is Exit.OK
    path = world.sidecars()["asset-00004"]
    assert path.with_suffix("").read_bytes() == world.library.contents["asset-00004", "original"]
    assert taken.read_bytes() == b"another photo"


def test_only_folders_get_them_unless_asked_for(world: World) -> None:
    shelf = Shelf()
    both = LocalSink("here", world.root), MemorySink("cloud", shelf)
    outcome = world.run(*both)
    assert outcome.exit is Exit.OK
    assert not [path for path in contents(shelf) if path.endswith(".xmp")]
    assert [(sink.name, sink.sidecars) for sink in outcome.summary.sinks] == [
        ("cloud", 0), ("here", 6)
    ]  # fmt: skip
    world.keep = Keep(sidecars="always")
    outcome = world.run(*both)
    assert outcome.exit is Exit.OK and outcome.summary.downloaded_bytes == 0
    assert len([path for path in contents(shelf) if path.endswith(".xmp")]) == 6


@pytest.mark.wide
def test_never_means_never_and_can_be_taken_back(world: World) -> None:
    world.keep = Keep(sidecars="never")
    assert world.run().exit is Exit.OK
    assert not world.sidecars() and world.source.asked == 0
    world.keep = Keep()
    assert world.run().exit is Exit.OK and len(world.sidecars()) == 6
    world.keep = Keep(sidecars="never")
    world.say("asset-00002", caption="new")
    assert world.run().exit is Exit.OK
    assert b"new" not in world.sidecars()["asset-00002"].read_bytes()
    world.keep = Keep()
    assert world.run().exit is Exit.OK
    assert b"new" in world.sidecars()["asset-00002"].read_bytes()


def test_no_sidecar_without_its_photo(world: World) -> None:
    video = world.library.contents["asset-00003", "live"]
    world.library.contents["asset-00003", "live"] = bytes([video[0] ^ 1]) + video[1:]
    outcome = world.run()
    assert outcome.exit is Exit.ITEMS_FAILED
    assert world.sidecars().keys() == world.library.assets.keys() - {"asset-00003"}


def test_a_bare_asset_and_one_with_an_xmp_of_its_own_get_none(world: World) -> None:
    for key in ("asset-00002", "asset-00003"):
        asset = world.library.assets[key]
        world.library.put(replace(asset, metadata=Metadata()), {})
    own = world.library.assets["asset-00004"]
    xmp = replace(own.resources[0], id="xmp", filename="IMG_0004.xmp", size=4, checksum=None)
    world.library.put(replace(own, resources=(*own.resources, xmp)), {"xmp": b"mine"})
    assert world.run().exit is Exit.OK
    found = sorted(path.name for path in world.root.rglob("*.xmp"))
    assert found == [
        "IMG_0000.HEIC.xmp", "IMG_0001.HEIC.xmp", "IMG_0004.xmp", "IMG_0005.HEIC.xmp"
    ]  # fmt: skip


@pytest.mark.wide
@pytest.mark.parametrize("seed", range(4))
def test_bad_days_and_changes_end_with_the_sidecars_of_now(seed: int, tmp_path: Path) -> None:
    """Promises 1 and 3: whatever fails, and whatever changes meanwhile."""
    world, chance = World(tmp_path, 12), random.Random(seed)
    world.keep = Keep(sidecars="always")
    shelf = Shelf()
    for round_ in range(4):
        for key in chance.sample(sorted(world.library.assets), 4):
            world.say(key, caption=f"round {round_}")
        world.library.albums[GARDEN] = tuple(chance.sample(sorted(world.library.assets), 5))
        day = BadDay(seed * 10 + round_, 0.2)
        bad = ShakySource("from", world.library, day)
        made = job(bad, [ShakySink("to", shelf, day)], staging=tmp_path / "s")
        made = replace(made, pipeline=made.pipeline.model_copy(update={"keep": world.keep}))
        go(made, world.ledger)
    assert world.run(MemorySink("to", shelf)).exit is Exit.OK
    told = [read(data) for path, data in contents(shelf).items() if path.endswith(".xmp")]
    assert sorted(s.plain["dc:identifier"] for s in told) == sorted(world.library.assets)
    for sidecar in told:
        asset: Asset = world.library.assets[sidecar.plain["dc:identifier"]]
        assert sidecar.lists.get("dc:description", [None]) == [asset.metadata.caption]
        gardener = "Albums/Garden" in sidecar.lists.get("digiKam:TagsList", [])
        assert gardener == (asset.id in world.library.albums[GARDEN])


@pytest.mark.wide
def test_it_follows_a_copy_that_had_to_be_made_again_under_another_name(world: World) -> None:
    """Somebody changed the first one: that stays, and so does what it is called."""
    world.run()
    photo = world.sidecars()["asset-00001"].with_suffix("")
    photo.write_bytes(photo.read_bytes()[::-1])
    assert world.verify().exit is Exit.ITEMS_FAILED
    assert world.run().exit is Exit.OK
    good = [p for p in world.root.rglob("IMG_0001*.HEIC") if p != photo]
    assert len(good) == 1
    assert good[0].with_name(f"{good[0].name}.xmp").is_file()
    assert world.verify().exit is Exit.OK


def test_where_only_sidecars_are_found_again_nothing_is_left_to_do(world: World) -> None:
    """A lost ledger learnt of the photos while no sidecars were wanted."""
    world.run()
    world.ledger.unlink()
    before = world.sidecars()
    world.keep = Keep(sidecars="never")
    assert world.run().exit is Exit.OK
    world.keep = Keep()
    world.template = "elsewhere/{filename}"  # so that all is looked through once more
    outcome = world.run()
    assert (outcome.exit, outcome.summary.waiting) == (Exit.OK, {})
    assert world.sidecars() == before
