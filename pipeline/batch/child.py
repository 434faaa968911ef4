"""One pipeline of many: ``outpour`` with ``--json`` as a process, and what it says."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import IO, Any

from pipeline.parent import MARK
from pipeline.states import Exit

_TOLD = 100_000  # characters of what it complains of that are read
_OURS = "outpour: "  # begins a line of a complaint
Hear = Callable[[str, Mapping[str, Any]], None]
"""Takes an event of a command that is under way, by the name of its pipeline."""


@dataclass(frozen=True, slots=True)
class Task:
    """``arguments`` of ``outpour``; ``name`` is the pipeline's. ``alone`` names places that no two
    tasks may fill at once."""

    name: str
    arguments: Sequence[str]
    alone: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Ended:
    """How it ended. ``error`` and ``hint`` are what it complained of, ``answer`` is its
    summary; None where it came to none."""

    task: Task
    exit: Exit
    seconds: float
    error: str = ""
    hint: str = ""
    answer: Mapping[str, Any] | None = field(default=None, repr=False)

    def brief(self) -> Ended:
        """The same, for as long as thousands of others are awaited: of what its answer lists of
        each sink, which may be every path there, only how many they are."""
        if self.answer is None or "sinks" not in self.answer:
            return self
        sinks = [
            {key: range(len(told)) if isinstance(told, list) else told for key, told in one.items()}
            for one in self.answer["sinks"]
        ]
        return replace(self, answer={**self.answer, "sinks": sinks})


class Child:
    """A process that can be asked to end, once, and killed."""

    def __init__(self, task: Task) -> None:
        self._task = task
        self._started = time.monotonic()
        with contextlib.ExitStack() as unless_started:
            self._complaints: IO[bytes] = unless_started.enter_context(tempfile.TemporaryFile())
            self._process = subprocess.Popen(  # noqa: S603  (our own command)
                # -P: a folder here of the same name as ours is not ours.
                [sys.executable, "-P", "-m", "pipeline.cli", *task.arguments, "--json"],
                env={**os.environ, MARK: "yes"},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._complaints,
                # Of its own: Ctrl-C is passed on once, and not also by the terminal.
                process_group=0 if sys.platform != "win32" else None,
            )
            unless_started.pop_all()

    def end(self) -> None:
        """Ask it to end cleanly."""
        with contextlib.suppress(OSError):
            self._process.terminate()

    def kill(self) -> None:
        with contextlib.suppress(OSError):
            self._process.kill()

    def wait(self, hear: Hear) -> Ended:
        """Listen until it has ended. Raises what ``hear`` raises, once it has."""
        with self._complaints, self._process as process:
            assert process.stdout is not None
            try:
                answer = _answer(process.stdout, lambda event: hear(self._task.name, event))
            except BaseException:
                self.end()
                raise
            code = process.wait()
            said = self._said()
        return _ended(self._task, code, time.monotonic() - self._started, said, answer)

    def _said(self) -> list[str]:
        self._complaints.seek(0, 2)
        self._complaints.seek(max(0, self._complaints.tell() - _TOLD))
        return self._complaints.read().decode(errors="replace").splitlines()


def _ended(
    task: Task, code: int, seconds: float, said: Sequence[str], answer: Mapping[str, Any] | None
) -> Ended:
    """What became of a process that said these lines on standard error."""
    error, hint = _complaint(said)
    # It was asked to end before it could listen, or a second time before it could tell.
    if code == -signal.SIGTERM or (code == Exit.INTERRUPTED and not error):
        return Ended(task, Exit.INTERRUPTED, seconds)
    good = code == Exit.OK and answer is not None
    if code not in list(Exit) or not (error or good):
        last = said[-1] if said else ""
        return Ended(task, Exit.FATAL, seconds, f"ended unexpectedly ({code})", last)
    return Ended(task, Exit(code), seconds, error, hint, answer)


def _complaint(said: Sequence[str]) -> tuple[str, str]:
    """The last thing that was complained of, and what to do."""
    mine = [at for at, line in enumerate(said) if line.startswith(_OURS)]
    if not mine:
        return "", ""
    first = last = mine[-1]
    while first - 1 in mine:
        first -= 1
    error = "; ".join(line.removeprefix(_OURS) for line in said[first : last + 1])
    rest = [line.strip() for line in said[last + 1 :] if line.startswith("  ")]
    # What it says to type again is for a person, who did not ask for JSON.
    return error, " ".join(rest).replace(" --json", "")


def _answer(
    lines: Iterable[bytes], hear: Callable[[Mapping[str, Any]], None]
) -> Mapping[str, Any] | None:
    """The summary among events of one line each, or the one document that was printed."""
    others: list[bytes] = []
    summary: Mapping[str, Any] | None = None
    for line in lines:
        event = _parsed(line)
        if event is None or "event" not in event:
            others.append(line)
        elif event["event"] == "summary":
            summary = event
        elif event["event"] != "error":  # as it complains of on standard error too
            hear(event)
    return summary if summary is not None else _parsed(b"".join(others))


def _parsed(text: bytes) -> Mapping[str, Any] | None:
    try:
        found = json.loads(text)
    except ValueError:
        return None
    return found if isinstance(found, dict) else None
