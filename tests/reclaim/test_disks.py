"""Folders as sinks: the medium is read back, and no trick makes two copies out of one."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from connectors.abilities import Identity
from connectors.errors import Fatal, Misconfigured, OutpourError
from connectors.local import LocalSettings, LocalSink
from connectors.local import connector as local
from connectors.memory import Library, MemorySource
from pipeline.config.models import Place
from pipeline.ledger import Ledger
from pipeline.reclaim import Done, reclaiming
from pipeline.runner import Job, run, verify
from pipeline.states import Exit
from pipeline.stopping import Stop
from tests.engine.rig import Recorder, fill, job
from tests.reclaim.rig import FAST, ask

pytestmark = pytest.mark.wide


class Disks:
    """Six photos in two folders, ``a`` and ``b``, as two pretended disks."""

    def __init__(self, folder: Path, *roots: str, readback: bool = False) -> None:
        self.folder = folder
        self.library = Library()
        fill(self.library, 6)
        self.readback = readback
        self.roots = [folder / root for root in roots or ("a", "b")]
        with Ledger.open(folder / "l.sqlite") as ledger:
            outcome = run(self.job, ledger, Recorder(), stop=Stop(), prompter=None)
        assert outcome.exit is Exit.OK, outcome

    @property
    def job(self) -> Job:
        source = MemorySource("from", self.library)
        sinks = [LocalSink(f"to{n}", root, readback=self.readback)
                 for n, root in enumerate(self.roots)]  # fmt: skip
        made = job(source, sinks, staging=self.folder / "s")
        places = tuple(
            Place(sink.name, "local", local, LocalSettings(path=root))
            for sink, root in zip(sinks, self.roots, strict=True)
        )
        return Job(made.pipeline.model_copy(update={"sinks": places}), (source,), made.sinks)

    def reclaim(self, *, same_disk: bool = True) -> Done:
        policy = ask(same_disk=same_disk)
        with (
            Ledger.open(self.folder / "l.sqlite") as ledger,
            reclaiming(self.job, ledger, Recorder(), stop=Stop(), pace=FAST) as session,
        ):
            return session.free(policy, session.survey(policy))

    def copies(self) -> Iterator[tuple[LocalSink, str]]:
        for root in self.roots:
            sink = LocalSink("to", root)
            for path in root.rglob("*.HEIC"):
                yield sink, path.relative_to(root).as_posix()

    def file(self, root: int, number: int) -> Path:
        return next(self.roots[root].rglob(f"IMG_000{number}.HEIC"))


def test_two_folders_on_one_disk_are_one_copy_unless_said(tmp_path: Path) -> None:
    disks = Disks(tmp_path)
    with pytest.raises(OutpourError, match="to0 and to1 count as one copy: they are on one disk"):
        disks.reclaim(same_disk=False)
    assert len(disks.library.assets) == 6
    assert disks.reclaim().whole and not disks.library.assets


def test_a_folder_of_one_sink_that_lies_on_the_disk_of_another_is_no_second_place(
    tmp_path: Path, other_disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may be mounted there: each copy's own disk counts, and not that of the sink's root."""
    disks = Disks(tmp_path, "a", str(other_disk / "b"))
    identity = LocalSink.identity
    apart = {identity(sink, path).medium for sink, path in disks.copies()}
    assert len(apart) == 2

    def mounted(sink: LocalSink, path: str) -> Identity:
        return replace(identity(sink, path), medium=min(apart))

    with monkeypatch.context() as meanwhile:
        meanwhile.setattr(LocalSink, "identity", mounted)
        done = disks.reclaim(same_disk=False)
    assert len(done.withdrawn) == len(disks.library.assets) == 6
    assert all("1 of 2 independent copies" in why for _, why in done.withdrawn)
    assert disks.reclaim(same_disk=False).whole and not disks.library.assets


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    kept = path.stat()
    path.write_bytes(data)
    os.utime(path, ns=(kept.st_atime_ns, kept.st_mtime_ns))


def cut(path: Path) -> None:
    os.truncate(path, path.stat().st_size - 1)


def zero(path: Path) -> None:
    """What a file system may leave after a power cut: the size, and no bytes."""
    path.write_bytes(bytes(path.stat().st_size))


def link_elsewhere(path: Path) -> None:
    """A symbolic link is not the file."""
    moved = path.with_suffix(".moved")
    path.rename(moved)
    path.symlink_to(moved)


@pytest.mark.parametrize("damage", [flip, cut, zero, Path.unlink, link_elsewhere])
@pytest.mark.parametrize("readback", [False, True])
def test_a_damaged_file_keeps_its_photo(
    tmp_path: Path, damage: Callable[[Path], None], readback: bool
) -> None:
    disks = Disks(tmp_path, readback=readback)
    damage(disks.file(1, 4))
    done = disks.reclaim()
    assert set(disks.library.assets) == {"asset-00004"}
    assert len(done.withdrawn) == 1


def test_a_hard_link_is_the_same_copy(tmp_path: Path) -> None:
    disks = Disks(tmp_path)
    twin = disks.file(1, 4)
    twin.unlink()
    os.link(disks.file(0, 4), twin)
    done = disks.reclaim()
    assert set(disks.library.assets) == {"asset-00004"}
    assert done.withdrawn == [("IMG_0004.HEIC", "has 1 of 2 independent copies")]


def test_a_folder_below_the_other_adds_no_copy(tmp_path: Path) -> None:
    """The second sink finds the first one's files below its root and adopts them."""
    disks = Disks(tmp_path, "a")
    disks.roots.append(tmp_path / "a" / "2024")
    with Ledger.open(tmp_path / "l.sqlite") as ledger:
        run(disks.job, ledger, Recorder(), stop=Stop(), prompter=None)
    done = disks.reclaim()
    assert len(disks.library.assets) == 6 and len(done.withdrawn) == 6


def test_another_way_to_the_same_folder_adds_no_copy(tmp_path: Path) -> None:
    disks = Disks(tmp_path, "a")
    (tmp_path / "alias").symlink_to(tmp_path / "a")
    disks.roots.append(tmp_path / "alias")
    with Ledger.open(tmp_path / "l.sqlite") as ledger:
        outcome = run(disks.job, ledger, Recorder(), stop=Stop(), prompter=None)
    assert outcome.exit is Exit.USAGE
    assert "to1 is the same place as to0" in outcome.error
    disks.reclaim()
    assert len(disks.library.assets) == 6


def test_a_folder_that_came_to_be_the_other_adds_no_copy(tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    (tmp_path / "alias").symlink_to(tmp_path / "b")
    disks = Disks(tmp_path, "a", "alias")
    (tmp_path / "alias").unlink()
    (tmp_path / "alias").symlink_to(tmp_path / "a")
    with pytest.raises(Misconfigured, match="to1 is the same place as to0"):
        disks.reclaim()
    assert len(disks.library.assets) == 6


def test_a_disk_that_is_not_there_loses_nothing_and_is_named(tmp_path: Path) -> None:
    disks = Disks(tmp_path)
    disks.roots[1].rename(tmp_path / "elsewhere")
    disks.roots[1].mkdir()  # an empty mount point
    with pytest.raises(Fatal, match="to1 holds none of the copies that were made there"):
        disks.reclaim()
    assert len(disks.library.assets) == 6
    disks.roots[1].rmdir()
    (tmp_path / "elsewhere").rename(disks.roots[1])
    assert disks.reclaim().whole, "no copy was forgotten meanwhile"


def test_a_folder_that_was_emptied_is_named(tmp_path: Path) -> None:
    disks = Disks(tmp_path)
    for below in disks.roots[1].iterdir():
        below.rename(tmp_path / "elsewhere")
    done = disks.reclaim()
    assert "to1 holds none of the files it should: is it connected?" in str(done.error)
    assert len(disks.library.assets) == 6
    (tmp_path / "elsewhere").rename(disks.roots[1] / "2024")
    assert disks.reclaim().whole, "no copy was forgotten meanwhile"


def test_verify_reads_what_a_listing_does_not_prove(tmp_path: Path) -> None:
    """A folder with ``readback`` promises checksums, but its listing carries none."""
    disks = Disks(tmp_path, readback=True)
    flip(disks.file(1, 4))
    disks.file(1, 5).unlink()
    with Ledger.open(tmp_path / "l.sqlite") as ledger:
        found = verify(disks.job, ledger, Recorder(), stop=Stop())
    wrong = {path.rpartition("/")[2]: why for path, why in found.sinks[1].wrong}
    assert wrong["IMG_0005.HEIC"] == "missing" and wrong["IMG_0004.HEIC"].startswith("holds")
    assert not found.sinks[0].wrong and found.sinks[0].checked == 8
