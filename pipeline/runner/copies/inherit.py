"""Copies of assets that left the source are handed to new assets with the same original: the owner
moved or renamed the photo, or imported it again.

An asset is recognised by its original alone; then its other files take over what that asset had.
The ledger's digests say which copies to look at, so that a sink is asked nothing in vain; then the
sink's own checksum has to agree, or its bytes where it tells none.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

from connectors.base import Receipt, Sink
from connectors.errors import OutpourError
from pipeline.ledger.copies import adoption, checks, orphans
from pipeline.ledger.copies.adoption import Evidence, Wanted
from pipeline.ledger.copies.orphans import Orphan
from pipeline.limits import Gate
from pipeline.runner.copies.local_reader import LocalReader
from pipeline.stages.context import Run
from pipeline.stages.orphan_look import OrphanLook

_AT_ONCE = 4


class Inheritance:
    """At one sink. What lies at a path that is ``apart`` belongs to a source and is no copy. Raises
    GivenUp where the sink was given up, and nothing else for what it fails at: that is copied anew,
    if the sink takes it."""

    def __init__(self, run: Run, sink: Sink, gate: Gate, apart: Callable[[str], bool]) -> None:
        self._run = run
        self._sink = sink
        self._apart = apart
        self._source = LocalReader(run)
        self._taken: set[int] = set()
        self._unsure: set[int] = set()  # copies that could not be looked at
        self._seen = OrphanLook(run, sink, gate)
        self.missed = False
        """Whether copies were not where they should be: their owner may have moved them."""

    def look(self) -> int:
        """How many files have a copy now that was another's."""
        found = 0
        with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="inherit") as workers:
            for batch in orphans.heirs(self._run.ledger, self._sink.name):
                self._run.stop.check()
                if self._seen.hopeless:
                    break
                found += self._hand_over(batch, workers)
        return found

    def _hand_over(self, heirs: Sequence[Sequence[Wanted]], workers: ThreadPoolExecutor) -> int:
        ledger, sink = self._run.ledger, self._sink.name
        files = [of_heir[0] for of_heir in heirs]
        self._learn(files, workers)
        alike = orphans.like(ledger, sink, files)
        originals = self._proven([(file, alike) for file in files], workers)
        if not originals:
            return 0
        before = {file.asset_id: orphan.asset for orphan, file, _ in originals}
        left = orphans.of_assets(ledger, sink, before.values())
        companions = [
            (file, [o for o in left[before[file.asset_id]] if o.role == file.resource.role])
            for of_heir in heirs
            if of_heir[0].asset_id in before
            for file in of_heir[1:]
        ]
        sized = [file for file, those in companions
                 if any(o.copy.size == file.resource.size for o in those)]  # fmt: skip
        self._learn(sized, workers)
        found = [*originals, *self._proven(companions, workers)]
        # Whole, or not at all: what is left of it then would never be asked for again.
        halves = {o.asset for those in left.values() for o in those
                  if o.copy.resource in self._unsure}  # fmt: skip
        pairs = [
            (Evidence(receipt, orphan.digests, former=orphan.copy.resource), file)
            for orphan, file, receipt in found
            if orphan.asset not in halves
        ]
        if not pairs:
            return 0
        orphans.remember(ledger, sink)
        adoption.confirm(ledger, sink, pairs)
        self._run.meter.add(adopted=len(pairs))
        return len(pairs)

    def _learn(self, files: Sequence[Wanted], workers: ThreadPoolExecutor) -> None:
        """What only their bytes tell, of files that lie at hand."""
        unknown = [file for file in files if not file.known and self._source.is_readable(file)]
        if unknown:
            self._source.learn(unknown, workers)

    def _proven(
        self, files: Sequence[tuple[Wanted, Sequence[Orphan]]], workers: ThreadPoolExecutor
    ) -> list[tuple[Orphan, Wanted, Receipt]]:
        """Each of these files with a copy that has its bytes, of those that it may have."""
        pairs = []
        for file, those in files:
            fits = [orphan for orphan in those if self._is_free(orphan, file)]
            if fits:
                name = file.resource.filename
                best = min(fits, key=lambda o: o.copy.path.rpartition("/")[2] != name)
                self._taken.add(best.copy.resource)
                pairs.append((best, file))
        found = []
        answers = workers.map(self._seen.at, [orphan for orphan, _ in pairs])
        for (orphan, file), answer in zip(pairs, answers, strict=True):
            if isinstance(answer, Receipt):
                found.append((orphan, file, answer))
            elif isinstance(answer, OutpourError):
                self._unsure.add(orphan.copy.resource)
            self.missed |= answer == checks.GONE
        return found

    def _is_free(self, orphan: Orphan, file: Wanted) -> bool:
        if orphan.copy.resource in self._taken or self._apart(orphan.copy.path):
            return False
        return orphan.has_bytes_of(file)
