"""A folder tells no checksum of its photos: what a sink holds of them is recognised by reading."""

from __future__ import annotations

import json
import os
from collections import Counter
from pathlib import Path

import pytest

from pipeline.cli.app import invoke
from pipeline.states import Exit
from tests.clouds.test_rebuild import lose_the_ledger, rebuilt
from tests.conformance.making import content
from tests.rehearsal.fanout import SINKS, FanOut
from tests.rehearsal.rig import sha

pytestmark = pytest.mark.wide

KINDS = {
    "folder": "{type: local, name: folder, path: %s}",
    "drive": "{type: gdrive, name: drive}",
    "dropbox": "dropbox",
}


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Some of the same size, two of the same bytes."""
    folder = tmp_path / "from"
    folder.mkdir()
    for number, size in enumerate([5000, 5000, 5000, 700, 2_500_000]):
        (folder / f"IMG_{number}.JPG").write_bytes(content(size, number))
    (folder / "again.JPG").write_bytes(content(700, 3))
    return folder


def pipeline(job: FanOut, photos: Path, path: str, *sinks: str) -> None:
    there = ", ".join(KINDS[sink].replace("%s", str(job.folder)) for sink in sinks)
    job.config.write_text(
        f"source: {{type: local, name: from, path: {photos}}}\nsinks: [{there}]\npath: '{path}'\n"
    )


def touch(photos: Path) -> None:
    """As a program does that writes a photo's tags back unchanged: to a folder it is another."""
    for photo in photos.iterdir():
        os.utime(photo, (1_600_000_000, 1_600_000_000))


def received(job: FanOut) -> tuple[int, int]:
    return job.world.drive.received, job.world.dropbox.received


def contents(photos: Path) -> Counter[str]:
    return Counter(sha(photo.read_bytes()) for photo in photos.iterdir())


@pytest.mark.parametrize("sink", SINKS)
def test_after_a_lost_ledger_nothing_is_doubled_whatever_the_template_says_now(
    sink: str, job: FanOut, photos: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pipeline(job, photos, "{created:%Y/%m}/{filename}", sink)
    assert job.run() == Exit.OK
    touch(photos)
    lose_the_ledger()
    before = received(job)
    pipeline(job, photos, "all/{filename}", sink)
    found = rebuilt(job, capsys)
    assert found["exit"] == Exit.OK
    one = found["sinks"][sink]
    assert (one["files"], one["foreign"], one["unproven"]) == (6, 0, 0)
    assert job.run() == Exit.OK
    assert job.held()[sink] == contents(photos) and received(job) == before
    assert invoke(["verify", str(job.config)]) == Exit.OK


@pytest.mark.parametrize("sink", SINKS)
def test_an_archive_under_other_names_is_recognised_by_the_first_run(
    sink: str, job: FanOut, photos: Path
) -> None:
    pipeline(job, photos, "archive/old {filename}", sink)
    assert job.run() == Exit.OK
    lose_the_ledger()
    touch(photos)
    (photos / "IMG_0.JPG").write_bytes(content(5000, 99))  # another photo of the same size
    (photos / "new.JPG").write_bytes(content(700, 3))  # the third of the same bytes
    before = job.held()[sink]
    pipeline(job, photos, "{created:%Y/%m}/{filename}", sink)
    assert job.run() == Exit.OK
    added = Counter([sha(content(5000, 99)), sha(content(700, 3))])
    assert job.held()[sink] - before == added


def test_what_is_proven_so_is_not_called_verified_by_the_source(
    job: FanOut, photos: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pipeline(job, photos, "archive/{filename}", "folder")
    assert job.run() == Exit.OK
    lose_the_ledger()
    assert rebuilt(job, capsys)["exit"] == Exit.OK
    assert invoke(["report", str(job.config), "--json"]) == Exit.OK
    files = [f for asset in json.loads(capsys.readouterr().out)["assets"] for f in asset["files"]]
    assert {file["proof"] for file in files} == {"size"} and len(files) == 6


def test_two_files_of_one_name_side_by_side_at_drive_are_both_recognised(
    job: FanOut, photos: Path
) -> None:
    pipeline(job, photos, "archive/{filename}", "drive")
    assert job.run() == Exit.OK
    lose_the_ledger()
    touch(photos)
    store, before = job.world.drive.store, received(job)
    for name in ("IMG_0.JPG", "IMG_3.JPG"):  # of different sizes
        (node,) = store.paths()[f"Outpour/archive/{name}"]
        store.move(node, node.parent, "same.JPG")
    pipeline(job, photos, "{created:%Y/%m}/{filename}", "drive")
    assert job.run() == Exit.OK
    assert received(job) == before and job.held()["drive"] == contents(photos)
