"""Download and verify: one pass over the bytes, into staging, checked before anyone sees them."""

from __future__ import annotations

import contextlib
import errno
import queue
import threading
from collections.abc import Callable
from pathlib import Path

from connectors.base import Resource
from connectors.checksums import Digests, Hasher
from connectors.errors import Fatal, ItemError, Transient
from pipeline import retry
from pipeline.ledger import steps
from pipeline.stages.context import PieceWork, Run
from pipeline.stages.verify import Mismatch, prove
from pipeline.staging import FlushAhead, Staged
from pipeline.states import AssetState, Proof
from pipeline.stopping import Stopped

Deliver = Callable[[PieceWork, Staged], None]
_CHUNK = 1024 * 1024
_DEAD_ENDS = 20  # items in a row that exhaust their retries: it is the place, not the items


class Downloads:
    """A pool of threads that turns pieces into verified staged files."""

    def __init__(self, run: Run, threads: int, deliver: Deliver) -> None:
        self._run = run
        self._deliver = deliver
        self._finished = False
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
        """Return when all that was handed over has been delivered or settled."""
        self._finished = True
        for _ in self._threads:
            self._queue.put(None)
        for thread in self._threads:
            thread.join()

    def _loop(self) -> None:
        while (piece := self._queue.get()) is not None:
            if self._run.stop:
                continue  # stays pending in the ledger
            try:
                self._one(piece)
            except Stopped:
                continue
            except Fatal as error:
                self._run.stop.set("failed", error)
            except Exception as error:  # noqa: BLE001  (a defect must not lose the item silently)
                piece.failed(AssetState.FAILED, f"unexpected {type(error).__name__}: {error}")

    def _one(self, piece: PieceWork) -> None:
        cost = self._run.staging.reserve(piece.piece.resource.size or 0)
        try:
            staged = self._fetch(piece, cost)
        except BaseException:
            self._run.staging.release(cost)
            raise
        if staged is None:
            self._run.staging.release(cost)
        else:
            self._deliver(piece, staged)

    def _fetch(self, piece: PieceWork, cost: int) -> Staged | None:
        run, key = self._run, piece.piece.key
        path = run.staging.path(key)
        try:
            digests, proof = Fetch(run, piece, path).verified()
        except Mismatch as mismatch:
            self._quarantine(piece, path, mismatch)
            return None
        except Transient as error:
            piece.failed(AssetState.FAILED, error)
            if run.source_place.dead_end() >= _DEAD_ENDS:
                raise Fatal(
                    f"{run.source_place.name} keeps failing: {error}",
                    hint=error.hint or "Check the connection, then run again: it goes on here.",
                ) from error
            return None
        except ItemError as error:
            path.unlink(missing_ok=True)
            piece.failed(AssetState.FAILED, error)
            return None
        steps.received(run.ledger, key, digests, proof)
        return Staged(path, digests, cost, run.staging, len(piece.sinks))

    def _quarantine(self, piece: PieceWork, path: Path, mismatch: Mismatch) -> None:
        self._run.quarantine.mkdir(parents=True, exist_ok=True, mode=0o700)
        kept = self._run.quarantine / f"{piece.piece.key}{Path(piece.piece.path).suffix}"
        path.replace(kept)
        piece.failed(AssetState.QUARANTINED, f"{mismatch}; kept as {kept}")


class Fetch:
    """Brings one resource into staging, however many attempts that takes."""

    def __init__(self, run: Run, piece: PieceWork, path: Path) -> None:
        self._run = run
        self._asset = piece.asset.item.asset.id
        self._resource: Resource = piece.piece.resource
        self._path = path
        self._hasher = Hasher()
        self._counted = 0
        sinks = [run.traits[name] for name in piece.sinks]
        self._read_again = len(sinks) > 1 or not sinks[0].links

    def verified(self) -> tuple[Digests, Proof]:
        """Digests and proof of a whole, verified file.

        Raises Mismatch when every fetch contradicts the checksum, else what ended the retries.
        """
        self._rehash()
        for attempt in range(1, self._run.verify_attempts + 1):
            self._attempts()
            digests = self._hasher.digests()
            try:
                return digests, prove(self._resource, digests)
            except Mismatch as mismatch:
                self._run.meter.add(mismatches=1)
                steps.note(
                    self._run.ledger, self._run.id, "mismatch", f"{self._path.name}: {mismatch}"
                )
                if attempt == self._run.verify_attempts:
                    raise
                self._hasher = Hasher()
        raise AssertionError("verify_attempts is at least 1")

    def _rehash(self) -> None:
        """What an earlier process left counts only as far as it is hashed again.

        Without a checksum for the whole it does not count: the file may have changed at the
        source since, or lost bytes in a power cut, and its size would not tell.
        """
        checksum = self._resource.checksum
        if checksum is None or not checksum.verifiable:
            self._path.unlink(missing_ok=True)
            return
        with contextlib.suppress(FileNotFoundError), self._path.open("rb") as partial:
            while chunk := partial.read(_CHUNK):
                self._run.stop.check()
                self._hasher.update(chunk)
        if self._resource.size is not None and self._hasher.size > self._resource.size:
            self._hasher = Hasher()

    def _attempts(self) -> None:
        if self._hasher.size and self._resource.size is not None and not self._lacking():
            return  # an earlier process brought it all
        try:
            retry.call(
                self._run.source_place,
                self._attempt,
                stop=self._run.stop,
                attempts=self._run.attempts,
                progress=lambda: self._hasher.size,
                on_retry=self._run.retried(self._run.source_place.name),
            )
        except OSError as error:
            if error.errno not in (errno.ENOSPC, errno.EDQUOT):
                raise
            self._path.unlink(missing_ok=True)
            raise Fatal(
                f"no room left for staging in {self._path.parent}",
                hint="Make room there, or set staging.path and staging.size; then run again.",
            ) from error

    def _attempt(self) -> None:
        self._disown()
        stream = self._run.source.open(self._asset, self._resource, self._hasher.size)
        try:
            if stream.offset != self._hasher.size:
                self._hasher = Hasher()  # it starts from the beginning again
            with self._path.open("r+b" if self._hasher.size else "wb", buffering=0) as out:
                out.seek(self._hasher.size)
                ahead = None if self._read_again else FlushAhead(out.fileno(), self._hasher.size)
                for chunk in stream:
                    self._write(out.write, chunk)
                    if ahead:
                        ahead.reached(self._hasher.size)
                out.truncate()
        finally:
            stream.close()
        if self._resource.size is not None and self._lacking():
            size, wanted = self._hasher.size, self._resource.size
            if stream.total == size:
                self._hasher = Hasher()  # whole by its own account: it is another file's, or none
            raise Transient(f"the transfer ended at {size} of {wanted} bytes")
        self._run.source_place.succeeded(self._hasher.size)

    def _disown(self) -> None:
        """A sink that took this very file has it under a second name: never write into it."""
        with contextlib.suppress(FileNotFoundError):
            if self._path.stat().st_nlink > 1:
                self._path.unlink()
                self._hasher = Hasher()

    def _write(self, write: Callable[[memoryview], int | None], chunk: bytes) -> None:
        self._run.stop.check()
        view = memoryview(chunk)
        while view:
            view = view[write(view) or 0 :]
        self._hasher.update(chunk)
        if self._hasher.size > self._counted:  # bytes fetched again are not progress
            self._run.meter.add(downloaded=self._hasher.size - self._counted)
            self._counted = self._hasher.size

    def _lacking(self) -> bool:
        """Whether bytes are missing: by the size, unless a checksum agrees (sizes may lie)."""
        size, checksum = self._resource.size, self._resource.checksum
        if size is not None and self._hasher.size >= size:
            return False
        if checksum is not None and checksum.verifiable:
            return not self._hasher.digests().agrees(checksum)
        return size is not None
