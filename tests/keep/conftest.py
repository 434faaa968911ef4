"""The library whose sidecars and albums the tests of this room keep."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.keep.rig import World


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)
