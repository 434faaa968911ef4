"""Adopt what a sink already holds: an earlier archive counts, once its bytes are proven.

Files are matched by content alone, never by name: by the source's checksum that we once left
with the copy, by the sink's own checksum where another sink proved what the bytes are, or by
reading the file and recomputing the source's checksum.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import chain, islice
from typing import Any

from connectors.abilities import Inventory, ReadBack
from connectors.base import Receipt, Sink
from connectors.checksums import digest
from connectors.errors import ItemError
from pipeline import retry
from pipeline.ledger import adoption
from pipeline.ledger.adoption import Evidence
from pipeline.ledger.checks import Held, Marks, held
from pipeline.limits import Place
from pipeline.stages.context import Run

_BATCH = 64
_READERS = 4


@dataclass
class Adopted:
    """What one sink was found to hold. Files and bytes.

    ``known`` were confirmed copies before, ``files`` of ``bytes`` are now. ``foreign`` are no
    file of the library; ``unproven`` might be one, but only a download would tell.
    ``sidecars`` of ours were found beside them. ``missing`` are confirmed copies, sidecars too,
    that are not there.
    """

    sink: str
    files: int = 0
    bytes: int = 0
    known: int = 0
    foreign: int = 0
    unproven: int = 0
    sidecars: int = 0
    missing: int = 0


def adopt(run: Run, sink: Sink, place: Place) -> int:
    """Confirm copies that are at the sink before the first byte moves; returns how many.

    Only until all of it was looked through once: afterwards the ledger itself knows. What
    broke off on the way goes on, or what it had not reached would be copied beside itself.
    """
    if not isinstance(sink, Inventory) or adoption.looked_through(run.ledger, sink.name):
        return 0
    search = Adoption(run, sink, place)
    search.look()
    adoption.remember(run.ledger, sink.name)
    return search.found.files


class Adoption:
    """Looks through what one sink holds."""

    def __init__(self, run: Run, sink: Sink, place: Place) -> None:
        self._run = run
        self._sink = sink
        self._place = place
        self.found = Adopted(sink.name)
        self._mine: set[str] = set()
        self._seen = Marks()
        self._others: set[str] = set()  # ids of files that are no known copy where they are
        self._settled = 0  # files adopted or read, over all attempts

    def look(self, *, download: bool = False) -> None:
        """Go through the listing; ``download`` reads back what nothing else can prove.

        Files without a checksum in the listing are always read: such a sink is near. May be
        called again when more is known. Raises what ends the retries.
        """
        retry.call(
            self._place,
            lambda: self._attempt(download),
            stop=self._run.stop,
            attempts=self._run.attempts,
            progress=lambda: self._settled,
            on_retry=self._run.retried(self._sink.name),
        )

    def _attempt(self, download: bool) -> None:
        assert isinstance(self._sink, Inventory)
        self.found.known = self.found.foreign = self.found.unproven = 0
        self._seen, self._others = Marks(), set()
        with ThreadPoolExecutor(_READERS, thread_name_prefix="adopt") as readers:
            for batch in _batches(self._sink.inventory()):
                self._run.stop.check()
                self._batch(batch, readers, download)
        self.found.missing = sum(map(self._is_missing, self._confirmed()))

    def _confirmed(self) -> Iterator[Held]:
        return chain.from_iterable(held(self._run.ledger, self._sink.name))

    def _is_missing(self, copy: Held) -> bool:
        if copy.resource in self._seen or copy.path in self._mine:
            return False
        return copy.remote_id not in self._others  # somebody moved it: verify learns where to

    def _batch(self, batch: Sequence[Receipt], readers: ThreadPoolExecutor, download: bool) -> None:
        ledger, name = self._run.ledger, self._sink.name
        known = adoption.known(ledger, name, batch)
        for path in known.keys() - self._mine:
            self.found.known += not known[path].sidecar
            self._seen.add(known[path].resource)
        fresh = [receipt for receipt in batch if receipt.path not in known]
        self._others.update(receipt.id for receipt in fresh if receipt.id)
        rows = adoption.candidates(ledger, name, fresh)
        proven: list[Evidence] = []
        doubtful: list[Evidence] = []
        for evidence in map(adoption.from_listing, fresh):
            fits = rows[evidence.receipt.path]
            if adoption.fitting(evidence, fits):
                proven.append(evidence)
            elif adoption.open_question(evidence, fits):
                doubtful.append(evidence)
            else:
                self.found.foreign += 1
        self._adopt(proven, rows)
        read = [one for one in doubtful if download or not one.receipt.checksums]
        proofs = [proof for proof in readers.map(self._read, read) if proof is not None]
        self.found.unproven += len(doubtful) - len(proofs)
        self._adopt(proofs, rows)

    def _adopt(self, found: Sequence[Evidence], rows: dict[str, list[Any]]) -> None:
        pairs = [(one, rows[one.receipt.path]) for one in found]
        adopted = adoption.adopt(self._run.ledger, self._sink.name, pairs)
        files = {path for path, sidecar in adopted.items() if not sidecar}
        self._mine |= adopted.keys()
        self._settled += len(found)
        self.found.files += len(files)
        self.found.sidecars += len(adopted) - len(files)
        sizes = {one.receipt.path: one.receipt.size for one in found}  # two may share a path
        self.found.bytes += sum(sizes[path] for path in files)
        self.found.foreign += len(found) - len(adopted)
        self._run.meter.add(adopted=len(files))

    def _read(self, one: Evidence) -> Evidence | None:
        """What a file's own bytes say; None where it cannot be read."""
        sink, receipt = self._sink, one.receipt
        if not isinstance(sink, ReadBack):
            return None
        try:
            return Evidence(receipt, digest(self._unless_stopped(sink.read(receipt))))
        except ItemError as error:
            self._run.notice("warning", f"{receipt.path} cannot be read: {error}", sink.name)
            return None

    def _unless_stopped(self, chunks: Iterator[bytes]) -> Iterator[bytes]:
        for chunk in chunks:
            self._run.stop.check()
            yield chunk


def _batches(receipts: Iterator[Receipt]) -> Iterator[list[Receipt]]:
    while batch := list(islice(receipts, _BATCH)):
        yield batch
