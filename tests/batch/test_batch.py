"""Promise: many pipelines run side by side, none harms another, each that is not confirmed is
named, and the same command goes on after any interruption."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from connectors.private import state_dir
from pipeline.cli.app import invoke
from pipeline.ledger import Ledger
from pipeline.states import Exit
from tests.batch.photos import contents, library
from tests.cli.terminal import at_terminal

PEOPLE = ["ann", "bob", "cid"]


def staff(folder: Path, people: Sequence[str], more: str = "") -> Path:
    """A pipeline file with a table of these people, from ``in/NAME`` to ``out/NAME``."""
    (folder / "out").mkdir()
    rows = [f"{one}@example.com,{one}" for one in people]
    (folder / "staff.csv").write_text("\n".join(["account,folder", *rows]) + "\n")
    path = folder / "staff.yaml"
    path.write_text(
        f'each: staff.csv\nsource: "./in/${{folder}}"\nsinks: ["./out/${{folder}}"]\n{more}'
    )
    return path


@pytest.fixture
def config(tmp_path: Path) -> Path:
    for person in PEOPLE:
        library(tmp_path / "in" / person, 3)
    return staff(tmp_path, PEOPLE)


def test_every_row_is_moved_and_a_second_run_moves_nothing(
    config: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    for _ in range(2):
        assert invoke(["batch", str(config)]) == Exit.OK
        out, err = capfd.readouterr()
        assert "All 3 pipelines confirmed" in out
        assert sorted(re.findall(r"staff-(\w+)@example.com: 3 assets confirmed", err)) == PEOPLE
        for person in PEOPLE:
            root = config.parent
            assert contents(root / "out" / person) == contents(root / "in" / person)
    assert invoke(["batch", str(config), "--do", "verify"]) == Exit.OK
    assert "3 copies checked, all as they were" in capfd.readouterr().err
    assert invoke(["status", str(config), "--for", "ann@example.com"]) == Exit.OK
    assert invoke(["report", "staff-bob@example.com"]) == Exit.OK


def test_a_terminal_sees_that_rows_are_being_read(tmp_path: Path) -> None:
    """Thousands of them take seconds; what says so is gone with the end."""
    config = staff(tmp_path, PEOPLE, "when: nonsense\n")
    command = [sys.executable, "-m", "pipeline.cli", "batch", str(config)]
    shown, code = at_terminal(command)
    assert code == Exit.USAGE
    told = shown.index("reading the pipelines")
    assert told < shown.index("\x1b[2K") < shown.index("when")
    assert "reading" not in at_terminal([*command, "--quiet"])[0]


@pytest.mark.wide
def test_rows_with_one_staging_folder_keep_their_photos_apart(tmp_path: Path) -> None:
    """What waits there is named by numbers that each ledger counts for itself."""
    for person in PEOPLE:
        library(tmp_path / "in" / person, 40, size=150_000)
    config = staff(tmp_path, PEOPLE, "staging: {path: ./staging}\n")
    mine = tmp_path / "staging" / "12.part"
    mine.parent.mkdir()
    mine.write_bytes(b"somebody else's")
    assert invoke(["batch", str(config), "-j3"]) == Exit.OK
    for person in PEOPLE:
        assert contents(tmp_path / "out" / person) == contents(tmp_path / "in" / person)
    assert mine.exists()
    assert not [path for path in mine.parent.rglob("*.part") if path != mine]


@pytest.mark.wide
def test_plans_are_added_up_and_one_that_cannot_be_made_is_named(
    config: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert invoke(["batch", str(config), "--do", "plan"]) == Exit.OK
    assert "in all: 9 assets to move, 27.0 kB" in capfd.readouterr().out
    root = config.parent
    (root / "in" / "bob").rename(root / "elsewhere")
    assert invoke(["batch", str(config), "--do", "plan"]) == Exit.ITEMS_FAILED
    out, err = capfd.readouterr()
    assert "in all: 6 assets to move, 18.0 kB" in out and "staff-bob@example.com: " in err


@pytest.mark.wide
def test_what_is_wrong_with_one_stops_no_other_and_is_named(
    config: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    root = config.parent
    (root / "in" / "bob").rename(root / "elsewhere")
    assert invoke(["batch", str(config)]) == Exit.ITEMS_FAILED
    out, err = capfd.readouterr()
    assert "2 of 3 pipelines confirmed" in out
    assert re.search(
        r"could not begin: 1 pipeline\n +staff-bob@example.com: there is no folder", out
    )
    assert "outpour: 1 pipeline not confirmed\n" in err and "Traceback" not in err
    assert contents(root / "out" / "cid") == contents(root / "in" / "cid")
    (root / "elsewhere").rename(root / "in" / "bob")
    assert invoke(["batch", str(config)]) == Exit.OK


@pytest.mark.wide
def test_where_each_stands_is_told_and_added_up(
    config: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert invoke(["batch", str(config), "-q"]) == Exit.OK
    ann, _, cid = sorted(state_dir("pipelines").glob("*.sqlite"))
    ann.unlink()
    cid.write_bytes(b"?" * 9999)
    capfd.readouterr()
    assert invoke(["batch", str(config), "--do", "status"]) == Exit.ITEMS_FAILED
    out, err = capfd.readouterr()
    assert "2 of 3 pipelines looked up" in out and "in all: 3 confirmed\n" in out
    assert "staff-ann@example.com: has not run yet; " in err
    assert re.search(r"staff-bob@example.com: last run complete; 3 confirmed; .*% full", err)
    assert re.search(r"    staff-cid@.*: .* is not a readable ledger", out)


@pytest.mark.wide
def test_lost_ledgers_are_rebuilt_together(config: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert invoke(["batch", str(config), "-q"]) == Exit.OK
    for path in state_dir("pipelines").glob("*.sqlite*"):
        path.unlink()
    next((config.parent / "out" / "bob").rglob("*.JPG")).unlink()
    capfd.readouterr()
    assert invoke(["batch", str(config), "--do", "rebuild"]) == Exit.ITEMS_FAILED
    out, err = capfd.readouterr()
    assert "staff-ann@example.com: 3 of 3 assets confirmed from what is there" in err
    assert re.search(r"    staff-bob@.*: 2 of 3 assets confirmed .*; not everything was found", out)
    assert f"bring what is missing: outpour batch {config}\n" in err


@pytest.mark.wide
def test_verify_names_the_pipeline_whose_copy_is_gone(
    config: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert invoke(["batch", str(config), "-q"]) == Exit.OK
    next((config.parent / "out" / "cid").rglob("*.JPG")).unlink()
    capfd.readouterr()
    assert invoke(["batch", str(config), "--do", "verify"]) == Exit.ITEMS_FAILED
    out, err = capfd.readouterr()
    assert re.findall(r"    staff-(\w+)@.*: 1 copy missing or changed", out) == ["cid"]
    assert f"(which: outpour verify {config} --for=cid@example.com)" in out
    assert f"bring what is missing: outpour batch {config}\n" in err


@pytest.mark.wide
def test_a_person_who_has_to_sign_in_keeps_nobody_waiting(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    library(tmp_path / "in" / "ann", 2)
    (tmp_path / "out").mkdir()
    (tmp_path / "bob.yaml").write_text("source: icloud:bob@example.com\nsinks: [./out]\n")
    (tmp_path / "ann.yaml").write_text("source: ./in/ann\nsinks: [./out]\n")
    assert invoke(["batch", str(tmp_path)]) == Exit.ITEMS_FAILED
    out, _ = capfd.readouterr()
    assert re.search(r"a person is needed: 1 pipeline\n +bob: .*outpour connect \S+bob\.yaml", out)
    assert len(contents(tmp_path / "out")) == 2


@pytest.mark.wide
def test_one_password_is_not_tried_at_every_account(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("OUTPOUR_ICLOUD_PASSWORD", "word")
    (tmp_path / "out").mkdir()
    for who in ("ann", "bob"):
        (tmp_path / f"{who}.yaml").write_text(f"source: icloud:{who}@example.com\nsinks: [./out]\n")
    assert invoke(["batch", str(tmp_path)]) == Exit.USAGE
    err = capfd.readouterr().err
    assert "OUTPOUR_ICLOUD_PASSWORD is set, and would be tried at ann@example.com and at bob" in err
    monkeypatch.delenv("OUTPOUR_ICLOUD_PASSWORD")
    assert invoke(["batch", str(tmp_path)]) == Exit.NEEDS_PERSON


@pytest.mark.wide
def test_events_say_which_pipeline_they_are_of(
    config: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert invoke(["batch", str(config), "--json", "-j", "1"]) == Exit.OK
    events = [json.loads(line) for line in capfd.readouterr().out.splitlines()]
    ended = [event for event in events if event["event"] == "ended"]
    assert [event["pipeline"] for event in ended] == [f"staff-{who}@example.com" for who in PEOPLE]
    assert {event["answer"]["assets"]["confirmed"] for event in ended} == {3}
    assert events[-1] == {"event": "summary", "by_exit": {"0": 3}, "not_started": [], "exit": 0}


def test_two_pipelines_of_one_name_are_refused_before_anything_starts(
    config: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    again = tmp_path / "again"
    again.mkdir()
    (again / "other.yaml").write_text(
        "name: staff-Ann@example.com\nsource: ../in/ann\nsinks: [../out]\n"
    )
    assert invoke(["batch", str(config), str(again)]) == Exit.USAGE
    assert "both called" in capfd.readouterr().err
    assert not contents(tmp_path / "out")


def test_rows_that_come_to_the_same_are_refused(
    config: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    config.write_text("each: staff.csv\nsource: ./in/ann\nsinks: [./out]\n")
    assert invoke(["batch", str(config)]) == Exit.USAGE
    assert "come to the same" in capfd.readouterr().err
    assert not contents(config.parent / "out")


def test_two_files_that_come_to_the_same_are_refused(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    library(tmp_path / "in", 2)
    for name in ("a", "copy of a"):
        (tmp_path / f"{name}.yaml").write_text("source: ./in\nsinks: [./out]\n")
    (tmp_path / "out").mkdir()
    assert invoke(["batch", str(tmp_path)]) == Exit.USAGE
    err = capfd.readouterr().err
    assert "come to the same" in err and "One of them is enough" in err
    assert not contents(tmp_path / "out")


@pytest.mark.wide
def test_rows_that_fill_one_place_are_named(
    config: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    config.write_text('each: staff.csv\nsource: "./in/${folder}"\nsinks: [./out]\n')
    assert invoke(["batch", str(config)]) == Exit.OK
    err = capfd.readouterr().err
    assert re.search(
        r"3 rows put their files into one place, local \S+/out: ann@example.com, ", err
    )
    root = config.parent
    wanted = sorted(set(contents(root / "in")))
    assert contents(root / "out") == wanted


@pytest.mark.wide
def test_a_pipeline_that_never_moved_anything_is_not_called_checked(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "bob.yaml").write_text("source: icloud:bob@example.com\nsinks: [./bob]\n")
    assert invoke(["batch", str(tmp_path)]) == Exit.NEEDS_PERSON
    (tmp_path / "bob").mkdir()
    assert invoke(["batch", str(tmp_path), "--do", "verify"]) == Exit.OK
    out, err = capfd.readouterr()
    assert "bob: nothing was moved yet" in err
    assert "nothing to do yet at 1 of them" in out


def test_a_folder_without_pipelines_is_a_mistake(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert invoke(["batch", str(tmp_path)]) == Exit.USAGE
    assert "no pipeline file" in capfd.readouterr().err


def test_an_empty_cell_copies_nobody_else_s_library(
    config: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    table = config.with_name("staff.csv")
    table.write_text(table.read_text() + "zed@example.com,\n")
    assert invoke(["batch", str(config)]) == Exit.USAGE
    assert "staff.csv:5 has nothing in column 'folder'" in capfd.readouterr().err
    assert not contents(config.parent / "out")


@pytest.mark.wide
def test_a_folder_of_pipelines_whatever_they_are_called(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    library(tmp_path / "in", 2)
    folder = tmp_path / "accounts"
    (folder / "sub.yaml").mkdir(parents=True)
    (folder / "._a.yaml").write_bytes(b"\0\5\x16\7")
    for name in ("a.yaml", "B.YAML", "-x.yml"):
        (folder / name).write_text(f"source: ../in\nsinks: ['../{name} out']\n")
    monkeypatch.chdir(folder)
    assert invoke(["batch", ".", "a.yaml", str(folder / "a.yaml")]) == Exit.OK
    assert "All 3 pipelines confirmed" in capfd.readouterr().out


@pytest.mark.wide
def test_what_is_not_due_is_not_called_confirmed_alone(
    config: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    config.write_text(config.read_text() + "when: {local-source: {used_above: 100%}}\n")
    assert invoke(["batch", str(config)]) == Exit.OK
    assert "nothing to do yet at 3 of them" in capfd.readouterr().out


# --- interruptions ---

MANY = [f"person{number}" for number in range(6)]


def started(config: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "pipeline.cli", "batch", str(config), "-j", "2"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def until_files(folder: Path, number: int) -> None:
    deadline = time.monotonic() + 60
    while len(contents(folder)) < number:
        assert time.monotonic() < deadline, "nothing arrives"
        time.sleep(0.02)


@pytest.fixture
def many(tmp_path: Path) -> Path:
    for person in MANY:
        library(tmp_path / "in" / person, 150)
    return staff(tmp_path, MANY, "limits: {downloads: 1, uploads: 1}\n")


def all_there(config: Path) -> None:
    root = config.parent
    for person in MANY:
        assert contents(root / "out" / person) == contents(root / "in" / person)
    assert not list(root.rglob("*.part*"))


@pytest.mark.wide
@pytest.mark.parametrize(
    "number", [signal.SIGINT, pytest.param(signal.SIGTERM, marks=pytest.mark.slow)]
)
def test_a_signal_ends_all_cleanly_and_the_same_command_goes_on(
    many: Path, number: signal.Signals
) -> None:
    running = started(many)
    until_files(many.parent / "out", 20)
    running.send_signal(number)
    out, err = running.communicate(timeout=60)
    assert running.returncode == Exit.INTERRUPTED, err
    assert "stopping" in err and f"go on with: outpour batch {many} -j 2" in err
    assert "not started" in out and "Traceback" not in err
    assert len(contents(many.parent / "out")) < 150 * len(MANY)
    assert invoke(["batch", str(many)]) == Exit.OK
    all_there(many)


@pytest.mark.wide
def test_a_killed_batch_leaves_nothing_at_work_and_goes_on(many: Path) -> None:
    more = "limits: {downloads: 1, uploads: 1, download_rate: 200kB/s}\n"
    many.write_text(many.read_text().replace("limits: {downloads: 1, uploads: 1}\n", more))
    running = started(many)
    until_files(many.parent / "out", 20)
    running.kill()
    running.communicate(timeout=60)
    deadline = time.monotonic() + 60
    while any(map(Ledger.in_use, state_dir("pipelines").glob("*.sqlite"))):
        assert time.monotonic() < deadline, "its pipelines go on without it"
        time.sleep(0.1)
    assert len(contents(many.parent / "out")) < 150 * len(MANY)
    many.write_text(many.read_text().replace(", download_rate: 200kB/s", ""))
    assert invoke(["batch", str(many)]) == Exit.OK
    all_there(many)


@pytest.mark.wide
def test_a_second_signal_ends_all_at_once(many: Path) -> None:
    running = started(many)
    until_files(many.parent / "out", 20)
    running.send_signal(signal.SIGINT)
    os.kill(running.pid, signal.SIGINT)
    running.communicate(timeout=20)
    assert running.returncode == Exit.INTERRUPTED
    assert invoke(["batch", str(many)]) == Exit.OK
    all_there(many)
