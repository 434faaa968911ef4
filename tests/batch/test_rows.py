"""Promise: every command takes one row of a table, and says so where it is not told which."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.cli.app import invoke
from pipeline.states import Exit

COMMANDS = [
    "connect",
    "plan",
    "run",
    "status",
    "verify",
    "rebuild",
    "reclaim",
    "report",
    "stranded",
]


@pytest.fixture
def config(tmp_path: Path) -> Path:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "IMG_1.JPG").write_bytes(b"a photo")
    (tmp_path / "staff.csv").write_text("who\nann\nbob\n")
    path = tmp_path / "staff.yaml"
    path.write_text('each: staff.csv\nsource: ./in\nsinks: ["./${who}"]\n')
    return path


@pytest.mark.parametrize("command", COMMANDS)
def test_a_table_without_a_row_is_refused(
    command: str, config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert invoke([command, str(config)]) == Exit.USAGE
    assert "outpour batch runs all of them" in capsys.readouterr().err


@pytest.mark.parametrize("command", COMMANDS)
def test_a_row_that_is_not_there_is_refused(
    command: str, config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert invoke([command, str(config), "--for", "anna"]) == Exit.USAGE
    assert "Did you mean 'ann'?" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["connect", "plan", "run", "status", "verify", "report"])
def test_one_row_is_one_pipeline(command: str, config: Path) -> None:
    assert invoke(["run", str(config), "--for", "ann"]) == Exit.OK
    assert [path.name for path in config.parent.rglob("*.JPG")] == ["IMG_1.JPG", "IMG_1.JPG"]
    assert invoke([command, str(config), "--for", "ann"]) == Exit.OK
    assert not (config.parent / "bob").exists()


def test_a_row_goes_with_a_pipeline_file(capsys: pytest.CaptureFixture[str]) -> None:
    for arguments in (["connect", "memory:a"], ["report", "family"], ["run", "--from", "memory:a"]):
        assert invoke([*arguments, "--for", "ann"]) == Exit.USAGE
        assert "--for goes with a pipeline file" in capsys.readouterr().err
