"""What all stages of one run share, and the story of one asset through them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from connectors.base import Source, Traits
from connectors.errors import OutpourError
from pipeline.events import ItemEvent, Observer, Tell
from pipeline.ledger import Ledger, steps
from pipeline.ledger.items import Item, Piece, Spot
from pipeline.limits import Gate
from pipeline.meter import Meter
from pipeline.rooms import Room
from pipeline.staging import Staging
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
    out_of_reach: set[int] = field(default_factory=set)  # assets that cannot come in this run


@dataclass
class AssetWork:
    """Follows one asset; gives it its state when the last of its copies has ended.

    Its files stand side by side. One whose name is taken has to take another, and so have the
    others then: at a sink that has none of them yet, they wait for the first to have its name.

    ``reserved`` are the bytes set aside for it at each sink; ``ended`` is told at the end.
    ``spots`` says where one of its files stands, by sink: the others stand beside it. ``last``
    begins its last pieces, the sidecars, once nothing else is under way and all of it went well.
    """

    run: Run
    item: Item
    open: int  # copies under way
    success: AssetState  # its state when they all are confirmed: pending if more are owed
    reserved: dict[str, int]
    ended: Callable[[], None]
    failure: tuple[AssetState, str] | None = None
    moved: int = 0
    spots: dict[str, Spot] = field(default_factory=dict)
    last: tuple[int, Callable[[], None]] | None = None  # copies of ``open`` that these will be
    _first: dict[str, int] = field(default_factory=dict)  # by sink, while others wait for it
    _behind: dict[str, list[Callable[[], None]]] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def line_up(self, files: Sequence[PieceWork]) -> None:
        """The files that are about to come, in this order: none may hold room in staging that one
        before it has not got yet."""
        for file in files:
            for sink in file.sinks:
                if sink not in self.spots:
                    self._first.setdefault(sink, file.piece.key)

    def after_first(self, sink: str, key: int, begin: Callable[[], None]) -> None:
        """Begin with the file ``key`` once it is known beside what it is to stand at the sink."""
        with self._lock:
            if self._first.get(sink, key) != key:
                self._behind.setdefault(sink, []).append(begin)
                return
        begin()

    def ended_at(self, sink: str, key: int) -> None:
        """The file ``key`` stands at the sink, or will not in this run: nobody waits for it."""
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
            if piece.key == self.item.first.key or sink not in self.spots:
                self.spots[sink] = (piece.path, path)

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
            if self.last and self.open == self.last[0]:
                begin, self.last = self.last[1], None
                if self.failure is not None:
                    begin, self.open = None, 0
            if self.open and begin is None:
                return
        if begin is not None:
            begin()
            return
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
            self.asset.ended_at(sink, self.piece.key)
