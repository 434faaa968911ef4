"""What goes to standard output and error, whoever reads it, and for how long."""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import asdict
from typing import Any, ClassVar, NoReturn, Protocol, TypeVar

from rich.console import Console

from pipeline.cli.failure import Failure, told
from pipeline.cli.streams import hush
from pipeline.display.connecting import addressed, connect_by
from pipeline.display.machine import Machine
from pipeline.states import Exit
from pipeline.wording import printable

_SPEAK_IN_LINES = ("run", "batch")
F = TypeVar("F", bound="Found")


class _Paper(Console):
    """A console that leaves it to the caller what a closed pipe means."""

    def on_broken_pipe(self) -> NoReturn:
        raise BrokenPipeError


@contextlib.contextmanager
def paper() -> Iterator[Console]:
    """Standard output as a console. That nobody reads on ends the text, not the command."""
    console = _Paper(file=sys.stdout, highlight=False, markup=False, emoji=False, soft_wrap=False)
    try:
        yield console
        sys.stdout.flush()
    except BrokenPipeError:
        hush()


def begin() -> None:
    """A command begins: it has told nothing yet."""
    _ANSWERED.set(False)
    connect_by("")


@contextlib.contextmanager
def postscript() -> Iterator[Console]:
    """Standard output for what is told of work that is done: where it cannot be written, one
    line says so, and the command ends as its work did."""
    try:
        with paper() as console:
            yield console
    except OSError as error:
        complain(told(error), "", Exit.OK)


_ANSWERED: ContextVar[bool] = ContextVar("answered", default=False)
"""Whether this command has printed its document."""


def emit(data: Mapping[str, Any]) -> None:
    """One JSON document on standard output."""
    _ANSWERED.set(True)
    with paper():
        sys.stdout.write(json.dumps(data, ensure_ascii=False, indent=2, default=str) + "\n")


class Found(Protocol):
    """What a command found out: a dataclass that knows how the command ends."""

    __dataclass_fields__: ClassVar[dict[str, Any]]

    @property
    def exit(self) -> Exit: ...


def answer(
    found: F, show: Callable[[Console, F], None], wrong: str, hint: str, *, json: bool
) -> int:
    """Tell what was found, ``wrong`` too where it is not all well; returns the exit code."""
    if json:
        emit({**asdict(found), "exit": int(found.exit)})
    else:
        with paper() as console:
            show(console, found)
    if found.exit is not Exit.OK:
        complain(wrong, hint, found.exit)
    return int(found.exit)


def fail(found: Failure, arguments: Sequence[str]) -> int:
    """Tell what ended a command, in JSON too where that was asked for and nothing was answered
    yet; returns the exit code."""
    if "--json" in arguments and not _ANSWERED.get():
        text = {"error": addressed(found.text), "hint": addressed(found.hint)}
        wrong = {**text, "exit": int(found.exit)}
        with contextlib.suppress(OSError):
            if arguments[0] in _SPEAK_IN_LINES:
                Machine(sys.stdout).write("error", wrong)
            else:
                emit(wrong)
    return complain(found.text, found.hint, found.exit)


def complain(message: str, hint: str, code: Exit) -> int:
    """Tell what is wrong, one line each, on standard error; returns ``code``."""
    message, hint = addressed(message), addressed(hint)
    with contextlib.suppress(OSError):
        for line in message.splitlines():
            sys.stderr.write(f"outpour: {printable(line)}\n")
        if hint:
            sys.stderr.write(f"  {printable(hint)}\n")
        sys.stderr.flush()
    return code
