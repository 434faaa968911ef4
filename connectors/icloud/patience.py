"""Trying again inside a listing.

The engine retries whatever a connector raises, but a listing it can only start again as a
whole; among a thousand requests a few are always refused, so these few are repeated here.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TypeVar

import tenacity

from connectors.errors import Transient

T = TypeVar("T")

_ATTEMPTS = 7
_LONGEST = 60.0


class Patience:
    """Repeats Transient failures, waiting as told; ``stopped`` ends the waiting."""

    def __init__(self, stopped: threading.Event) -> None:
        self._stopped = stopped

    def call(self, work: Callable[[], T]) -> T:
        """The result of ``work``; the last error when it fails for too long."""
        retrying = tenacity.Retrying(
            retry=tenacity.retry_if_exception_type(Transient),
            stop=tenacity.stop_any(
                tenacity.stop_after_attempt(_ATTEMPTS), tenacity.stop_when_event_set(self._stopped)
            ),
            wait=_wait,
            sleep=tenacity.sleep_using_event(self._stopped),
            reraise=True,
        )
        return retrying(work)


_backoff = tenacity.wait_random_exponential(multiplier=0.4, max=_LONGEST)


def _wait(state: tenacity.RetryCallState) -> float:
    error = state.outcome.exception() if state.outcome else None
    told = error.retry_after if isinstance(error, Transient) else None
    return _backoff(state) if told is None else min(told, _LONGEST) + 0.1
