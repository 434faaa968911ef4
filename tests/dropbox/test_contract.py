"""Dropbox keeps the contract of every sink."""

from __future__ import annotations

import pytest

from sandbox.dropbox import Dropbox as Double
from tests.conformance.sink_suite import SinkSuite
from tests.dropbox.bench import DropboxPlace


class TestDropbox(SinkSuite):
    @pytest.fixture
    def place(self, double: Double) -> DropboxPlace:
        return DropboxPlace(double)
