"""Adopt what a sink already holds: an earlier archive counts, once its bytes are proven.

Files are matched by content alone, never by name: by the source's checksum that we once left
with the copy, by the sink's own checksum where the bytes came here once, by reading the sink's
file and recomputing the source's checksum, or, where the source tells none and its file lies on
a local disk, by reading that. What cannot match (of another size) is never read.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import islice

from connectors.abilities import Inventory, Lends, ReadBack
from connectors.base import Receipt, Sink, Stream
from connectors.checksums import digest
from connectors.errors import ItemError, Transient
from pipeline import retry
from pipeline.ledger import adoption, steps
from pipeline.ledger.adoption import Evidence, Files, Wanted
from pipeline.ledger.checks import Held, Marks, held
from pipeline.ledger.orphans import orphans
from pipeline.limits import Place
from pipeline.naming import SIDECAR
from pipeline.stages.context import Run
from pipeline.stages.looking import SecondLook, look_for
from pipeline.stages.verify import Mismatch, prove
from pipeline.together import Together

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


def adopt(search: Adoption) -> int:
    """Confirm copies that are at the sink before the first byte moves; returns how many.

    All of it is looked through only once: afterwards the ledger itself knows. What broke off on
    the way goes on, or what it had not reached would be copied beside itself.
    """
    ledger, sink = search.run.ledger, search.sink
    if isinstance(sink, Inventory) and not adoption.looked_through(ledger, sink.name):
        search.look()
        adoption.remember(ledger, sink.name)
    search.inherit()
    return search.found.files


class Adoption:
    """Looks through what one sink holds, but for paths that are set ``apart``: what lies
    there is a source's own and no copy of it."""

    def __init__(self, run: Run, sink: Sink, place: Place, apart: Callable[[str], bool]) -> None:
        self.run = run
        self.sink = sink
        self._place = place
        self._apart = apart
        self.found = Adopted(sink.name)
        self._mine = Marks()  # what was found by this search, over all attempts
        self._asked: set[int] = set()  # files that were asked of the source, in vain or not
        self._seen = Marks()
        self._others: set[str] = set()  # ids of files that are no known copy where they are
        self._settled = 0  # files adopted or read, over all attempts

    def look(self, *, download: bool = False) -> None:
        """Go through the listing; ``download`` reads back what nothing else can prove.

        Files without a checksum in the listing are always read: such a sink is near. May be
        called again when more is known. Raises what ends the retries.
        """
        self._patiently(lambda: self._attempt(download))

    def inherit(self) -> None:
        """Go through the copies of what the source has no longer: what was moved or renamed
        there is listed as something new. Raises what ends the retries."""
        self._patiently(self._orphans)

    def _patiently(self, attempt: Callable[[], None]) -> None:
        retry.call(
            self._place,
            attempt,
            stop=self.run.stop,
            attempts=self.run.attempts,
            progress=lambda: self._settled,
            on_retry=self.run.retried(self.sink.name),
        )

    def _attempt(self, download: bool) -> None:
        assert isinstance(self.sink, Inventory)
        self.found.known = self.found.foreign = self.found.unproven = 0
        self._seen, self._others = Marks(), set()
        with ThreadPoolExecutor(_READERS, thread_name_prefix="adopt") as readers:
            for batch in _batches(self.sink.inventory()):
                self.run.stop.check()
                self._batch(batch, readers, download)
        self._look_again()

    def _orphans(self) -> None:
        ledger, name = self.run.ledger, self.sink.name
        with ThreadPoolExecutor(_READERS, thread_name_prefix="adopt") as readers:
            for batch in orphans(ledger, name):
                receipts = readers.map(self._ask, [orphan.copy for orphan in batch])
                found = [
                    adoption.from_orphan(orphan, receipt)
                    for orphan, receipt in zip(batch, receipts, strict=True)
                    if receipt is not None
                ]
                files = adoption.candidates(ledger, name, [one.receipt for one in found])
                self._match(found, files, readers, download=False)

    def _ask(self, copy: Held) -> Receipt | None:
        self.run.stop.check()
        return look_for(self.sink, copy.path, copy.remote_id)

    def _look_again(self) -> None:
        """Ask for the copies that the listing does not show."""
        look = SecondLook(self._ask)
        self.found.missing = 0
        for batch in held(self.run.ledger, self.sink.name):
            self.run.stop.check()
            unseen = list(filter(self._is_unseen, batch))
            for copy, receipt in zip(unseen, look(unseen), strict=True):
                # Of a file of another size nobody says that it is the copy; sidecars people edit.
                there = receipt is not None and (copy.generated or receipt.size == copy.size)
                self.found.missing += not there
                self.found.known += there and not copy.generated

    def _is_unseen(self, copy: Held) -> bool:
        if copy.resource in self._seen or copy.resource in self._mine:
            return False
        return copy.remote_id not in self._others  # somebody moved it: verify learns where to

    def _batch(self, batch: Sequence[Receipt], readers: ThreadPoolExecutor, download: bool) -> None:
        ledger, name = self.run.ledger, self.sink.name
        batch = [one for one in batch if not self._apart(one.path)]
        known = adoption.known(ledger, name, batch)
        for copy in known.values():
            if copy.resource not in self._mine:
                self.found.known += not copy.sidecar
                self._seen.add(copy.resource)
        fresh = [receipt for receipt in batch if receipt.path not in known]
        self._others.update(receipt.id for receipt in fresh if receipt.id)
        files = adoption.candidates(ledger, name, fresh)
        found = list(map(adoption.from_listing, fresh))
        left = self._sidecars(self._match(found, files, readers, download), readers)
        unproven = sum(bool(adoption.open_question(one, files)) for one in left)
        self.found.unproven += unproven
        self.found.foreign += len(left) - unproven

    def _match(
        self, found: Sequence[Evidence], files: Files, readers: ThreadPoolExecutor, download: bool
    ) -> list[Evidence]:
        """Confirm those that are proven to be copies, reading what it takes; returns the others."""
        left = self._adopt(found, files)
        left = self._adopt(self._read_back(left, files, readers, download), files)
        while asked := adoption.unread(left, files, self._readable):
            self._read_source(asked, readers)
            left = self._adopt(left, files)
        return left

    def _adopt(self, found: Sequence[Evidence], files: Files) -> list[Evidence]:
        """Confirm those that are proven to be copies; returns the others."""
        pairs = adoption.match(found, files)
        if pairs:
            adoption.confirm(self.run.ledger, self.sink.name, pairs)
        for _, file in pairs:
            self._mine.add(file.key)
        self._settled += len(pairs)
        copies = [one.receipt.size for one, file in pairs if not file.sidecar]
        self.found.files += len(copies)
        self.found.sidecars += len(pairs) - len(copies)
        self.found.bytes += sum(copies)
        self.run.meter.add(adopted=len(copies))
        settled = {id(one) for one, _ in pairs}  # at Google Drive two may have one path
        return [one for one in found if id(one) not in settled]

    def _sidecars(self, found: Sequence[Evidence], readers: ThreadPoolExecutor) -> list[Evidence]:
        """Confirm our own among these, whatever they are called; returns the others."""

        def told(one: Evidence) -> Evidence:
            return one if one.tells or one.receipt.checksums else self._read(one)

        ours = [one for one in found if one.receipt.path.lower().endswith(SIDECAR)]
        if not ours:
            return list(found)
        read = list(readers.map(told, ours))
        left = self._adopt(read, adoption.sidecars(self.run.ledger, self.sink.name, read))
        others = [one for one in found if all(one is not mine for mine in ours)]
        return others + left

    # --- what only the bytes tell ---

    def _read_back(
        self,
        found: Sequence[Evidence],
        files: Files,
        readers: ThreadPoolExecutor,
        download: bool,
    ) -> list[Evidence]:
        """The same, with what the sink's own bytes say of those where that can decide."""

        def told(one: Evidence) -> Evidence:
            near = download or not one.receipt.checksums
            return self._read(one) if near and self._decides(one, files) else one

        answers = list(readers.map(told, found))
        self._settled += sum(now is not then for now, then in zip(answers, found, strict=True))
        return answers

    def _decides(self, one: Evidence, files: Files) -> bool:
        """Whether a file's own bytes would tell what its listing does not."""
        return any(
            file.known or (not one.tells and self._opener(file))
            for file in adoption.open_question(one, files)
        )

    def _read(self, one: Evidence) -> Evidence:
        """What a file's own bytes say; no more than before where it cannot be read."""
        sink, receipt = self.sink, one.receipt
        if not isinstance(sink, ReadBack):
            return one
        try:
            digests = digest(self.run.stop.through(sink.read(receipt)))
        except ItemError as error:
            self.run.notice("warning", f"{receipt.path} cannot be read: {error}", sink.name)
            return one
        return Evidence(receipt, digests, orphan=one.orphan)

    def _readable(self, file: Wanted) -> bool:
        return file.key not in self._asked and self._opener(file) is not None

    def _read_source(self, files: Sequence[Wanted], readers: ThreadPoolExecutor) -> None:
        """Learn of each what its bytes are, and keep it as if they had come for a copy."""
        self._asked.update(file.key for file in files)
        for _ in readers.map(self._learn, files):
            self._settled += 1
        self.run.ledger.flush()  # the next batch asks the ledger what is known

    def _learn(self, file: Wanted) -> None:
        opener = self._opener(file)
        assert opener is not None
        try:
            stream = opener()
            try:
                digests = digest(self.run.stop.through(iter(stream)))
            finally:
                stream.close()
            proof = prove(file.resource, digests)
        except (ItemError, Transient, Mismatch) as error:
            text = f"{file.resource.filename} cannot be compared: {error}"
            self.run.notice("warning", text, self.run.source.name)
            return
        file.proof, file.values = proof, digests.values
        steps.received(self.run.ledger, file.key, digests, proof)

    def _opener(self, file: Wanted) -> Callable[[], Stream] | None:
        """What opens the source's file, where that lies on a local disk."""
        source, asset_id, resource = self.run.source, file.asset_id, file.resource
        if isinstance(source, Together):
            return source.at_hand(resource)
        if not isinstance(source, Lends) or not resource.local:
            return None
        return partial(source.open, asset_id, resource)


def _batches(receipts: Iterator[Receipt]) -> Iterator[list[Receipt]]:
    while batch := list(islice(receipts, _BATCH)):
        yield batch
