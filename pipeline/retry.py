"""Trying again, by what the error says to do.

Transient: wait as told, or longer each time, up to a number of attempts that made no
progress. Throttled: the whole place waits; asking too often is not the item's fault, so it
has a budget of time and not of attempts. Unreachable, after the place has answered before: the
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

from connectors.errors import SessionExpired, Throttled, Transient, Unreachable, Unready
from pipeline.limits import Gate

T = TypeVar("T")
_FIRST = 0.25  # seconds
_LONGEST = 60.0
THROTTLE_BUDGET = 3600.0
"""Seconds that a place may go on asking for less before an item fails for it."""
_OUTAGE_BUDGET = 900.0
_OUTAGE_LONGEST = 15.0  # so that it goes on soon after the line is back


def grown(number: int, longest: float = _LONGEST) -> float:
    """Seconds to wait after the ``number``-th failure in a row, where the place says nothing."""
    return min(longest, _FIRST * 2.0 ** min(max(0, number - 1), 20))


class _Patience:
    """How long one item is tried."""

    def __init__(self, gate: Gate, progress: Callable[[], int]) -> None:
        self._gate = gate
        self._progress = progress
        self._reached = progress()
        self._failures = 0
        self._throttled_since: float | None = None
        self._down_since: float | None = None
        self._counted = 0  # attempts
        self._in_a_row = 0  # of those that only time cures

    def stop(self, state: RetryCallState) -> bool:
        self._count(state)
        error = _error(state)
        if isinstance(error, SessionExpired):
            return False  # until the place is given up, which whoever waits for it is told
        if self._throttled_since is not None:
            return self._gate.waited(self._throttled_since) > THROTTLE_BUDGET
        if self._down_since is not None:
            return self._gate.waited(self._down_since) > _OUTAGE_BUDGET
        return self._failures >= self._gate.attempts

    def wait(self, state: RetryCallState) -> float:
        self._count(state)
        error = _error(state)
        if isinstance(error, SessionExpired):
            return 0.0
        told = error.retry_after if isinstance(error, Transient) else None
        timed = self._throttled_since is not None or self._down_since is not None
        number = self._in_a_row if timed else self._failures
        longest = _LONGEST if self._down_since is None else _OUTAGE_LONGEST
        # Jitter spreads workers that failed together; what the place said is a lower bound.
        more = grown(number, longest) if told is None else _FIRST
        return (told or 0.0) + random.uniform(0.5, 1.0) * more

    def _count(self, state: RetryCallState) -> None:
        """Take an attempt into account, once, whichever question comes first."""
        error = _error(state)
        if state.attempt_number == self._counted or isinstance(error, SessionExpired):
            return
        self._counted = state.attempt_number
        self._in_a_row += 1
        if isinstance(error, Throttled):
            self._throttled_since = self._throttled_since or time.monotonic()
            return
        self._throttled_since = None
        if isinstance(error, Unreachable) and self._gate.reached:
            self._down_since = self._down_since or time.monotonic()
            return
        self._down_since, self._in_a_row = None, 0
        if self._progress() > self._reached:
            self._failures = 0
        self._reached = self._progress()
        self._failures += 1

    def before_sleep(self, state: RetryCallState) -> None:
        error = _error(state)
        if isinstance(error, SessionExpired):
            self._gate.expired(error)
        elif isinstance(error, Throttled):
            self._gate.troubled(error)
            self._gate.wait(state.next_action.sleep if state.next_action else _FIRST, less=True)
        elif isinstance(error, Unreachable | Unready):
            self._gate.troubled(error)
        if error is not None:
            self._gate.on_retry(error)

    def sleep(self, seconds: float) -> None:
        self._gate.stop.sleep(seconds)


def _error(state: RetryCallState) -> BaseException | None:
    return state.outcome.exception() if state.outcome else None


def call(gate: Gate, work: Callable[[], T], progress: Callable[[], int] = lambda: 0) -> T:
    """Do ``work`` in a slot of the gate, again as its errors say.

    ``progress`` is a number that grows when an attempt got further although it failed: such
    failures do not use up the gate's ``attempts``. Raises the last error, GivenUp once the place
    was given up, or Stopped.
    """
    patience = _Patience(gate, progress)

    def once() -> T:
        with gate.slot():
            answer = work()
        gate.answered()
        return answer

    try:
        return once()  # as nearly always: tenacity's own work would cost what a small file does
    except (Transient, SessionExpired) as error:
        failures = [error]

    def again() -> T:
        if failures:
            raise failures.pop()  # the first attempt's, which it then waits for and counts
        return once()

    return Retrying(
        retry=retry_if_exception_type((Transient, SessionExpired)),
        stop=patience.stop,
        wait=patience.wait,
        sleep=patience.sleep,
        before_sleep=patience.before_sleep,
        reraise=True,
    )(again)
