"""Trying again inside a listing.

The engine retries whatever a connector raises, but a listing it can only start again as a
whole; among a thousand requests a few are always refused, so these few are repeated here.
Where nobody ever answered there is nothing to start again, and the engine tells the person.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import TypeVar

import tenacity

from connectors.errors import Transient, Unreachable
from connectors.icloud.cloudkit import CloudKit
from connectors.icloud.errors import Unservable

T = TypeVar("T")

_ATTEMPTS = 7
EMPTY = 6  # answers in a row that bring nothing, though there should be something
_LONGEST = 60.0
_TICK = 0.25  # seconds between two looks at whether to end


class Patience:
    """Repeats Transient failures of requests to ``cloudkit``, waiting as told. ``stopped`` ends
    that once nobody reads on. So does the end of the account: somebody may then read on, whom
    what is cut short must not look whole, so all that is asked raises Transient."""

    def __init__(self, cloudkit: CloudKit, stopped: threading.Event | None = None) -> None:
        self._cloudkit = cloudkit
        self._stopped = stopped or threading.Event()

    @property
    def stopped(self) -> bool:
        """Whether nobody reads on."""
        return self._stopped.is_set()

    def call(self, work: Callable[[], T], *, unservable: int = _ATTEMPTS) -> T:
        """The result of ``work``; the last error when it fails for too long.

        After ``unservable`` attempts Unservable is raised already, where the caller can ask for
        something else.
        """

        def once() -> T:
            self._cloudkit.account.check_ended()
            return work()

        def enough(state: tenacity.RetryCallState) -> bool:
            most = unservable if isinstance(_error(state), Unservable) else _ATTEMPTS
            return self._over or state.attempt_number >= most

        retrying = tenacity.Retrying(
            retry=tenacity.retry_if_exception(self._passes),
            stop=enough,
            wait=_wait,
            sleep=self._sleep,
            reraise=True,
        )
        return retrying(once)

    @property
    def _over(self) -> bool:
        return self.stopped or self._cloudkit.account.ended.is_set()

    def _sleep(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0 and not self._over:
            self._stopped.wait(min(left, _TICK))

    def _passes(self, error: BaseException) -> bool:
        if isinstance(error, Unreachable) and not self._cloudkit.answered:
            return False
        return isinstance(error, Transient)


def silence(rank: int, count: int | None) -> int:
    """How many answers in a row have to be empty before a list is believed to end at ``rank``:
    Apple gives empty ones in the middle, too. ``count`` is its own number of entries, None
    where it does not say; it may be higher than what is ever shown."""
    return 1 if count is not None and rank >= count else EMPTY


_backoff = tenacity.wait_random_exponential(multiplier=0.4, max=_LONGEST)


def _wait(state: tenacity.RetryCallState) -> float:
    error = _error(state)
    told = error.retry_after if isinstance(error, Transient) else None
    return _backoff(state) if told is None else min(told, _LONGEST) + 0.1


def _error(state: tenacity.RetryCallState) -> BaseException | None:
    return state.outcome.exception() if state.outcome else None
