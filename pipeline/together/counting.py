"""What the preferred source spared the others."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass, field

from connectors.base import Stream


@dataclass
class Spared:
    """Files and bytes by (where they were taken, where they need not be taken any more)."""

    files: dict[tuple[str, str], int] = field(default_factory=dict)
    bytes: dict[tuple[str, str], int] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def add(self, taken: str, instead: str, size: int, files: int) -> None:
        key = (taken, instead)
        with self._lock:
            self.files[key] = self.files.get(key, 0) + files
            self.bytes[key] = self.bytes.get(key, 0) + size


class Counted:
    """A stream that tells ``spared`` of its bytes, and of the file once it is whole."""

    def __init__(self, stream: Stream, spared: Spared, taken: str, instead: str) -> None:
        self.offset = stream.offset
        self.total = stream.total
        self._stream = stream
        self._spared = spared
        self._key = (taken, instead)

    def __iter__(self) -> Iterator[bytes]:
        for chunk in self._stream:
            yield chunk
            self._spared.add(*self._key, len(chunk), 0)
        self._spared.add(*self._key, 0, 1)

    def close(self) -> None:
        self._stream.close()
