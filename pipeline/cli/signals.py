"""Ctrl-C and its relatives: the first asks for a clean end, the second ends now."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable
from types import FrameType
from typing import Any

from pipeline.runner.run import INTERRUPTED
from pipeline.states import Exit
from pipeline.stopping import Stop

_SHOW_CURSOR = "\x1b[?25h"
_SIGNALS = [
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)
]


class Interrupts:
    """While entered, signals set ``stop``, and end its ``question`` where a person is being asked.
    ``last`` is done before the second signal ends the process."""

    def __init__(
        self, stop: Stop, tell: Callable[[], None], last: Callable[[], None] = lambda: None
    ) -> None:
        self._last = last
        self._stop = stop
        self._tell = tell
        self._count = 0
        self._before: dict[int, Any] = {}  # handlers, to be put back

    def __enter__(self) -> None:
        # A signal that was ignored when we came (nohup) stays ignored.
        mine = [number for number in _SIGNALS if signal.getsignal(number) != signal.SIG_IGN]
        self._before = {number: signal.signal(number, self._caught) for number in mine}

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _caught(self, _: int, __: FrameType | None) -> None:
        self._count += 1
        if self._count > 1:
            self._last()
            if os.isatty(2):
                # Past sys.stderr: the progress display stands in for it, drops such codes,
                # and may hold its lock.
                os.write(2, f"{_SHOW_CURSOR}\n".encode())
            os._exit(Exit.INTERRUPTED)  # the ledger survives this at any instruction
        self._stop.signalled()
        if self._stop.asking:
            sys.stderr.write("\n")  # what comes now does not belong to the question
        # Not here: the main thread may hold the very locks that these two need.
        telling = threading.Thread(target=self._end, name="interrupt", daemon=True)
        telling.start()
        if self._stop.asking:
            telling.join(1)
            raise KeyboardInterrupt

    def _end(self) -> None:
        self._stop.set(INTERRUPTED)
        self._tell()
