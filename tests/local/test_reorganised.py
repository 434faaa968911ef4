"""What is moved or renamed in a folder is known by its bytes there, and not copied again."""

from __future__ import annotations

import shutil

import pytest

from pipeline.ledger import Ledger
from pipeline.ledger.checks import held
from tests.local.rig import Folders

PHOTOS = {f"trip/IMG_{n}.jpg": b"photo %d" % n for n in range(5)}


@pytest.fixture
def copied(folders: Folders) -> Folders:
    """Five photos and a Live Photo, all with copies."""
    for name, data in PHOTOS.items():
        folders.put(name, data)
    folders.put("trip/LIVE.HEIC", b"a live photo")
    folders.put("trip/LIVE.MOV", b"and how it moves")
    folders.run()
    return folders


def unchanged(folders: Folders, before: dict[str, bytes]) -> None:
    """Nothing was sent, nothing is missing, and the next run has nothing to do."""
    assert folders.run().summary.downloaded_bytes == 0
    assert folders.held() == before
    assert folders.run().summary.downloaded_bytes == 0
    assert folders.verify() == 0
    with Ledger.open(folders.ledger) as ledger:
        copies = [copy.path for batch in held(ledger, "to") for copy in batch]
    assert sorted(copies) == sorted(before), "each copy is of one file"


@pytest.mark.parametrize("template", ["{created:%Y/%m}/{filename}", "all/{filename}"])
def test_a_folder_that_was_renamed_is_not_copied_again(copied: Folders, template: str) -> None:
    before = copied.held()
    (copied.root / "from/trip").rename(copied.root / "from/Norway")
    copied.template = template
    unchanged(copied, before)


def test_a_photo_that_was_renamed_is_not_copied_again(copied: Folders) -> None:
    before = copied.held()
    photo = copied.root / "from/trip/IMG_1.jpg"
    photo.rename(photo.with_name("Fjord.jpg"))
    unchanged(copied, before)


def test_half_of_a_live_photo_that_was_moved_is_not_copied_again(copied: Folders) -> None:
    before = copied.held()
    (copied.root / "from/films").mkdir()
    (copied.root / "from/trip/LIVE.MOV").rename(copied.root / "from/films/LIVE.MOV")
    unchanged(copied, before)


def test_a_photo_that_was_away_for_a_while_comes_back_under_another_name(copied: Folders) -> None:
    before = copied.held()
    (copied.root / "from/trip/IMG_2.jpg").rename(copied.root / "kept.jpg")
    copied.run()
    (copied.root / "kept.jpg").rename(copied.root / "from/kept.jpg")
    unchanged(copied, before)


def test_one_that_was_copied_within_the_source_has_a_copy_of_its_own(copied: Folders) -> None:
    """The first is still there, and its copy stays its own."""
    before = copied.held()
    shutil.copy2(copied.root / "from/trip/IMG_3.jpg", copied.root / "from/again.jpg")
    copied.run()
    assert len(copied.held()) == len(before) + 1
    assert copied.verify() == 0


def test_two_that_were_alike_stay_two(copied: Folders) -> None:
    copied.put("trip/twin.jpg", PHOTOS["trip/IMG_4.jpg"])
    copied.run()
    before = copied.held()
    (copied.root / "from/trip").rename(copied.root / "from/Norway")
    unchanged(copied, before)


def test_another_photo_of_the_same_size_is_copied(copied: Folders) -> None:
    before = copied.held()
    (copied.root / "from/trip/IMG_1.jpg").unlink()
    copied.put("trip/new.jpg", b"photo X")
    copied.run()
    assert sorted(copied.held().values()) == sorted([*before.values(), b"photo X"])


@pytest.mark.parametrize("what", ["is gone", "was changed"])
def test_what_its_copy_no_longer_holds_is_copied(copied: Folders, what: str) -> None:
    copy = copied.to / "2020/11/IMG_1.jpg"
    if what == "is gone":
        copy.unlink()
    else:
        copy.write_bytes(b"photo X")
    photo = copied.root / "from/trip/IMG_1.jpg"
    photo.rename(photo.with_name("Fjord.jpg"))
    copied.run()
    assert PHOTOS["trip/IMG_1.jpg"] in copied.held().values()


def test_a_photo_that_comes_back_where_it_was_has_a_copy_too(copied: Folders) -> None:
    """Another, which has its bytes, took its copy over meanwhile."""
    before = copied.held()
    first, other = copied.root / "from/trip/IMG_1.jpg", copied.root / "from/other.jpg"
    first.rename(other)
    copied.run()
    shutil.copy2(other, first)
    copied.run()
    assert len(copied.held()) == len(before) + 1
    other.unlink()
    copied.run()
    assert len(copied.held()) == len(before) + 1
    assert copied.verify() == 0
