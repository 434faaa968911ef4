"""Files that the phone holds and its library does not speak of, or not rightly."""

from __future__ import annotations

from pathlib import Path

import pytest

from connectors.base import Kind, Resource, Role
from connectors.errors import Unreadable
from sandbox.iphone import OnPhone
from sandbox.iphone.media import Media
from tests.iphone.conftest import Open, listed, problems, read, strange_database

pytest.importorskip("pymobiledevice3")

KINDS = {"photo": Kind.PHOTO, "live": Kind.LIVE, "video": Kind.VIDEO}


def test_files_the_library_does_not_know_are_assets_too(
    on_phone: OnPhone, open_source: Open
) -> None:
    media = on_phone.phone.media
    before = listed(open_source())
    for name in ("IMG_9901.HEIC", "IMG_9901.MOV", "IMG_9901.AAE", "IMG_9901.PNG", "IMG_9902.MP4"):
        media.add(f"DCIM/100APPLE/{name}", name.encode(), 1_700_000_000)
    media.add("DCIM/107APPLE/IMG_0001.DNG", b"raw alone")
    media.add("PhotoData/CPLAssets/group900/X.JPG", b"came from iCloud")
    media.add("DCIM/100APPLE/.DS_Store", b"junk")
    media.folder("DCIM/100APPLE/SUB")
    source = open_source()
    after = listed(source)
    new = {key: asset for key, asset in after.items() if key not in before}
    assert {key: {str(part.role) for part in asset.resources} for key, asset in new.items()} == {
        "DCIM/100APPLE/IMG_9901.HEIC": {"original", "live_video", "sidecar"},
        "DCIM/100APPLE/IMG_9901.PNG": {"original"},
        "DCIM/100APPLE/IMG_9902.MP4": {"original"},
        "DCIM/107APPLE/IMG_0001.DNG": {"original"},
        "PhotoData/CPLAssets/group900/X.JPG": {"original"},
    }
    live = new["DCIM/100APPLE/IMG_9901.HEIC"]
    assert live.kind is Kind.LIVE
    assert live.created is not None and live.created.timestamp() == 1_700_000_000
    assert read(source, live, "live_video") == b"IMG_9901.MOV"
    assert {key: after[key] for key in before} == before


def test_a_file_beside_the_folders_is_an_asset_too(on_phone: OnPhone, open_source: Open) -> None:
    before = listed(open_source())
    on_phone.phone.media.add("DCIM/LOOSE.JPG", b"a photo", 1_700_000_000)
    source = open_source()
    found = listed(source)
    (new,) = found.keys() - before.keys()
    assert read(source, found[new]) == b"a photo"
    assert not problems(source)


def test_a_live_video_the_library_forgot_belongs_to_its_still(
    on_phone: OnPhone, open_source: Open
) -> None:
    photo = next(
        asset for asset in listed(open_source()).values()
        if asset.kind is Kind.PHOTO and asset.resources[0].handle.startswith("DCIM")
        and len(asset.resources) == 1 and asset.resources[0].local
    )  # fmt: skip
    stem = photo.resources[0].handle.rpartition(".")[0]
    on_phone.phone.media.add(f"{stem}.MOV", b"a video beside it")
    source = open_source()
    asset = listed(source)[photo.id]
    assert asset.kind is Kind.LIVE
    assert read(source, asset, "live_video") == b"a video beside it"


def test_an_edit_shown_under_its_own_name_is_no_second_asset(
    on_phone: OnPhone, open_source: Open
) -> None:
    before = listed(open_source())
    edited = next(
        asset for asset in before.values()
        if any(part.role is Role.EDITED for part in asset.resources)
        and asset.resources[0].handle.startswith("DCIM")
    )  # fmt: skip
    path = edited.resources[0].handle.replace("IMG_", "IMG_E")
    on_phone.phone.media.add(path, b"the same edit under another name")
    assert listed(open_source()).keys() == before.keys()


@pytest.mark.parametrize("state", ["missing", "log refused", "unknown", "damaged"])
def test_without_a_library_files_are_walked_and_it_says_what_is_not_known(
    on_phone: OnPhone, open_source: Open, tmp_path: Path, state: str
) -> None:
    media = on_phone.phone.media
    database = "PhotoData/Photos.sqlite"
    if state == "log refused":  # the database alone is as it was some time ago
        on_phone.phone.faults.add("denied", key=f"{database}-wal")
    else:
        media.remove(f"{database}-wal")
    if state == "missing":
        media.remove(database)
    elif state == "unknown":
        media.add(database, strange_database(tmp_path / "strange.sqlite"))
    elif state != "log refused":
        media.add(database, b"SQLite format 3\0" + b"\x7f" * 8000)
    source = open_source()
    (reason,) = problems(source)
    assert "cannot be read" in reason and "favourites" in reason
    assert state != "unknown" or "99999" in reason
    there = {
        path for path, _ in media.files()
        if path.startswith(("DCIM/", "PhotoData/CPLAssets/")) and not path.endswith(".AAE")
    }  # fmt: skip
    named = {part.handle for asset in listed(source).values() for part in asset.resources}
    edits = {
        path for path, _ in media.files()
        if path.startswith("PhotoData/Mutations/") and "FullSizeRender" in path
    }  # fmt: skip
    assert edits and there | edits <= named
    assert list(source.albums()) == []
    assert list(source.pages())[-1].cursor is None, "the next listing looks again"


@pytest.mark.parametrize(
    ("directory", "filename"),
    [
        ("DCIM/100APPLE", "a/b.JPG"),
        ("DCIM/100APPLE", "a\0b.JPG"),
        ("DCIM/100APPLE", ".."),
        ("../../Library", "IMG_0001.JPG"),
        ("/etc", "passwd"),
        ("DCIM//100APPLE", "IMG_0001.JPG"),
        ("DCIM\0/100APPLE", "IMG_0001.JPG"),
    ],
)
def test_impossible_names_are_problems_and_lose_nothing(
    on_phone: OnPhone, open_source: Open, directory: str, filename: str
) -> None:
    before = listed(open_source())
    victim = on_phone.library.find(
        next(key for key, asset in before.items() if asset.resources[0].local)
    )
    path = on_phone.path(victim)
    on_phone.lie(victim, directory, filename)
    source = open_source()
    pages = list(source.pages())
    (problem,) = [problem for page in pages for problem in page.problems]
    assert problem.id == victim.id and "named" in problem.reason
    after = {asset.id: asset for page in pages for asset in page.assets}
    assert before.keys() - after.keys() == {victim.id}
    (stray,) = after.keys() - before.keys()
    assert stray == path, "the file itself is listed for what it is"
    assert read(source, after[stray]) == victim.original.content.read()


def test_links_are_named_and_never_followed(on_phone: OnPhone, open_source: Open) -> None:
    """Whether at their end something is on the phone or, by their words, outside of Media."""
    media = on_phone.phone.media
    before = listed(open_source())
    media.add("Downloads/private.JPG", b"not in the photo library")
    media.link("DCIM/100APPLE/IMG_9911.JPG", "../../Downloads/private.JPG")
    media.link("DCIM/100APPLE/IMG_9912.JPG", "/etc/passwd")
    media.link("DCIM/108APPLE", "/Downloads")
    source = open_source()
    assert listed(source) == before
    named = {problem.id for page in source.pages() for problem in page.problems}
    assert named == {
        "DCIM/100APPLE/IMG_9911.JPG",
        "DCIM/100APPLE/IMG_9912.JPG",
        "DCIM/108APPLE",
    }
    handle = "DCIM/100APPLE/IMG_9911.JPG"
    resource = Resource("original", Role.ORIGINAL, "IMG_9911.JPG", None, handle=handle)
    with pytest.raises(Unreadable, match="link"):
        source.open("asset", resource)


def test_a_folder_the_phone_does_not_show_is_named(on_phone: OnPhone, open_source: Open) -> None:
    before = listed(open_source())
    on_phone.phone.faults.add("denied", key="DCIM/100APPLE")
    source = open_source()
    named = {problem.id for page in source.pages() for problem in page.problems}
    assert named == {"DCIM/100APPLE"}
    after = listed(source)
    assert after.keys() == before.keys(), "the library still knows what is in it"
    for key, asset in after.items():
        assert asset.resources[0].local or not before[key].resources[0].local


@pytest.mark.parametrize("path", ["DCIM/100APPLE", "DCIM/107APPLE", "PhotoData/CPLAssets"])
def test_a_folder_the_phones_file_system_fails_at_is_not_taken_for_empty(
    on_phone: OnPhone, open_source: Open, path: str
) -> None:
    """The phone answers for it as for what is not there, but lists it."""
    on_phone.phone.media.add("DCIM/107APPLE/IMG_0001.DNG", b"nobody speaks of it")
    before = listed(open_source())
    on_phone.phone.faults.add("unreadable", key=path)
    source = open_source()
    named = {problem.id for page in source.pages() for problem in page.problems}
    assert named == {path}
    after = listed(source)
    known = {key for key, asset in before.items() if key != asset.resources[0].handle}
    assert known <= after.keys(), "the library still knows what is in it"
    assert {key: after[key].resources[0].local for key in known} == {
        key: before[key].resources[0].local for key in known
    }, "what cannot be looked at is not said to be in iCloud only"


@pytest.mark.parametrize("fault", ["unreadable", "odd_info"])
def test_a_file_that_cannot_be_looked_at_is_named(
    on_phone: OnPhone, open_source: Open, fault: str
) -> None:
    before = listed(open_source())
    for name in ("IMG_9931.JPG", "IMG_9932.JPG"):
        on_phone.phone.media.add(f"DCIM/100APPLE/{name}", b"nobody speaks of it")
    on_phone.phone.faults.add(fault, key="DCIM/100APPLE/IMG_9931.JPG")
    source = open_source()
    named = {problem.id for page in source.pages() for problem in page.problems}
    assert named == {"DCIM/100APPLE/IMG_9931.JPG"}
    assert listed(source).keys() - before.keys() == {"DCIM/100APPLE/IMG_9932.JPG"}


def test_a_log_that_cannot_be_looked_at_is_not_taken_for_none(
    on_phone: OnPhone, open_source: Open
) -> None:
    """The database without it is as it was some time ago."""
    on_phone.phone.faults.add("unreadable", key="PhotoData/Photos.sqlite-wal")
    (reason,) = problems(open_source())
    assert "cannot be read" in reason


# --- edits the library does not know ------------------------------------------------------


def mutation(media: Media, original: str, suffix: str, data: bytes) -> str:
    folder = f"PhotoData/Mutations/{original.rpartition('.')[0]}/Adjustments"
    media.add(f"{folder}/FullSizeRender.{suffix}", data, 1_700_000_000)
    media.add(f"{folder}/Adjustments.plist", b"the recipe", 1_700_000_000)
    return folder


def test_an_edit_the_library_does_not_know_yet_comes_with_its_photo(
    on_phone: OnPhone, open_source: Open
) -> None:
    photo = next(
        asset for asset in listed(open_source()).values()
        if asset.kind is Kind.PHOTO and len(asset.resources) == 1 and asset.resources[0].local
    )  # fmt: skip
    mutation(on_phone.phone.media, photo.resources[0].handle, "heic", b"edited just now")
    source = open_source()
    asset = listed(source)[photo.id]
    assert {part.role for part in asset.resources} == {Role.ORIGINAL, Role.EDITED, Role.SIDECAR}
    assert read(source, asset, "edited") == b"edited just now"


def test_edits_of_files_nobody_knows_come_along_even_without_their_originals(
    on_phone: OnPhone, open_source: Open
) -> None:
    media = on_phone.phone.media
    before = listed(open_source())
    media.add("DCIM/109APPLE/IMG_0001.HEIC", b"original")
    mutation(media, "DCIM/109APPLE/IMG_0001.HEIC", "heic", b"its edit")
    alone = mutation(media, "DCIM/100APPLE/IMG_9921.HEIC", "jpg", b"an edit alone")
    apart = mutation(media, "DCIM/110APPLE/IMG_0001.MOV", "mov", b"in a folder of its own")
    source = open_source()
    after = listed(source)
    new = {key: asset for key, asset in after.items() if key not in before}
    assert new.keys() == {"DCIM/109APPLE/IMG_0001.HEIC", alone, apart}
    assert read(source, new["DCIM/109APPLE/IMG_0001.HEIC"], "edited") == b"its edit"
    assert read(source, new[alone], "edited") == b"an edit alone"
    assert [part.filename for part in new[alone].resources] == [
        "IMG_9921.AAE", "IMG_9921-edited.JPG",
    ]  # fmt: skip
    assert read(source, new[apart], "edited_video") == b"in a folder of its own"


def test_what_a_phone_keeps_beside_an_original_is_no_photo_of_its_own(
    on_phone: OnPhone, open_source: Open
) -> None:
    """A first picture until the photo is finished, what lies around the frame, data of edits."""
    before = listed(open_source())
    paths = [part.handle for asset in before.values() for part in asset.resources if part.handle]
    path = next(one for one in paths if one.startswith("DCIM/100APPLE/IMG_"))
    stem = path.rpartition(".")[0]
    for ending in ("D.HEIC", "S.HEIC", "X.HEIC", "videometadata.mov", ".data"):
        on_phone.phone.media.add(stem + ending, b"helps")
    on_phone.phone.media.add("DCIM/100APPLE/BIRDS.JPG", b"a photo nobody lists")
    source = open_source()
    after = listed(source)
    assert set(after) - set(before) == {"DCIM/100APPLE/BIRDS.JPG"} and not problems(source)
    assert {key: after[key] for key in before} == before
