"""Promise: a write-protected folder can still be verified; only writing is refused there."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pipeline.cli.app import invoke
from pipeline.states import Exit
from tests.local.conftest import open_folder, unprivileged

pytestmark = pytest.mark.wide

__all__ = ["open_folder"]


@pytest.fixture
def config(open_folder: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A pipeline that has run, of a user whom permissions stop."""
    (open_folder / "card").mkdir()
    monkeypatch.setenv("XDG_STATE_HOME", str(open_folder / "state"))
    (open_folder / "card" / "IMG_1.jpg").write_bytes(b"a photo")
    file = open_folder / "p.yaml"
    file.write_text("source: ./card\nsinks: [{type: local, name: disk, path: ./kept}]\n")
    for command in ("run", "verify", "status", "plan", "rebuild", "report"):
        # All of them, so that whatever Python loads for them is loaded: a superuser's Python
        # need not be readable to others.
        assert invoke([command, str(file)]) == Exit.OK
    for path in open_folder.rglob("*"):
        os.chown(path, 65534 if os.geteuid() == 0 else -1, -1)
    return str(file)


@pytest.mark.parametrize("command", ["verify", "status", "plan", "rebuild", "report"])
def test_a_write_protected_folder_is_read_all_the_same(
    command: str, config: str, open_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (open_folder / "kept").chmod(0o555)
    with unprivileged():
        assert invoke([command, config]) == Exit.OK, capsys.readouterr().err


def test_a_run_is_told_before_it_starts(
    config: str, open_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (open_folder / "kept").chmod(0o555)
    with unprivileged():
        assert invoke(["run", config]) == Exit.FATAL
        assert f"cannot write in {open_folder}/kept" in capsys.readouterr().err
        assert invoke(["run", "--from", "memory:x", "--to", f"{open_folder}/kept"]) == Exit.USAGE
    ledgers = list((open_folder / "state").rglob("*.sqlite"))
    assert len(ledgers) == 1, "what was refused leaves no ledger behind"


def test_another_folder_gets_everything_all_the_same(
    config: str, open_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (open_folder / "other").mkdir()
    os.chown(open_folder / "other", 65534 if os.geteuid() == 0 else -1, -1)
    Path(config).write_text(
        "source: ./card\nsinks: [{type: local, name: disk, path: ./kept}, ./other]\n"
    )
    (open_folder / "card" / "IMG_2.jpg").write_bytes(b"another")
    (open_folder / "kept").chmod(0o555)
    with unprivileged():
        assert invoke(["run", config]) == Exit.FATAL
    assert f"cannot write in {open_folder}/kept" in capsys.readouterr().err
    found = [path.read_bytes() for path in (open_folder / "other").rglob("*.jpg")]
    assert sorted(found) == [b"a photo", b"another"]


def test_a_plan_says_so_where_something_is_to_be_put_there(
    config: str, open_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (open_folder / "kept").chmod(0o555)
    (open_folder / "card" / "IMG_2.jpg").write_bytes(b"another")
    with unprivileged():
        assert invoke(["plan", config]) == Exit.FATAL
    assert f"cannot write in {open_folder}/kept" in capsys.readouterr().err


def test_state_that_cannot_be_kept_is_a_matter_of_configuration(
    config: str, open_folder: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    (open_folder / "closed").mkdir(mode=0o555)
    with unprivileged():
        monkeypatch.setenv("OUTPOUR_STAGING__PATH", str(open_folder / "closed" / "staging"))
        for command in ("plan", "run"):
            assert invoke([command, config]) == Exit.USAGE
            said = capsys.readouterr().err
            assert f"staging.path: cannot write in {open_folder}/closed" in said
        monkeypatch.delenv("OUTPOUR_STAGING__PATH")
        monkeypatch.setenv("XDG_STATE_HOME", str(open_folder / "closed"))
        assert invoke(["run", config]) == Exit.USAGE
        assert f"cannot keep a ledger in {open_folder}/closed" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["verify", "plan", "run"])
def test_a_folder_that_cannot_be_read_is_said_to_be_so(
    command: str, config: str, open_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (open_folder / "kept").chmod(0o000)
    capsys.readouterr()
    with unprivileged():
        assert invoke([command, config]) == Exit.FATAL
    assert f"outpour: cannot read {open_folder}/kept" in capsys.readouterr().err


def test_status_says_it_beside_the_place(
    config: str, open_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (open_folder / "kept").chmod(0o000)
    capsys.readouterr()
    with unprivileged():
        assert invoke(["status", config]) == Exit.OK
    assert "disk  cannot read" in capsys.readouterr().out
