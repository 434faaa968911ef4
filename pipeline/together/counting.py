"""What the preferred source spared the others."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator

from connectors.base import Stream
from pipeline.report.summary import Spared


class Tally:
    """Files and bytes by (where they were taken, where they need not be taken any more)."""

    def __init__(self) -> None:
        self._files: Counter[tuple[str, str]] = Counter()
        self._bytes: Counter[tuple[str, str]] = Counter()
        self._lock = threading.Lock()

    def add(self, taken: str, instead: str, size: int, files: int) -> None:
        with self._lock:
            self._files[taken, instead] += files
            self._bytes[taken, instead] += size

    def totals(self) -> tuple[Spared, ...]:
        with self._lock:
            return tuple(
                Spared(*ends, self._files[ends], size) for ends, size in self._bytes.items()
            )


class Counted:
    """A stream that tells ``tally`` of its bytes, and of the file once it is whole."""

    def __init__(self, stream: Stream, tally: Tally, taken: str, instead: str) -> None:
        self.offset = stream.offset
        self.total = stream.total
        self._stream = stream
        self._tally = tally
        self._key = (taken, instead)

    def __iter__(self) -> Iterator[bytes]:
        for chunk in self._stream:
            yield chunk
            self._tally.add(*self._key, len(chunk), 0)
        self._tally.add(*self._key, 0, 1)

    def close(self) -> None:
        self._stream.close()
