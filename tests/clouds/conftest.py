from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from sandbox.faults import Faults
from sandbox.library import Library
from tests.rehearsal.fanout import FanOut, fan_out

COUNT = 12


@pytest.fixture
def job(tmp_path: Path) -> Iterator[FanOut]:
    """A small library, and the pipeline that moves it to a folder, Drive and Dropbox."""
    faults = Faults()
    faults.retry_after = 0
    with fan_out(Library(COUNT, size=20_000, plain=True), faults, tmp_path) as job:
        yield job
