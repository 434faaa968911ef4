"""Promise: a full disk below the ledger ends the run with a line that says so; the next goes on."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from connectors.memory import Library
from pipeline.states import Exit
from tests.cli.stage import fill

pytestmark = pytest.mark.wide

RUN = [sys.executable, "-m", "tests.cli.stage", "run", "--from", "memory:stage", "--to"]


def run(folder: Path, trouble: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*RUN, str(folder)],
        env={**os.environ, "STAGE": trouble},
        capture_output=True,
        text=True,
        timeout=40,
    )


@pytest.mark.parametrize("files", [0, 1, 30, 60])
def test_a_full_disk_below_the_ledger_ends_the_run_and_nothing_is_lost_or_doubled(
    files: int, tmp_path: Path
) -> None:
    ended = run(tmp_path / "Photos", f"full:{files}")
    assert ended.returncode == Exit.NO_ROOM, ended.stderr
    (line,) = [line for line in ended.stderr.splitlines() if line.startswith("outpour: ")]
    assert "cannot write the ledger" in line and "full" in line
    assert "Make room on its disk" in ended.stderr
    assert "Traceback" not in ended.stderr

    again = run(tmp_path / "Photos")
    assert again.returncode == Exit.OK, again.stderr
    library = Library()
    fill(library, 60)
    landed = [p for p in tmp_path.rglob("*") if p.suffix in (".HEIC", ".MOV")]
    assert Counter(p.read_bytes() for p in landed) == Counter(library.contents.values())
    others = [p for p in tmp_path.rglob("*") if p.is_file() and p not in landed]
    assert all(p.suffix == ".xmp" for p in others) and len(others) == 20
