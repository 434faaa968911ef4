"""The command ``outpour``. Every command ends with one of ``pipeline.states.Exit``."""

from __future__ import annotations

import gc

__all__ = ["main"]


def main() -> None:
    """Run the command line and exit."""
    # A command makes a great many objects that stay to the end. Looking through them for garbage,
    # at start again and again and at the end once more, would be a third of what a short command
    # takes.
    gc.set_threshold(50_000, 20, 50)
    from pipeline.cli.app import main as run

    try:
        run()
    finally:
        gc.freeze()
