"""Under which names a file may stand at a sink: beside the other files of its asset, if it can."""

from __future__ import annotations

import threading
from collections.abc import Iterator

from pipeline import naming
from pipeline.ledger import Ledger
from pipeline.ledger.copies import orphans
from pipeline.ledger.items import Item, Piece, Spot
from pipeline.stages.context import PieceWork

_MOST = 10  # suffixes that are tried, where other content has the names


class Names:
    """What files are called at one sink. Safe to use from any thread."""

    def __init__(self, ledger: Ledger, sink: str) -> None:
        self._ledger = ledger
        self._sink = sink
        self._lock = threading.Lock()
        self._handed_over = orphans.any_yet(ledger, sink)  # else each has the name it planned

    def of(self, own: Piece, item: Item, spot: Spot | None, sha256: str) -> Iterator[str]:
        """Its path at the sink, then what it is called where other content has the one before.
        ``spot`` is where its asset stands there, if it does (``Item.spots``).

        The suffixes depend on the asset and on the content alone, so that another run finds what
        this one brought. Where a copy of ours became another file's, its name did, too.
        """
        tried: set[str] = set()
        for path in _wanted(own, item, spot, self._sink, sha256):
            if path not in tried and (own.generated or not self._is_others(path, own)):
                tried.add(path)
                yield path

    def handing_over(self) -> None:
        """A copy is about to become another file's, with its name."""
        with self._lock:
            if not self._handed_over:
                orphans.remember(self._ledger, self._sink)
                self._handed_over = True

    def replaced(self, work: PieceWork, path: str) -> frozenset[str]:
        """SHA-256 sums of what a generated file may replace there, beside what it was itself."""
        if not (work.piece.generated and self._handed_over):
            return frozenset()
        return orphans.take_sidecar(self._ledger, self._sink, path, work.piece.key)

    def _is_others(self, path: str, own: Piece) -> bool:
        if not self._handed_over:
            return False
        return orphans.is_others(self._ledger, self._sink, path, own.key)


def _wanted(own: Piece, item: Item, spot: Spot | None, sink: str, sha256: str) -> Iterator[str]:
    path, first = own.path, item.first.path
    if spot is not None and spot[0] != path:
        path, first = naming.beside(path, *spot), naming.beside(first, *spot)
    if own.generated:
        yield naming.sidecar(first)
        return
    copy = own.copies.get(sink)
    # Where an upload was begun counts less than where the other files have come to stand.
    if copy and copy.path and (copy.confirmed or spot is None):
        yield copy.path
    yield path
    for salt in (item.asset.id, sha256, *(f"{sha256} {n}" for n in range(2, _MOST))):
        suffix = naming.suffix_for(salt)
        if f"-{suffix}" not in first:
            yield naming.apart(path, first, suffix)
