"""How fast it goes now, and how long it will take."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable

from pipeline.events import Progress

_WINDOW = 20.0  # seconds that the rate looks back
_SETTLED = 3.0  # seconds before a guess at the time left means anything


class Rates:
    """Rates over the last seconds. Not thread-safe; one caller feeds and asks."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._seen: deque[tuple[float, Progress]] = deque()

    def feed(self, progress: Progress) -> None:
        now = self._clock()
        if self._seen and self._seen[-1][1].phase != progress.phase:
            self._seen.clear()
        self._seen.append((now, progress))
        while self._seen[0][0] < now - _WINDOW and len(self._seen) > 2:
            self._seen.popleft()

    @property
    def bytes_per_second(self) -> float:
        """Bytes that came from the source."""
        return self._rate(lambda progress: progress.bytes_downloaded)

    @property
    def assets_per_second(self) -> float:
        return self._rate(lambda progress: progress.assets_done)

    @property
    def listed_per_second(self) -> float:
        return self._rate(lambda progress: progress.listed)

    @property
    def seconds_left(self) -> float | None:
        """None while it cannot be told. The slower of what bytes and what assets suggest."""
        if not self._seen or self._span() < _SETTLED:
            return None
        last = self._seen[-1][1]
        guesses = [
            (total - done) / rate
            for total, done, rate in (
                (last.bytes_total, last.bytes_done, self._rate(lambda p: p.bytes_done)),
                (last.assets_total, last.assets_done + last.failed, self.assets_per_second),
            )
            if total is not None and total > done and rate > 0
        ]
        return max(guesses) if guesses else None

    def _span(self) -> float:
        return self._clock() - self._seen[0][0] if self._seen else 0.0

    def _rate(self, value: Callable[[Progress], int]) -> float:
        span = self._span()
        if span <= 0:
            return 0.0
        return max(0.0, (value(self._seen[-1][1]) - value(self._seen[0][1])) / span)
