"""What a sink holds already counts only when its own checksum says what it is."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from connectors.base import Kind, Receipt
from connectors.checksums import Algorithm, Checksum, digest
from connectors.local.source import LocalSource
from connectors.memory import Library, MemorySink, MemorySource, Shelf
from pipeline.config.models import Select
from pipeline.states import Exit
from pipeline.stopping import Stop
from tests.engine.rig import Recorder, contents, fill, go, job


class Listing(MemorySink):
    """Lists MD5, or nothing, where the shelf's own SHA-256 would tell more."""

    algorithm: Algorithm | None = Algorithm.SHA256

    def inventory(self) -> Iterator[Receipt]:
        for receipt in super().inventory():
            value = digest([self._shelf.visible[receipt.path][1]])
            given = (Checksum(self.algorithm, value[self.algorithm]),) if self.algorithm else ()
            yield replace(receipt, checksums=given)


@pytest.mark.parametrize(
    ("algorithm", "changed", "adopted"),
    [
        (Algorithm.SHA256, False, 4),
        (Algorithm.SHA256, True, 3),
        (Algorithm.MD5, False, 0),  # what we left beside a copy says nothing of its bytes now
        (None, True, 3),  # read back
    ],
)
def test_a_lost_ledger_is_rebuilt_from_proof_alone(
    tmp_path: Path, algorithm: Algorithm | None, changed: bool, adopted: int
) -> None:
    library, shelf = Library(), Shelf()
    fill(library, 3)
    sink = Listing("to", shelf)
    sink.algorithm = algorithm
    work = job(MemorySource("from", library), [sink], staging=tmp_path / "s")
    assert go(work, tmp_path / "first.sqlite").exit is Exit.OK
    if changed:
        path, (receipt, data) = next(iter(shelf.visible.items()))
        other = data[::-1] + b"!"
        own = Checksum(Algorithm.SHA256, digest([other])[Algorithm.SHA256])
        shelf.visible[path] = (replace(receipt, size=len(other), checksums=(own,)), other)
    watcher = Recorder()
    outcome = go(work, tmp_path / "second.sqlite", watcher)
    assert outcome.exit is Exit.OK and outcome.summary.adopted_files == adopted
    assert set(library.contents.values()) <= set(contents(shelf).values())


@pytest.mark.wide
@pytest.mark.parametrize("lost", [True, False], ids=["ledger lost", "selected anew"])
def test_a_copy_of_what_a_file_was_is_no_copy_of_what_it_is(tmp_path: Path, lost: bool) -> None:
    """A folder tells no checksum, and an edit in place keeps name and size: its copy of then has
    nothing but the same id to show."""
    photo, shelf = tmp_path / "from" / "IMG_1.JPG", Shelf()
    photo.parent.mkdir()
    photo.write_bytes(b"as it was")
    source = LocalSource("from", photo.parent)
    work = job(source, [MemorySink("to", shelf)], staging=tmp_path / "s")
    assert go(work, tmp_path / "first.sqlite").exit is Exit.OK
    photo.write_bytes(b"edited it")
    if lost:
        ledger = "second.sqlite"
    else:
        ledger, select = "first.sqlite", Select(min_size=1)
        work = job(source, [MemorySink("to", shelf)], staging=tmp_path / "s", select=select)
    assert go(work, tmp_path / ledger).exit is Exit.OK
    assert {b"as it was", b"edited it"} == set(contents(shelf).values())


class Broken(MemorySink):
    """Somebody presses Ctrl-C while it lists what it holds."""

    stop: Stop | None = None

    def inventory(self) -> Iterator[Receipt]:
        for number, receipt in enumerate(super().inventory()):
            if self.stop is not None and number == 100:
                self.stop.set("interrupted")
            yield receipt


@pytest.mark.wide
def test_an_adoption_that_broke_off_goes_on_and_doubles_nothing(tmp_path: Path) -> None:
    library, shelf = Library(), Shelf()
    fill(library, 120)
    source = MemorySource("from", library)
    earlier = job(source, [MemorySink("to", shelf)], staging=tmp_path / "s")
    assert go(earlier, tmp_path / "earlier.sqlite").exit is Exit.OK
    with shelf.lock:  # another tool's archive: other names, and nothing left beside the files
        for path in list(shelf.visible):
            receipt, data = shelf.visible.pop(path)
            other = replace(receipt, path=f"archive/{path}", checksums=(), properties={})
            shelf.visible[other.path] = (other, data)
    held = contents(shelf)
    sink = Broken("to", shelf)
    stop = sink.stop = Stop()
    work = job(source, [sink], staging=tmp_path / "s")
    assert go(work, tmp_path / "l.sqlite", stop=stop).exit is Exit.INTERRUPTED
    sink.stop = None
    outcome = go(work, tmp_path / "l.sqlite")
    assert outcome.exit is Exit.OK and 0 < outcome.summary.adopted_files < len(held)
    assert contents(shelf) == held, "what was there is copied beside itself"


@pytest.mark.wide
def test_what_is_selected_later_is_adopted_too(tmp_path: Path) -> None:
    library, shelf = Library(), Shelf()
    fill(library, 12)
    source, sink = MemorySource("from", library), MemorySink("to", shelf)
    assert go(job(source, [sink], staging=tmp_path / "s"), tmp_path / "e.sqlite").exit is Exit.OK
    held = contents(shelf)
    few = job(source, [sink], staging=tmp_path / "s", select=Select(kinds=(Kind.LIVE,)))
    assert go(few, tmp_path / "l.sqlite").summary.adopted_files == 8
    rest = go(job(source, [sink], staging=tmp_path / "s"), tmp_path / "l.sqlite")
    assert rest.exit is Exit.OK and rest.summary.adopted_files == 8
    assert contents(shelf) == held
