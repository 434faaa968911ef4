"""Asking a run to end: once for a clean end, with a reason the ledger keeps."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterable, Iterator


class Stopped(Exception):
    """Raised in whatever waits when the run is asked to end."""


class Stop:
    """Set once, seen by every thread. The first reason given is kept."""

    def __init__(self) -> None:
        self._event = threading.Event()
        self._lock = threading.Lock()
        self._callbacks: list[Callable[[], None]] = []
        self.reason = ""
        self.error: Exception | None = None
        self.asking = False
        self._signalled = False

    def set(self, reason: str, error: Exception | None = None) -> None:
        with self._lock:
            if self._event.is_set():
                return
            self.reason, self.error = reason, error
            self._event.set()
        for callback in self._callbacks:
            callback()

    def when_set(self, callback: Callable[[], None]) -> None:
        """Call this once it is set, at once if it is; it must not wait."""
        with self._lock:
            self._callbacks = [*self._callbacks, callback]
        if self:
            callback()

    def __bool__(self) -> bool:
        return self._event.is_set()

    def check(self) -> None:
        """Raise Stopped if the run was asked to end."""
        if self._event.is_set():
            raise Stopped(self.reason)

    def sleep(self, seconds: float) -> None:
        """Sleep, but not beyond the request to end: then raise Stopped."""
        if self._event.wait(seconds):
            raise Stopped(self.reason)

    def through(self, chunks: Iterable[bytes]) -> Iterator[bytes]:
        """The same chunks, as long as the run was not asked to end: then Stopped is raised."""
        for chunk in chunks:
            self.check()
            yield chunk

    @contextlib.contextmanager
    def question(self) -> Iterator[None]:
        """Around what waits for a person, in the main thread: a signal that asks the run to end
        ends it as well, with KeyboardInterrupt."""
        before, self.asking = self.asking, True
        try:
            yield
        finally:
            self.asking = before

    @contextlib.contextmanager
    def undisturbed(self) -> Iterator[None]:
        """Within a ``question``, around what must not be left halfway: a signal that comes
        meanwhile ends the question right after it."""
        before, self.asking = self.asking, False
        try:
            yield
        finally:
            self.asking = before
        if before and self._signalled:
            raise KeyboardInterrupt

    def signalled(self) -> None:
        """A signal came, which is to ``set`` this: for its handler, that must not take a lock."""
        self._signalled = True

    @contextlib.contextmanager
    def guard(self) -> Iterator[None]:
        """For threads that others wait for: what goes wrong inside ends the run, not the thread."""
        try:
            yield
        except Stopped:
            pass
        except Exception as error:  # noqa: BLE001  (told where the run ends)
            self.set("the run failed", error)
