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
from pipeline.stages.context import Deliver, PieceWork, Run
from pipeline.stages.fetch import Fetch
from pipeline.stages.lending import lender
from pipeline.stages.quarantine import put_aside
from pipeline.stages.verify import Mismatch
from pipeline.staging import Staged
from pipeline.states import AssetState
from pipeline.stopping import Stopped

InVain = Callable[[PieceWork], OutpourError | None]
"""Why none of its sinks takes a file any more; None if one may."""


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

    def put(self, work: PieceWork) -> None:
        """Hand over a file; waits while enough is under way. Raises Stopped, also once it is
        finished."""
        while True:
            self._run.stop.check()
            if self._finished:
                raise Stopped
            with contextlib.suppress(queue.Full):
                self._queue.put(work, timeout=0.25)
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
            work, cost = taken
            delivered = False
            if cost is not None:
                with self._run.stop.guard():
                    delivered = self._delivered(work, cost)
            if not delivered:
                work.dropped()

    def _take(self) -> tuple[PieceWork, int | None] | None:
        """The next file, with room for it in staging; None at the end.

        Room is given in the order of the pieces: those of an asset may wait for its first.
        """
        with self._turn:
            work = self._queue.get()
            return None if work is None else (work, self._room(work))

    def _room(self, work: PieceWork) -> int | None:
        """None if the run ends: the file stays pending in the ledger."""
        try:
            self._run.stop.check()
            return self._run.staging.reserve(work.piece.resource.size or 0)
        except Stopped:
            return None

    def _delivered(self, work: PieceWork, cost: int) -> bool:
        """Whether it was delivered. Raises only what ends the run."""
        try:
            return self._one(work, cost)
        except (Stopped, Fatal):
            raise
        except Exception as error:  # noqa: BLE001  (a defect must not lose the item silently)
            work.failed(AssetState.FAILED, unexpected(error))
            return False

    def _one(self, work: PieceWork, cost: int) -> bool:
        try:
            staged = None if self._given_up(work) else self._fetch(work, cost)
        except BaseException:
            self._run.staging.release(cost)
            raise
        if staged is None:
            self._run.staging.release(cost)
            return False
        self._deliver(work, staged)
        return True

    def _given_up(self, work: PieceWork) -> bool:
        """Asked when its turn has come, which may be long after it was handed over."""
        why = self._in_vain(work)
        if why is not None:
            later = isinstance(why, UNUSABLE)
            work.failed(AssetState.WAITING if later else AssetState.FAILED, why.advice)
        return why is not None

    def _fetch(self, work: PieceWork, cost: int) -> Staged | None:
        run, key = self._run, work.piece.key
        path = run.staging.path(key)
        lend = lender(run, work)
        try:
            digests, proof = Fetch(run, work, None if lend else path).verified()
            held = lend() if lend else path
        except Mismatch as mismatch:
            if lend:
                work.failed(AssetState.FAILED, str(mismatch))
            else:
                self._quarantine(work, path, mismatch)
            return None
        except Transient as error:
            work.failed(AssetState.FAILED, error)
            if why := run.source_gate.dead_end(error):
                raise why from error
            return None
        except GivenUp as error:  # no other source has it
            run.out_of_reach.add(work.asset.item.key)
            work.failed(AssetState.WAITING, error)
            return None
        except ItemError as error:
            with run.staging.in_use():
                path.unlink(missing_ok=True)
            work.failed(AssetState.FAILED, error)
            return None
        steps.received(run.ledger, key, digests, proof)
        return Staged(held, digests, cost, run.staging, len(work.sinks), lend)

    def _quarantine(self, work: PieceWork, path: Path, mismatch: Mismatch) -> None:
        name = f"{work.piece.key}{Path(work.piece.path).suffix}"
        told = put_aside(path, self._run.quarantine, name)
        work.failed(AssetState.QUARANTINED, f"{mismatch}; {told}")
