"""Upload sessions, kept to the letter of the SDK's docstrings.

Sequential ones take bytes at their end only; concurrent ones take 4 MiB multiples in any
order, none when they start, and their last append closes them. They live seven days. Only
closed ones can be finished by a batch.
"""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from sandbox.dropbox.content import BLOCK, Content

LIFETIME = 7 * 24 * 3600.0
_LARGEST = 2**41 - 2**22


class SessionRefused(Exception):
    """``error`` is JSON of what append, finish and their batches have in common."""

    def __init__(self, tag: str, **fields: int) -> None:
        super().__init__(tag)
        self.tag = tag
        self.error: dict[str, Any] = {".tag": tag, **fields}


@dataclass
class Session:
    concurrent: bool
    born: float
    content: Content = field(default_factory=Content)  # of a sequential one
    parts: dict[int, Content] = field(default_factory=dict)  # of a concurrent one, by offset
    end: int | None = None  # where the last append of a concurrent one ended
    closed: bool = False
    lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, offset: int, received: Content, *, close: bool) -> None:
        with self.lock:
            if self.closed:
                raise SessionRefused("closed")
            if offset + received.size > _LARGEST:
                raise SessionRefused("too_large")
            if self.concurrent:
                self._place(offset, received, close=close)
            else:
                if offset != self.content.size:
                    raise SessionRefused("incorrect_offset", correct_offset=self.content.size)
                self.content = self.content.plus(received)
            self.closed = close

    def _place(self, offset: int, received: Content, *, close: bool) -> None:
        if offset % BLOCK:
            raise SessionRefused("concurrent_session_invalid_offset")
        if received.size % BLOCK and not close:
            raise SessionRefused("concurrent_session_invalid_data_size")
        self.parts[offset] = received  # the same part again is the same part
        if close:
            self.end = offset + received.size

    def whole(self) -> Content | None:
        """All of it; None where a concurrent session has a hole."""
        with self.lock:
            if not self.concurrent:
                return self.content
            made = Content()
            for offset in sorted(self.parts):
                if offset != made.size:
                    return None
                made = made.plus(self.parts[offset])
            return made if made.size == self.end else None


class Sessions:
    """All sessions of one account. ``clock`` is in seconds, for tests that let time pass."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self.clock = clock
        self._sessions: dict[str, Session] = {}
        self._lock = threading.Lock()

    def start(self, *, concurrent: bool = False) -> tuple[str, Session]:
        identity = f"pid_upload_session:{secrets.token_urlsafe(36)}"
        made = Session(concurrent, self.clock())
        with self._lock:
            self._sessions[identity] = made
        return identity, made

    def get(self, identity: str) -> Session:
        found = self._sessions.get(identity)
        if found is None or self.clock() - found.born > LIFETIME:
            raise SessionRefused("not_found")
        return found

    def forget(self, identity: str) -> None:
        with self._lock:
            self._sessions.pop(identity, None)

    def forget_all(self) -> None:
        with self._lock:
            self._sessions.clear()

    def __len__(self) -> int:
        return len(self._sessions)
