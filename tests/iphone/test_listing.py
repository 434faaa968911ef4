"""The listing: everything that is on the phone, as what it is, and nothing as what it is not."""

from __future__ import annotations

import dataclasses
import gc
import time
from pathlib import Path

import pytest

from connectors.abilities import HasAlbums
from connectors.base import Asset, Kind, Role
from connectors.checksums import digest
from connectors.errors import CursorLost, Fatal, Misconfigured, NotFound, Transient, Unreadable
from sandbox.iphone import OnPhone, Phone, Placement, database, usual
from sandbox.library import Asset as Truth
from sandbox.library import Library
from tests.iphone.conftest import Open, Plug, listed, read, strange_database
from tests.rehearsal.rig import disk

pytest.importorskip("pymobiledevice3")

KINDS = {"photo": Kind.PHOTO, "live": Kind.LIVE, "video": Kind.VIDEO}


@pytest.mark.parametrize("ios", [14, 16, 18, 26])
def test_every_version_of_ios_lists_the_same_library(
    plug: Plug, open_source: Open, ios: int
) -> None:
    """Every asset, file, date and property is as the library has it, whatever tables are
    called; rows that live only in the write-ahead log are among them."""
    phone, library = Phone(), Library(150)
    OnPhone(phone, library, ios=ios)
    plug(phone)
    source = open_source()
    found = listed(source)
    truth = {asset.id: asset for asset in library if not asset.shared and asset.trashed is None}
    assert found.keys() == truth.keys()
    for key, asset in found.items():
        same_asset(asset, truth[key], usual(truth[key]))


def same_asset(asset: Asset, truth: Truth, placement: Placement) -> None:
    assert asset.kind is KINDS[truth.kind]
    assert asset.created is not None
    assert asset.created.timestamp() * 1000 == truth.created
    offset = asset.created.utcoffset()
    assert offset is not None
    assert asset.metadata.utc_offset == truth.utc_offset
    assert offset.total_seconds() == truth.utc_offset
    said = asset.metadata
    assert (said.favorite, said.hidden, said.burst) == (truth.favorite, truth.hidden, truth.burst)
    assert (said.title, said.caption) == (truth.title, truth.caption)
    assert said.keywords == tuple(sorted(truth.keywords))
    place = said.location and (said.location.latitude, said.location.longitude)
    assert place == (truth.location[:2] if truth.location else None)
    files = {file.role: file for file in truth.files}
    edited = any(role.startswith("edited") for role in files)
    roles = {str(part.role) for part in asset.resources}
    assert roles - {"sidecar"} == files.keys() - {"sidecar"}
    assert "sidecar" in roles or not edited, "an edit comes with its recipe"
    assert asset.resources[0].filename == truth.original.filename
    assert asset.resources[0].role == truth.original.role
    for part in asset.resources:
        if part.role is Role.SIDECAR:
            continue
        assert part.size == files[part.role].size
        assert part.checksum and part.checksum.value == files[part.role].fingerprint
        assert part.local == (placement.local or str(part.role).startswith("edited"))


def test_albums_have_their_folders_and_members(on_phone: OnPhone, open_source: Open) -> None:
    source = open_source()
    assert isinstance(source, HasAlbums)
    found = {album.id: (album.path, set(source.members(album))) for album in source.albums()}
    library = on_phone.library
    wanted = {}
    for album in library.albums.all():
        if not album.folder:
            above = library.albums.get(album.parent) if album.parent else None
            path: tuple[str, ...] = (album.title,)
            while above is not None:
                path = (above.title, *path)
                above = library.albums.get(above.parent) if above.parent else None
            members = {library.get(number).id for number in library.members(album)}
            wanted[album.id] = (path, members)
    assert found == wanted
    assert ("Journeys", "2019", "Norway") in {path for path, _ in found.values()}


def test_an_optimised_original_is_listed_and_never_replaced_by_a_thumbnail(
    on_phone: OnPhone, open_source: Open
) -> None:
    source = open_source()
    away = [
        asset for asset in listed(source).values()
        if not usual(on_phone.library.find(asset.id)).local
    ]  # fmt: skip
    stand_ins = [
        asset for asset in away
        if on_phone.phone.media.find(on_phone.path(on_phone.library.find(asset.id)))
    ]  # fmt: skip
    assert stand_ins and len(stand_ins) < len(away)
    for asset in away:
        with pytest.raises(NotFound, match="iCloud"):
            read(source, asset)


def test_a_stand_in_the_library_calls_an_original_is_not_taken(
    on_phone: OnPhone, open_source: Open
) -> None:
    """Where database and file system disagree on the size, the bytes are not the original's."""
    source = open_source()
    asset = next(asset for asset in listed(source).values() if asset.resources[0].local)
    told = asset.resources[0].size
    assert told is not None
    for size in (0, 100, told + 100):
        on_phone.phone.media.add(asset.resources[0].handle, bytes(size))
        with pytest.raises(Unreadable, match="library says"):
            read(source, asset)


def test_trashed_assets_come_only_when_asked_for(on_phone: OnPhone, open_source: Open) -> None:
    trashed = {asset.id for asset in on_phone.library if asset.trashed is not None}
    assert trashed and not trashed & listed(open_source()).keys()
    source = open_source(trashed=True)
    found = listed(source)
    assert trashed <= found.keys()
    key = next(key for key in trashed if found[key].resources[0].local)
    assert read(source, found[key]) == on_phone.library.find(key).original.content.read()


def test_hidden_assets_and_bursts_are_listed(on_phone: OnPhone, open_source: Open) -> None:
    found = listed(open_source()).values()
    assert any(asset.metadata.hidden for asset in found)
    bursts = [asset.metadata.burst for asset in found if asset.metadata.burst]
    assert len(bursts) >= 3


def test_fingerprints_of_other_schemes_are_kept_as_not_verifiable(
    plug: Plug, open_source: Open
) -> None:
    phone, library = Phone(), Library(30, plain=True)
    OnPhone(phone, library, place=lambda asset: Placement(scheme=asset.number % 3))
    plug(phone)
    found = listed(open_source())
    kinds = {}
    for asset in library:
        checksum = found[asset.id].resources[0].checksum
        kinds[asset.number % 3] = None if checksum is None else checksum.verifiable
    assert kinds == {0: None, 1: True, 2: False}


# --- the library while it changes ---------------------------------------------------------


def test_an_unchanged_library_is_not_read_again(on_phone: OnPhone, open_source: Open) -> None:
    source = open_source()
    cursor = list(source.pages())[-1].cursor
    before = on_phone.phone.operations.copy()
    (page,) = source.pages(cursor)
    assert (page.assets, page.full, page.cursor) == ((), False, cursor)
    spent = on_phone.phone.operations - before
    assert spent.total() <= 2, spent


def test_a_change_of_settings_lists_again(on_phone: OnPhone, open_source: Open) -> None:
    cursor = list(open_source().pages())[-1].cursor
    pages = list(open_source(trashed=True).pages(cursor))
    assert all(page.full for page in pages) and pages[0].assets


def test_a_library_that_changes_while_it_is_copied_is_copied_again(
    on_phone: OnPhone, open_source: Open
) -> None:
    on_phone.phone.faults.add("change_database", times=2)
    found = listed(open_source())
    assert on_phone.phone.faults.counts["change_database"] == 2
    assert len(found) == sum(
        asset.trashed is None and not asset.shared for asset in on_phone.library
    )


def test_a_log_that_grows_meanwhile_is_as_good_as_before(
    on_phone: OnPhone, open_source: Open
) -> None:
    """On the first evenings a phone writes all the time."""
    before = listed(open_source())
    on_phone.phone.faults.add("grow_log")
    assert listed(open_source()) == before
    assert on_phone.phone.faults.counts["grow_log"] >= 2


def test_a_library_that_never_rests_is_not_taken_half(
    on_phone: OnPhone, open_source: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("connectors.iphone.copying._PAUSE", 0.01)
    on_phone.phone.faults.add("change_database")
    with pytest.raises(Transient, match="all the time") as caught:
        list(open_source().pages())
    assert caught.value.retry_after and caught.value.hint


def test_the_copy_is_private_and_goes_with_the_source(
    on_phone: OnPhone, open_source: Open, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    source = open_source()
    list(source.pages())
    list(source.pages())
    (folder,) = tmp_path.glob("outpour-iphone-*")
    assert folder.stat().st_mode & 0o077 == 0
    source.close()
    assert not list(tmp_path.glob("outpour-iphone-*"))


def test_without_room_for_the_copy_it_says_where_to_make_some(
    on_phone: OnPhone, open_source: Open, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with disk(tmp_path / "small", "size=64k"):
        monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "small"))
        with pytest.raises(Fatal, match="cannot be copied to") as caught:
            list(open_source().pages())
    assert "TMPDIR" in caught.value.hint


def test_a_listing_may_be_left_in_the_middle(on_phone: OnPhone, open_source: Open) -> None:
    """Even when the source is closed before the listing is: nothing is said on the way out."""
    source = open_source()
    pages = iter(source.pages())
    albums = source.albums()
    next(albums)
    next(pages)
    source.close()
    del pages, albums
    gc.collect()  # what is raised here becomes a warning, and warnings are errors


def test_where_this_computer_is_changes_nothing(
    on_phone: OnPhone, open_source: Open, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Neither what the library knows nor, without one, what lies there."""
    for walked in (False, True):
        if walked:
            on_phone.phone.media.add("PhotoData/Photos.sqlite", strange_database(tmp_path / "s"))
            on_phone.phone.media.remove("PhotoData/Photos.sqlite-wal")
        seen = []
        for zone in ("Europe/Berlin", "America/New_York"):
            monkeypatch.setenv("TZ", zone)
            time.tzset()
            seen.append({key: asset.revision for key, asset in listed(open_source()).items()})
        assert seen[0] == seen[1]
    monkeypatch.delenv("TZ")
    time.tzset()


def test_another_phone_is_told_from_the_first(plug: Plug, open_source: Open) -> None:
    first, second = Phone(), Phone(udid="00008030-00112233AABBCCDD")
    for phone in (first, second):
        OnPhone(phone, Library(5, plain=True))
    plug(first)
    cursor = list(open_source().pages())[-1].cursor
    before = open_source().whereabouts()
    open_source().recognise(before)
    plug(second)
    with pytest.raises(Misconfigured, match="another iPhone") as caught:
        open_source().recognise(before)
    assert f"device: {second.udid}" in caught.value.hint
    open_source(device=second.udid).recognise(before)
    assert next(iter(open_source().pages(cursor))).full
    with pytest.raises(CursorLost):
        list(open_source().pages("[7]"))


def test_what_is_read_is_what_the_library_holds(on_phone: OnPhone, open_source: Open) -> None:
    source = open_source()
    checked = 0
    for asset in listed(source).values():
        for part in asset.resources:
            if part.local:
                data = read(source, asset, str(part.role))
                assert part.checksum is None or digest([data]).agrees(part.checksum)
                checked += part.checksum is not None
    assert checked > 60


def test_a_revision_tells_of_every_change(on_phone: OnPhone, open_source: Open) -> None:
    before = listed(open_source())
    library = on_phone.library
    keys = [key for key, asset in before.items() if asset.resources[0].local][:3]
    library.change(keys[0], favorite=not before[keys[0]].metadata.favorite)
    library.edit(keys[1])
    on_phone.update()
    after = listed(open_source())
    assert {key for key in before if after[key].revision != before[key].revision} == set(keys[:2])
    assert dataclasses.replace(after[keys[2]]) == before[keys[2]]


@pytest.mark.parametrize("scope", [1, 2, 3], ids=["iCloud link", "shared album", "Shared with You"])
def test_what_others_share_is_not_the_person_s(
    scope: int, on_phone: OnPhone, open_source: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = listed(open_source())
    theirs = next(iter(before))
    insert = database._Writer._insert

    def shared(writer: database._Writer, table: str, **values: object) -> None:
        if table == "ZASSET" and values["ZUUID"] == theirs:
            values["ZBUNDLESCOPE"] = scope
        insert(writer, table, **values)

    monkeypatch.setattr(database._Writer, "_insert", shared)
    on_phone.update()
    found = listed(open_source())
    assert found.keys() == before.keys() - {theirs}, "nor a file of their own"
