"""Which file of an asset gets its name first at each sink, and where the files stand then."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping

from pipeline.ledger.items import Piece, Spot


class Lineup:
    """The files of one asset, which stand side by side at each sink. Safe to use from any thread.

    A file whose name is taken has to take another, and so have the others then: at a sink that has
    none of them yet they wait until the first has its name. ``first`` is the key of the file that
    names the asset; ``spots`` says where it stands, by sink.
    """

    def __init__(self, first: int, spots: Mapping[str, Spot]) -> None:
        self._namesake = first
        self._spots = dict(spots)
        self._first: dict[str, int] = {}  # by sink, while others wait for it
        self._behind: dict[str, list[Callable[[], None]]] = {}
        self._lock = threading.Lock()

    def spot(self, sink: str) -> Spot | None:
        """Where a file of the asset stands at the sink, so that the others stand beside it."""
        return self._spots.get(sink)

    def expect(self, key: int, sinks: Iterable[str]) -> None:
        """The file is about to come, after those expected before it. None may hold room in staging
        that one before it has not got yet."""
        for sink in sinks:
            if sink not in self._spots:
                self._first.setdefault(sink, key)

    def after_first(self, sink: str, key: int, begin: Callable[[], None]) -> None:
        """Begin with the file once it is known beside what it is to stand at the sink."""
        with self._lock:
            if self._first.get(sink, key) != key:
                self._behind.setdefault(sink, []).append(begin)
                return
        begin()

    def ended(self, sink: str, key: int) -> None:
        """The file stands at the sink, or will not in this run: nobody waits for it."""
        with self._lock:
            if self._first.get(sink) != key:
                return
            del self._first[sink]
            behind = self._behind.pop(sink, [])
        for begin in behind:
            begin()

    def stands(self, sink: str, piece: Piece, path: str) -> None:
        """The file is at the sink, under this path."""
        if piece.generated:
            return
        with self._lock:
            if piece.key == self._namesake or sink not in self._spots:
                self._spots[sink] = (piece.path, path)
