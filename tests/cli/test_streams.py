"""Promise: where nobody listens, a command still does its work and says how it ended."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

import pytest

from pipeline.cli.app import invoke
from pipeline.states import Exit

pytestmark = pytest.mark.wide

COMMAND = [sys.executable, "-m", "tests.cli.stage"]
FULL = Path("/dev/full")  # takes no byte: "No space left on device"

needs_full = pytest.mark.skipif(not FULL.exists(), reason="this system has no /dev/full")


def run(folder: Path, *options: str) -> list[str]:
    return [*COMMAND, "run", "--from", "memory:stage", "--to", str(folder / "Photos"), *options]


def ran(argv: list[str], **streams: Any) -> subprocess.CompletedProcess[str]:
    whole = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **streams}
    return subprocess.run(argv, text=True, timeout=60, **whole)


Ended = Callable[[], bool]


@pytest.fixture
def completed(capfd: pytest.CaptureFixture[str]) -> Ended:
    """Whether the last run is said to be complete."""

    def ask() -> bool:
        capfd.readouterr()
        invoke(["status", "--json"])
        (only,) = json.loads(capfd.readouterr().out)["pipelines"]
        return bool(only["run_state"] == "complete")

    return ask


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_a_stream_that_is_closed_is_no_trouble(
    closed: str, tmp_path: Path, completed: Ended
) -> None:
    for argv in (run(tmp_path), [*COMMAND, "status"], [*COMMAND, "rum"]):
        ended = ran(["sh", "-c", f'exec "$@" {closed}', "sh", *argv])
        assert ended.returncode == (Exit.USAGE if argv[-1] == "rum" else Exit.OK)
        assert "Traceback" not in ended.stdout + ended.stderr
    assert completed()


@pytest.fixture
def full_disk() -> Any:
    with FULL.open("w") as out:
        yield out


@needs_full
@pytest.mark.parametrize("options", [[], ["--json"], ["-q"]])
@pytest.mark.parametrize("stream", ["stdout", "stderr"])
def test_a_run_whose_log_is_full_goes_on_and_ends_as_it_ended(
    stream: str, options: list[str], tmp_path: Path, full_disk: IO[str], completed: Ended
) -> None:
    ended = ran(run(tmp_path, *options), **{stream: full_disk})
    assert ended.returncode == Exit.OK, ended.stderr
    assert "Traceback" not in (ended.stderr or "")
    if stream == "stdout" and options != ["-q"]:  # which has nothing to say
        assert "standard output: No space left on device" in ended.stderr
    assert completed()


@needs_full
@pytest.mark.parametrize("argv", [["status"], ["status", "--json"], ["--version"], ["--help"]])
def test_an_answer_that_cannot_be_written_is_said_to_be_the_output_s(
    argv: list[str], full_disk: IO[str]
) -> None:
    ended = ran([*COMMAND, *argv], stdout=full_disk)
    assert ended.returncode == Exit.NO_ROOM
    (line,) = [line for line in ended.stderr.splitlines() if line.startswith("outpour: ")]
    assert line == "outpour: standard output: No space left on device"


@needs_full
@pytest.mark.parametrize(("do", "code"), [("run", Exit.OK), ("status", Exit.NO_ROOM)])
def test_what_a_batch_was_only_to_tell_and_did_not_is_no_success(
    do: str, code: Exit, tmp_path: Path, full_disk: IO[str]
) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in/a.jpg").write_bytes(b"a photo")
    config = tmp_path / "one.yaml"
    config.write_text("source: ./in\nsinks: [./out]\n")
    ended = ran([*COMMAND, "batch", str(config), "--do", do, "--json"], stdout=full_disk)
    assert ended.returncode == code
    assert "standard output: No space left on device" in ended.stderr


@needs_full
def test_a_batch_that_failed_and_cannot_write_says_both(tmp_path: Path, full_disk: IO[str]) -> None:
    config = tmp_path / "one.yaml"
    config.write_text("source: ./not-there\nsinks: [./out]\n")
    ended = ran([*COMMAND, "batch", str(config), "--json"], stdout=full_disk)
    assert ended.returncode == Exit.USAGE
    assert "standard output: No space left on device" in ended.stderr
    assert "1 pipeline not confirmed" in ended.stderr and "go on with" in ended.stderr


def test_a_current_folder_that_is_gone_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    source = ["--from", "memory:a"]
    for argv in (
        ["run", *source, "--to", "./Photos"],
        ["stranded", *source, "--from", "memory:b"],
        ["connect", "local:x"],
    ):
        assert invoke(argv) == Exit.USAGE
        assert "outpour: the current folder is gone" in capsys.readouterr().err


def test_an_error_of_the_system_that_names_no_file_is_blamed_on_none(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refused() -> None:
        raise OSError(5, os.strerror(5))

    monkeypatch.setattr("pipeline.cli.status.status", refused)
    assert invoke(["status"]) == Exit.FATAL
    assert capsys.readouterr().err.startswith(f"outpour: {os.strerror(5)}\n")
