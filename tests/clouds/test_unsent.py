"""``outpour verify`` confirms no copy of what has changed at the source and was not sent yet."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.cli.app import invoke
from pipeline.states import Exit
from tests.dropbox.bench import held
from tests.keep.reading import read
from tests.rehearsal.fanout import FanOut

pytestmark = pytest.mark.wide

KINDS = {"drive": "gdrive", "dropbox": "dropbox"}
CLOUD = "source: icloud:demo@example.com\nsinks: [dropbox]\n"


def captions(job: FanOut) -> list[str]:
    """What the sidecars at Dropbox say."""
    sidecars = (data for path, data in held(job.world.dropbox).items() if path.endswith(".xmp"))
    return [text for data in sidecars for text in read(data).lists.get("dc:description", [])]


def verify(job: FanOut) -> int:
    return invoke(["verify", str(job.config)])


def test_a_caption_whose_sidecar_could_not_be_sent_arrives_after_a_verify(job: FanOut) -> None:
    job.config.write_text(f"{CLOUD}keep: {{sidecars: always}}\nlimits: {{attempts: 1}}\n")
    assert job.run() == Exit.OK
    library, faults = job.world.cloud.library, job.world.cloud.faults
    library.change(next(iter(library)).id, caption="written later")
    faults.add("unavailable", 1.0, "*upload*", times=1)
    assert job.run() == Exit.ITEMS_FAILED
    assert verify(job) == Exit.OK, "the copies that count are as they were"
    assert job.run() == Exit.OK
    assert "written later" in captions(job)


def test_an_edit_that_stays_in_quarantine_keeps_nobody_from_verifying(job: FanOut) -> None:
    job.config.write_text(f"{CLOUD}verify: {{attempts: 1}}\n")
    library, faults = job.world.cloud.library, job.world.cloud.faults
    edited = next(iter(library)).id
    library.edit(edited)
    assert job.run() == Exit.OK
    library.edit(edited)
    faults.add("flip_byte", 1.0, f"content/{edited}/edited/*")
    assert job.run() == Exit.ITEMS_FAILED
    assert verify(job) == Exit.OK
    assert job.run() == Exit.ITEMS_FAILED, "it is still not there"
    faults.clear()
    assert job.run() == Exit.OK and verify(job) == Exit.OK


@pytest.mark.parametrize("sink", KINDS)
def test_a_file_that_changed_and_was_not_sent_is_sent_after_a_verify(
    job: FanOut, sink: str, tmp_path: Path
) -> None:
    album = tmp_path / "album"
    album.mkdir()
    for name in ("IMG_1.jpg", "IMG_2.jpg"):
        (album / name).write_bytes(name.encode())
    job.config.write_text(f"source: {album}\nsinks: [{KINDS[sink]}]\nkeep: {{sidecars: never}}\n")
    assert job.run() == Exit.OK
    (album / "IMG_1.jpg").write_bytes(b"edited since then")
    assert invoke(["rebuild", str(job.config)]) == Exit.ITEMS_FAILED, "it lists, and moves nothing"
    assert verify(job) == Exit.OK
    assert job.run() == Exit.OK
    assert job.held()[sink].total() == 3, "the edit beside what was there"
    assert verify(job) == Exit.OK
