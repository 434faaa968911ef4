"""Google Drive keeps the contract of every sink."""

from __future__ import annotations

import pytest

from sandbox.gdrive import GoogleDrive as Double
from tests.conformance.sink_suite import SinkSuite
from tests.gdrive.bench import DrivePlace


class TestGoogleDrive(SinkSuite):
    @pytest.fixture
    def place(self, double: Double) -> DrivePlace:
        return DrivePlace(double)
