"""The files of a photo stand side by side: at a sink the others wait for the first, but never
for one that does not come."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from connectors.base import Asset, Kind, Receipt, Resource, Role, Stream
from connectors.checksums import Algorithm, Checksum, digest
from connectors.errors import Fatal, OutpourError, Unreadable
from connectors.memory import Library, MemorySink, MemorySource, Shelf
from pipeline.runner import Outcome
from pipeline.states import Exit
from tests.engine.rig import START, apple, contents, ending, go, job

SIZE = 100_000
SOMEBODY = Checksum(Algorithm.SHA256, digest([b"own"])[Algorithm.SHA256])


def live(library: Library, number: int) -> None:
    names = {"original": f"IMG_{number}.HEIC", "live": f"IMG_{number}.MOV"}
    held = {key: bytes([number]) * SIZE + key.encode() for key in names}
    resources = tuple(
        Resource(key, role, names[key], len(held[key]), apple(held[key]))
        for key, role in (("live", Role.LIVE_VIDEO), ("original", Role.ORIGINAL))
    )
    library.put(Asset(f"asset-{number}", Kind.LIVE, START, resources), held)


class VideosFirst(MemorySource):
    """Gives no photo before the video of the first was read; a photo then ends in ``error``."""

    def __init__(self, library: Library, error: OutpourError | None = None) -> None:
        super().__init__("from", library)
        self._error = error
        self._read = threading.Event()

    def open(self, asset_id: str, resource: Resource, offset: int = 0) -> Stream:
        stream = super().open(asset_id, resource, offset)
        if resource.role is Role.LIVE_VIDEO:
            threading.Timer(0.05, self._read.set).start()
            return stream
        assert self._read.wait(20)
        if self._error:
            raise self._error
        return stream


def moved(source: MemorySource, shelf: Shelf, folder: Path, budget: int = 10**9) -> Outcome:
    work = job(source, [MemorySink("to", shelf)], staging=folder / "s", budget=budget)
    ended = ending(lambda: go(work, folder / "l.sqlite"))
    assert isinstance(ended, Outcome), ended
    return ended


def test_a_video_that_comes_first_takes_the_name_that_its_photo_has_to_take(tmp_path: Path) -> None:
    library, shelf = Library(), Shelf()
    live(library, 1)
    taken = f"{START:%Y/%m}/IMG_1.HEIC"
    shelf.visible[taken] = (Receipt(taken, 3, (SOMEBODY,)), b"own")
    assert moved(VideosFirst(library), shelf, tmp_path).exit is Exit.OK
    ours = contents(shelf).keys() - {taken}
    assert len(ours) == 2 and len({path.rpartition(".")[0] for path in ours}) == 1


@pytest.mark.wide
@pytest.mark.parametrize("files", [1, 2, 3])
def test_however_little_room_staging_has_all_of_them_arrive(files: int, tmp_path: Path) -> None:
    library, shelf = Library(), Shelf()
    for number in range(12):
        live(library, number)
    outcome = moved(MemorySource("from", library), shelf, tmp_path, files * (SIZE + 10))
    assert outcome.exit is Exit.OK and len(contents(shelf)) == 24


def test_a_video_arrives_though_its_photo_cannot_be_read(tmp_path: Path) -> None:
    library, shelf = Library(), Shelf()
    live(library, 1)
    outcome = moved(VideosFirst(library, Unreadable("damaged")), shelf, tmp_path)
    assert outcome.exit is Exit.ITEMS_FAILED
    assert [path.rpartition("/")[2] for path in contents(shelf)] == ["IMG_1.MOV"]


def test_a_run_that_ends_waits_for_no_photo(tmp_path: Path) -> None:
    library, shelf = Library(), Shelf()
    live(library, 1)
    assert moved(VideosFirst(library, Fatal("no more")), shelf, tmp_path).exit is Exit.FATAL
    assert moved(MemorySource("from", library), shelf, tmp_path).exit is Exit.OK
    assert len(contents(shelf)) == 2
