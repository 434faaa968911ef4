"""One staged piece on its way to one sink, and what goes with it."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field

from connectors.abilities import Reserves
from connectors.base import Asset, Put, Transferred
from connectors.checksums import Algorithm, Digests
from connectors.errors import Fatal, OutpourError
from pipeline.ledger.copies.lookalikes import Lookalike
from pipeline.ledger.copies.orphans import Orphan
from pipeline.ledger.items import Piece
from pipeline.retry import Patience
from pipeline.stages.context import PieceWork
from pipeline.staging import Staged
from pipeline.stopping import Stop, Stopped

_KEPT = (Algorithm.SHA256, Algorithm.DROPBOX)


@dataclass(eq=False)
class Parcel:
    """``names`` are paths that it may still get. ``starts`` counts how often it was sent from the
    beginning; ``patience`` counts the answers about it alone, in a batch that went well as a
    whole.

    ``suspect`` is a file at the sink that may be the copy.

    ``reached`` is the most bytes of it that the place ever had. What a place loses and is sent
    again does not count twice, so that one that loses all it has, time and again, is no progress.
    """

    work: PieceWork
    staged: Staged
    put: Put
    token: str | None
    patience: Patience
    names: Iterator[str] = field(default_factory=lambda: iter(()))
    ticket: int = 0  # of the token's row in the ledger
    starts: int = 0
    sent: Transferred | None = None
    suspect: Lookalike | Orphan | None = None
    ended: bool = False  # its lane is done with it
    reached: int = 0

    @property
    def key(self) -> int:
        return self.work.piece.key

    @property
    def generated(self) -> bool:
        return self.work.piece.generated

    def prove(self, stop: Stop) -> None:
        """See that the file is still what was verified; ItemError. What fails as a whole where it
        lies is its source, which ends the run: Stopped."""
        try:
            self.staged.prove()
        except Fatal as error:
            stop.set(str(error), error)
            raise Stopped(stop.reason) from error


class Tokens:
    """Hands out reserved tokens one by one, fetched many at a time."""

    _MANY = 500

    def __init__(self, sink: Reserves) -> None:
        self._sink = sink
        self._lock = threading.Lock()
        self._held: list[str] = []

    def fill(self) -> None:
        """Fetch some where there are none, so that the first file need not wait for them.

        Raises nothing: ``take`` meets the same trouble and tells of it.
        """
        with contextlib.suppress(OutpourError), self._lock:
            self._fill()

    def take(self) -> str:
        with self._lock:
            self._fill()
            return self._held.pop()

    def _fill(self) -> None:
        if not self._held:
            self._held = self._sink.reserve(self._MANY)


def put_of(
    asset: Asset, piece: Piece, digests: Digests, path: str, replaces: frozenset[str]
) -> Put:
    """A file of the asset with these bytes on its way to ``path``, with all that goes with it."""
    resource, generated = piece.resource, piece.generated
    properties = {
        "asset": asset.id,
        "resource": resource.id,
        "role": str(resource.role),
        # With these a lost ledger is rebuilt from a listing, also for another kind of sink.
        **{str(algorithm): digests[algorithm] for algorithm in _KEPT},
    }
    if asset.revision is not None:
        properties["revision"] = asset.revision
    if resource.checksum is not None:
        properties["source"] = str(resource.checksum)
    return Put(
        path=path,
        digests=digests,
        # Programs look at a sidecar again when its own time is new.
        modified=None if generated else asset.created,
        media_type=resource.media_type,
        description=None if generated else asset.metadata.caption,
        properties=properties,
        replaces=replaces,
    )
