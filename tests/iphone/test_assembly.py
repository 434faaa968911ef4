"""One asset out of its rows: what a real library says in ways that the double's does not."""

from __future__ import annotations

from typing import Any

import pytest

from connectors.base import Asset, Role

pytest.importorskip("pymobiledevice3")

from connectors.iphone.assembly import assemble
from connectors.iphone.found import Found, edit_folder
from connectors.iphone.library import Row

FOLDER = "DCIM/100APPLE"
EDITS = edit_folder(FOLDER, "IMG_0001")


def resource(type_: int, version: int, subtype: int, size: int, recipe: int = 0) -> Row:
    return {
        "asset": 1, "type": type_, "version": version, "subtype": subtype, "local": 1,
        "size": size, "fingerprint": None, "recipe": recipe,
    }  # fmt: skip


def asset(filename: str, rows: list[Row], beside: list[str], edits: list[str]) -> Asset:
    names = ("original_name", "title", "caption", "burst", "fingerprint", "created", "added")
    empty: dict[str, Any] = dict.fromkeys((*names, "utc_offset", "latitude", "longitude"))
    video = filename.endswith(".MOV")
    row = {
        **empty, "key": 1, "id": "A", "filename": filename, "original_size": None,
        "kind": int(video), "favorite": 0, "hidden": 0, "adjusted": int(bool(edits)),
    }  # fmt: skip
    return assemble(row, rows, (), Found(FOLDER, beside, EDITS, edits))


def files(found: Asset) -> dict[Role, tuple[str, int | None]]:
    return {part.role: (part.handle, part.size) for part in found.resources}


@pytest.mark.parametrize("subtypes", [(22, 13), (0, 0), (22, 22)])
def test_the_recipe_of_an_edit_is_the_person_s_and_not_the_camera_s(
    subtypes: tuple[int, int],
) -> None:
    """A portrait has adjustments from the beginning (osxphotos#2043)."""
    camera, person = subtypes
    rows = [
        resource(0, 0, 1, 1000), resource(5, 0, camera, 70), resource(0, 2, 2, 900, 65938),
        resource(5, 2, person, 80, 65938),
    ]  # fmt: skip
    beside, edits = ["IMG_0001.HEIC", "IMG_0001.AAE"], ["Adjustments.plist", "FullSizeRender.heic"]
    assert files(asset("IMG_0001.HEIC", rows, beside, edits)) == {
        Role.ORIGINAL: (f"{FOLDER}/IMG_0001.HEIC", 1000),
        Role.EDITED: (f"{EDITS}/FullSizeRender.heic", 900),
        Role.SIDECAR: (f"{EDITS}/Adjustments.plist", 80),
    }
    before = files(asset("IMG_0001.HEIC", rows[:2], beside, []))
    assert before[Role.SIDECAR] == (f"{FOLDER}/IMG_0001.AAE", 70)


def test_what_apple_derives_of_a_raw_file_is_no_edit() -> None:
    """Else it would be missing for good."""
    rows = [resource(0, 0, 1, 9000), resource(0, 0, 2, 400, 65737)]
    assert files(asset("IMG_0001.DNG", rows, ["IMG_0001.DNG"], [])) == {
        Role.ORIGINAL: (f"{FOLDER}/IMG_0001.DNG", 9000)
    }


def test_the_poster_of_a_video_is_not_its_original() -> None:
    rows = [resource(0, 0, 1, 50), resource(1, 0, 1, 7000)]
    assert files(asset("IMG_0001.MOV", rows, ["IMG_0001.MOV"], [])) == {
        Role.ORIGINAL: (f"{FOLDER}/IMG_0001.MOV", 7000)
    }


def test_data_of_an_edit_is_not_the_other_half_of_a_raw_pair() -> None:
    rows = [resource(0, 0, 1, 9000), resource(4, 0, 17, 800)]
    beside = ["IMG_0001.DNG", "IMG_0001.data", "IMG_0001.JPG"]
    assert files(asset("IMG_0001.DNG", rows, beside, [])) == {
        Role.RAW: (f"{FOLDER}/IMG_0001.DNG", 9000),
        Role.ORIGINAL: (f"{FOLDER}/IMG_0001.JPG", 800),
    }
