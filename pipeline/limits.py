"""How much one place is asked for at once, and when it is left alone."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator

from connectors.errors import (
    Fatal,
    OutpourError,
    SessionExpired,
    Transient,
    Unreachable,
)
from pipeline.stopping import Stop

_UNIT = 128 * 1024  # a request costs about as much as this many bytes
_GAIN = 1.03  # more parallel work must bring at least this much more
_WINDOW = 0.2  # seconds over which throughput is judged, at least
_PATIENCE = 3
_LATER = "Check the connection, then run again: it goes on here."
_DEAD_ENDS = 20
_TICK = 0.25  # seconds between two looks of whoever waits
_REPROBE = 20.0  # seconds until a limit that did not help is tried again


class AdaptiveLimit:
    """Parallel slots that grow while growth brings throughput and halve when throttled.

    Growth is given up after a few steps that brought nothing (one says little: sizes differ
    and others share the line), and tried again later. Not thread-safe by itself; ``Gate``
    holds the lock.
    """

    def __init__(self, most: int) -> None:
        self.most = max(1, most)
        self.value = min(self.most, 8)
        self._ceiling = self.most
        self._best = 0.0
        self._flat = 0  # steps in a row that brought nothing
        self._work = 0.0
        self._done = 0
        self._since = time.monotonic()
        self._halved = 0.0
        self._grown_at = 0.0

    def finished(self, size: int) -> None:
        """One piece of work of ``size`` bytes ended well."""
        self._work += 1 + size / _UNIT
        self._done += 1
        now = time.monotonic()
        if self._done < 2 * self.value or now - self._since < _WINDOW:
            return
        self._judge(self._work / (now - self._since), now)
        self._work, self._done, self._since = 0.0, 0, now

    def _judge(self, rate: float, now: float) -> None:
        self._flat = 0 if rate > self._best * _GAIN else self._flat + 1
        self._best = max(rate, self._best)
        if self._flat < _PATIENCE:
            self.value = min(self._ceiling, self.value + max(1, self.value // 2))
            self._grown_at = now
        elif now - self._grown_at > _REPROBE:
            self._flat, self._best = 0, 0.0
            self._ceiling = min(self.most, self._ceiling + max(1, self._ceiling // 4))

    def throttled(self) -> None:
        """The place asked for less. Several answers to one burst count once."""
        now = time.monotonic()
        if now - self._halved > 1.0:
            self._halved = self._grown_at = now
            self.value = self._ceiling = max(1, self.value // 2)
            self._flat = _PATIENCE  # no growth until the next probe


class GivenUp(OutpourError):
    """Nothing more goes to this place in this run; ``why`` says what it failed at."""

    def __init__(self, why: OutpourError) -> None:
        super().__init__(str(why), hint=why.hint)
        self.why = why


UNUSABLE = (GivenUp, Fatal, Unreachable)
"""What says of a place, and not of one file, that it is of no use in this run."""


class Gate:
    """The gate in front of one source or sink. Safe to use from any thread.

    ``attempts`` is how often one question is asked that gets nowhere; ``on_retry`` is told of
    each error that another try follows.
    """

    def __init__(
        self,
        name: str,
        most: int,
        stop: Stop,
        attempts: int = 1,
        on_retry: Callable[[BaseException], None] = lambda _: None,
    ) -> None:
        self.name = name
        self.limit = AdaptiveLimit(most)
        self.stop = stop
        self.attempts = attempts
        self.on_retry = on_retry
        self._changed = threading.Condition()
        self._active = 0
        self._closed_until = 0.0
        self._expired: SessionExpired | None = None
        self.left_out: OutpourError | None = None
        self._renewed_at = 0.0
        self._trouble: Transient | None = None
        self.reached = False
        self._dead_ends = 0

    @contextlib.contextmanager
    def slot(self) -> Iterator[None]:
        """Wait until the place may be asked, and hold one of its slots. Raises Stopped, and
        GivenUp once the place was given up."""
        with self._changed:
            while not self._open():
                self.stop.check()
                if self.left_out is not None:
                    raise GivenUp(self.left_out)
                self._changed.wait(self._patience())
            self._active += 1
        try:
            yield
        finally:
            with self._changed:
                self._active -= 1
                self._changed.notify()

    def _open(self) -> bool:
        usable = self._expired is None and self.left_out is None
        ready = usable and time.monotonic() >= self._closed_until
        return ready and self._active < self.limit.value

    def _patience(self) -> float:
        """Seconds until another look, should nobody say before that it may be asked."""
        left = self._closed_until - time.monotonic()
        return min(_TICK, left) if left > 0 else _TICK

    def succeeded(self, size: int) -> None:
        with self._changed:
            self._dead_ends = 0
            before = self.limit.value
            self.limit.finished(size)
            if self.limit.value > before:  # for several who wait, perhaps
                self._changed.notify_all()

    def wait(self, seconds: float, *, less: bool) -> None:
        """Leave the place alone for ``seconds``; ``less``: and ask it for less from then on."""
        with self._changed:
            self._closed_until = max(self._closed_until, time.monotonic() + seconds)
            if less:
                self.limit.throttled()

    def dead_end(self, error: Transient) -> Fatal | None:
        """An item's retries ran out, the last time with this. What to end with instead once so
        many did since the last success that it is the place, and not the items."""
        with self._changed:
            self._dead_ends += 1
            if self._dead_ends < _DEAD_ENDS:
                return None
        return Fatal(f"{self.name} keeps failing: {error}", hint=error.hint or _LATER)

    def expired(self, error: SessionExpired) -> None:
        """No work until ``renewed``."""
        with self._changed:
            self._expired = self._expired or error

    def renewed(self) -> None:
        with self._changed:
            self._expired = None
            self._renewed_at = time.monotonic()
            self._changed.notify_all()

    def give_up(self, error: OutpourError) -> None:
        """It is asked no more: ``left_out`` says why from now on, to whoever waits as well."""
        with self._changed:
            self.left_out = error
            self._changed.notify_all()

    def waited(self, since: float) -> float:
        """Seconds that the place itself has been waited for ``since`` then: anew after each
        sign-in, as hours may go by until a person is there."""
        return time.monotonic() - max(since, self._renewed_at)

    def troubled(self, error: Transient) -> None:
        """It waits for something a person can mend: the error says what to do."""
        if error.hint:
            self._trouble = error

    def answered(self) -> None:
        """It can be asked again. ``reached`` says that it ever could."""
        self._trouble = None
        self.reached = True

    @property
    def trouble(self) -> Transient | None:
        """What a person could mend right now, while the place is waited for."""
        return self._trouble

    @property
    def needs_person(self) -> SessionExpired | None:
        return self._expired

    @property
    def status(self) -> str:
        """A few words for the display; empty when all is well."""
        if self._expired is not None:
            return "waits for you"
        if self.left_out is not None:
            return "left out"
        if (trouble := self._trouble) is not None:
            return f"waits: {trouble}"
        left = self._closed_until - time.monotonic()
        return f"asked to wait {left:.0f} s" if left >= 1 else ""
