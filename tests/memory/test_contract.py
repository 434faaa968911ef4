"""The reference implementation keeps the contract, by the suites every connector feeds."""

from __future__ import annotations

from pathlib import Path

import pytest

from connectors.abilities import Album
from connectors.base import Asset, Kind, Resource, Role
from connectors.checksums import Algorithm, Checksum, digest
from connectors.memory import Library, MemorySink, MemorySource, Shelf
from tests.conformance.making import TAKEN, content
from tests.conformance.places import SinkPlace, SourcePlace
from tests.conformance.sink_suite import SinkSuite
from tests.conformance.source_suite import SourceSuite


class Shelved(SinkPlace):
    def __init__(self) -> None:
        self.shelf = Shelf()

    def open(self) -> MemorySink:
        return MemorySink("memory", self.shelf)

    def fill_up(self, room: int) -> None:
        self.shelf.limit = self.shelf.used + room


class Listed(SourcePlace):
    def __init__(self) -> None:
        self.library = Library()
        for n in range(250):  # more than two pages
            self.add(f"A-{n}", content(100 + n))
        self.add("LIVE", content(50_000), content(3_000_000))
        self.library.albums[Album("1", ("Trips", "Italy"))] = ("A-3", "A-1")

    def add(self, key: str, *parts: bytes) -> str:
        roles = (Role.ORIGINAL, Role.LIVE_VIDEO)[: len(parts)]
        resources = tuple(
            Resource(
                role,
                role,
                f"{key}.jpg",
                len(data),
                Checksum(Algorithm.MD5, digest([data])[Algorithm.MD5]),
            )
            for role, data in zip(roles, parts, strict=True)
        )
        kind = Kind.LIVE if len(parts) > 1 else Kind.PHOTO
        contents = dict(zip(map(str, roles), parts, strict=True))
        self.library.put(Asset(key, kind, TAKEN, resources), contents)
        return key

    def open(self) -> MemorySource:
        return MemorySource("memory", self.library)

    def truth(self, asset: Asset, resource: Resource) -> bytes:
        return self.library.contents[asset.id, resource.id]

    def empty(self) -> None:
        self.library = Library()

    def change(self) -> str:
        return self.add("A-7", content(777))

    def remove(self) -> str:
        self.library.trash("A-9")
        return "A-9"


class TestMemorySink(SinkSuite):
    @pytest.fixture
    def place(self, tmp_path: Path) -> SinkPlace:
        return Shelved()


class TestMemorySource(SourceSuite):
    @pytest.fixture
    def place(self, tmp_path: Path) -> SourcePlace:
        return Listed()
