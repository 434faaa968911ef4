"""What is moved or renamed in a folder is known by its bytes there, and not copied again."""

from __future__ import annotations

import shutil
from collections.abc import Iterator

import pytest

from connectors.base import Receipt
from connectors.errors import Transient
from connectors.local.sink import LocalSink
from pipeline.ledger import Ledger
from pipeline.ledger.copies.checks import held
from tests.local.rig import DECEMBER, Folders

pytestmark = pytest.mark.wide

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


def test_the_halves_of_a_live_photo_that_were_parted_are_not_copied_again(copied: Folders) -> None:
    before = copied.held()
    (copied.root / "from/films").mkdir()
    (copied.root / "from/trip/LIVE.HEIC").rename(copied.root / "from/films/STILL.HEIC")
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


def each_has_one(folders: Folders) -> None:
    """No two files count on one copy."""
    with Ledger.open(folders.ledger) as ledger:
        copies = [copy.path for batch in held(ledger, "to") for copy in batch]
    assert len(copies) == len(set(copies))
    assert folders.verify() == 0


def test_one_of_a_name_of_its_own_that_comes_back_has_another(copied: Folders) -> None:
    """Its name is the heir's by now."""
    copied.put("a/IMG.jpg", b"photo A")
    copied.put("b/IMG.jpg", b"photo B")
    copied.run()
    first, other = copied.root / "from/b/IMG.jpg", copied.root / "from/c.jpg"
    first.rename(other)
    copied.run()
    before = copied.held()
    shutil.copy2(other, first)
    copied.run()
    assert len(copied.held()) == len(before) + 1
    each_has_one(copied)


def test_a_new_photo_is_not_filed_under_an_old_ones_name(copied: Folders) -> None:
    """That its recipe for an edit is the same says nothing: they are all alike."""
    copied.put("old/OLD.jpg", b"an old photo")
    copied.put("old/OLD.AAE", b"<same/>")
    copied.run()
    shutil.rmtree(copied.root / "from/old")
    copied.put("new/NEW.jpg", b"a new photo!", DECEMBER)
    copied.put("new/NEW.AAE", b"<same/>", DECEMBER)
    copied.run()
    assert {"2020/12/NEW.jpg", "2020/12/NEW.AAE"} <= copied.held().keys()
    each_has_one(copied)


def test_what_was_deleted_is_not_read_for_every_new_photo_of_its_size(copied: Folders) -> None:
    """Cameras write raw files of one size; the ledger knows that their bytes are others'."""
    read: list[str] = []

    class Counting(LocalSink):
        def read(self, receipt: Receipt) -> Iterator[bytes]:
            read.append(receipt.path)
            return super().read(receipt)

    shutil.rmtree(copied.root / "from/trip")
    copied.put("new/IMG_9.jpg", b"photo 9")
    copied.run(sink=Counting)
    assert read == []


def test_a_copy_that_cannot_be_read_keeps_nothing_from_being_copied(copied: Folders) -> None:
    class Damaged(LocalSink):
        def read(self, receipt: Receipt) -> Iterator[bytes]:
            raise Transient("Input/output error")

    photo = copied.root / "from/trip/IMG_1.jpg"
    photo.rename(photo.with_name("Fjord.jpg"))
    copied.put("other.jpg", b"another photo")
    copied.attempts = 2
    copied.run(sink=Damaged)
    assert {b"another photo", PHOTOS["trip/IMG_1.jpg"]} <= set(copied.held().values())


def test_a_photo_that_comes_back_where_it_was_has_a_copy_too(copied: Folders) -> None:
    """Another, which has its bytes, took its copy over meanwhile."""
    before = copied.held()
    first, other = copied.root / "from/trip/IMG_1.jpg", copied.root / "from/other.jpg"
    first.rename(other)
    copied.run()
    shutil.copy2(other, first)
    copied.run()
    assert len(copied.held()) == len(before) + 1
    each_has_one(copied)
    other.unlink()
    copied.run()
    assert len(copied.held()) == len(before) + 1
    each_has_one(copied)


def test_a_live_photo_is_handed_over_whole_or_not_at_all(copied: Folders) -> None:
    """One half that cannot be looked at today would stand apart for good."""

    class Half(LocalSink):
        def read(self, receipt: Receipt) -> Iterator[bytes]:
            if receipt.path.endswith("MOV"):
                raise Transient("Input/output error")
            return super().read(receipt)

    for half in ("HEIC", "MOV"):
        old = copied.root / f"from/trip/LIVE.{half}"
        old.rename(old.with_name(f"FJORD.{half}"))
    copied.attempts = 2
    copied.run(sink=Half)
    assert {"2020/11/FJORD.HEIC", "2020/11/FJORD.MOV"} <= copied.held().keys()
    each_has_one(copied)
