"""Names that a person's files have stay theirs, and every photo of ours finds one all the same."""

from __future__ import annotations

import pytest

from connectors.base import Body, Checkpoint, Put, Transferred
from connectors.errors import ItemError
from connectors.local.sink import LocalSink
from pipeline.states import Exit
from tests.local.rig import Folders

pytestmark = pytest.mark.wide


class Choosy(LocalSink):
    """Takes no file whose name ends so, for now."""

    refused = ""

    def transfer(self, put: Put, body: Body, token: str | None, keep: Checkpoint) -> Transferred:
        if put.path.endswith(self.refused):
            raise ItemError("not today")
        return super().transfer(put, body, token, keep)


class NoVideos(Choosy):
    refused = ".MOV"


class NoPhotos(Choosy):
    refused = ".HEIC"


def test_a_copy_comes_back_though_its_owner_changed_those_of_every_name_it_had(
    folders: Folders,
) -> None:
    for n, text in enumerate((b"A", b"BB", b"CCC")):
        folders.put("IMG_1.jpg", text)
        folders.run()
        assert len(folders.held()) == n + 1, "each edit beside what was there"
    for n in range(3):
        ours = next(path for path, data in folders.held().items() if data == b"CCC")
        (folders.to / ours).write_bytes(f"changed by a person, {n}".encode())
        assert folders.verify() == Exit.ITEMS_FAILED
        folders.run()
        assert sum(data == b"CCC" for data in folders.held().values()) == 1
        assert len(folders.held()) == 4 + n, "what the person made of it stays"


def test_all_files_of_a_photo_stand_side_by_side_where_one_could_not_have_its_name(
    folders: Folders,
) -> None:
    """Also those that come to it in a later run."""
    folders.occupy("2020/11/IMG_1.HEIC")
    folders.put("IMG_1.HEIC", b"a photo")
    folders.put("IMG_1.MOV", b"its video")
    folders.run()
    ours = {path for path in folders.held() if path != "2020/11/IMG_1.HEIC"}
    (stem,) = {path.rpartition(".")[0] for path in ours}
    assert len(ours) == 2 and stem.startswith("2020/11/IMG_1-")
    folders.put("IMG_1.AAE", b"<edit/>")
    folders.run()
    assert folders.held()[f"{stem}.AAE"] == b"<edit/>"
    assert len(folders.held()) == 4


def test_a_file_that_failed_stands_beside_the_others_once_it_comes(folders: Folders) -> None:
    folders.occupy("2020/11/IMG_1.HEIC")
    folders.put("IMG_1.HEIC", b"a photo")
    folders.put("IMG_1.MOV", b"its video")
    folders.run(Exit.ITEMS_FAILED, NoVideos)
    folders.run()
    stems = {path.rpartition(".")[0] for path in folders.held()}
    assert len(stems) == 2 and len(folders.held()) == 3


def test_a_file_that_fails_keeps_those_behind_it_from_nothing(folders: Folders) -> None:
    folders.put("IMG_1.HEIC", b"a photo")
    folders.put("IMG_1.MOV", b"its video")
    folders.run(Exit.ITEMS_FAILED, NoPhotos)
    assert folders.held() == {"2020/11/IMG_1.MOV": b"its video"}
    folders.run()
    assert folders.held().keys() == {"2020/11/IMG_1.MOV", "2020/11/IMG_1.HEIC"}
