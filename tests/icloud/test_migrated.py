"""Promise: a library that Apple migrated to another zone is the person's own as before."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from connectors.errors import CursorLost, Fatal
from connectors.icloud.settings import Library as Choice
from connectors.icloud.source import ICloudSource
from pipeline.cli.app import invoke
from pipeline.states import Exit
from sandbox.icloud.zones import MIGRATED, Zone
from sandbox.library import Library
from tests.conformance.making import Bench, content
from tests.icloud.rig import Rig, cursor, listing, read, refused, rig, truth
from tests.icloud.test_sink_contract import Cloud
from tests.pointing import Point
from tests.rehearsal.rig import landed, wanted

pytestmark = pytest.mark.wide


@pytest.fixture
def moved(bare: Rig) -> Rig:
    """A small library that was migrated, connected."""
    bare.icloud.migrate()
    bare.connect()
    return bare


@pytest.fixture
def source(moved: Rig) -> Iterator[ICloudSource]:
    source = moved.source()
    yield source
    source.close()


def test_it_is_listed_and_downloaded_under_the_usual_names(
    moved: Rig, source: ICloudSource
) -> None:
    assets, problems, _ = listing(source)
    assert {asset.id for asset in assets} == moved.ids("shown", "hidden") and not problems
    assert not any(asset.library for asset in assets)
    asset = assets[0]
    moved.icloud.expire_links()
    for resource in asset.resources:
        assert MIGRATED not in resource.handle
        assert read(source, asset, resource) == truth(moved.library, asset, resource)


def test_its_zone_is_looked_for_once(moved: Rig, source: ICloudSource) -> None:
    list(source.pages())
    moved.icloud.reset_counts()
    list(source.albums())
    assert not moved.icloud.counts["zones"]


def test_nothing_is_looked_for_where_the_zone_is_the_usual_one(ready: Rig) -> None:
    source = ready.source(library=Choice.PRIMARY)
    since = cursor(source)
    ready.icloud.reset_counts()
    list(source.pages(since))
    assert not ready.icloud.counts["zones"]
    source.close()


@pytest.mark.parametrize("library", [Choice.PRIMARY, Choice.ALL])
def test_changes_since_a_cursor(library: Choice, moved: Rig) -> None:
    since = cursor(moved.source(library=library))
    trashed, favoured = (moved.library.get(n).id for n in moved.library.view("shown")[:2])
    moved.library.trash(trashed)
    moved.library.change(favoured, favorite=True)
    later = moved.source(library=library)  # the first request of a process is for changes
    assets, problems, gone = listing(later, since)
    assert [asset.id for asset in assets] == [favoured] and gone == [trashed] and not problems
    moved.icloud.reset_counts()
    list(moved.source(library=library).pages(since))
    assert sum(moved.icloud.counts.values()) <= (5 if library is Choice.PRIMARY else 8)


def test_albums_and_their_members(moved: Rig, source: ICloudSource) -> None:
    found = {album.id: set(source.members(album)) for album in source.albums()}
    albums = moved.library.albums
    assert found and found == {
        album.id: {moved.library.get(number).id for number in moved.library.members(album)}
        for album in albums.all()
        if not album.folder
    }


def test_recently_deleted_and_back(moved: Rig, source: ICloudSource) -> None:
    asset = listing(source)[0][0]
    other = moved.source()  # the first request of a process is for the records
    assert other.trash([(asset.id, asset.revision)]) == [None]
    assert asset.id in moved.ids("trashed")
    assert asset.id in {one.id for one in other.binned(())}
    assert other.restore([asset.id]) == [None] and asset.id not in moved.ids("trashed")


def test_a_run_goes_on_where_the_library_is_migrated_between_two(
    ready: Rig, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What is known of its photos stays true: nothing is copied twice, and nothing gone."""
    arguments = ["run", "--from", "icloud:demo@example.com", "--to", str(tmp_path / "Photos")]
    assert invoke(arguments) == Exit.OK
    ready.icloud.migrate()
    with pytest.raises(CursorLost):
        list(ready.source().pages(cursor_before(ready)))
    ready.library.add("NEW", created=1_500_000_000_000)
    capsys.readouterr()
    assert invoke(arguments) == Exit.OK
    assert "gone" not in capsys.readouterr().out
    assert landed(tmp_path / "Photos") == wanted(ready.library)


def cursor_before(rig: Rig) -> str:
    """One of the zone that was."""
    token = Zone("PrimarySync", rig.library, rig.icloud.links).token()
    return cursor(rig.source()).replace(rig.icloud.cloudkit.own.token(), token)


def test_the_latest_of_several_is_the_library(bare: Rig) -> None:
    """Those that failed or were deleted are none, and names that only begin so are no library."""
    bare.icloud.migrate()
    zones = bare.icloud.cloudkit.zones["private"]
    for number, fault in ((9, None), (10, None), (11, "failed_zone"), (12, "deleted_zone")):
        name = f"PrimarySync{number}"
        zones[name] = Zone(name, bare.library, bare.icloud.links)
        if fault:
            bare.faults.add(fault, key=f"zone/private/{name}")
        if number != 10:
            bare.faults.add("refused_zone", key=f"zone/ZONE_NOT_FOUND/{name}")
    zones["PrimarySyncX99"] = Zone("PrimarySyncX99", bare.library, bare.icloud.links)
    bare.connect()
    assert {asset.id for asset in listing(bare.source())[0]} == bare.ids("shown", "hidden")


def test_without_any_the_person_is_told_to_turn_photos_on(bare: Rig) -> None:
    bare.faults.add("refused_zone", key="zone/ZONE_NOT_FOUND/PrimarySync")
    error = refused(bare, "sandbox-password", 1)
    assert isinstance(error, Fatal) and "turn on iCloud Photos" in error.hint


def test_a_library_that_is_answered_for_is_not_changed_for_another(ready: Rig) -> None:
    """Photos of two zones would be taken for those of one."""
    source = ready.source()
    pages = source.pages()
    next(pages)
    ready.icloud.migrate()
    with pytest.raises(Fatal, match="ZONE_NOT_FOUND"):
        list(source.albums())
    assert list(ready.source().albums())
    source.close()


def test_files_are_uploaded_to_it(use_sandbox: Point, tmp_path: Path) -> None:
    with rig(use_sandbox, Library(0, plain=True)) as made:
        made.icloud.migrate()
        made.connect()
        place, bench = Cloud(made), Bench(tmp_path)
        sink = place.open()
        receipt = bench.place(sink, "a.jpg", content(5000))
        assert len(made.library) == 1 and place.open().stat("a.jpg") == receipt
        assert b"".join(place.open().read(receipt)) == content(5000)
        other = place.open()  # the first request of a process is for an address
        assert other._uploads.reserve(100).startswith("https://")
