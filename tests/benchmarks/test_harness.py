"""What a benchmark says of a contestant is what the contestant did."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from benchmarks.contest import measure
from benchmarks.results import OURS, Comparison, Results, Row, table

_CHILD = "x = bytearray(80 * 2**20); import time; time.sleep(0.4)"
_PARENT = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {_CHILD!r}])"


def test_memory_counts_the_whole_process_tree() -> None:
    cost = measure([sys.executable, "-c", _PARENT], os.environ)
    assert cost.finished and cost.peak > 80


def test_a_contestant_whose_time_is_up_is_stopped_and_said_to_be_unfinished() -> None:
    cost = measure([sys.executable, "-c", "import time; time.sleep(60)"], os.environ, limit=0.2)
    assert not cost.finished and cost.seconds < 50


def test_a_contestant_that_fails_is_no_result() -> None:
    with pytest.raises(RuntimeError, match=r"ended with 3:\n.*no luck"):
        measure([sys.executable, "-c", "print('no luck'); raise SystemExit(3)"], os.environ)


def test_ratios_are_against_ours_and_a_later_run_keeps_other_parts(tmp_path: Path) -> None:
    rows = [Row("other", 30.0, files=60), Row(OURS, 3.0, files=60)]
    assert "| other | 30.00 | 2.0 |  | 10.00x |" in table(Comparison("a", "A", "g", rows))
    Results(tmp_path).keep(Comparison("a", "first part", "g", rows))
    later = Results(tmp_path)
    later.keep(Comparison("b", "second part", "g", rows))
    page = later.page.read_text()
    assert "first part" in page and "second part" in page
