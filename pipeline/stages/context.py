"""What all stages of one run share, and the story of one asset through them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from connectors.base import Source, Traits
from connectors.errors import OutpourError
from pipeline.bandwidth import Bandwidth
from pipeline.events import ItemEvent, Observer, Tell
from pipeline.ledger import Ledger, steps
from pipeline.ledger.items import Item, Piece
from pipeline.limits import Gate
from pipeline.meter import Meter
from pipeline.rooms import Room
from pipeline.stages.lineup import Lineup
from pipeline.staging import Staged, Staging
from pipeline.states import AssetState, CopyState
from pipeline.stopping import Stop


@dataclass
class Run:
    """One execution. ``quarantine`` is where bytes go that contradict their checksum;
    ``rooms`` and ``traits`` are the sinks' by name; ``leave_out`` goes on without a sink that
    cannot be used, if the rest can: whether it does."""

    id: int
    ledger: Ledger
    observer: Observer
    meter: Meter
    stop: Stop
    staging: Staging
    source: Source
    source_gate: Gate
    rooms: Mapping[str, Room]
    traits: Mapping[str, Traits]
    quarantine: Path
    verify_attempts: int
    notice: Tell
    leave_out: Callable[[Gate, OutpourError], bool]
    downloading: Bandwidth
    uploading: Bandwidth
    out_of_reach: set[int] = field(default_factory=set)  # assets that cannot come in this run


@dataclass(frozen=True)
class Finale:
    """The last ``copies`` of an asset, its sidecars: begun once all others have ended well."""

    copies: int
    begin: Callable[[], None]


@dataclass
class AssetWork:
    """Follows one asset; gives it its state when the last of its copies has ended.

    ``reserved`` are the bytes set aside for it at each sink; ``ended`` is told at the end.
    """

    run: Run
    item: Item
    open: int  # copies under way, with those of the finale
    success: AssetState  # its state when they all are confirmed: pending if more are owed
    reserved: dict[str, int]
    ended: Callable[[], None]
    lineup: Lineup
    finale: Finale | None = None
    failure: tuple[AssetState, str] | None = None
    moved: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def copied(self, sink: str, reserved: int, stored: int) -> None:
        """One copy is confirmed; ``reserved`` is what its listing had promised."""
        self.run.rooms[sink].spend(reserved, stored)
        with self._lock:
            self.moved += stored
            self.reserved[sink] -= reserved
        self._end(1)

    def failed(self, state: AssetState, reason: str, copies: int = 1) -> None:
        """``copies`` copies ended without success, for the same reason."""
        with self._lock:
            # The worst state wins: what is quarantined must not look merely unlucky.
            if self.failure is None or _GRAVITY[state] > _GRAVITY[self.failure[0]]:
                self.failure = (state, reason)
        self._end(copies)

    def _end(self, copies: int) -> None:
        begin = None
        with self._lock:
            self.open -= copies
            if self.finale and self.open == self.finale.copies:
                if self.failure is None:
                    begin = self.finale.begin
                else:
                    self.open = 0
                self.finale = None
            over = not self.open
        if begin is not None:
            begin()
        elif over:
            self._close()

    def _close(self) -> None:
        for sink, size in self.reserved.items():
            self.run.rooms[sink].give_back(size)
        state, reason = self.failure or (self.success, "")
        if state not in (AssetState.WAITING, AssetState.PENDING):
            self.run.meter.finished(ok=self.failure is None)
            steps.finish(self.run.ledger, self.item.key, state, reason)
            self.run.observer.item(
                ItemEvent(self.item.asset.id, self.item.filename, state, reason, self.moved)
            )
        # Else it is still pending in the ledger: a later pass, or the next run, goes on.
        self.ended()


_GRAVITY = {AssetState.WAITING: 0, AssetState.FAILED: 1, AssetState.QUARANTINED: 2}


@dataclass
class PieceWork:
    """One resource on its way to ``sinks``."""

    asset: AssetWork
    piece: Piece
    sinks: tuple[str, ...]

    def failed(self, state: AssetState, error: OutpourError | str) -> None:
        """The bytes could not be had: no sink gets them in this run."""
        run = self.asset.run
        reason = f"{self.piece.resource.filename}: {error}"
        for sink in self.sinks if state is not AssetState.WAITING else ():
            steps.copy_failed(run.ledger, self.piece.key, sink, CopyState.FAILED, reason)
        steps.note(
            run.ledger, run.id, state, reason, asset=self.asset.item.key, resource=self.piece.key
        )
        self.asset.failed(state, reason, len(self.sinks))

    def dropped(self) -> None:
        """No sink gets it in this run: nobody waits for it any more."""
        for sink in self.sinks:
            self.asset.lineup.ended(sink, self.piece.key)


Deliver = Callable[[PieceWork, Staged], None]
"""Takes over a file that has come, to bring it to its sinks."""
