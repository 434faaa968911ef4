"""Promise: however a process of a batch ends, the others go on and its end is told as it was."""

from __future__ import annotations

import errno
import json
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from pipeline.batch import Batch, Ended, Result, Task
from pipeline.cli.outcomes import wrong
from pipeline.states import Exit
from pipeline.stopping import Stop

SUMMARY = json.dumps({"event": "summary", "assets": {"confirmed": 1}})


class Heard:
    """Remembers what it is told."""

    def __init__(self) -> None:
        self.events: list[Mapping[str, Any]] = []
        self.running = threading.Semaphore(0)

    def begun(self, task: Task) -> None:
        self.running.release()

    def heard(self, name: str, event: Mapping[str, Any]) -> None:
        self.events.append(event)

    def ended(self, ended: Ended) -> None: ...


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What stands in for Python, whose first argument of a task is a script for the shell."""
    path = tmp_path / "program"
    path.write_text('#!/bin/sh\nshift 3\neval "$1"\n')
    path.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(path))
    return path


def outcome(*scripts: str, jobs: int = 2, observer: Heard | None = None) -> Result:
    tasks = [Task(f"p{number}", [script]) for number, script in enumerate(scripts)]
    return Batch(tasks, jobs, observer or Heard(), Stop()).run()


GOOD = f"echo '{SUMMARY}'"


@pytest.mark.parametrize(
    ("script", "exit_", "error", "hint"),
    [
        (GOOD, Exit.OK, "", ""),
        (f"echo noise; echo 'more noise'; {GOOD}", Exit.OK, "", ""),
        (
            f"{GOOD}; echo 'outpour: no' >&2; echo '  again: outpour run a --json' >&2; exit 1",
            Exit.ITEMS_FAILED, "no", "again: outpour run a",
        ),
        (
            "echo 'outpour: a' >&2; echo 'outpour: b' >&2; echo '  mend it' >&2; exit 2",
            Exit.USAGE, "a; b", "mend it",
        ),
        ("echo 'x.py:3: DeprecationWarning' >&2; kill -9 $$", Exit.FATAL,
         "ended unexpectedly (-9)", "x.py:3: DeprecationWarning"),
        ("echo 'ImportError: x' >&2; exit 1", Exit.FATAL,
         "ended unexpectedly (1)", "ImportError: x"),
        ("exit 7", Exit.FATAL, "ended unexpectedly (7)", ""),
        ("exit 0", Exit.FATAL, "ended unexpectedly (0)", ""),
        ("kill -15 $$", Exit.INTERRUPTED, "", ""),
        ("exit 130", Exit.INTERRUPTED, "", ""),
    ],
)  # fmt: skip
@pytest.mark.usefixtures("program")
def test_how_it_ended(script: str, exit_: Exit, error: str, hint: str) -> None:
    first, second = outcome(script, GOOD).ended
    assert (first.exit, first.error, first.hint) == (exit_, error, hint)
    assert second.exit is Exit.OK, "it is not touched by what became of the other"


@pytest.mark.usefixtures("program")
def test_a_document_of_many_lines_is_an_answer_too() -> None:
    text = json.dumps({"sinks": [{"checked": 1, "wrong": {}}]}, indent=2)
    (ended,) = outcome(f"echo '{text}'").ended
    assert ended.answer == json.loads(text)


def test_paths_of_thousands_of_pipelines_are_not_kept(program: Path) -> None:
    """Each may list every file that a sink has; how many they are is told at the end."""
    paths = [[f"2024/05/IMG_{number:06}.HEIC", "missing"] for number in range(2000)]
    sink = {"name": "nas", "checked": 3000, "wrong": paths, "strangers": ["a.jpg"], "away": ""}
    answer = program.with_name("answer.json")
    answer.write_text(json.dumps({"sinks": [sink], "exit": 1}))
    (ended,) = outcome(f"cat {answer}; echo 'outpour: lost' >&2; exit 1").ended
    assert ended.answer is not None and "IMG_" not in str(ended.answer)
    assert wrong(ended) == 2000
    assert ended.answer["exit"] == 1 and ended.answer["sinks"][0]["checked"] == 3000


@pytest.mark.usefixtures("program")
def test_events_that_nobody_knows_harm_nobody() -> None:
    heard = Heard()
    (ended,) = outcome(f'echo \'{{"event": "new"}}\'; {GOOD}', observer=heard).ended
    assert ended.exit is Exit.OK and heard.events == [{"event": "new"}]


def test_one_that_cannot_be_started_is_named_and_no_other_is_touched(program: Path) -> None:
    first, second = outcome(f"mv {program} {program}.gone; {GOOD}", GOOD, jobs=1).ended
    assert first.exit is Exit.OK
    assert second.exit is Exit.FATAL and second.error.startswith("could not be started: ")


@pytest.mark.usefixtures("program")
@pytest.mark.parametrize("code", [errno.EMFILE, errno.EAGAIN])
def test_where_another_process_is_one_too_many_it_begins_later(
    code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    room = threading.Semaphore(1)

    class Limited(subprocess.Popen[bytes]):
        def __init__(self, *args: Any, **more: Any) -> None:
            if not room.acquire(blocking=False):
                raise OSError(code, "too many")
            super().__init__(*args, **more)

        def __exit__(self, *error: Any) -> None:
            super().__exit__(*error)
            room.release()

    monkeypatch.setattr(subprocess, "Popen", Limited)
    ended = outcome(*[f"sleep 0.1; {GOOD}"] * 4, jobs=3).ended
    assert [one.exit for one in ended] == [Exit.OK] * 4
    room.acquire()
    (alone,) = outcome(GOOD).ended
    assert alone.exit is Exit.FATAL and alone.error == "could not be started: too many"


@pytest.mark.usefixtures("program")
def test_one_that_was_ended_by_another_hand_is_no_interruption_of_all() -> None:
    assert outcome("kill -15 $$", GOOD).exit is Exit.ITEMS_FAILED


@pytest.mark.usefixtures("program")
def test_a_defect_of_the_observer_ends_what_is_under_way() -> None:
    class Broken(Heard):
        def heard(self, name: str, event: Mapping[str, Any]) -> None:
            raise ValueError("broken")

    event = '{"event": "notice"}'
    began = time.monotonic()
    with pytest.raises(ValueError, match="broken"):
        outcome("exec sleep 60", f"echo '{event}'; exec sleep 60", observer=Broken())
    assert time.monotonic() - began < 30


@pytest.mark.usefixtures("program")
def test_a_stop_starts_no_more() -> None:
    stop, heard = Stop(), Heard()
    tasks = [Task(f"p{number}", ["exec sleep 60"]) for number in range(3)]
    batch = Batch(tasks, 1, heard, stop)
    answers: list[Result] = []
    thread = threading.Thread(target=lambda: answers.append(batch.run()))
    thread.start()
    assert heard.running.acquire(timeout=30)
    time.sleep(0.2)
    stop.set("enough")
    thread.join(30)
    (found,) = answers
    assert found.exit is Exit.INTERRUPTED
    assert [task.name for task in found.left] == ["p1", "p2"]


def test_two_that_fill_one_place_run_in_turn_and_hold_up_no_other(
    tmp_path: Path, program: Path
) -> None:
    turn, other = tmp_path / "turn", tmp_path / "other"
    waits = f"mkdir {turn} || exit 9; until [ -e {other} ]; do sleep 0.01; done; rmdir {turn}"
    scripts = [f"{waits}; {GOOD}", f"{waits}; {GOOD}", f"touch {other}; {GOOD}"]
    alone = [frozenset({"drive"}), frozenset({"drive", "b"}), frozenset[str]()]
    tasks = [Task(f"p{n}", [scripts[n]], alone[n]) for n in range(3)]
    result = Batch(tasks, 2, Heard(), Stop()).run()
    assert [one.task for one in result.ended] == tasks and result.exit is Exit.OK
