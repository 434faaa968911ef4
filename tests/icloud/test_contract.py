"""iCloud keeps the contract of sources, by the suite every source feeds."""

from __future__ import annotations

from pathlib import Path

import pytest

from connectors.base import Asset, Resource
from connectors.icloud.source import ICloudSource
from sandbox.library import Library
from tests.conformance.places import SourcePlace
from tests.conformance.source_suite import SourceSuite
from tests.icloud.rig import PASSWORD, Rig, truth


class Cloud(SourcePlace):
    def __init__(self, rig: Rig) -> None:
        self.rig = rig
        self.secrets = (PASSWORD, "wrappingKey", *rig.account.cookies, *rig.account.tokens)

    def open(self) -> ICloudSource:
        return self.rig.source()

    def truth(self, asset: Asset, resource: Resource) -> bytes:
        return truth(self.rig.library, asset, resource)

    def change(self) -> str:
        number = self.rig.library.view("shown")[3]
        return self.rig.library.change(self.rig.library.get(number).id, favorite=True).id

    def remove(self) -> str:
        number = self.rig.library.view("shown")[5]
        return self.rig.library.trash(self.rig.library.get(number).id).id

    def damage(self) -> None:
        broken = self.rig.library.add("BROKEN").id
        self.rig.faults.add("error_item", key=f"record/{broken}")
        self.rig.icloud.cloudkit.indexed = lambda name: name != broken

    def cut(self) -> None:
        self.rig.faults.once("cut_stream", "content/*")

    def throttle(self) -> float:
        self.rig.faults.once("throttle", "content/*")
        return self.rig.faults.retry_after

    def expire(self) -> None:
        self.rig.icloud.expire_sessions(forget_trust=True)
        self.rig.icloud.expire_links()


class TestICloudSource(SourceSuite):
    @pytest.fixture
    def place(self, tmp_path: Path, ready: Rig) -> SourcePlace:
        return Cloud(ready)


class TestNothingThere:
    def test_an_empty_library_gives_a_page(self, ready: Rig) -> None:
        empty = Rig(Library(0, plain=True), ready.account)
        ready.icloud.cloudkit.zones.update(empty.icloud.cloudkit.zones)
        pages = list(ready.source().pages())
        assert len(pages) == 1 and pages[0].expected == 0 and pages[0].cursor and pages[0].full
