"""A long video over a line that drops: it arrives, however often, if each try gets further."""

from __future__ import annotations

from pathlib import Path

import pytest

from sandbox.faults import Faults
from sandbox.library import Library
from tests.rehearsal.fanout import fan_out

MIB = 1024 * 1024


def test_a_line_that_drops_again_and_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """More often than a file has attempts; what arrived before each drop is not sent again."""
    monkeypatch.setattr("pipeline.retry._FIRST", 0.01)
    faults = Faults()
    faults.add("cut_upload", 1.0, "upload.session", times=8)
    with fan_out(Library(1, size=12 * MIB, plain=True), faults, tmp_path) as job:
        job.config.write_text(
            "source: icloud:demo@example.com\n"
            "sinks: [{type: gdrive, name: drive, chunk_mib: 2}]\nlimits: {attempts: 3}\n"
        )
        assert job.run() == 0
        assert job.held()["drive"] == job.wanted()
        assert faults.counts["cut_upload"] == 8
        assert job.world.drive.received == job.world.drive.store.used, "bytes were sent twice"
