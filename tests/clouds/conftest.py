from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from connectors.private import state_dir
from pipeline.ledger import Ledger
from sandbox.faults import Faults
from sandbox.library import Library
from tests.rehearsal.fanout import FanOut, fan_out

COUNT = 12


def ledger_of(job: FanOut) -> AbstractContextManager[Ledger]:
    return Ledger.open(state_dir("pipelines") / f"{job.config.stem}.sqlite")


@pytest.fixture
def job(tmp_path: Path) -> Iterator[FanOut]:
    """A small library, and the pipeline that moves it to a folder, Drive and Dropbox."""
    faults = Faults()
    faults.retry_after = 0
    with fan_out(Library(COUNT, size=20_000, plain=True), faults, tmp_path) as job:
        yield job
