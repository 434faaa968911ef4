"""One pipeline of many: ``outpour`` with ``--json`` as a process, and what it says."""

from __future__ import annotations

import contextlib
import json
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import IO, Any

from pipeline.states import Exit

_TOLD = 100_000  # characters of what it complains of that are read
Hear = Callable[[str, Mapping[str, Any]], None]
"""Takes an event of a command that is under way, by the name of its pipeline."""


@dataclass(frozen=True, slots=True)
class Task:
    """``arguments`` of ``outpour``; ``name`` is the pipeline's."""

    name: str
    arguments: Sequence[str]


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


class Child:
    """A process that can be asked to end, once, and killed."""

    def __init__(self, task: Task) -> None:
        self._task = task
        self._started = time.monotonic()
        self._complaints: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115  (wait closes it)
        # In a group of its own: Ctrl-C is passed on once, and not also by the terminal. -P: a
        # folder here of the same name as ours is not ours.
        self._process = subprocess.Popen(  # noqa: S603  (our own command)
            [sys.executable, "-P", "-m", "pipeline.cli", *task.arguments, "--json"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=self._complaints,
            process_group=0 if sys.platform != "win32" else None,
        )

    def end(self) -> None:
        """Ask it to end cleanly."""
        with contextlib.suppress(OSError):
            self._process.terminate()

    def kill(self) -> None:
        with contextlib.suppress(OSError):
            self._process.kill()

    def wait(self, hear: Hear) -> Ended:
        """Listen until it has ended."""
        assert self._process.stdout is not None
        with self._process.stdout as out, self._complaints:
            answer = _answer(out, lambda event: hear(self._task.name, event))
            code = self._process.wait()
            error, hint = self._complaint()
        seconds = time.monotonic() - self._started
        if code == -signal.SIGTERM:  # it was asked to end before it could listen
            code = Exit.INTERRUPTED
        if code not in list(Exit):
            error = error or f"ended unexpectedly ({code})"
            code = Exit.FATAL
        return Ended(self._task, Exit(code), seconds, error, hint, answer)

    def _complaint(self) -> tuple[str, str]:
        """The last thing it complained of, and what to do."""
        self._complaints.seek(0, 2)
        self._complaints.seek(max(0, self._complaints.tell() - _TOLD))
        lines = self._complaints.read().decode(errors="replace").splitlines()
        start = "outpour: "
        said = [at for at, line in enumerate(lines) if line.startswith(start)]
        if not said:
            return (lines[-1] if lines else ""), ""
        rest = [line.strip() for line in lines[said[-1] + 1 :] if line.startswith("  ")]
        # What it says to type again is for a person, who did not ask for JSON.
        return lines[said[-1]].removeprefix(start), " ".join(rest).replace(" --json", "")


def _answer(
    lines: Iterable[bytes], hear: Callable[[Mapping[str, Any]], None]
) -> Mapping[str, Any] | None:
    """The summary among events of one line each, or the one document that was printed."""
    whole: list[bytes] = []
    summary: Mapping[str, Any] | None = None
    for line in lines:
        event = None if whole else _parsed(line)
        if event is None:
            whole.append(line)
        elif event.get("event") == "summary":
            summary = event
        else:
            hear(event)
    return summary if summary is not None else _parsed(b"".join(whole))


def _parsed(text: bytes) -> Mapping[str, Any] | None:
    try:
        found = json.loads(text)
    except ValueError:
        return None
    return found if isinstance(found, dict) else None
