"""A folder as a sink: what the disk does to it, and what it never does to the disk."""

from __future__ import annotations

import errno
import os
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from connectors.base import Receipt, Transferred
from connectors.checksums import Algorithm, digest
from connectors.errors import (
    CapacityExceeded,
    Fatal,
    ItemError,
    Misconfigured,
    OutpourError,
    PathConflict,
    Transient,
)
from connectors.local import disk
from connectors.local.folders import PREFIX
from connectors.local.sink import LocalSink
from tests.conformance.making import Bench, content, only
from tests.local.conftest import files, unprivileged

BIG = 3 * 1024 * 1024


# --- the staged file itself ---


def test_a_sole_file_is_taken_and_not_copied(sink: LocalSink, root: Path, bench: Bench) -> None:
    put, body = bench.stage("2021/IMG_1.jpg", content(BIG), sole=True)
    body.path.chmod(0o600)
    only(sink.commit([sink.transfer(put, body, None, bench.keep)]))
    kept = (root / "2021/IMG_1.jpg").stat()
    assert kept.st_ino == body.path.stat().st_ino
    assert kept.st_mode & 0o777 == 0o666 & ~current_umask(), "not private like the staging"
    body.path.unlink()
    assert (root / "2021/IMG_1.jpg").read_bytes() == content(BIG)


def test_a_shared_file_is_copied(sink: LocalSink, root: Path, bench: Bench) -> None:
    put, body = bench.stage("IMG_1.jpg", content(BIG))
    only(sink.commit([sink.transfer(put, body, None, bench.keep)]))
    assert (root / "IMG_1.jpg").stat().st_ino != body.path.stat().st_ino


def test_a_sole_file_of_another_size_is_refused(sink: LocalSink, root: Path, bench: Bench) -> None:
    put, body = bench.stage("IMG_1.jpg", content(5000), sole=True)
    body.path.write_bytes(content(4000))
    with pytest.raises(ItemError):
        sink.transfer(put, body, None, bench.keep)
    assert files(root) == []


def current_umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


# --- never overwriting ---


@pytest.mark.parametrize("way", [disk._rename_free, disk._link, disk._look_and_rename])
def test_no_way_of_publishing_overwrites(way: Callable[[Path, Path], None], tmp_path: Path) -> None:
    new, taken, free = tmp_path / "new", tmp_path / "taken", tmp_path / "free"
    new.write_bytes(b"new")
    taken.write_bytes(b"taken")
    with pytest.raises(FileExistsError):
        way(new, taken)
    assert (new.read_bytes(), taken.read_bytes()) == (b"new", b"taken")
    way(new, free)
    assert free.read_bytes() == b"new" and not new.exists()


@pytest.mark.parametrize("missing", [["_rename_free"], ["_rename_free", "_link"]])
def test_file_systems_without_links_or_exclusive_renames(
    missing: list[str], sink: LocalSink, root: Path, bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.EPERM, "not here")

    for name in missing:
        monkeypatch.setattr(disk, name, refuse)
    bench.place(sink, "IMG_1.jpg", content(5000))
    with pytest.raises(PathConflict):
        bench.place(sink, "IMG_1.jpg", content(5000, 1))
    assert files(root) == ["IMG_1.jpg"]


def test_a_conflict_at_commit_leaves_no_temporary_file(
    sink: LocalSink, root: Path, bench: Bench
) -> None:
    sent = bench.send(sink, "IMG_1.jpg", content(5000))
    (root / "IMG_1.jpg").write_bytes(b"someone else's")
    (answer,) = sink.commit([sent])
    assert isinstance(answer, PathConflict)
    assert files(root) == ["IMG_1.jpg"]
    assert (root / "IMG_1.jpg").read_bytes() == b"someone else's"


def test_names_that_differ_only_in_case_or_composition_clash(root: Path, bench: Bench) -> None:
    root.mkdir()
    (root / "img_É.jpg").write_bytes(content(5000))
    sink = LocalSink("folder", root)
    with pytest.raises(PathConflict):
        bench.place(sink, "IMG_e\u0301.JPG".replace("e\u0301", "é"), content(4000))
    same = bench.place(sink, "IMG_é.jpg", content(5000))
    assert same.path == "img_É.jpg", "the same content is there, under its own name"
    assert files(root) == ["img_É.jpg"]


def test_what_is_no_file_is_left_alone(sink: LocalSink, root: Path, bench: Bench) -> None:
    (root / "folder.jpg").mkdir(parents=True)
    (root / "link.jpg").symlink_to(root / "nowhere")
    (root / "file").write_bytes(b"x")
    for path in ("folder.jpg", "link.jpg"):
        assert sink.stat(path) is None
        with pytest.raises(PathConflict):
            bench.place(sink, path, content(10))
    with pytest.raises(ItemError):
        bench.place(sink, "file/IMG_1.jpg", content(10))
    assert files(root) == ["file", "link.jpg"]


# --- staying inside ---


@pytest.mark.parametrize(
    "path",
    ["../x.jpg", "a/../../x.jpg", "/etc/x.jpg", "a//x.jpg", "./x.jpg", "", "a/\0.jpg", "out/x.jpg"],
)
def test_paths_that_leave_the_folder_are_refused(
    path: str, sink: LocalSink, root: Path, bench: Bench
) -> None:
    root.mkdir()
    outside = root.parent / "elsewhere"
    outside.mkdir()
    (root / "out").symlink_to(outside)
    (outside / "x.jpg").write_bytes(b"x")
    put, body = bench.stage(path, content(10))
    for call in (
        lambda: sink.stat(path),
        lambda: sink.transfer(put, body, None, bench.keep),
        lambda: only(sink.commit([Transferred(put, "")])),
        lambda: list(sink.read(Receipt(path, 10))),
    ):
        with pytest.raises(ItemError):
            call()
    assert os.listdir(outside) == ["x.jpg"]


def test_a_token_cannot_point_elsewhere(sink: LocalSink, root: Path, bench: Bench) -> None:
    victim = root.parent / f"{PREFIX}1-00000000-1"
    victim.write_bytes(b"mine")
    bench.place(sink, "good.jpg", content(10))
    for token in (f"../{victim.name}", str(victim), "good.jpg", f"{PREFIX}x"):
        put, body = bench.stage("IMG_1.jpg", content(10))
        (answer,) = sink.commit([Transferred(put, token)])
        assert isinstance(answer, ItemError)
        sink.transfer(put, body, token, bench.keep)
    assert victim.read_bytes() == b"mine"
    assert (root / "good.jpg").exists()


# --- what the disk refuses ---

FAILURES = [
    ("posix_fallocate", errno.ENOSPC, CapacityExceeded),
    ("posix_fallocate", errno.EFBIG, ItemError),
    ("fsync", errno.ENOSPC, CapacityExceeded),
    ("fsync", errno.EDQUOT, CapacityExceeded),
    ("fsync", errno.EIO, Transient),
    ("open", errno.EACCES, ItemError),
    ("open", errno.EROFS, Misconfigured),
    ("mkdir", errno.ENOSPC, CapacityExceeded),
    ("write", errno.ENOSPC, CapacityExceeded),
]


@pytest.mark.parametrize(("call", "code", "expected"), FAILURES)
def test_a_disk_that_refuses_leaves_nothing_behind(
    call: str,
    code: int,
    expected: type[OutpourError],
    sink: LocalSink,
    root: Path,
    bench: Bench,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    put, body = bench.stage("2021/IMG_1.jpg", content(BIG))
    monkeypatch.setattr(disk, "share", lambda *_: False)

    def refuse(*_: object, **__: object) -> None:
        raise OSError(code, os.strerror(code))

    with monkeypatch.context() as broken:
        broken.setattr(os, call, refuse)
        with pytest.raises(expected) as caught:
            sink.transfer(put, body, None, bench.keep)
    assert "\n" not in str(caught.value)
    assert not root.exists() or files(root) == []
    only(sink.commit([sink.transfer(put, body, None, bench.keep)]))


@pytest.mark.parametrize("sole", [True, False])
def test_what_the_disk_failed_to_keep_is_written_once_more(
    sole: bool, sink: LocalSink, root: Path, bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A second fsync of the same bytes may succeed without writing anything."""
    put, body = bench.stage("IMG_1.jpg", content(BIG), sole=sole)
    fsync, shared = os.fsync, list[int]()
    monkeypatch.setattr(disk, "share", lambda *ends: shared.extend(ends))

    def refuse(handle: int) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(os, "fsync", refuse)
    with pytest.raises(Transient):
        sink.transfer(put, body, None, bench.keep)
    monkeypatch.setattr(os, "fsync", fsync)
    shared.clear()
    only(sink.commit([sink.transfer(put, body, None, bench.keep)]))
    assert (root / "IMG_1.jpg").stat().st_ino != body.path.stat().st_ino and not shared
    assert (root / "IMG_1.jpg").read_bytes() == content(BIG)


def test_short_writes_are_finished(
    sink: LocalSink, root: Path, bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = os.write
    monkeypatch.setattr(disk, "share", lambda *_: False)
    monkeypatch.setattr(os, "write", lambda fd, data: write(fd, data[:100_000]))
    bench.place(sink, "IMG_1.jpg", content(BIG))
    assert (root / "IMG_1.jpg").read_bytes() == content(BIG)


def test_a_disk_that_gives_back_other_bytes_is_noticed_before_they_show(
    root: Path, bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    sink = LocalSink("folder", root, readback=True)
    assert sink.traits.algorithm is Algorithm.SHA256
    monkeypatch.setattr(disk, "share", lambda *_: False)
    write = os.write
    monkeypatch.setattr(os, "write", lambda fd, data: write(fd, bytes(len(data))))
    with pytest.raises(Transient):
        bench.send(sink, "IMG_1.jpg", content(5000))
    assert files(root) == []


def test_a_commit_in_another_process_reads_back_too(root: Path, bench: Bench) -> None:
    sent = bench.send(LocalSink("folder", root, readback=True), "IMG_1.jpg", content(5000))
    (temporary,) = root.iterdir()
    temporary.write_bytes(content(5000, 1))
    other = LocalSink("folder", root, readback=True)
    (answer,) = other.commit([Transferred(sent.put, sent.token)])
    assert isinstance(answer, Transient)
    assert not (root / "IMG_1.jpg").exists()


def test_a_disk_that_is_pulled_is_not_filled_at_its_mount_point(
    sink: LocalSink, root: Path, bench: Bench
) -> None:
    bench.place(sink, "2021/IMG_1.jpg", content(10))
    root.rename(root.with_name("pulled"))
    for call in (
        lambda: bench.send(sink, "2021/IMG_2.jpg", content(10)),
        lambda: bench.send(sink, "2022/IMG_2.jpg", content(10)),
        lambda: sink.stat("2021/IMG_1.jpg"),
        lambda: list(sink.inventory()),
        sink.capacity,
    ):
        with pytest.raises(Fatal, match="gone"):
            call()
    assert not root.exists()


def test_nor_where_the_mount_point_itself_was_its_root(tmp_path: Path, bench: Bench) -> None:
    """Simulated by a link that leads to another file system and then to this one."""
    memory = Path("/dev/shm")
    if disk.device(memory) in (None, disk.device(tmp_path)) or not os.access(memory, os.W_OK):
        pytest.skip("no second file system here")
    below = tmp_path / "below"
    below.mkdir()
    root = tmp_path / "mounted"
    with tempfile.TemporaryDirectory(dir=memory) as other:
        root.symlink_to(other)
        sink = LocalSink("local", root)
        bench.place(sink, "IMG_1.jpg", content(1))
        root.unlink()
        root.symlink_to(below)
        with pytest.raises(Fatal, match="is gone"):
            bench.place(sink, "2021/IMG_2.jpg", content(1))
    assert not any(below.iterdir())


def test_a_folder_that_is_removed_in_the_middle_comes_back(
    sink: LocalSink, root: Path, bench: Bench
) -> None:
    bench.place(sink, "2021/IMG_1.jpg", content(10))
    (root / "2021/IMG_1.jpg").unlink()
    (root / "2021").rmdir()
    with pytest.raises(Transient):
        bench.send(sink, "2021/IMG_2.jpg", content(10))
    bench.place(sink, "2021/IMG_2.jpg", content(10))


def test_a_folder_that_is_removed_while_its_names_are_looked_at_comes_back(
    sink: LocalSink, root: Path, bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    (root / "2021").mkdir(parents=True)
    (root / "2021/IMG_1.jpg").write_bytes(b"somebody else's")
    bench.place(sink, "2021/IMG_2.jpg", content(10))
    (root / "2021/IMG_2.jpg").unlink()
    scandir = os.scandir

    def removed(folder: Path) -> Any:
        (root / "2021/IMG_1.jpg").unlink()
        (root / "2021").rmdir()
        return scandir(folder)

    with monkeypatch.context() as meanwhile:
        meanwhile.setattr(os, "scandir", removed)
        with pytest.raises(Transient):
            bench.send(sink, "2021/img_1.jpg", content(20))
    bench.place(sink, "2021/img_1.jpg", content(20))


def test_wrong_folders_are_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    for path, says in (
        (tmp_path / "file", "is a file"),
        (tmp_path / "file" / "x", "is a file"),
        (tmp_path / "no" / "such", "there is no folder"),
    ):
        with pytest.raises(Misconfigured, match=says) as caught:
            LocalSink("folder", path).check(writing=False)
        assert caught.value.hint and "\n" not in str(caught.value)
    assert os.listdir(tmp_path) == ["file"], "constructing makes nothing"


def test_a_folder_without_permission_is_one_clear_line(open_folder: Path) -> None:
    closed = open_folder / "closed"
    closed.mkdir(mode=0o555)
    hidden = open_folder / "hidden"
    hidden.mkdir(mode=0o000)
    with unprivileged():
        for path in (closed, closed / "photos"):
            with pytest.raises(Misconfigured, match="cannot write"):
                LocalSink("folder", path).check(writing=True)
        with pytest.raises(Misconfigured, match="cannot read"):
            LocalSink("folder", hidden).check(writing=False)
        with pytest.raises(Misconfigured, match="cannot reach"):
            LocalSink("folder", hidden / "photos" / "2021").check(writing=False)


def test_the_inventory_leaves_out_temporary_files_and_links(
    sink: LocalSink, root: Path, bench: Bench
) -> None:
    bench.place(sink, "a/b/IMG_1.jpg", content(10))
    bench.send(sink, "a/IMG_2.jpg", content(10))
    (root / "loop").symlink_to(root)
    (root / "note.txt").write_text("mine")
    assert [receipt.path for receipt in sink.inventory()] == ["note.txt", "a/b/IMG_1.jpg"]


def test_an_edit_in_the_instant_of_the_swap_is_put_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Promise 3, at its narrowest: a program saves the sidecar after we looked at it."""
    sink, bench = LocalSink("here", tmp_path / "to"), Bench(tmp_path)
    bench.place(sink, "a.xmp", b"ours")
    put, body = bench.stage("a.xmp", b"newer")
    put = replace(put, replaces=frozenset({digest([b"ours"])[Algorithm.SHA256]}))
    sent = sink.transfer(put, body, None, bench.keep)
    swap = disk.exchange

    def late(temporary: Path, target: Path) -> bool:
        if target.read_bytes() == b"ours":
            target.write_bytes(b"edited by a person")
        return swap(temporary, target)

    monkeypatch.setattr(disk, "exchange", late)
    (answer,) = sink.commit([sent])
    assert isinstance(answer, PathConflict)
    assert (tmp_path / "to/a.xmp").read_bytes() == b"edited by a person"
    assert [path.name for path in (tmp_path / "to").iterdir()] == ["a.xmp"]
