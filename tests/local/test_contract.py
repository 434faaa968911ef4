"""A folder keeps the contract, as a sink and as a source."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from connectors.base import Asset, Resource, Sink, Source
from connectors.local import LocalSettings, connector
from tests.conformance.making import content
from tests.conformance.places import SinkPlace, SourcePlace
from tests.conformance.sink_suite import SinkSuite
from tests.conformance.source_suite import SourceSuite


class Folder(SinkPlace):
    streams = False

    def __init__(self, root: Path, readback: bool = False) -> None:
        self.settings = LocalSettings(path=root, readback=readback)

    def open(self) -> Sink:
        assert connector.sink
        return connector.sink("folder", self.settings)


class TestLocalSink(SinkSuite):
    @pytest.fixture
    def place(self, tmp_path: Path) -> SinkPlace:
        return Folder(tmp_path / "photos")


class TestLocalSinkReadingBack(SinkSuite):
    @pytest.fixture
    def place(self, tmp_path: Path) -> SinkPlace:
        return Folder(tmp_path / "photos", readback=True)


class SmallDisk(Folder):
    def __init__(self, disk: Path) -> None:
        super().__init__(disk / "photos")
        self.disk = disk

    def fill_up(self, room: int) -> None:
        free = os.statvfs(self.disk).f_bavail * os.statvfs(self.disk).f_frsize
        with (self.disk / "filler").open("wb") as filler:
            os.posix_fallocate(filler.fileno(), 0, free - room)


class TestOnASmallDisk(SinkSuite):
    """A disk of its own: files are copied across, and it can be full."""

    @pytest.fixture
    def place(self, tmp_path: Path) -> Iterator[SinkPlace]:
        command = ["mount", "-t", "tmpfs", "-o", "size=48m", "tmpfs", str(tmp_path)]
        if subprocess.run(command, capture_output=True).returncode:
            pytest.skip("this user may not mount a disk")
        yield SmallDisk(tmp_path)
        subprocess.run(["umount", "--lazy", str(tmp_path)], check=True)


class Album(SourcePlace):
    def __init__(self, root: Path) -> None:
        self.root = root
        for name, size in {
            "2021/IMG_1.HEIC": 50_000,
            "2021/IMG_1.MOV": 3_000_000,
            "2021/IMG_1.AAE": 300,
            "2021/IMG_2.JPG": 40_000,
            "2022/Zürich 🏖️.png": 1,
            "2022/a?b:c.gif": 0,
            "DSC_1.NEF": 70_000,
            "DSC_1.JPG": 60_000,
        }.items():
            self.write(name, content(size))

    def write(self, name: str, data: bytes) -> None:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)

    def open(self) -> Source:
        assert connector.source
        return connector.source("album", LocalSettings(path=self.root))

    def truth(self, asset: Asset, resource: Resource) -> bytes:
        return (self.root / asset.id).with_name(resource.id).read_bytes()

    def empty(self) -> None:
        for path in self.root.rglob("*.*"):
            path.unlink()

    def change(self) -> str:
        self.write("2021/IMG_2.JPG", content(40_000, 1))
        os.utime(self.root / "2021/IMG_2.JPG", (1, datetime.now(UTC).timestamp() + 60))
        return "2021/IMG_2.JPG"

    def remove(self) -> str:
        (self.root / "DSC_1.JPG").unlink()
        (self.root / "DSC_1.NEF").unlink()
        return "DSC_1.JPG"

    def damage(self) -> None:
        (self.root / "2021/lost.jpg").symlink_to(self.root / "nowhere.jpg")


class TestLocalSource(SourceSuite):
    @pytest.fixture
    def place(self, tmp_path: Path) -> SourcePlace:
        return Album(tmp_path / "album")
