"""Without the extra: one line that names it, and everything else works."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.cases import wide_after

# None in sys.modules is how Python is told that a package is not there.
WITHOUT = (
    "import sys; sys.modules['pymobiledevice3'] = None\n"
    "from pipeline.cli.app import invoke; sys.exit(invoke(sys.argv[1:]))"
)


def outpour(*arguments: str) -> tuple[int, list[str]]:
    command = [sys.executable, "-c", WITHOUT, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    return done.returncode, done.stderr.splitlines()


@pytest.mark.parametrize(
    "command",
    wide_after(
        1,
        [
            ["connect", "iphone"],
            ["run", "--from", "iphone", "--to", "./Photos"],
            ["stranded", "--from", "iphone", "--from", "./Photos"],
        ],
    ),
)
def test_a_missing_extra_is_named_in_one_line(command: list[str]) -> None:
    code, lines = outpour(*command)
    assert code == 2
    assert len([line for line in lines if "pip install 'outpour[iphone]'" in line]) == 1
    assert "pip install '.[iphone]'" in lines[-1]  # what works in a clone
    needs = "outpour: iphone needs the extra 'iphone', which is not installed"
    assert len(lines) == 2 and lines[0].startswith(needs), lines


def test_the_other_places_work_without_it() -> None:
    code, lines = outpour("schema")
    assert (code, lines) == (0, [])
