"""What surrounds a command while it works: what it shows, whom it may ask, and how it is ended."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from pipeline import display
from pipeline.cli.prompter import TerminalPrompter, at_terminal
from pipeline.cli.signals import Interrupts
from pipeline.display import Display
from pipeline.stopping import Stop


@dataclass(frozen=True)
class Working:
    """``prompter`` is None where nobody can be asked."""

    stop: Stop
    screen: Display
    prompter: TerminalPrompter | None


@contextlib.contextmanager
def working(
    screen: Display | None = None,
    *,
    json: bool,
    stopping: Callable[[], None] = lambda: None,
) -> Iterator[Working]:
    """Show it on ``screen`` (None: as suits standard error; nothing of it with ``json``), and have
    Ctrl-C set ``stop``, of which ``stopping`` tells."""
    stop = Stop()
    screen = screen or display.choose(machine=False, quiet=json)
    prompter = TerminalPrompter(screen.pause, stop) if at_terminal() and not json else None
    with Interrupts(stop, stopping), screen:
        yield Working(stop, screen, prompter)
