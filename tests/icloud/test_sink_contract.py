"""iCloud Photos keeps the contract of every sink."""

from __future__ import annotations

from typing import Any

import pytest

from connectors.icloud.sink import ICloudSink
from sandbox.library import Library
from tests.conformance.places import SinkPlace
from tests.conformance.sink_suite import SinkSuite
from tests.icloud.rig import PASSWORD, Rig, rig
from tests.pointing import Point

pytestmark = pytest.mark.wide


class Cloud(SinkPlace):
    large = 3_000_000

    def __init__(self, rig: Rig) -> None:
        self.rig = rig
        self.secrets = (PASSWORD, "wrappingKey", *rig.account.cookies, *rig.account.tokens)

    def open(self) -> ICloudSink:
        return self.rig.sink()

    def fill_up(self, room: int) -> None:
        used = self.rig.library.used() + self.rig.account.other_used
        self.rig.account.total = used + room

    def throttle(self) -> float:
        self.rig.faults.once("throttle", "upload*")
        return self.rig.faults.retry_after

    def cut(self) -> None:
        self.rig.faults.once("cut_upload")

    def expire(self) -> None:
        self.rig.icloud.expire_sessions(forget_trust=True)

    def received(self) -> int:
        return self.rig.icloud.uploads.received


class TestICloudSink(SinkSuite):
    @pytest.fixture
    def place(self, use_sandbox: Point) -> Any:
        with rig(use_sandbox, Library(0, plain=True)) as made:
            made.connect()
            yield Cloud(made)
