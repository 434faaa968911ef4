"""Staging never outgrows its budget, and gives everything back."""

from __future__ import annotations

import contextlib
import errno
import os
import threading
import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from connectors.base import Body, Checkpoint, Put, Transferred
from connectors.checksums import digest
from connectors.errors import ItemError
from connectors.flushing import FlushAhead
from connectors.local import LocalSink
from connectors.memory import Library, MemorySink, MemorySource, Shelf
from pipeline.stages import fetch
from pipeline.staging import Staged, Staging
from pipeline.states import Exit, RunState
from pipeline.stopping import Stop, Stopped
from tests.engine.rig import fill, go, job


@given(sizes=st.lists(st.integers(0, 3_000_000), max_size=40), budget=st.integers(1, 2_000_000))
@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    max_examples=40,
)
def test_the_budget_holds_whatever_comes(tmp_path: Path, sizes: list[int], budget: int) -> None:
    """A single file that is larger passes alone; nothing else is there then."""
    staging = Staging(tmp_path / "s", budget, Stop())
    held: list[int] = []
    lock = threading.Lock()

    def pass_through(size: int) -> None:
        cost = staging.reserve(size)
        with lock:
            held.append(cost)
            assert sum(held) <= budget or len(held) == 1
        with lock:
            held.remove(cost)
        staging.release(cost)

    threads = [threading.Thread(target=pass_through, args=(size,)) for size in sizes]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert staging.used == 0


def test_whoever_waits_for_room_hears_that_the_run_ends(tmp_path: Path) -> None:
    stop = Stop()
    staging = Staging(tmp_path, 100_000, stop)
    staging.reserve(100_000)
    stop.set("interrupted")
    with pytest.raises(Stopped):
        staging.reserve(100_000)


def test_a_file_goes_with_the_last_sink_that_needs_it(tmp_path: Path) -> None:
    staging = Staging(tmp_path, 10**6, Stop())
    cost, path = staging.reserve(5), staging.path(7)
    path.write_bytes(b"photo")
    staged = Staged(path, digest([b"photo"]), cost, staging, users=3)
    assert (staged.let_go(landed=True), path.exists(), staged.sole) == (False, True, False)
    assert (staged.let_go(landed=True), path.exists(), staged.sole) == (False, True, True)
    assert staged.let_go(landed=True) and not path.exists()
    assert staging.used == 0


@pytest.mark.parametrize("how", ["written over", "replaced", "in a moment"])
def test_a_file_that_somebody_else_wrote_is_given_to_no_sink(tmp_path: Path, how: str) -> None:
    """A sink on the same disk takes it as it is, unread."""
    staging = Staging(tmp_path, 10**6, Stop())
    path = staging.path(7)
    path.write_bytes(b"photo")
    staged = Staged(path, digest([b"photo"]), staging.reserve(5), staging, users=1)
    staged.prove()
    before = path.stat()
    time.sleep(0.02)  # longer than the system's clock takes to tick
    if how == "replaced":
        path.unlink()
    path.write_bytes(b"other")
    if how == "in a moment":
        path.write_bytes(b"others")
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    with pytest.raises(ItemError, match="somebody else wrote"):
        staged.prove()


def test_a_file_whose_time_a_sink_has_set_is_still_the_one(tmp_path: Path) -> None:
    staging = Staging(tmp_path, 10**6, Stop())
    path = staging.path(7)
    path.write_bytes(b"photo")
    staged = Staged(path, digest([b"photo"]), staging.reserve(5), staging, users=1)
    os.utime(path, (1, 1))
    staged.prove()
    path.unlink()
    staged.prove()  # who opens it tells that it is not there


def test_what_an_earlier_process_left_is_found_by_resource(tmp_path: Path) -> None:
    staging = Staging(tmp_path, 10**6, Stop())
    staging.path(12).write_bytes(b"half")
    (tmp_path / "notes.txt").write_bytes(b"somebody's")
    assert [key for key, _ in staging.leftovers()] == [12]


class Failing(FlushAhead):
    code = errno.ENOSPC

    def reached(self, size: int) -> None:
        raise OSError(self.code, os.strerror(self.code))


@pytest.mark.parametrize(
    ("code", "ends", "told"),
    [
        (errno.ENOSPC, (Exit.NO_ROOM, RunState.NO_ROOM), "no room left for staging in"),
        (errno.EIO, (Exit.FATAL, RunState.FAILED), "cannot use staging in"),
        (errno.EROFS, (Exit.FATAL, RunState.FAILED), "cannot use staging in"),
    ],
    ids=["full", "broken", "write-protected"],
)
def test_where_staging_fails_the_run_ends_and_no_photo_is_called_failed(
    code: int,
    ends: tuple[Exit, RunState],
    told: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    library = Library()
    fill(library, 3)
    work = job(
        MemorySource("from", library),
        [LocalSink("to", tmp_path / "to")],
        staging=tmp_path / "staging",
    )
    with monkeypatch.context() as disk:
        disk.setattr(fetch, "FlushAhead", Failing)
        disk.setattr(Failing, "code", code)
        outcome = go(work, tmp_path / "l.sqlite")
    assert (outcome.exit, outcome.state) == ends
    assert f"{told} {tmp_path}/staging" in outcome.error
    assert outcome.summary.failed == 0
    assert go(work, tmp_path / "l.sqlite").exit is Exit.OK


class Unplugging(LocalSink):
    """A sink that reads when all files are staged, at which moment the staging disk goes away."""

    def transfer(self, put: Put, body: Body, token: str | None, keep: Checkpoint) -> Transferred:
        folder = body.path.parent
        with contextlib.suppress(FileNotFoundError):  # another thread took it away
            for _ in range(500):
                if len(os.listdir(folder)) == 7:
                    break
                time.sleep(0.01)
            folder.rename(folder.with_name("unplugged"))
        return super().transfer(put, body, token, keep)


def test_a_staging_disk_that_goes_while_a_sink_reads_is_no_fault_of_the_photos(
    tmp_path: Path,
) -> None:
    library = Library()
    fill(library, 5)  # seven files
    source, staging = MemorySource("from", library), tmp_path / "staging"
    work = job(source, [Unplugging("to", tmp_path / "to")], staging=staging)
    outcome = go(work, tmp_path / "l.sqlite")
    assert (outcome.exit, outcome.state) == (Exit.FATAL, RunState.FAILED)
    assert f"cannot use staging in {staging}" in outcome.error
    assert outcome.summary.failed == 0
    work.staging.with_name("unplugged").rename(work.staging)
    whole = job(source, [LocalSink("to", tmp_path / "to")], staging=staging)
    assert go(whole, tmp_path / "l.sqlite").exit is Exit.OK
    assert not [path for path in staging.rglob("*") if path.is_file()]


def test_a_staging_disk_that_lets_nothing_go_ends_the_run_with_its_summary(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    library = Library()
    fill(library, 3)
    staging = tmp_path / "staging"
    work = job(MemorySource("from", library), [MemorySink("to", Shelf())], staging=staging)
    unlink = Path.unlink

    def refused(path: Path, missing_ok: bool = False) -> None:
        if path.parent == work.staging:
            raise OSError(errno.EROFS, os.strerror(errno.EROFS))
        unlink(path, missing_ok)

    with monkeypatch.context() as disk:
        disk.setattr(Path, "unlink", refused)
        outcome = go(work, tmp_path / "l.sqlite")
    assert (outcome.exit, outcome.state) == (Exit.FATAL, RunState.FAILED)
    assert f"cannot use staging in {staging}" in outcome.error
    assert outcome.summary.failed == 0
    assert go(work, tmp_path / "l.sqlite").exit is Exit.OK
    assert not [path for path in staging.rglob("*") if path.is_file()]
