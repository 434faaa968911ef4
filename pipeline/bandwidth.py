"""How many bytes a second may pass, over all threads of a run."""

from __future__ import annotations

import threading
import time

from pipeline.stopping import Stop


class Bandwidth:
    """At most ``rate`` bytes a second on average; any number where it is None. Time in which
    nothing passed is not saved up."""

    def __init__(self, rate: int | None, stop: Stop) -> None:
        self._rate = rate
        self._stop = stop
        self._lock = threading.Lock()
        self._free = 0.0  # when all that was let pass so far has had its time

    def spend(self, count: int) -> None:
        """Wait until ``count`` more bytes may pass. Raises Stopped when the run is to end."""
        if self._rate is None:
            return
        with self._lock:
            now = time.monotonic()
            begin = max(now, self._free)
            self._free = begin + count / self._rate
        self._stop.sleep(begin - now)
