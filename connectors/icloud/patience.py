"""Trying again inside a listing of iCloud, where more than one end may come to it.

Where nobody ever answered there is nothing to start again, and the engine tells the person.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import TypeVar

from connectors.errors import Transient, Unreachable
from connectors.icloud.cloudkit import CloudKit
from connectors.icloud.errors import Unservable
from connectors.patience import ATTEMPTS, repeated

T = TypeVar("T")

EMPTY = 6  # answers in a row that bring nothing, though there should be something
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

    def call(self, work: Callable[[], T], *, unservable: int = ATTEMPTS) -> T:
        """The result of ``work``; the last error when it fails for too long.

        After ``unservable`` attempts Unservable is raised already, where the caller can ask for
        something else.
        """

        def once() -> T:
            self._cloudkit.account.check_ended()
            return work()

        def enough(error: BaseException, attempts: int) -> bool:
            most = unservable if isinstance(error, Unservable) else ATTEMPTS
            return self._over or attempts >= most

        return repeated(once, self._passes, enough, self._sleep)

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
