"""What goes to standard output and error, whoever reads it, and for how long."""

from __future__ import annotations

import contextlib
import json
import os
import sys
from collections.abc import Iterator, Mapping
from typing import Any, NoReturn

from rich.console import Console

from pipeline.display.words import printable
from pipeline.states import Exit


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


def emit(data: Mapping[str, Any]) -> None:
    """One JSON document on standard output."""
    with paper():
        sys.stdout.write(json.dumps(data, ensure_ascii=False, indent=2, default=str) + "\n")


def complain(message: str, hint: str, code: Exit) -> int:
    """Tell what is wrong, one line each, on standard error; returns ``code``."""
    with contextlib.suppress(BrokenPipeError):
        for line in message.splitlines():
            sys.stderr.write(f"outpour: {printable(line)}\n")
        if hint:
            sys.stderr.write(f"  {printable(hint)}\n")
        sys.stderr.flush()
    return code


def hush() -> None:
    """Flush standard output; if its reader is gone, say nothing about it, now or at exit."""
    try:
        sys.stdout.flush()
    except (BrokenPipeError, ValueError):
        with contextlib.suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
