"""What tests of several files here begin with."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.reclaim.joint import World


@pytest.fixture(params=["phone", pytest.param("cloud", marks=pytest.mark.wide)])
def world(tmp_path: Path, request: pytest.FixtureRequest) -> World:
    made = World(tmp_path, request.param)
    made.run()
    return made
