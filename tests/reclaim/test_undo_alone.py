"""Promise: bringing back from the bin needs nothing but the source."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from pipeline.cli.app import invoke
from pipeline.states import Exit
from sandbox.library import Library
from tests.icloud.rig import PASSWORD, rig
from tests.pointing import Point


def test_a_disk_that_died_does_not_keep_it_in_the_bin(
    use_sandbox: Point, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """That is when it is wanted."""
    monkeypatch.setenv("OUTPOUR_ICLOUD_PASSWORD", PASSWORD)
    disk = tmp_path / "usb"
    disk.mkdir()
    sinks = ["--to", str(tmp_path / "a"), "--to", str(disk / "b")]
    places = ["--from", "icloud:demo@example.com", *sinks]
    with rig(use_sandbox, Library(8, size=1500, plain=True)) as made:
        made.connect()
        shown = made.ids("shown")
        assert invoke(["run", "-q", *places]) == Exit.OK
        rules = ["--older-than", "1d", "--keep", "0d", "--same-disk", "--favorites"]
        assert invoke(["reclaim", *places, *rules, "--yes"]) == Exit.OK
        assert made.ids("trashed")
        shutil.rmtree(disk)
        assert invoke(["reclaim", *places, *rules, "--yes"]) == Exit.FATAL
        assert invoke(["reclaim", *places, "--undo"]) == Exit.OK
        assert made.ids("shown") == shown and not made.ids("trashed")
