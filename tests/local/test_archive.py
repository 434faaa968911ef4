"""What is read to recognise an archive of a folder: once, no more than can decide, stoppable."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from connectors.base import Resource, Sink, Source
from connectors.local.sink import LocalSink
from connectors.local.source import FileStream, LocalSource
from connectors.memory import Library, MemorySink, MemorySource, Shelf
from pipeline.cli.app import invoke
from pipeline.ledger import Ledger
from pipeline.runner import Job
from pipeline.runner.rebuild import Rebuilt, rebuild
from pipeline.states import Exit
from pipeline.stopping import Stop
from tests.conformance.making import content
from tests.engine.rig import Recorder, contents, fill, go, job
from tests.local.test_migration import held


class Watched(LocalSource):
    """Counts how often each file is opened, and tells of it."""

    def __init__(self, root: Path) -> None:
        super().__init__("from", root)
        self.opened: Counter[str] = Counter()
        self.before: Callable[[], None] = lambda: None

    def open(self, asset_id: str, resource: Resource, offset: int = 0) -> FileStream:
        self.opened[asset_id] += 1
        self.before()
        return super().open(asset_id, resource, offset)


@pytest.fixture
def source(tmp_path: Path) -> Watched:
    """Eight photos, all of one size."""
    (tmp_path / "from").mkdir()
    for number in range(8):
        (tmp_path / "from" / f"IMG_{number}.JPG").write_bytes(content(3000, number))
    return Watched(tmp_path / "from")


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    folder = tmp_path / "to" / "archive"
    folder.mkdir(parents=True)
    return folder


def setting(tmp_path: Path, source: Source, *sinks: Sink) -> Job:
    return job(source, sinks or [LocalSink("to", tmp_path / "to")], staging=tmp_path / "s")


def rebuilding(work: Job, tmp_path: Path, watcher: Recorder | None = None) -> Rebuilt:
    with Ledger.open(tmp_path / "l.sqlite") as ledger:
        return rebuild(work, ledger, watcher or Recorder(), stop=Stop())


def test_files_that_match_nothing_by_size_are_not_read(
    tmp_path: Path, source: Watched, archive: Path
) -> None:
    (archive / "IMG_1.JPG").write_bytes(content(3001))
    found = rebuilding(setting(tmp_path, source), tmp_path)
    assert not source.opened and found.sinks[0].foreign == 1


def test_a_file_is_read_once_however_many_sinks_hold_others_of_its_size(
    tmp_path: Path, source: Watched, archive: Path
) -> None:
    (archive / "a.JPG").write_bytes(content(3000, 100))
    (archive / "b.JPG").write_bytes(content(3000, 5))
    shutil.copytree(tmp_path / "to", tmp_path / "too")
    sinks = [LocalSink(name, tmp_path / name) for name in ("to", "too")]
    work = setting(tmp_path, source, *sinks)
    for _ in range(2):
        found = rebuilding(work, tmp_path)
    assert set(source.opened.values()) == {1} and len(source.opened) == 8
    assert [one.foreign for one in found.sinks] == [1, 1] and found.exit is Exit.ITEMS_FAILED


def test_of_many_of_one_size_the_one_of_that_name_is_read_first(
    tmp_path: Path, source: Watched, archive: Path
) -> None:
    shutil.copy(tmp_path / "from" / "IMG_6.JPG", archive)
    assert rebuilding(setting(tmp_path, source), tmp_path).sinks[0].files == 1
    assert list(source.opened) == ["IMG_6.JPG"]


def test_a_stop_ends_the_reading_and_the_next_run_goes_on(
    tmp_path: Path, source: Watched, archive: Path
) -> None:
    for number in range(8):
        (archive / f"{number}.JPG").write_bytes(content(3000, number))
    stop, work = Stop(), setting(tmp_path, source)
    source.before = lambda: stop.set("interrupted")
    assert go(work, tmp_path / "l.sqlite", stop=stop).exit is Exit.INTERRUPTED
    source.before = lambda: None
    assert go(work, tmp_path / "l.sqlite").exit is Exit.OK
    assert len(held(tmp_path / "to")) == 8


def test_a_file_that_cannot_be_compared_is_told_and_counts_as_not_proven(
    tmp_path: Path, source: Watched, archive: Path
) -> None:
    for number in range(8):
        (archive / f"IMG_{number}.JPG").write_bytes(content(3000, number))

    def replaced() -> None:
        (tmp_path / "from" / "IMG_2.JPG").write_bytes(b"other")

    source.before, watcher = replaced, Recorder()
    found = rebuilding(setting(tmp_path, source), tmp_path, watcher)
    assert (found.sinks[0].files, found.sinks[0].unproven, found.sinks[0].foreign) == (7, 1, 0)
    assert any("IMG_2.JPG cannot be compared" in notice.text for notice in watcher.notices)


@pytest.mark.usefixtures("source")
def test_two_folders_as_one_library_recognise_their_archive_too(
    tmp_path: Path, archive: Path
) -> None:
    (tmp_path / "more").mkdir()
    (tmp_path / "more" / "IMG_9.JPG").write_bytes(content(3500, 9))
    for number in range(8):
        (archive / f"{number}.JPG").write_bytes(content(3000, number))
    (archive / "9.JPG").write_bytes(content(3500, 9))
    config = tmp_path / "p.yaml"
    config.write_text(
        f"source: [{tmp_path / 'from'}, {{type: local, name: more, path: {tmp_path / 'more'}}}]\n"
        f"sinks: [{{type: local, name: to, path: {tmp_path / 'to'}}}]\n"
    )
    assert invoke(["run", str(config)]) == Exit.OK
    assert len(held(archive)) == 9 and len(list(archive.parent.rglob("*.JPG"))) == 9


def test_without_checksum_or_file_at_hand_nothing_is_foreign_that_may_be_a_copy(
    tmp_path: Path,
) -> None:
    """A phone: only a download would tell."""
    library, shelf = Library(), Shelf()
    fill(library, 4)
    for asset in list(library.assets.values()):
        bare = tuple(replace(resource, checksum=None) for resource in asset.resources)
        changed = replace(asset, resources=bare)
        library.put(changed, {r.id: library.contents[asset.id, r.id] for r in bare})
    work = setting(tmp_path, MemorySource("from", library), MemorySink("to", shelf))
    assert go(work, tmp_path / "first.sqlite").exit is Exit.OK
    copies = len(contents(shelf))
    with shelf.lock:  # as another tool left them
        for path, (receipt, data) in list(shelf.visible.items()):
            shelf.visible[path] = (replace(receipt, properties={}), data)
        other = replace(receipt, path="other", size=99_999)
        shelf.visible["other"] = (other, bytes(99_999))
    found = rebuilding(work, tmp_path).sinks[0]
    assert (found.files, found.unproven, found.foreign) == (0, copies, 1)


def test_a_source_within_its_sink_is_no_copy_of_itself(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    inbox = tmp_path / "Pictures" / "Inbox"
    inbox.mkdir(parents=True)
    (inbox / "IMG_1.jpg").write_bytes(content(3000))
    config = tmp_path / "p.yaml"
    config.write_text(f"source: {inbox}\nsinks: [{inbox.parent}]\npath: 'sorted/{{filename}}'\n")
    assert invoke(["rebuild", str(config)]) == Exit.ITEMS_FAILED
    assert "0 copies found" in capsys.readouterr().out
    assert invoke(["run", str(config)]) == Exit.OK
    assert set(held(inbox.parent)) >= {"Inbox/IMG_1.jpg", "sorted/IMG_1.jpg"}
