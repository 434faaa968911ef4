"""What a person or a machine sees while many pipelines are under way."""

from __future__ import annotations

import contextlib
import sys
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn
from rich.text import Text

from pipeline.batch import Ended, Observer, Task
from pipeline.display.machine import Machine
from pipeline.display.plain import sentence
from pipeline.display.terminal import redraws
from pipeline.events import Notice
from pipeline.states import Exit
from pipeline.wording import count, counted, printable, show_size

_EVERY = 60.0  # seconds between lines where nothing can be redrawn

Tell = Callable[[Ended], str]
"""How one ended, on one line."""


class Board(Observer, contextlib.AbstractContextManager["Board"], Protocol):
    """An observer of a batch that holds the screen between enter and exit."""

    def say(self, text: str, style: str = "") -> None:
        """One line of another kind."""
        ...


def choose(total: int, tell: Tell, *, machine: bool, quiet: bool) -> Board:
    """The board for where standard output and error go."""
    if machine:
        return Events()
    console = Console(stderr=True, highlight=False)
    if redraws(console) and not quiet:
        return Live(total, tell, console)
    return Lines(total, tell, quiet=quiet)


def reading(*, machine: bool, quiet: bool) -> contextlib.AbstractContextManager[object]:
    """Says on a terminal that the pipelines are being read: thousands of them take seconds."""
    console = Console(stderr=True, highlight=False)
    if machine or quiet or not redraws(console):
        return contextlib.nullcontext()
    return console.status("reading the pipelines")


class Lines:
    """A line for each pipeline that ends, each warning, and now and then what is under way."""

    def __init__(self, total: int, tell: Tell, *, quiet: bool = False) -> None:
        self._total = total
        self._tell = tell
        self._quiet = quiet
        self._lock = threading.RLock()
        self._running: set[str] = set()
        self._done = 0
        self._moved: dict[str, tuple[int, int]] = {}  # assets and bytes of each
        self._last = time.monotonic()

    def __enter__(self) -> Lines:
        return self

    def __exit__(self, *_: object) -> None: ...

    def begun(self, task: Task) -> None:
        with self._lock:
            self._running.add(task.name)
            self.draw()

    def heard(self, name: str, event: Mapping[str, Any]) -> None:
        kind = event.get("event")
        with self._lock:
            if kind == "progress":
                self._moved[name] = (event.get("assets_done", 0), event.get("bytes_done", 0))
                self.draw()
            elif kind == "notice" and event.get("level") != "info":
                told = {key: event.get(key, "") for key in ("level", "text", "place", "hint")}
                self.say(f"{name}: {sentence(Notice(**told))}", "yellow")

    def ended(self, ended: Ended) -> None:
        good = ended.exit is Exit.OK
        with self._lock:
            self._running.discard(ended.task.name)
            self._done += 1
            if not (good and self._quiet):
                self.say(self._tell(ended), "" if good else "red")
            self.draw()

    def say(self, text: str, style: str = "") -> None:  # noqa: ARG002  (colour is for terminals)
        # What nobody can read, be it for a full disk, must not stop the batch.
        with self._lock, contextlib.suppress(OSError, ValueError):
            sys.stderr.write(f"{printable(text)}\n")
            sys.stderr.flush()

    def draw(self) -> None:
        """Show where things stand, if it is time to."""
        if self._quiet or time.monotonic() - self._last < _EVERY:
            return
        self._last = time.monotonic()
        self.say(f"{count(self._done)} of {counted(self._total, 'pipeline')}, {self.state()}")

    def state(self) -> str:
        """What is under way, and what was moved so far."""
        assets = sum(assets for assets, _ in self._moved.values())
        size = sum(size for _, size in self._moved.values())
        moved = f", {counted(assets)}, {show_size(size)}" if assets else ""
        return f"{count(len(self._running))} under way{moved}"


class Live(Lines):
    """A bar that stays below the lines."""

    def __init__(self, total: int, tell: Tell, console: Console) -> None:
        super().__init__(total, tell)
        self._console = console
        self._progress = Progress(
            BarColumn(bar_width=None, complete_style="green", finished_style="green"),
            TextColumn("{task.completed} of {task.total} pipelines, {task.description}"),
            console=console,
            transient=True,
            expand=True,
            refresh_per_second=6,
        )
        self._bar = self._progress.add_task("starting …", total=total)

    def __enter__(self) -> Live:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(OSError):  # the terminal is gone; the batch need not be
            self._progress.stop()

    def say(self, text: str, style: str = "") -> None:
        with contextlib.suppress(OSError):
            self._console.print(Text(printable(text), style=style), soft_wrap=True)

    def draw(self) -> None:
        self._progress.update(self._bar, completed=self._done, description=self.state())


class Events:
    """One JSON object a line."""

    def __init__(self) -> None:
        self.machine = Machine(sys.stdout)

    def __enter__(self) -> Events:
        return self

    def __exit__(self, *_: object) -> None: ...

    def begun(self, task: Task) -> None:
        self.machine.write("begun", {"pipeline": task.name, "arguments": list(task.arguments)})

    def heard(self, name: str, event: Mapping[str, Any]) -> None:
        if event.get("event") != "item":  # each is in the pipeline's own report
            self.machine.write(str(event.get("event")), {"pipeline": name, **_without(event)})

    def ended(self, ended: Ended) -> None:
        self.machine.write(
            "ended",
            {
                "pipeline": ended.task.name,
                "exit": int(ended.exit),
                "seconds": round(ended.seconds, 3),
                "error": ended.error,
                "hint": ended.hint,
                "answer": _without(ended.answer) if ended.answer else None,
            },
        )

    def say(self, text: str, style: str = "") -> None:  # noqa: ARG002
        self.machine.write("notice", {"level": "warning", "text": text, "place": "", "hint": ""})


def _without(event: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in event.items() if key != "event"}
