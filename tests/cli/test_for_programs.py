"""Promise: who reads JSON, or asks for silence, learns how a command ended, whatever ended it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from connectors.errors import SessionExpired
from connectors.memory import MemorySource, library
from pipeline.cli.app import invoke
from pipeline.states import Exit
from tests.engine.rig import fill

ENDS = ["--from", "memory:programs", "--to", "memory:programs-out"]
WRONG = ["--from", "memory:programs", "--to", "nowhere:x"]


@pytest.fixture
def ran() -> list[str]:
    """The ends of a pipeline that has run."""
    fill(library("programs"), 3)
    assert invoke(["run", *ENDS]) == Exit.OK
    return ENDS


def document(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    """The one that was printed, and nothing else was."""
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


@pytest.mark.parametrize("command", ["plan", "verify", "rebuild", "reclaim", "stranded", "status"])
def test_what_cannot_begin_says_why_in_its_document(
    command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    code = invoke([command, "nowhere.yaml", "--json"])
    found = document(capsys)
    assert code == found["exit"] == Exit.USAGE
    assert "nowhere.yaml" in found["error"] and set(found) == {"error", "hint", "exit"}


def test_nor_does_a_mistyped_option_end_in_silence(capsys: pytest.CaptureFixture[str]) -> None:
    assert invoke(["plan", "--json", "--nonsense"]) == Exit.USAGE
    found = document(capsys)
    assert "--nonsense" in found["error"] and "--help" in found["hint"]


def test_a_goal_that_cannot_be_met_is_said(
    ran: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    capsys.readouterr()
    assert invoke(["reclaim", *ran, "--free", "1TB", "--json"]) == Exit.USAGE
    assert document(capsys)["exit"] == Exit.USAGE


@pytest.mark.parametrize("command", ["run", "batch"])
def test_what_speaks_in_lines_says_it_in_one(
    command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert invoke([command, str(tmp_path / "nowhere.yaml"), "--json"]) == Exit.USAGE
    (line,) = capsys.readouterr().out.splitlines()
    event = json.loads(line)
    assert event["event"] == "error" and event["exit"] == Exit.USAGE and "nowhere" in event["error"]


def test_the_summary_of_a_run_says_what_ended_it(
    ran: list[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def signed_out(*_: object) -> None:
        raise SessionExpired("the sign-in has ended", hint="run: outpour connect memory")

    monkeypatch.setattr(MemorySource, "pages", signed_out)
    capsys.readouterr()
    assert invoke(["run", *ran, "--json"]) == Exit.NEEDS_PERSON
    *_, last = (json.loads(line) for line in capsys.readouterr().out.splitlines())
    assert last["event"] == "summary" and last["exit"] == Exit.NEEDS_PERSON
    assert last["error"] == "the sign-in has ended. Run: outpour connect memory"


def test_quietly_nothing_is_said_of_a_run_that_went_well(
    ran: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """A timer's mail should mean something."""
    fill(library("programs"), 5)
    capsys.readouterr()
    assert invoke(["run", "-q", *ran]) == Exit.OK
    said = capsys.readouterr()
    assert said.out == said.err == ""
    assert invoke(["run", "-q", *WRONG]) == Exit.USAGE
    assert capsys.readouterr().err.startswith("outpour: ")


def test_a_verify_of_nothing_proves_nothing(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def signed_out(*_: object) -> None:
        raise SessionExpired("the sign-in has ended")

    monkeypatch.setattr(MemorySource, "pages", signed_out)
    assert invoke(["run", *ENDS]) == Exit.NEEDS_PERSON
    capsys.readouterr()
    assert invoke(["verify", *ENDS]) == Exit.OK
    said = capsys.readouterr().out
    assert "no copies to check yet" in said and "as they were" not in said
