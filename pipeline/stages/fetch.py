"""Fetch: one pass over the bytes of one resource, with every digest, again as errors say."""

from __future__ import annotations

import contextlib
from pathlib import Path

from connectors.base import Resource, Stream
from connectors.checksums import Digests, Hasher
from connectors.errors import DiskFull, Transient
from connectors.flushing import FlushAhead
from pipeline import retry
from pipeline.ledger import steps
from pipeline.stages.context import PieceWork, Run
from pipeline.stages.verify import Mismatch, prove
from pipeline.states import Proof

_CHUNK = 1024 * 1024


class Fetch:
    """Brings one resource into staging, however many attempts that takes.

    Without a ``path`` its bytes are only read and hashed: they stay where they are.
    """

    def __init__(self, run: Run, work: PieceWork, path: Path | None) -> None:
        self._run = run
        self._asset = work.asset.item.asset.id
        self._resource: Resource = work.piece.resource
        self._path = path
        self._hasher = Hasher()
        self._counted = 0
        sinks = [run.traits[name] for name in work.sinks]
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
                    self._run.ledger,
                    self._run.id,
                    "mismatch",
                    f"{self._resource.filename}: {mismatch}",
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
        if self._path is None:
            return
        if checksum is None or not checksum.verifiable:
            with self._run.staging.in_use():
                self._path.unlink(missing_ok=True)
            return
        disk = self._run.staging.in_use()
        with disk, contextlib.suppress(FileNotFoundError), self._path.open("rb") as partial:
            while chunk := partial.read(_CHUNK):
                self._run.stop.check()
                self._hasher.update(chunk)
        if self._resource.size is not None and self._hasher.size > self._resource.size:
            self._hasher = Hasher()

    def _attempts(self) -> None:
        if self._hasher.size and self._resource.size is not None and not self._lacking():
            return  # an earlier process brought it all
        try:
            retry.call(self._run.source_gate, self._attempt, lambda: self._hasher.size)
        except DiskFull:
            if self._path is not None:
                self._path.unlink(missing_ok=True)
            raise

    def _attempt(self) -> None:
        self._disown()
        stream = self._run.source.open(self._asset, self._resource, self._hasher.size)
        try:
            if stream.offset != self._hasher.size:
                self._hasher = Hasher()  # it starts from the beginning again
            if self._path is None:
                for chunk in stream:
                    self._take(chunk)
            else:
                self._write(stream, self._path)
        finally:
            stream.close()
        if self._resource.size is not None and self._lacking():
            size, wanted = self._hasher.size, self._resource.size
            if stream.total == size:
                self._hasher = Hasher()  # whole by its own account: it is another file's, or none
            raise Transient(f"the transfer ended at {size} of {wanted} bytes")
        self._run.source_gate.succeeded(self._hasher.size)

    def _disown(self) -> None:
        """A sink that took this very file has it under a second name: never write into it."""
        with self._run.staging.in_use(), contextlib.suppress(FileNotFoundError):
            if self._path is not None and self._path.stat().st_nlink > 1:
                self._path.unlink()
                self._hasher = Hasher()

    def _write(self, stream: Stream, path: Path) -> None:
        disk = self._run.staging.in_use
        with contextlib.ExitStack() as stack:
            with disk():
                mode = "r+b" if self._hasher.size else "wb"
                out = stack.enter_context(path.open(mode, buffering=0))
                out.seek(self._hasher.size)
            ahead = None if self._read_again else FlushAhead(out.fileno(), self._hasher.size)
            for chunk in stream:
                with disk():
                    view = memoryview(chunk)
                    while view:
                        view = view[out.write(view) or 0 :]
                self._take(chunk)
                if ahead:
                    with disk():
                        ahead.reached(self._hasher.size)
            with disk():
                out.truncate()

    def _take(self, chunk: bytes) -> None:
        self._run.stop.check()
        self._run.downloading.spend(len(chunk))
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
