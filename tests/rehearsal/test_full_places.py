"""iCloud is full, and three places only together are large enough for its library."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from connectors.abilities import Capacity
from pipeline.cli.app import invoke
from sandbox.dropbox.tree import File
from sandbox.faults import Faults
from sandbox.icloud import Account
from sandbox.library import Library
from sandbox.world import World
from tests.dropbox.bench import DropboxPlace
from tests.gdrive.bench import DrivePlace

pytestmark = pytest.mark.wide

MB, GB = 10**6, 10**9


def sparse(total: int, share: int) -> Library:
    """``total`` bytes in files of about ``share``; only their sizes exist until they are read."""
    library = Library(0, plain=True)
    number = 0
    while total > 0:
        # Sizes that fit no place evenly.
        size = min(total, share + (number * 7919) % share)
        library.add(f"IMG_{number:04}", size=max(size, 50_000))
        total -= size
        number += 1
    return library


def conduct(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    library: Library,
    rooms: tuple[int, int, int],
) -> None:
    total = library.used()
    account = Account(total=total, other_used=0)
    monkeypatch.setattr("connectors.local.disk.room", _disk_of(tmp_path / "Photos", rooms[2]))
    with World(library, account, Faults()) as world:
        for name, value in world.environ().items():
            monkeypatch.setenv(name, value)
        world.drive.store.keep_bytes = False
        world.dropbox.uploads.keep = False
        world.drive.store.limit, world.dropbox.tree.limit = rooms[0], rooms[1]
        DrivePlace(world.drive)
        DropboxPlace(world.dropbox)
        config = tmp_path / "full.yaml"
        config.write_text(
            "source: icloud:demo@example.com\n"
            f"sinks: [gdrive, dropbox, {{type: local, name: disk, path: {tmp_path}/Photos}}]\n"
            "when: {icloud: {used_above: 95%}}\n"
            "route: {to: first}\nkeep: {sidecars: never}\nstaging: {size: 500MB}\n"
        )
        assert invoke(["run", str(config)]) == 0, capsys.readouterr()
        told = capsys.readouterr()
        drive, dropbox = world.drive, world.dropbox
        on_drive = sorted(node.size or 0 for nodes in drive.store.paths().values()
                          for node in nodes)  # fmt: skip
        on_dropbox = [n.content.size for n in dropbox.tree.nodes.values() if isinstance(n, File)]
        on_disk = [p.stat().st_size for p in (tmp_path / "Photos").rglob("*.*") if p.is_file()]
        held = Counter([*on_drive, *on_dropbox, *on_disk])
        assert held == Counter(file.size for asset in library for file in asset.files)
        assert sum(held.elements()) == total
        assert drive.store.used <= rooms[0] and dropbox.tree.used <= rooms[1]
        assert sum(on_disk) <= rooms[2]
        assert min(map(len, (on_drive, on_dropbox, on_disk))) > 0, "all three were needed"
        assert drive.received + dropbox.received == sum(on_drive) + sum(on_dropbox), "sent twice"
        # At most one line for each change of state, and what was foreseen is said first.
        lines = [line for line in (told.out + told.err).splitlines() if "full" in line.lower()]
        assert len(lines) == len(set(lines)), lines
        assert "by free space" in told.out + told.err


def _disk_of(folder: Path, size: int) -> object:
    """The folder as a disk of that size, which only a privileged user could make."""

    def room(_: Path) -> Capacity:
        used = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
        return Capacity(used, size, max(0, size - used))

    return room


def test_a_library_larger_than_any_place_lands_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    conduct(tmp_path, monkeypatch, capsys, sparse(200 * MB, 2 * MB), (80 * MB, 80 * MB, 60 * MB))


@pytest.mark.slow
@pytest.mark.timeout(7200)
def test_twenty_gigabytes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    conduct(tmp_path, monkeypatch, capsys, sparse(20 * GB, 40 * MB), (8 * GB, 8 * GB, 6 * GB))
