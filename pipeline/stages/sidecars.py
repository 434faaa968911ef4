"""Sidecars: brought once all files of an asset have arrived, so that they stand beside them,
whatever names these had to take."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable

from connectors.base import Asset
from connectors.checksums import Digests, digest
from connectors.errors import Fatal, ItemError, unexpected
from pipeline.keep.xmp import render
from pipeline.ledger import albums, steps
from pipeline.naming import lead
from pipeline.stages.context import Deliver, PieceWork, Run
from pipeline.stages.verify import Mismatch, prove
from pipeline.staging import Staged
from pipeline.states import AssetState

_MANY = 1000  # pieces waiting, above which nobody brings more of his own accord


class Sidecars:
    """A thread that turns sidecar pieces into verified staged files: it writes those of our
    making, and has the source's own fetched."""

    def __init__(self, run: Run, deliver: Deliver, fetch: Callable[[PieceWork], None]) -> None:
        self._run = run
        self._deliver = deliver
        self._fetch = fetch
        self._queue: queue.Queue[PieceWork | None] = queue.Queue()
        self._thread = threading.Thread(target=self._loop, name="sidecars", daemon=True)
        self._thread.start()

    def put(self, *pieces: PieceWork) -> None:
        """Take over pieces whose asset has all its other files. Never waits."""
        for work in pieces:
            self._queue.put(work)

    def offer(self, work: PieceWork) -> None:
        """The same, once the others have become few. Raises Stopped."""
        while self._queue.qsize() > _MANY:
            self._run.stop.sleep(0.05)
        self.put(work)

    def finish(self) -> None:
        """Return when all that was taken over has been delivered, or has failed."""
        self._queue.put(None)
        self._thread.join()

    def _loop(self) -> None:
        while (work := self._queue.get()) is not None:
            with self._run.stop.guard():
                self._one(work)

    def _one(self, work: PieceWork) -> None:
        self._run.stop.check()  # what is not begun stays pending in the ledger
        if not work.piece.generated:
            self._fetch(work)
            return
        cost = self._run.staging.reserve(work.piece.resource.size or 0)
        try:
            staged = self._written(work, cost)
        except Fatal:
            self._run.staging.release(cost)
            raise
        except Exception as error:  # noqa: BLE001  (a defect must not lose the item silently)
            self._run.staging.release(cost)
            told = str(error) if isinstance(error, ItemError) else unexpected(error)
            work.failed(AssetState.FAILED, told)
        else:
            self._deliver(work, staged)

    def _written(self, work: PieceWork, cost: int) -> Staged:
        run, key = self._run, work.piece.key
        digests = write_sidecar(run, work.asset.item.asset, key)
        try:
            proof = prove(work.piece.resource, digests)
        except Mismatch as mismatch:
            raise ItemError(f"its metadata changed meanwhile: {mismatch}") from mismatch
        steps.received(run.ledger, key, digests, proof)
        return Staged(run.staging.path(key), digests, cost, run.staging, len(work.sinks))


def write_sidecar(run: Run, asset: Asset, key: int) -> Digests:
    """Put the sidecar of our making into staging that the asset has by what is known of it now."""
    with run.ledger.read() as connection:
        found = albums.of(connection, asset.id)
    content = render(asset, lead(asset.resources).filename, found)
    path = run.staging.path(key)
    with run.staging.in_use():
        path.unlink(missing_ok=True)  # a sink may have taken an earlier one, and keeps it
        path.write_bytes(content)
    return digest([content])
