"""All files of a photo stand side by side, also where somebody else's file has one of the names."""

from __future__ import annotations

import pytest

from pipeline.states import Exit
from tests.clouds.test_verify import CLOUDS
from tests.rehearsal.fanout import FanOut

pytestmark = pytest.mark.wide

TYPES = {"drive": "gdrive", "dropbox": "dropbox"}


@pytest.mark.parametrize("name", CLOUDS)
def test_a_live_photo_and_its_later_edit_take_the_same_other_name(job: FanOut, name: str) -> None:
    job.config.write_text(
        f"source: icloud:demo@example.com\nsinks: [{TYPES[name]}]\n"
        "keep: {sidecars: never}\nlimits: {downloads: 1}\n"
    )
    assert job.run() == Exit.OK
    cloud, before = CLOUDS[name](job), set(CLOUDS[name](job).paths())
    taken = f"{next(iter(before)).rpartition('/')[0]}/LIVE_1.HEIC"
    library = job.world.cloud.library
    live = library.add("LIVE_1", "live", "heic", (("live_video", "mov"),), size=900)
    cloud.add(taken, b"a person's own")
    assert job.run() == Exit.OK
    library.edit(live.id)
    assert job.run() == Exit.OK
    ours = set(cloud.paths()) - before - {taken}
    stem = next(path for path in ours if path.endswith(".HEIC")).removesuffix(".HEIC")
    assert stem != taken.removesuffix(".HEIC")
    assert ours == {f"{stem}.HEIC", f"{stem}.MOV", f"{stem}-edited.JPG"}
