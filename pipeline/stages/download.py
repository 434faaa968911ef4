"""Download and verify: one pass over the bytes, into staging, checked before anyone sees them."""

from __future__ import annotations

import contextlib
import queue
import threading
from collections.abc import Callable
from pathlib import Path

from connectors.errors import Fatal, ItemError, OutpourError, Transient, unexpected
from pipeline.ledger import steps
from pipeline.limits import UNUSABLE, GivenUp
from pipeline.stages.context import PieceWork, Run
from pipeline.stages.fetch import Fetch
from pipeline.stages.lending import lender
from pipeline.stages.quarantine import put_aside
from pipeline.stages.verify import Mismatch
from pipeline.staging import Staged
from pipeline.states import AssetState
from pipeline.stopping import Stopped

Deliver = Callable[[PieceWork, Staged], None]
InVain = Callable[[PieceWork], OutpourError | None]
"""Why none of its sinks takes a piece any more; None if one may."""


class Downloads:
    """A pool of threads that turns pieces into verified staged files."""

    def __init__(self, run: Run, threads: int, deliver: Deliver, in_vain: InVain) -> None:
        self._run = run
        self._deliver = deliver
        self._in_vain = in_vain
        self._finished = False
        self._turn = threading.Lock()
        self._queue: queue.Queue[PieceWork | None] = queue.Queue(maxsize=2 * threads)
        self._threads = [
            threading.Thread(target=self._loop, name=f"download-{n}", daemon=True)
            for n in range(threads)
        ]
        for thread in self._threads:
            thread.start()

    def put(self, piece: PieceWork) -> None:
        """Hand over a piece; waits while enough is under way. Raises Stopped, also once it is
        finished."""
        while True:
            self._run.stop.check()
            if self._finished:
                raise Stopped
            with contextlib.suppress(queue.Full):
                self._queue.put(piece, timeout=0.25)
                return

    def finish(self) -> None:
        """Return when all that was handed over has been delivered, or has failed."""
        self._finished = True
        for _ in self._threads:
            self._queue.put(None)
        for thread in self._threads:
            thread.join()

    def _loop(self) -> None:
        while (taken := self._take()) is not None:
            piece, cost = taken
            delivered = False
            if cost is not None:
                with self._run.stop.guard():
                    delivered = self._delivered(piece, cost)
            if not delivered:
                piece.dropped()

    def _take(self) -> tuple[PieceWork, int | None] | None:
        """The next piece, with room for it in staging; None at the end.

        Room is given in the order of the pieces: those of an asset may wait for its first.
        """
        with self._turn:
            piece = self._queue.get()
            return None if piece is None else (piece, self._room(piece))

    def _room(self, piece: PieceWork) -> int | None:
        """None if the run ends: the piece stays pending in the ledger."""
        try:
            self._run.stop.check()
            return self._run.staging.reserve(piece.piece.resource.size or 0)
        except Stopped:
            return None

    def _delivered(self, piece: PieceWork, cost: int) -> bool:
        """Whether it was delivered. Raises only what ends the run."""
        try:
            return self._one(piece, cost)
        except (Stopped, Fatal):
            raise
        except Exception as error:  # noqa: BLE001  (a defect must not lose the item silently)
            piece.failed(AssetState.FAILED, unexpected(error))
            return False

    def _one(self, piece: PieceWork, cost: int) -> bool:
        try:
            staged = None if self._given_up(piece) else self._fetch(piece, cost)
        except BaseException:
            self._run.staging.release(cost)
            raise
        if staged is None:
            self._run.staging.release(cost)
            return False
        self._deliver(piece, staged)
        return True

    def _given_up(self, piece: PieceWork) -> bool:
        """Asked when its turn has come, which may be long after it was handed over."""
        why = self._in_vain(piece)
        if why is not None:
            later = isinstance(why, UNUSABLE)
            piece.failed(AssetState.WAITING if later else AssetState.FAILED, why.advice)
        return why is not None

    def _fetch(self, piece: PieceWork, cost: int) -> Staged | None:
        run, key = self._run, piece.piece.key
        path = run.staging.path(key)
        lend = lender(run, piece)
        try:
            digests, proof = Fetch(run, piece, None if lend else path).verified()
            held = lend() if lend else path
        except Mismatch as mismatch:
            if lend:
                piece.failed(AssetState.FAILED, str(mismatch))
            else:
                self._quarantine(piece, path, mismatch)
            return None
        except Transient as error:
            piece.failed(AssetState.FAILED, error)
            if run.source_gate.dead_end():
                raise Fatal(
                    f"{run.source_gate.name} keeps failing: {error}",
                    hint=error.hint or "Check the connection, then run again: it goes on here.",
                ) from error
            return None
        except GivenUp as error:  # no other source has it
            run.out_of_reach.add(piece.asset.item.key)
            piece.failed(AssetState.WAITING, error)
            return None
        except ItemError as error:
            with run.staging.in_use():
                path.unlink(missing_ok=True)
            piece.failed(AssetState.FAILED, error)
            return None
        steps.received(run.ledger, key, digests, proof)
        return Staged(held, digests, cost, run.staging, len(piece.sinks), lend)

    def _quarantine(self, piece: PieceWork, path: Path, mismatch: Mismatch) -> None:
        name = f"{piece.piece.key}{Path(piece.piece.path).suffix}"
        told = put_aside(path, self._run.quarantine, name)
        piece.failed(AssetState.QUARANTINED, f"{mismatch}; {told}")
