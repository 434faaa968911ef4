"""Promise: an archive that a cloud holds already, under whatever names, is not sent a second time,
though its listing tells nothing that the source's checksums could be compared with."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from connectors.base import Receipt
from connectors.checksums import Algorithm, Checksum, digest
from connectors.errors import Fatal
from connectors.memory import Library, MemorySink, MemorySource, Shelf
from pipeline.runner import Job
from pipeline.states import Exit
from tests.engine.rig import contents, fill, go, job

COUNT = 12


def archived(shelf: Shelf, path: str, data: bytes) -> None:
    """As another tool left it."""
    own = Checksum(Algorithm.SHA256, digest([data])[Algorithm.SHA256])
    shelf.visible[path] = (Receipt(path, len(data), (own,)), data)


def archive(tmp_path: Path) -> tuple[Library, Shelf, Job]:
    library, shelf = Library(), Shelf()
    fill(library, 9)
    for number, data in enumerate(library.contents.values()):
        archived(shelf, f"Old/{number}.bin", data)
    assert len(shelf.visible) == COUNT
    work = job(MemorySource("from", library), [MemorySink("to", shelf)], staging=tmp_path / "s")
    return library, shelf, work


def test_each_file_is_known_again_once_its_bytes_have_come(tmp_path: Path) -> None:
    _, shelf, work = archive(tmp_path)
    before = contents(shelf)
    outcome = go(work, tmp_path / "l.sqlite")
    assert outcome.exit is Exit.OK and outcome.summary.adopted_files == COUNT
    assert contents(shelf) == before
    again = go(work, tmp_path / "l.sqlite")
    assert again.exit is Exit.OK and again.summary.downloaded_bytes == 0
    assert contents(shelf) == before


def test_only_what_is_not_there_is_sent(tmp_path: Path) -> None:
    """Another file of the same size, or one that was changed since it was listed, is not it."""
    library, shelf, work = archive(tmp_path)
    data = shelf.visible.pop("Old/3.bin")[1]
    archived(shelf, "Old/other.bin", data[::-1])
    assert go(work, tmp_path / "l.sqlite").exit is Exit.OK
    assert len(shelf.visible) == COUNT + 1
    assert set(library.contents.values()) <= set(contents(shelf).values())


def test_two_photos_of_the_same_bytes_do_not_share_one_file(tmp_path: Path) -> None:
    library, shelf, work = archive(tmp_path)
    one = library.assets["asset-00001"]
    library.put(replace(one, id="twin"), {"original": library.contents[one.id, "original"]})
    assert go(work, tmp_path / "l.sqlite").exit is Exit.OK
    assert len(shelf.visible) == COUNT + 1
    held = list(contents(shelf).values())
    assert held.count(library.contents[one.id, "original"]) == 2


def test_a_run_that_breaks_off_in_between_doubles_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once it is settled which file is whose, and before that is confirmed."""
    _, shelf, work = archive(tmp_path)
    before = contents(shelf)

    def closed(*_: object) -> None:
        raise Fatal("the place is closed")

    with monkeypatch.context() as meanwhile:
        meanwhile.setattr("pipeline.stages.already_there.find_copy", closed)
        assert go(work, tmp_path / "l.sqlite").exit is Exit.FATAL
    assert go(work, tmp_path / "l.sqlite").exit is Exit.OK
    assert contents(shelf) == before


def test_what_went_meanwhile_is_sent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    library, shelf, work = archive(tmp_path)
    looked = MemorySink.inventory

    def emptied(self: MemorySink) -> object:
        yield from list(looked(self))
        shelf.visible.clear()

    monkeypatch.setattr(MemorySink, "inventory", emptied)
    assert go(work, tmp_path / "l.sqlite").exit is Exit.OK
    assert sorted(contents(shelf).values()) == sorted(library.contents.values())


def test_the_second_of_two_is_taken_where_the_first_went(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    library, shelf, work = archive(tmp_path)
    for number, data in enumerate(library.contents.values()):
        archived(shelf, f"Second/{number}.bin", data)
    looked = MemorySink.inventory

    def tidied(self: MemorySink) -> object:
        yield from list(looked(self))
        for path in [path for path in shelf.visible if path.startswith("Old/")]:
            del shelf.visible[path]

    monkeypatch.setattr(MemorySink, "inventory", tidied)
    assert go(work, tmp_path / "l.sqlite").exit is Exit.OK
    assert len(shelf.visible) == COUNT
