"""One staged piece on its way to one sink, what goes with it, and how patient we are."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from connectors.abilities import Reserves
from connectors.base import Asset, Put, Transferred
from connectors.checksums import Algorithm, Digests
from connectors.errors import Fatal, OutpourError, Throttled, Transient
from pipeline.ledger.items import Piece
from pipeline.limits import Gate
from pipeline.retry import THROTTLE_BUDGET, grown
from pipeline.stages.context import PieceWork
from pipeline.staging import Staged
from pipeline.stopping import Stop, Stopped

_KEPT = (Algorithm.SHA256, Algorithm.DROPBOX)


@dataclass(eq=False)
class Parcel:
    """``names`` are paths that it may still get. ``starts`` counts how often it was sent from the
    beginning; ``failures`` and ``refusals`` the answers about it alone, in a batch that went
    well as a whole.

    ``reached`` is the most bytes of it that the place ever had. What a place loses and is sent
    again does not count twice, so that one that loses all it has, time and again, is no progress.
    """

    piece: PieceWork
    staged: Staged
    put: Put
    token: str | None
    names: Iterator[str] = field(default_factory=lambda: iter(()))
    ticket: int = 0  # of the token's row in the ledger
    starts: int = 0
    sent: Transferred | None = None
    failures: int = 0
    refusals: int = 0  # in a row: asked for less
    refused_since: float = 0.0
    ended: bool = False  # its lane is done with it
    reached: int = 0

    @property
    def key(self) -> int:
        return self.piece.piece.key

    @property
    def generated(self) -> bool:
        return self.piece.piece.generated

    def lend(self, stop: Stop) -> None:
        """See that a file which is read where it lies is still what it was. What fails there as a
        whole is its source, which ends the run: Stopped."""
        try:
            if self.staged.lend:
                self.staged.lend()
        except Fatal as error:
            stop.set(str(error), error)
            raise Stopped(stop.reason) from error

    def may_again(self, error: Transient, gate: Gate) -> bool:
        """Whether to try again after this answer. Being asked for less is not the file's
        fault, so that has a budget of time and not of attempts."""
        if isinstance(error, Throttled):
            self.refused_since = self.refused_since if self.refusals else time.monotonic()
            self.refusals += 1
            return gate.waited(self.refused_since) < THROTTLE_BUDGET
        self.refusals = 0
        self.failures += 1
        return self.failures < gate.attempts


def pause(parcels: Sequence[Parcel], errors: Sequence[Transient]) -> float:
    """Seconds to wait before the parcels are tried again: what the place said, or longer
    each time."""
    told = [error.retry_after for error in errors if error.retry_after is not None]
    tries = max(max(parcel.failures, parcel.refusals) for parcel in parcels)
    return max(told) if told else grown(tries)


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
