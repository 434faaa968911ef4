"""Trying again, by what the error says to do.

Transient: wait as told, or longer each time, up to a number of attempts that made no
progress. Paused and Throttled: the whole place waits, which is not the item's fault, so it has a
budget of time and not of attempts. Unreachable, after the place has answered before: the
line is down for everybody, so that has a budget of time too. SessionExpired: wait for the
person, however long, which uses up no budget, unless the place was given up. Everything else is
raised at once.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from typing import TypeVar

from tenacity import RetryCallState, Retrying, retry_if_exception_type

from connectors.errors import (
    Paused,
    SessionExpired,
    Throttled,
    Transient,
    Unreachable,
    Unready,
)
from pipeline.limits import Gate

T = TypeVar("T")
_FIRST = 0.25  # seconds
_LONGEST = 60.0
_PAUSE_BUDGET = 3600.0  # seconds that a place may ask for pauses before an item fails for it
_OUTAGE_BUDGET = 900.0
_OUTAGE_LONGEST = 15.0  # so that it goes on soon after the line is back


def _grown(number: int, longest: float) -> float:
    """Seconds to wait after the ``number``-th failure in a row, where the place says nothing."""
    return min(longest, _FIRST * 2.0 ** min(max(0, number - 1), 20))


class Patience:
    """How long one item is tried at a place, by the errors its attempts ended with.

    ``progress`` is a number that grows when an attempt got further although it failed: such
    failures do not use up the gate's ``attempts``. ``longest_pause`` is for how many seconds it is
    worth while to leave the place alone, all in all; None: until it asked for pauses for an hour.
    """

    def __init__(
        self,
        gate: Gate,
        progress: Callable[[], int] = lambda: 0,
        longest_pause: float | None = None,
    ) -> None:
        self._gate = gate
        self._longest_pause = longest_pause
        self._progress = progress
        self._reached = progress()
        self._failures = 0
        self._paused_since: float | None = None
        self._down_since: float | None = None
        self._in_a_row = 0  # of those that only time cures

    def failed(self, error: Transient | SessionExpired) -> bool:
        """Take an attempt into account, once. Whether another one should follow, after
        ``pause``."""
        if isinstance(error, SessionExpired):
            return True  # until the place is given up, which whoever waits for it is told
        self._count(error)
        if self._paused_since is not None:
            waited = self._gate.waited(self._paused_since)
            if self._longest_pause is None:
                return waited <= _PAUSE_BUDGET
            return waited + (error.retry_after or 0.0) <= self._longest_pause
        if self._down_since is not None:
            return self._gate.waited(self._down_since) <= _OUTAGE_BUDGET
        return self._failures < self._gate.attempts

    def pause(self, error: Transient | SessionExpired) -> float:
        """Seconds to wait after this error; before it, ``failed`` was told of it."""
        if isinstance(error, SessionExpired):
            return 0.0  # the gate is closed until somebody signed in
        timed = self._paused_since is not None or self._down_since is not None
        number = self._in_a_row if timed else self._failures
        longest = _LONGEST if self._down_since is None else _OUTAGE_LONGEST
        # Jitter spreads workers that failed together; what the place said is a lower bound.
        more = _grown(number, longest) if error.retry_after is None else _FIRST
        return (error.retry_after or 0.0) + random.uniform(0.5, 1.0) * more

    def _count(self, error: Transient) -> None:
        self._in_a_row += 1
        if isinstance(error, Paused):
            self._paused_since = self._paused_since or time.monotonic()
            return
        self._paused_since = None
        if isinstance(error, Unreachable) and self._gate.reached:
            self._down_since = self._down_since or time.monotonic()
            return
        self._down_since, self._in_a_row = None, 0
        if self._progress() > self._reached:
            self._failures = 0
        self._reached = self._progress()
        self._failures += 1


def heed(gate: Gate, error: Transient | SessionExpired, pause: float) -> None:
    """Before another attempt: have the place left alone for ``pause`` seconds, or until a person
    has signed in, where the error concerns it and not the item; and tell who follows the run."""
    if isinstance(error, SessionExpired):
        gate.expired(error)
    elif isinstance(error, Paused | Unreachable | Unready):
        gate.troubled(error)
    if isinstance(error, Paused):
        gate.wait(pause, less=isinstance(error, Throttled))
    gate.on_retry(error)


def call(
    gate: Gate,
    work: Callable[[], T],
    progress: Callable[[], int] = lambda: 0,
    longest_pause: float | None = None,
) -> T:
    """Do ``work`` in a slot of the gate, again as its errors say.

    ``progress`` and ``longest_pause`` are those of ``Patience``. Raises the last error, GivenUp
    once the place was given up, or Stopped.
    """

    def once() -> T:
        with gate.slot():
            answer = work()
        gate.answered()
        return answer

    try:
        return once()  # as nearly always: tenacity's own work would cost what a small file does
    except (Transient, SessionExpired) as error:
        failures = [error]
    patience, goes_on = Patience(gate, progress, longest_pause), True

    def again() -> T:
        nonlocal goes_on
        try:
            if failures:
                raise failures.pop()  # the first attempt's, which is then counted and waited for
            return once()
        except (Transient, SessionExpired) as error:
            goes_on = patience.failed(error)
            raise

    return Retrying(
        retry=retry_if_exception_type((Transient, SessionExpired)),
        stop=lambda _: not goes_on,
        wait=lambda state: patience.pause(_error(state)),
        sleep=gate.stop.sleep,
        before_sleep=lambda state: heed(gate, _error(state), state.upcoming_sleep),
        reraise=True,
    )(again)


def _error(state: RetryCallState) -> Transient | SessionExpired:
    error = state.outcome.exception() if state.outcome else None
    assert isinstance(error, Transient | SessionExpired)
    return error
