"""What a person or a machine sees while a command works: a terminal, plain lines, or JSON."""

from __future__ import annotations

import sys
from contextlib import AbstractContextManager
from typing import Protocol

from rich.console import Console

from pipeline.display.machine import Machine
from pipeline.display.plain import Plain
from pipeline.display.terminal import Terminal, redraws
from pipeline.events import Observer


class Display(Observer, AbstractContextManager["Display"], Protocol):
    """An observer that holds the screen between enter and exit."""

    def pause(self) -> AbstractContextManager[None]:
        """Give the screen to someone who asks questions."""
        ...


def choose(*, machine: bool, quiet: bool = False) -> Display:
    """The display for where standard output and error go."""
    if machine:
        return Machine(sys.stdout)
    console = Console(stderr=True, highlight=False)
    if redraws(console) and not quiet:
        return Terminal(console)
    return Plain(sys.stderr, quiet=quiet)
