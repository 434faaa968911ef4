"""The processes of a batch end with it, however it ends."""

from __future__ import annotations

import os
import signal
import threading

MARK = "_OUTPOUR_BATCH"
"""In the environment of a process of a batch, whose standard input is open as long as the batch
lives, and never written to."""


def end_with_parent() -> None:
    """Ask this process to end cleanly, as by a signal from outside, once its batch is gone: killed
    with no chance to say so, it would leave its pipelines locked and the machine busy."""
    threading.Thread(target=_watch, name="parent", daemon=True).start()


def _watch() -> None:
    # Not through sys.stdin, whose lock a thread that is cut off at the end would take with it.
    while os.read(0, 1):
        pass
    os.kill(os.getpid(), signal.SIGTERM)
