"""Adopt what a sink already holds: an earlier archive counts, once its bytes are proven.

Files are matched by content alone, never by name: by the source's checksum that we once left
with the copy, by the sink's own checksum where the bytes came here once, by reading the sink's
file and recomputing the source's checksum, or, where the source tells none and its file lies on
a local disk, by reading that. What cannot match (of another size) is never read. What might match
and is far is remembered: once the bytes of the library's own file have come, they tell.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice

from connectors.abilities import Inventory, ReadBack
from connectors.base import Receipt, Sink
from connectors.checksums import digest
from connectors.errors import ItemError
from pipeline import retry
from pipeline.ledger.copies import adoption, lookalikes
from pipeline.ledger.copies.adoption import Evidence, Files
from pipeline.ledger.copies.checks import Held, held
from pipeline.ledger.copies.comparison import Marks
from pipeline.limits import Gate
from pipeline.naming import SIDECAR
from pipeline.runner.copies.local_reader import LocalReader
from pipeline.stages.context import Run
from pipeline.stages.copy_lookup import SecondLook, find_copy

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


def adopt(search: Adoption) -> Adopted:
    """Confirm copies that are at the sink before the first byte moves; returns what was found.

    A sink is looked through only once: afterwards the ledger itself knows. A search that was
    interrupted is begun again, or files that it had not reached would be copied a second time.
    """
    ledger, sink = search.run.ledger, search.sink
    if not isinstance(sink, Inventory) or adoption.looked_through(ledger, sink.name):
        return search.found
    search.look()
    adoption.remember(ledger, sink.name)
    return search.found


class Adoption:
    """Looks through what one sink holds, but for paths that are set ``apart``: what lies
    there is a source's own and no copy of it."""

    def __init__(self, run: Run, sink: Sink, gate: Gate, apart: Callable[[str], bool]) -> None:
        self.run = run
        self.sink = sink
        self._gate = gate
        self._apart = apart
        self.found = Adopted(sink.name)
        self._mine = Marks()  # what was found by this search, over all attempts
        self._source = LocalReader(run)
        self._seen = Marks()
        self._others: set[str] = set()  # ids of files that are no known copy where they are
        self._done = 0  # files adopted or read, over all attempts

    def look(self, *, download: bool = False) -> None:
        """Go through the listing; ``download`` reads back what nothing else can prove.

        Files without a checksum in the listing are always read: such a sink is near. May be
        called again when more is known. Raises what ends the retries.
        """
        retry.call(self._gate, lambda: self._attempt(download), lambda: self._done)

    def _attempt(self, download: bool) -> None:
        assert isinstance(self.sink, Inventory)
        self.found.known = self.found.foreign = self.found.unproven = 0
        self._seen, self._others = Marks(), set()
        lookalikes.forget(self.run.ledger, self.sink.name)
        with ThreadPoolExecutor(_READERS, thread_name_prefix="adopt") as readers:
            for batch in _batches(self.sink.inventory()):
                self.run.stop.check()
                self._batch(batch, readers, download)
        self._look_again()

    def _look_again(self) -> None:
        """Ask for the copies that the listing does not show."""
        look = SecondLook(lambda copy: find_copy(self.sink, copy.path, copy.remote_id))
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
        left = self._adopt(list(map(adoption.from_listing, fresh)), files)
        left = self._adopt(self._read_back(left, files, readers, download), files)
        while asked := adoption.unread(left, files, self._source.is_readable):
            self._done += self._source.learn(asked, readers)
            left = self._adopt(left, files)
        left = self._sidecars(left, readers)
        unproven = [one.receipt for one in left if adoption.open_question(one, files)]
        lookalikes.remember(ledger, name, self.sink.traits.algorithm, unproven)
        self.found.unproven += len(unproven)
        self.found.foreign += len(left) - len(unproven)

    def _adopt(self, found: Sequence[Evidence], files: Files) -> list[Evidence]:
        """Confirm those that are proven to be copies; returns the others."""
        pairs = adoption.match(found, files)
        if pairs:
            adoption.confirm(self.run.ledger, self.sink.name, pairs)
        for _, file in pairs:
            self._mine.add(file.key)
        self._done += len(pairs)
        copies = [one.receipt.size for one, file in pairs if not file.sidecar]
        self.found.files += len(copies)
        self.found.sidecars += len(pairs) - len(copies)
        self.found.bytes += sum(copies)
        self.run.meter.add(adopted=len(copies))
        proven = {id(one) for one, _ in pairs}  # at Google Drive two may have one path
        return [one for one in found if id(one) not in proven]

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
        self._done += sum(now is not then for now, then in zip(answers, found, strict=True))
        return answers

    def _decides(self, one: Evidence, files: Files) -> bool:
        """Whether a file's own bytes would tell what its listing does not."""
        return any(
            file.known or (not one.tells and self._source.opener(file))
            for file in adoption.open_question(one, files)
        )

    def _read(self, one: Evidence) -> Evidence:
        """What a file's own bytes say; no more than before where it cannot be read."""
        sink, receipt = self.sink, one.receipt
        if not isinstance(sink, ReadBack):
            return one
        try:
            return Evidence(receipt, digest(self.run.stop.through(sink.read(receipt))))
        except ItemError as error:
            self.run.notice("warning", f"{receipt.path} cannot be read: {error}", sink.name)
            return one


def _batches(receipts: Iterator[Receipt]) -> Iterator[list[Receipt]]:
    while batch := list(islice(receipts, _BATCH)):
        yield batch
