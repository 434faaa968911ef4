"""A sink that cannot be used holds up no other: it is left out, named, and its copies wait.

Without any other there is nothing to go on with, and what it fails at ends the command.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator, Mapping
from typing import Protocol

from connectors.errors import Misconfigured, OutpourError, Transient
from pipeline.limits import Gate, LeftOut
from pipeline.rooms import Room


class Tell(Protocol):
    def __call__(self, level: str, text: str, place: str = "", hint: str = "") -> None: ...


class Sparing:
    """Leaves sinks out, from any thread. ``rooms`` are closed with them. Where a command needs
    them all, it is not ``allowed``."""

    def __init__(
        self,
        places: Mapping[str, Gate],
        tell: Tell,
        rooms: Mapping[str, Room] | None = None,
        *,
        allowed: bool = True,
    ) -> None:
        self._places = places
        self._tell = tell
        self._rooms = rooms or {}
        self._allowed = allowed
        self._lock = threading.Lock()

    @property
    def lost(self) -> list[OutpourError]:
        """Why sinks were left out, each."""
        return [place.lost for place in self._places.values() if place.lost]

    def spare(self, place: Gate, why: OutpourError) -> bool:
        """Go on without this sink, and say so; False where it is none, or the last one left."""
        with self._lock:
            if place.lost:
                return True
            sinks = self._places.values()
            others = [one for one in sinks if one is not place and not one.lost]
            if not self._allowed or place not in sinks or not others:
                return False
            if place.name in self._rooms:
                self._rooms[place.name].closed = True
            place.give_up(why)
        self._tell("error", f"left out from now on: {why}", place.name, why.hint)
        return True

    @contextlib.contextmanager
    def apart(self, sink: str, *, new: bool = False) -> Iterator[None]:
        """What this sink fails at in here as a whole concerns it alone. Of a ``new`` one, a person
        should rather hear of a mistake before anything is done."""
        try:
            yield
        except LeftOut:
            pass
        except (Transient, Misconfigured) as error:
            mistaken = new and isinstance(error, Misconfigured)
            if mistaken or not self.spare(self._places[sink], error):
                raise
