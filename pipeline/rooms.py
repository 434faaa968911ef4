"""How much each sink can still take, counting what is on its way."""

from __future__ import annotations

import threading
import time
from enum import Enum

from connectors.abilities import Capacity, HasCapacity
from connectors.base import Sink
from connectors.errors import CapacityExceeded, DailyLimit, LimitReached, Transient
from pipeline.wording import show_size

_FIRST_LOOK = 5.0  # seconds until a full sink is asked again; doubles up to the longest
_LONGEST = 600.0


class _Trial(Enum):
    """How far it is with the one asset by which a sink is tried that takes no more."""

    NONE = "none"
    OFFERED = "offered"
    SENT = "sent"


class Room:
    """One sink's room. ``free`` is None where the sink has no limit or says nothing.

    Bytes are reserved before their download and spent when confirmed, so that parallel
    uploads never overshoot. A sink that reported itself full sleeps until a look at its
    capacity, at growing intervals, finds room again. One that reached another limit is then
    tried with a single asset, and sleeps on until something of that is taken.
    """

    def __init__(self, sink: Sink) -> None:
        self.name = sink.name
        self._sink = sink
        self._lock = threading.Lock()
        self._free: int | None = None
        self._reserved = 0
        self._asleep: CapacityExceeded | None = None
        self._trial = _Trial.NONE
        self._interval = _FIRST_LOOK
        self._look_at = 0.0
        self.closed = False  # nothing more goes there in this run, whatever room it has

    def look(self) -> Capacity | None:
        """Read the sink's capacity afresh; None where it has none to tell."""
        if not isinstance(self._sink, HasCapacity):
            return None
        capacity = self._sink.capacity()
        with self._lock:
            self._free = capacity.free
        return capacity

    @property
    def free(self) -> int | None:
        """Bytes that are neither used nor reserved."""
        with self._lock:
            return None if self._free is None else self._free - self._reserved

    @property
    def left(self) -> int | None:
        """Bytes that are not used, reserved or not; None where the sink says nothing."""
        with self._lock:
            return self._free

    @property
    def asleep(self) -> CapacityExceeded | None:
        """Why the sink takes nothing now; None if it does."""
        return self._asleep

    def reserve(self, size: int) -> bool:
        """Set ``size`` bytes aside; False, and nothing reserved, if they do not fit."""
        with self._lock:
            if self.closed:
                return False
            fits = self._free is None or self._reserved + size <= self._free
            if not fits or (self._asleep is not None and self._trial is not _Trial.OFFERED):
                return False
            if self._asleep is not None:
                self._trial = _Trial.SENT
            self._reserved += size
            return True

    def spend(self, reserved: int, stored: int) -> None:
        """Reserved bytes have become stored ones (a listing's size may be wrong)."""
        with self._lock:
            self._reserved -= reserved
            self._interval = _FIRST_LOOK  # it takes bytes again: no false alarm
            if self._trial is _Trial.SENT:
                self._awake()
            if self._free is not None:
                self._free -= stored

    def give_back(self, size: int) -> None:
        """Reserved bytes did not come."""
        with self._lock:
            self._reserved -= size
            if self._trial is _Trial.SENT:  # it came to nothing: another may tell
                self._trial = _Trial.NONE

    def sleep(self, why: CapacityExceeded) -> bool:
        """The sink said it is full; True if that, or when it will be over, is news."""
        with self._lock:
            news = self._asleep is None
            self._asleep = why
            self._look_at = time.monotonic() + self._interval
            if isinstance(why, DailyLimit):
                news = news or self._trial is _Trial.SENT
                self._look_at = time.monotonic() + max(0.0, why.resume_at.timestamp() - time.time())
            self._trial = _Trial.NONE
        return news

    def doze(self, needed: int) -> None:
        """What is left does not fit: sleep until there is more room than now."""
        self.sleep(CapacityExceeded(f"{self.name} has no room for {show_size(needed)} more"))

    @property
    def look_is_due(self) -> bool:
        """Whether the sink sleeps and it is time to look at it again."""
        rests = self._asleep is not None and self._trial is not _Trial.SENT
        return rests and time.monotonic() >= self._look_at

    def wake(self, needed: int) -> bool:
        """Look again if it is time to; True if there is room for ``needed`` bytes now, be it
        for a trial.

        Raises what the look raises. After Transient, or a limit that is met by asking, the next
        look has its time; after anything else it is still due, so that whoever mends it need not
        wait.
        """
        if not self.look_is_due:
            return False
        try:
            self.look()
        except (Transient, CapacityExceeded):
            with self._lock:
                self._sleep_on()
            raise
        room = self.free
        with self._lock:
            # Later also when there is room, until bytes are taken: what a place reports may lag.
            self._sleep_on()
            fits = room is None or room >= max(1, needed)
            if fits and isinstance(self._asleep, LimitReached):
                self._trial = _Trial.OFFERED
            elif fits:
                self._awake()
        return fits

    def _awake(self) -> None:
        self._asleep, self._trial = None, _Trial.NONE

    def _sleep_on(self) -> None:
        self._interval = min(_LONGEST, self._interval * 2)
        self._look_at = time.monotonic() + self._interval
