"""A person's own files go straight to a sink that proves what it got, and are only ever read."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from connectors.base import Body, Checkpoint, Put, Resource, Transferred
from connectors.local.sink import LocalSink
from connectors.local.source import FileStream, LocalSource
from connectors.memory import MemorySink, Shelf
from pipeline.states import Exit
from tests.conformance.making import content
from tests.engine.rig import contents, go, job
from tests.local.test_migration import album, held

Before = Callable[[Body], None]


class Watched(MemorySink):
    """Tells of each file before it is taken."""

    def __init__(self, before: Before) -> None:
        super().__init__("to", Shelf())
        self.before = before

    def transfer(self, put: Put, body: Body, token: str | None, keep: Checkpoint) -> Transferred:
        self.before(body)
        return super().transfer(put, body, token, keep)


def pour(tmp_path: Path, *sinks: MemorySink | LocalSink) -> Exit:
    source = LocalSource("from", tmp_path / "from")
    return go(job(source, sinks, staging=tmp_path / "staging"), tmp_path / "ledger").exit


def test_nothing_is_copied_first_and_the_files_stay_as_they_are(tmp_path: Path) -> None:
    made = album(tmp_path / "from")
    read: list[Path] = []
    sink = Watched(lambda body: read.append(body.path))
    assert pour(tmp_path, sink) is Exit.OK
    assert sorted(contents(sink._shelf).values()) == sorted(made.values())
    assert {path.is_relative_to(tmp_path / "from") for path in read} == {True}
    assert held(tmp_path / "from") == made


def test_files_at_hand_are_read_a_few_at_a_time(tmp_path: Path) -> None:
    """Reading them only takes a core, which the sinks need too."""
    album(tmp_path / "from")
    readers: set[str] = set()

    class Watching(LocalSource):
        def open(self, asset_id: str, resource: Resource, offset: int = 0) -> FileStream:
            readers.add(threading.current_thread().name)
            time.sleep(0.02)
            return super().open(asset_id, resource, offset)

    source, sink = Watching("from", tmp_path / "from"), MemorySink("to", Shelf())
    work = job(source, [sink], staging=tmp_path / "staging", downloads=16)
    assert go(work, tmp_path / "ledger").exit is Exit.OK
    assert 1 < sum(name.startswith("download-") for name in readers) <= 4


def test_a_folder_that_reads_back_copies_and_never_takes_the_file_itself(tmp_path: Path) -> None:
    made = album(tmp_path / "from")
    assert pour(tmp_path, LocalSink("to", tmp_path / "to", readback=True)) is Exit.OK
    assert held(tmp_path / "from") == made
    assert sorted(held(tmp_path / "to").values()) == sorted(made.values())
    for path in (tmp_path / "from").rglob("*.*"):
        assert path.stat().st_nlink == 1


def test_one_sink_that_proves_nothing_makes_a_copy_for_all(tmp_path: Path) -> None:
    """What could change on its way must not reach a sink that could not tell."""
    album(tmp_path / "from")
    read: list[Path] = []
    sink = Watched(lambda body: read.append(body.path))
    assert pour(tmp_path, sink, LocalSink("disk", tmp_path / "to")) is Exit.OK
    assert {path.is_relative_to(tmp_path / "staging") for path in read} == {True}
    assert sorted(held(tmp_path / "to").values()) == sorted(contents(sink._shelf).values())


@pytest.mark.wide
@pytest.mark.parametrize("tells", [True, False], ids=["newer", "with its old time"])
def test_a_file_that_changes_on_its_way_is_named_and_taken_by_the_next_run(
    tells: bool, tmp_path: Path
) -> None:
    photo = tmp_path / "from" / "IMG_1.JPG"
    photo.parent.mkdir()
    photo.write_bytes(content(5000, 1))
    before = photo.stat().st_mtime_ns

    def change(body: Body) -> None:
        body.path.write_bytes(content(5000, 2))
        os.utime(body.path, ns=(before, before) if not tells else (before + 10**9, before + 10**9))

    sink = Watched(change)
    assert pour(tmp_path, sink) is Exit.ITEMS_FAILED
    assert not contents(sink._shelf), "nothing but what was proven may be seen there"
    sink.before = lambda _: None
    assert pour(tmp_path, sink) is Exit.OK
    assert list(contents(sink._shelf).values()) == [content(5000, 2)]


def test_a_file_that_goes_on_its_way_is_named(tmp_path: Path) -> None:
    album(tmp_path / "from")
    sink = Watched(lambda body: body.path.unlink(missing_ok=True))
    assert pour(tmp_path, sink) is Exit.ITEMS_FAILED
