"""How many transfers may wait for their commits.

A sink that makes files visible in a second step may say only then that it is full, and what
was sent until then was sent in vain. With plenty of room that does not happen. Close to the
end of it, each worker waits until its last file is kept before it sends another.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from pipeline.rooms import Room
from pipeline.stopping import Stop

_TIGHT = 1 << 28  # bytes of room that one may run out of before long


@dataclass
class Turn:
    """``sent`` counts the files that now wait for their commit."""

    sent: int = 0


class Uncommitted:
    """Counts files from the moment they are sent until they are kept; ``workers`` send at the
    same time."""

    def __init__(self, workers: int, room: Room, stop: Stop) -> None:
        self._workers = workers
        self._room = room
        self._stop = stop
        self._files = 0
        self._changed = threading.Condition()

    @contextmanager
    def turn(self, files: int) -> Iterator[Turn]:
        """A turn to send so many files together; waits for it. Raises Stopped."""
        with self._changed:
            while self._files and self._files + files > self._workers and self._tight():
                self._stop.check()
                self._changed.wait(0.25)
            self._files += files
        turn = Turn()
        try:
            yield turn
        finally:
            self.kept(files - turn.sent)

    def kept(self, files: int) -> None:
        """So many were committed, or given up."""
        with self._changed:
            self._files -= files
            self._changed.notify_all()

    def _tight(self) -> bool:
        return self._room.left is not None and self._room.left < _TIGHT
