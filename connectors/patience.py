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

ATTEMPTS = 7
_LONGEST = 60.0


class Patience:
    """Repeats Transient failures of the requests of one listing, waiting as told.

    Before the first answer there is nothing to start again, and the engine tells the person. Once
    ``ended`` is set nothing is waited for any more.
    """

    def __init__(self, ended: threading.Event) -> None:
        self._ended = ended
        self._answered = False

    def call(self, work: Callable[[], T]) -> T:
        """The result of ``work``; the last error when it fails for too long."""

        def once() -> T:
            answer = work()
            self._answered = True
            return answer

        def passes(error: BaseException) -> bool:
            return isinstance(error, Transient) and self._answered

        def enough(_: BaseException, attempts: int) -> bool:
            return self._ended.is_set() or attempts >= ATTEMPTS

        return repeated(once, passes, enough, self._sleep)

    def _sleep(self, seconds: float) -> None:
        self._ended.wait(seconds)


def repeated(
    work: Callable[[], T],
    passes: Callable[[BaseException], bool],
    enough: Callable[[BaseException, int], bool],
    sleep: Callable[[float], None],
) -> T:
    """The result of ``work``, done again after errors that ``passes`` says may pass, until it is
    ``enough`` after so many attempts: then the last error. Waits as told, a minute at most.
    """
    retrying = tenacity.Retrying(
        retry=tenacity.retry_if_exception(passes),
        stop=lambda state: enough(_error(state), state.attempt_number),
        wait=_wait,
        sleep=sleep,
        reraise=True,
    )
    return retrying(work)


_backoff = tenacity.wait_random_exponential(multiplier=0.4, max=_LONGEST)


def _wait(state: tenacity.RetryCallState) -> float:
    error = _error(state)
    told = error.retry_after if isinstance(error, Transient) else None
    return _backoff(state) if told is None else min(told, _LONGEST) + 0.1


def _error(state: tenacity.RetryCallState) -> BaseException:
    error = state.outcome.exception() if state.outcome else None
    assert error is not None, "tenacity asks after a failure only"
    return error
