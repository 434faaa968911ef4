"""The command ``outpour``. Every command ends with one of ``pipeline.states.Exit``."""

from __future__ import annotations

import gc
import signal
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["main"]


def main() -> None:
    """Run the command line and exit."""
    # A command makes a great many objects that stay to the end. Looking through them for garbage,
    # at start again and again and at the end once more, would be a third of what a short command
    # takes.
    gc.set_threshold(50_000, 20, 50)
    with _ctrl_c_noted() as noted:
        from pipeline.cli.app import main as run
    try:
        run(stopped=bool(noted))
    finally:
        gc.freeze()


@contextmanager
def _ctrl_c_noted() -> Iterator[list[int]]:
    """Ctrl-C in the first moment waits until there is something that can answer it."""
    noted: list[int] = []
    before = signal.getsignal(signal.SIGINT)
    if before is signal.default_int_handler:  # else it is ignored, in the background
        signal.signal(signal.SIGINT, lambda number, _: noted.append(number))
    yield noted
    signal.signal(signal.SIGINT, before)
