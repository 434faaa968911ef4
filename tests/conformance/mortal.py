"""A network that goes down around one chosen request, as the client's death would look."""

from __future__ import annotations

import threading
from collections.abc import Collection
from typing import Generic, Protocol, TypeVar

from sandbox.damage import Abort
from sandbox.messages import Answer, Request


class Double(Protocol):
    @property
    def hosts(self) -> Collection[str]: ...
    def fault_key(self, request: Request) -> str: ...
    def handle(self, request: Request) -> Answer: ...


D = TypeVar("D", bound=Double)


class Mortal(Generic[D]):
    """Passes requests on until number ``at``; that one is lost (``after``: its answer is).

    From then on nothing gets through until ``revive``. Counting starts at 1.
    """

    def __init__(self, double: D) -> None:
        self.double = double
        self.hosts = double.hosts
        self.at = 0
        self.after = False
        self.count = 0
        self.dead = False
        self.died = threading.Event()
        self._lock = threading.Lock()

    def arm(self, at: int, *, after: bool) -> None:
        self.at, self.after, self.count, self.dead = at, after, 0, False
        self.died.clear()

    def revive(self) -> None:
        self.arm(0, after=False)

    def fault_key(self, request: Request) -> str:
        return self.double.fault_key(request)

    def handle(self, request: Request) -> Answer:
        with self._lock:
            self.count += 1
            fatal = self.count == self.at
            gone = self.dead
            self.dead = self.dead or fatal
        if gone or (fatal and not self.after):
            self.died.set()
            raise Abort
        answer = self.double.handle(request)
        if fatal:
            self.died.set()
            raise Abort
        return answer
