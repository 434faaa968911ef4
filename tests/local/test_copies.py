"""A staged file whose bytes have to be copied: what is copied is what was verified."""

from __future__ import annotations

import fcntl
import os
import sys
from pathlib import Path

import pytest

from connectors.base import Body, Checkpoint, Put, Transferred
from connectors.errors import ItemError
from connectors.local import disk
from connectors.local.sink import LocalSink
from connectors.memory import Library, MemorySource
from pipeline.states import Exit
from tests.conformance.making import Bench, content, only
from tests.engine.rig import fill, go, job
from tests.local.conftest import files

SIZE = 3_000_000


def damage(path: Path) -> None:
    """As a failing disk does it: of the same size, and with no error from the system."""
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def refused(sink: LocalSink, root: Path, bench: Bench, *, sole: bool) -> None:
    """A damaged file leaves nothing behind, a good one still lands."""
    put, body = bench.stage("2021/IMG_1.jpg", content(SIZE), sole=sole)
    damage(body.path)
    with pytest.raises(ItemError, match="changed after it was verified") as caught:
        sink.transfer(put, body, None, bench.keep)
    assert str(caught.value).count("sha256:") == 2, "both are named"
    assert files(root) == []
    body.path.write_bytes(content(SIZE))
    only(sink.commit([sink.transfer(put, body, None, bench.keep)]))
    assert (root / "2021/IMG_1.jpg").read_bytes() == content(SIZE)


@pytest.mark.skipif(not hasattr(os, "posix_fadvise"), reason="this system cannot be told")
def test_a_large_file_is_on_its_way_to_the_disk_before_it_is_whole(
    sink: LocalSink, bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[int] = []

    def advise(handle: int, begin: int, length: int, _: int) -> None:
        assert os.lseek(handle, 0, os.SEEK_CUR) == begin + length, "no further than it is written"
        told.append(begin + length)

    monkeypatch.setattr(disk, "share", lambda *_: False)
    monkeypatch.setattr(os, "posix_fadvise", advise)
    bench.send(sink, "VID_1.mov", bytes(20 * 1024 * 1024))
    assert told == [8 * 1024 * 1024, 16 * 1024 * 1024]


@pytest.mark.skipif(sys.platform != "linux", reason="other systems are not asked to share")
def test_a_disk_that_can_share_bytes_copies_none(
    sink: LocalSink, root: Path, bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    def clone(target: int, _: int, source: int) -> int:
        os.sendfile(target, source, 0, SIZE)
        return 0

    def write(*_: object) -> int:
        raise AssertionError("it was copied")

    monkeypatch.setattr(fcntl, "ioctl", clone)
    monkeypatch.setattr(os, "write", write)
    bench.place(sink, "IMG_1.jpg", content(SIZE))
    assert (root / "IMG_1.jpg").read_bytes() == content(SIZE)


@pytest.mark.parametrize("sole", [True, False], ids=["sole", "shared"])
@pytest.mark.parametrize("readback", [False, True], ids=["", "read back"])
def test_what_changed_in_staging_never_shows_on_another_disk(
    sole: bool, readback: bool, other_disk: Path, bench: Bench
) -> None:
    root = other_disk / "photos"
    refused(LocalSink("folder", root, readback=readback), root, bench, sole=sole)


def test_what_changed_in_staging_never_shows_on_the_same_disk(
    sink: LocalSink, root: Path, bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(disk, "share", lambda *_: False)
    refused(sink, root, bench, sole=False)


def test_the_next_run_fetches_it_anew(tmp_path: Path, other_disk: Path) -> None:
    class OnABadDay(LocalSink):
        def transfer(
            self, put: Put, body: Body, token: str | None, keep: Checkpoint
        ) -> Transferred:
            damage(body.path)
            return super().transfer(put, body, token, keep)

    library, root = Library(), other_disk / "photos"
    held = fill(library, 3)
    source, staging = MemorySource("from", library), tmp_path / "s"
    bad = job(source, [OnABadDay("to", root)], staging=staging)
    outcome = go(bad, tmp_path / "ledger")
    assert outcome.exit is Exit.ITEMS_FAILED
    assert all("changed after it was verified" in f.reason for f in outcome.summary.failures)
    assert (files(root), list(bad.staging.iterdir())) == ([], [])
    good = job(source, [LocalSink("to", root)], staging=staging)
    assert go(good, tmp_path / "ledger").exit is Exit.OK
    kept = sorted((root / name).read_bytes() for name in files(root) if not name.endswith(".xmp"))
    assert kept == sorted(data for group in held.values() for data in group)
