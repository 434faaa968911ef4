"""The connection to one phone: made when needed, and again when the phone is back.

When the connection breaks, what meets that first is Transient: it may be the reason. Whatever else
was under way is Paused, since it is not. While the phone is away, every call tries to connect and
raises Paused, which makes the engine leave this place alone for a moment, and costs no file its
attempts; ``wait`` seconds after the trouble began it becomes SessionExpired, for the person. A
phone that was not there to begin with is not waited for.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, TypeVar

from connectors.abilities import Prompter
from connectors.errors import Misconfigured, OutpourError, Paused, SessionExpired, Transient
from connectors.iphone.bridge import Bridge
from connectors.iphone.device import Files, Phone, Present, present
from connectors.iphone.errors import Away, Trouble

T = TypeVar("T")
Work = Callable[[Files], Coroutine[Any, Any, T]]
_POLL = 0.5  # seconds
_RETRY = 1.0
_PATIENCE = 60.0  # for one call; single operations end much earlier by themselves
_PERSON = 300.0  # how long a person is waited for when asked


class Link:
    """Thread-safe. ``udid`` is learnt when only one phone is there."""

    def __init__(self, udid: str | None, wait: float, connections: int) -> None:
        self._wanted = udid
        self._wait = wait
        self._connections = connections
        self.bridge = Bridge()
        self._phone: Phone | None = None
        self._away: Away | None = None
        self._since = 0.0
        self._known = False  # whether this phone was connected before
        self._closing = threading.Event()
        self._lock = threading.Lock()

    def call(self, work: Work[T]) -> T:
        """Do ``work`` on one of the connections, once more if the phone was only replugged.

        Raises Transient, SessionExpired, Misconfigured, and what ``work`` raises beside Away.
        """
        return self.each([work])[0]

    def each(self, works: Sequence[Work[T]]) -> list[T]:
        """Do many things over all connections; answers in order. Raises as ``call`` does."""
        try:
            return self._all(self.phone(), works)
        except Away:
            again = self.phone()
        try:
            return self._all(again, works)
        except Away as away:
            raise self.lost(again, away) from away

    def _all(self, phone: Phone, works: Sequence[Work[T]]) -> list[T]:
        async def one(work: Work[T]) -> T:
            files = phone.pick()
            try:
                return await work(files)
            finally:
                files.done()

        async def all_of_them() -> list[T]:
            return await asyncio.gather(*map(one, works))

        try:
            return self.bridge.run(all_of_them(), _PATIENCE)
        except Away as away:
            self._drop(phone, away)
            raise

    def phone(self) -> Phone:
        """The phone, connected. Raises as ``call`` does."""
        with self._lock:
            if self._phone is not None:
                return self._phone
            if self._closing.is_set():
                raise Transient("the connection to the iPhone was closed")
            try:
                return self._connect()
            except Away as away:
                raise self._judged(away) from away

    @property
    def present(self) -> Present:
        """Which phone it is. Raises as ``call`` does."""
        return self.phone().present

    @property
    def connected(self) -> bool:
        """Whether there is a connection that has not failed yet."""
        return self._phone is not None

    def lost(self, phone: Phone, away: Away) -> Transient:
        """Give up a broken connection; returns what to raise."""
        self._drop(phone, away)
        kind = Transient if away.first else Paused
        return kind(str(away), retry_after=_POLL, hint=away.trouble.action)

    def _drop(self, phone: Phone, away: Away) -> None:
        with self._lock:
            if self._phone is phone:
                away.first = True
                self._phone = None
                self._note(away)
                self._end(phone)

    def reconnect(self, prompter: Prompter, patience: float | None = None) -> None:
        """Wait for the phone with the person's help, ``patience`` seconds (None: five minutes,
        or longer where the settings say so). Raises SessionExpired, Misconfigured."""
        seconds = max(self._wait, _PERSON) if patience is None else patience
        deadline = time.monotonic() + seconds
        told: Trouble | None = None
        while True:
            with self._lock:
                try:
                    if self._phone is None:
                        self._connect()
                    return
                except Away as away:
                    error = away
            if seconds and error.trouble is not told:
                waiting = "" if told else f" Waiting up to {seconds:.0f} s; Ctrl-C ends it."
                told = error.trouble
                prompter.tell(f"{_sentence(error)} {told.action}{waiting}")
            if time.monotonic() > deadline or self._closing.wait(_POLL):
                raise SessionExpired(str(error), hint=error.trouble.hint)

    def plugged_in(self) -> list[Present]:
        """The phones on the cable now; none where nothing can be asked."""
        try:
            return self.bridge.run(present(), _PATIENCE)
        except Away:
            return []

    def close(self) -> None:
        """Wake who waits, and end the connections. May be called twice."""
        self._closing.set()
        with self._lock:
            if self._phone is not None:
                self._end(self._phone)
                self._phone = None
            self.bridge.close()

    def _connect(self) -> Phone:
        udid = self._wanted or self._choose()
        try:
            phone = self.bridge.run(Phone.connect(udid, self._connections), _PATIENCE)
        except Away as away:
            others = self.plugged_in() if away.trouble is Trouble.ABSENT else []
            if not others or udid in {other.udid for other in others}:
                raise
            there = f"{', '.join(map(str, others))} {'is' if len(others) == 1 else 'are'}"
            raise Away(Trouble.ANOTHER, f"{udid}; {there}") from away
        self._phone, self._wanted = phone, udid
        self._known, self._away = True, None
        return phone

    def _choose(self) -> str:
        found = self.bridge.run(present(), _PATIENCE)
        if not found:
            raise Away(Trouble.ABSENT)
        if len(found) > 1:
            names = ", ".join(map(str, found))
            raise Misconfigured(
                f"{len(found)} iPhones are plugged in: {names}",
                hint="Name one, as iphone:UDID or with `device: UDID`, or unplug the others.",
            )
        return found[0].udid

    def _judged(self, away: Away) -> OutpourError:
        """What to raise while the phone cannot be connected."""
        self._note(away)
        hint = away.trouble.hint
        absent = away.trouble in {Trouble.ABSENT, Trouble.ANOTHER, Trouble.NO_SERVICE}
        if away.trouble is Trouble.REFUSED or (absent and not self._known):
            return SessionExpired(str(away), hint=hint)
        if time.monotonic() > self._since + self._wait:
            return SessionExpired(f"{away} (waited {self._wait:.0f} s)", hint=hint)
        message = f"{away}; waiting up to {self._wait:.0f} s for it"
        return Paused(message, retry_after=_RETRY, hint=away.trouble.action)

    def _note(self, away: Away) -> None:
        if self._away is None:
            self._since = time.monotonic()
        self._away = away

    def _end(self, phone: Phone) -> None:
        try:
            self.bridge.run(phone.end(), 10)
        except Away:
            return  # it could not even be closed in time; the loop's end takes it along


def _sentence(error: Exception) -> str:
    text = str(error)
    return f"{text[:1].upper()}{text[1:]}."
