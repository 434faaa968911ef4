"""Which source a file's next attempt begins with."""

from __future__ import annotations

import threading
from collections import OrderedDict

_MOST = 4096  # files remembered; more than are ever under way


class Turns:
    """Counts attempts at each file, so that one after a failed one begins elsewhere.

    A stream can break, and bytes can be wrong, long after it was opened. Only the engine sees
    that, and asks again: so whoever is asked again is asked to come by another way. Files not
    asked for lately are forgotten.
    """

    def __init__(self) -> None:
        self._taken: OrderedDict[tuple[str, str], int] = OrderedDict()
        self._lock = threading.Lock()

    def take(self, key: tuple[str, str]) -> int:
        """How many attempts at this file there were before this one."""
        with self._lock:
            before = self._taken.pop(key, 0)
            self._taken[key] = before + 1
            if len(self._taken) > _MOST:
                self._taken.popitem(last=False)
            return before
