"""What a folder lists anew is not sent again to where its bytes are, wherever they are by now."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import pytest

from pipeline.cli.app import invoke
from pipeline.states import Exit
from tests.clouds.test_verify import CLOUDS, AtDrive, AtDropbox
from tests.rehearsal.fanout import FanOut

pytestmark = pytest.mark.wide

TYPES = {"drive": "gdrive", "dropbox": "dropbox"}
NOVEMBER, DECEMBER = 1_604_600_000, 1_608_800_000


@dataclass
class Album:
    """A folder of two photos that a cloud has, one of them where its owner moved it."""

    job: FanOut
    cloud: AtDrive | AtDropbox
    folder: Path
    moved: str = ""

    def put(self, name: str, data: bytes, when: int = NOVEMBER) -> None:
        (self.folder / name).write_bytes(data)
        os.utime(self.folder / name, (when, when))

    @property
    def received(self) -> int:
        return self.job.world.drive.received + self.job.world.dropbox.received


@pytest.fixture(params=list(CLOUDS))
def album(request: pytest.FixtureRequest, job: FanOut, tmp_path: Path) -> Album:
    made = Album(job, CLOUDS[request.param](job), tmp_path / "album")
    made.folder.mkdir()
    for name in ("IMG_1.jpg", "IMG_2.jpg"):
        made.put(name, name.encode())
    job.config.write_text(f"source: {made.folder}\nsinks: [{TYPES[request.param]}]\n")
    assert job.run() == Exit.OK
    made.moved = made.cloud.move("2020/11/IMG_1.jpg")
    assert invoke(["verify", str(job.config)]) == Exit.OK
    return made


def test_files_with_new_dates_are_read_and_not_sent(album: Album) -> None:
    before, received = album.cloud.paths(), album.received
    for name in ("IMG_1.jpg", "IMG_2.jpg"):
        album.put(name, name.encode(), DECEMBER)
    assert album.job.run() == Exit.OK
    assert (album.cloud.paths(), album.received) == (before, received)
    assert invoke(["verify", str(album.job.config)]) == Exit.OK


def test_a_sidecar_that_appears_is_brought_to_where_its_photo_is(album: Album) -> None:
    before = album.cloud.paths()
    album.put("IMG_1.AAE", b"<edit/>")
    assert album.job.run() == Exit.OK
    assert album.cloud.paths() == sorted([*before, album.moved.replace(".jpg", ".AAE")])


def test_files_that_were_renamed_are_read_and_not_sent(album: Album) -> None:
    before, received = album.cloud.paths(), album.received
    (album.folder / "trip").mkdir()
    for name in ("IMG_1.jpg", "IMG_2.jpg"):
        (album.folder / name).rename(album.folder / "trip" / f"Fjord {name}")
    assert album.job.run() == Exit.OK
    assert (album.cloud.paths(), album.received) == (before, received)
    assert album.job.run() == Exit.OK
    assert invoke(["verify", str(album.job.config)]) == Exit.OK


def test_nor_where_both_were_moved_since_anybody_looked(album: Album) -> None:
    album.cloud.move("2020/11/IMG_2.jpg")
    before, received = album.cloud.paths(), album.received
    for name in ("IMG_1.jpg", "IMG_2.jpg"):
        (album.folder / name).rename(album.folder / f"Fjord {name}")
    assert album.job.run() == Exit.OK
    assert (album.cloud.paths(), album.received) == (before, received)
    assert invoke(["verify", str(album.job.config)]) == Exit.OK


def test_a_photo_that_is_deleted_and_imported_again_in_icloud_is_not_sent_again(
    job: FanOut,
) -> None:
    assert job.run() == Exit.OK
    library, photos = job.world.cloud.library, job.wanted()
    before = job.held()["drive"], job.held()["dropbox"]
    received = job.world.drive.received + job.world.dropbox.received
    photo = next(a for a in library if a.kind == "photo" and len(a.files) == 1 and not a.shared)
    library.purge(photo.id)
    data = b"".join(photo.original.content.chunks())
    again = library.add(photo.original.filename, data=data, created=photo.created)
    assert again.id != photo.id and job.wanted() == photos
    assert job.run() == Exit.OK
    assert (job.held()["drive"], job.held()["dropbox"]) == before
    assert job.world.drive.received + job.world.dropbox.received == received
    assert job.held()["folder"] == photos
