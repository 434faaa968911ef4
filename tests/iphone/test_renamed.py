"""One file under two ids: the phone's library learns of it late, or cannot be read for once."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from sandbox.iphone import OnPhone, Phone, Placement
from sandbox.library import Asset, Library
from tests.iphone.conftest import Outpour, Plug, strange_database
from tests.iphone.joint import ENDS, joint
from tests.iphone.test_run import held
from tests.iphone.test_unlisted import mutation
from tests.iphone.test_with_icloud import summary
from tests.pointing import Point
from tests.rehearsal.rig import landed, sha

pytest.importorskip("pymobiledevice3")


def run(outpour: Outpour, to: Path, *ends: str) -> tuple[int, str]:
    """Exit code and all that was printed."""
    return outpour("run", *(ends or ("--from", "iphone")), "--to", str(to), "--json")


class Behind:
    """A phone that has every file, and a library that does not know of some ``late`` assets.
    ``scheme`` as in ``Placement``."""

    def __init__(self, plug: Plug, scheme: int = 1) -> None:
        self.late: set[str] = set()
        self.phone = Phone(away=0.02)
        plug(self.phone)
        self.scheme = scheme
        self.on_phone = OnPhone(self.phone, Library(60), place=self._place)

    def _place(self, asset: Asset) -> Placement | None:
        if asset.id in self.late:
            return None
        return Placement(synced=asset.number % 4 == 1, scheme=self.scheme)

    def forgets(self, assets: set[str]) -> None:
        self.late = assets
        self.on_phone.update()


def unreadable(on_phone: OnPhone, folder: Path) -> None:
    media = on_phone.phone.media
    media.add("PhotoData/Photos.sqlite", strange_database(folder / "strange"))
    media.remove("PhotoData/Photos.sqlite-wal")


def binned(on_phone: OnPhone) -> Counter[str]:
    """What lies in Recently Deleted: nobody can tell without a library."""
    bin = [asset for asset in on_phone.library if asset.trashed is not None]
    return Counter({sha(file.content.read()): 1 for asset in bin for file in asset.files})


@pytest.mark.parametrize("scheme", [0, 1, 2])
def test_a_file_that_the_library_learns_of_later_is_not_copied_again(
    plug: Plug, outpour: Outpour, tmp_path: Path, scheme: int
) -> None:
    behind = Behind(plug, scheme)
    behind.forgets({a.id for a in behind.on_phone.library if a.trashed is None and not a.shared})
    code, said = run(outpour, tmp_path / "photos")
    assert code == 0, said
    assert not held(behind.on_phone) - landed(tmp_path / "photos")
    before = landed(tmp_path / "photos")
    behind.forgets(set())
    code, said = run(outpour, tmp_path / "photos")
    assert code == 0, said
    assert landed(tmp_path / "photos") == before


@pytest.mark.parametrize("scheme", [0, 1])
def test_a_library_that_cannot_be_read_for_once_doubles_nothing(
    plug: Plug, outpour: Outpour, tmp_path: Path, scheme: int
) -> None:
    behind = Behind(plug, scheme)
    on_phone, photos = behind.on_phone, tmp_path / "photos"
    code, said = run(outpour, photos)
    assert (code, landed(photos)) == (0, held(on_phone)), said
    read = behind.phone.bytes_read
    unreadable(on_phone, tmp_path)
    code, said = run(outpour, photos)
    assert code == 1 and "files were listed as they lie" in said
    assert landed(photos) == held(on_phone) + binned(on_phone)
    assert behind.phone.bytes_read - read < read / 3, "what was copied is not read again"
    code, said = run(outpour, photos)
    assert code == 1, said
    on_phone.update()
    code, said = run(outpour, photos)
    assert code == 0, said
    assert landed(photos) == held(on_phone) + binned(on_phone)


def test_what_is_new_while_the_library_cannot_be_read_lands_once(
    plug: Plug, outpour: Outpour, tmp_path: Path
) -> None:
    """A new edit of a photo that was copied joins it, a new photo is one of its own."""
    behind = Behind(plug)
    on_phone, photos = behind.on_phone, tmp_path / "photos"
    code, said = run(outpour, photos)
    before = summary(said)["assets"]
    assert code == 0, said
    unreadable(on_phone, tmp_path)
    plain = next(
        asset for asset in on_phone.library
        if len(asset.files) == 1 and asset.trashed is None and asset.kind == "photo"
    )  # fmt: skip
    mutation(on_phone.phone.media, on_phone.path(plain), "heic", b"edited just now")
    on_phone.phone.media.add("DCIM/100APPLE/IMG_9901.HEIC", b"taken just now")
    new = Counter({sha(b"edited just now"): 1, sha(b"taken just now"): 1, sha(b"the recipe"): 1})
    for _ in range(2):
        code, said = run(outpour, photos)
        assert code == 1, said
        assert landed(photos) == held(on_phone) + binned(on_phone) + new
    more = sum(1 for asset in on_phone.library if asset.trashed is not None)
    assert summary(said)["assets"] == {"confirmed": before["confirmed"] + more + 1}
    on_phone.update()
    code, said = run(outpour, photos)
    assert code == 0, said
    assert landed(photos) == held(on_phone) + binned(on_phone) + new


def test_what_the_phone_has_optimised_away_is_still_known_without_a_library(
    on_phone: OnPhone, outpour: Outpour, tmp_path: Path
) -> None:
    photos = tmp_path / "photos"
    code, said = run(outpour, photos)
    before, files = summary(said)["assets"], landed(photos)
    assert before["unavailable"], said
    unreadable(on_phone, tmp_path)
    code, said = run(outpour, photos)
    assert code == 1, said
    assert summary(said)["assets"]["unavailable"] == before["unavailable"]
    assert "gone" not in summary(said)["assets"]
    assert not {key for key, count in (landed(photos) - files).items() if key in files}
    on_phone.update()
    _, said = run(outpour, photos)
    after = summary(said)["assets"]
    assert {key: after[key] for key in before} == before


def test_what_was_deleted_after_it_was_copied_is_not_copied_again_without_a_library(
    plug: Plug, outpour: Outpour, tmp_path: Path
) -> None:
    behind = Behind(plug)
    on_phone, photos = behind.on_phone, tmp_path / "photos"
    before = held(on_phone) + binned(on_phone)
    run(outpour, photos)
    deleted = next(
        asset for asset in on_phone.library
        if len(asset.files) == 1 and asset.trashed is None and not asset.shared
    )  # fmt: skip
    on_phone.library.trash(deleted.id)
    on_phone.update()
    code, said = run(outpour, photos)
    assert summary(said)["assets"]["gone"] == 1 and code == 0, said
    unreadable(on_phone, tmp_path)
    code, said = run(outpour, photos)
    assert code == 1 and "gone" not in summary(said)["assets"], said
    assert landed(photos) == before
    on_phone.update()
    code, said = run(outpour, photos)
    assert code == 0 and summary(said)["assets"]["gone"] > 0, said
    assert landed(photos) == before


def test_with_icloud_beside_it_a_library_that_cannot_be_read_doubles_nothing(
    use: Point, outpour: Outpour, tmp_path: Path
) -> None:
    with joint(use, 40, scheme=0) as both:
        photos = tmp_path / "photos"
        code, said = run(outpour, photos, *ENDS)
        assert (code, landed(photos)) == (0, both.wanted()), said
        before = summary(said)["assets"]
        unreadable(both.on_phone, tmp_path)
        code, said = run(outpour, photos, *ENDS)
        assert code == 1, said
        extra = landed(photos) - both.wanted()
        assert not set(extra) & set(both.wanted())
        both.on_phone.update()
        code, said = run(outpour, photos, *ENDS)
        assert code == 0, said
        assert landed(photos) - both.wanted() == extra
        assert summary(said)["assets"]["confirmed"] == before["confirmed"]


def test_with_icloud_beside_it_a_file_known_late_is_not_copied_again(
    use: Point, outpour: Outpour, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with joint(use, 40) as both:
        photos = tmp_path / "photos"
        with monkeypatch.context() as behind:
            behind.setattr(both.on_phone, "_place", lambda _: None)
            both.on_phone.update()
        code, said = run(outpour, photos, *ENDS)
        assert code == 0, said
        before = landed(photos)
        assert not both.wanted() - before
        both.on_phone.update()
        code, said = run(outpour, photos, *ENDS)
        assert code == 0, said
        assert landed(photos) == before
