"""Promise: what only reads needs nothing but to read, and one broken ledger hides no other."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from connectors.memory import library
from connectors.private import state_dir
from pipeline.cli.app import invoke
from pipeline.states import Exit
from tests.cli.stage import fill
from tests.local.conftest import open_folder, unprivileged

pytestmark = pytest.mark.wide

__all__ = ["open_folder"]

ENDS = ["--from", "memory:readers", "--to", "memory:readers-out"]


@pytest.fixture
def name() -> str:
    """Of a pipeline that has run."""
    fill(library("readers"), 3)
    assert invoke(["run", "-q", *ENDS]) == Exit.OK
    (path,) = state_dir("pipelines").glob("*.sqlite")
    return path.stem


@pytest.fixture
def locked(open_folder: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> Iterator[Path]:
    """The state folder of that pipeline, of another user who lets everybody read it."""
    state = state_dir()
    (open_folder / "outpour").mkdir()
    state.rename(open_folder / "outpour")
    monkeypatch.setenv("XDG_STATE_HOME", str(open_folder))
    for path in (open_folder, *open_folder.rglob("*")):
        path.chmod(0o555 if path.is_dir() else 0o444)
    yield open_folder
    for path in (open_folder, *(path for path in open_folder.rglob("*") if path.is_dir())):
        path.chmod(0o755)


def test_readers_work_where_nothing_can_be_written(
    locked: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    before = sorted(locked.rglob("*"))
    with unprivileged():
        for command in (
            ["status"],
            ["status", *ENDS],
            ["report", name],
            ["report", name, "--json"],
        ):
            assert invoke(command) == Exit.OK, capsys.readouterr().err
    assert sorted(locked.rglob("*")) == before
    out = capsys.readouterr().out
    assert "complete" in out and "IMG_0002.HEIC" in out


def test_a_reader_makes_no_folder(
    open_folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(open_folder / "state"))
    assert invoke(["status"]) == Exit.OK
    assert "No pipeline ran here yet" in capsys.readouterr().out
    assert invoke(["report", "nothing"]) == Exit.USAGE
    assert list(open_folder.iterdir()) == []


def test_a_state_folder_that_may_not_be_read_is_not_said_to_be_empty(
    locked: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (locked / "outpour" / "pipelines").chmod(0)
    capsys.readouterr()
    with unprivileged():
        assert invoke(["status"]) == Exit.FATAL
    assert "outpour/pipelines: Permission denied" in capsys.readouterr().err


BROKEN = {
    "no version": "delete from meta",
    "no number": "update meta set value = 'new'",
    "another database": "drop table meta",
    "a table that is gone": "drop table assets",
}


@pytest.mark.parametrize("case", BROKEN)
def test_one_broken_ledger_hides_no_other(
    case: str, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    fill(library("readers-b"), 3)
    assert invoke(["run", "-q", "--from", "memory:readers-b", "--to", "memory:rb"]) == Exit.OK
    broken = state_dir("pipelines") / f"{name}.sqlite"
    with closing(sqlite3.connect(broken)) as raw, raw:
        raw.execute("pragma foreign_keys=off")
        raw.execute(BROKEN[case])
    capsys.readouterr()
    assert invoke(["status"]) == Exit.ITEMS_FAILED
    out = capsys.readouterr().out
    assert f"{name}.sqlite is not a readable ledger" in out
    assert "complete" in out, "the other one is shown"
    assert invoke(["status", "--json"]) == Exit.ITEMS_FAILED
    assert len(json.loads(capsys.readouterr().out)["pipelines"]) == 2
    assert invoke(["report", name]) == Exit.USAGE
    (line, *_) = capsys.readouterr().err.splitlines()
    assert f"{name}.sqlite is not a readable ledger" in line


@pytest.mark.parametrize("foreign", [False, True])
def test_a_reader_writes_nothing_into_what_is_no_ledger(
    foreign: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    path = state_dir("pipelines") / "music.sqlite"
    path.touch()
    if foreign:
        with closing(sqlite3.connect(path)) as raw, raw:
            raw.execute("create table songs (title text)")
    before = path.read_bytes()
    assert invoke(["report", "music"]) == Exit.USAGE
    assert "music.sqlite is not a readable ledger" in capsys.readouterr().err
    assert invoke(["status"]) == Exit.ITEMS_FAILED
    assert path.read_bytes() == before
    assert [one.name for one in path.parent.iterdir()] == ["music.sqlite"]


@pytest.mark.parametrize("command", ["run", "plan", "verify", "rebuild", "reclaim"])
@pytest.mark.parametrize("whole", [False, True])
def test_a_damaged_ledger_is_told_with_what_helps(
    whole: bool, command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    fill(library("readers-d"), 300)
    places = ["--from", "memory:readers-d", "--to", "memory:rd"]
    assert invoke(["run", "-q", *places]) == Exit.OK
    path = next(state_dir("pipelines").glob("*.sqlite"))
    for beside in path.parent.glob("*.sqlite-*"):
        beside.unlink()
    data = path.read_bytes()
    path.write_bytes(b"x" * len(data) if whole else data[:8192] + b"x" * (len(data) - 8192))
    capsys.readouterr()
    assert invoke([command, *places]) in (Exit.USAGE, Exit.FATAL)
    err = capsys.readouterr().err
    assert "outpour rebuild" in err and "unexpected" not in err and "room" not in err
