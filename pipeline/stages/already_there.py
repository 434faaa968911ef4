"""Copies that a sink has of a file before anything of it is sent: its bytes, once they have come,
tell what no listing could."""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import partial

from connectors.abilities import TellsApart
from connectors.base import Receipt, Sink, Transferred
from pipeline import naming, retry
from pipeline.ledger.copies import checks, lookalikes, orphans
from pipeline.ledger.copies.lookalikes import Lookalike
from pipeline.ledger.copies.orphans import Orphan
from pipeline.limits import Gate
from pipeline.stages.context import Run
from pipeline.stages.copy_lookup import find_copy
from pipeline.stages.orphan_look import OrphanLook
from pipeline.stages.parcel import Parcel
from pipeline.stages.recheck import differs

Suspect = Lookalike | Orphan
"""A file at a sink that may be the copy: one that was there before the ledger knew of it, or one
that was the copy of an asset which left the source."""


class AlreadyThere:
    """At one sink, whose paths that are set ``apart`` belong to a source: nothing there is a copy.
    ``handing_over`` is told before a copy becomes another file's. Safe to use from any thread.
    """

    def __init__(
        self,
        run: Run,
        sink: Sink,
        gate: Gate,
        apart: Callable[[str], bool],
        handing_over: Callable[[], None],
    ) -> None:
        self._run = run
        self._sink = sink
        self._gate = gate
        self._apart = apart
        self._handing_over = handing_over
        lookalike = lookalikes.any_at(run.ledger, sink.name)
        self._algorithm = sink.traits.algorithm if lookalike else None
        self._orphans = orphans.any_at(run.ledger, sink.name)
        self._taken: set[int] = set()  # files that lost their copy to another, or were looked at
        self._orphans_seen = OrphanLook(run, sink, gate)
        self._lock = threading.Lock()

    def suspect(self, parcel: Parcel) -> Suspect | None:
        """What may be its copy; no other file of this run gets that from now on."""
        if parcel.generated:
            return None
        ledger, name, digests = self._run.ledger, self._sink.name, parcel.put.digests
        if self._algorithm is not None:
            alike = lookalikes.claim(ledger, name, self._algorithm, digests, parcel.key)
            if alike is not None:
                return alike
        if not self._orphans or self._orphans_seen.hopeless:
            return None
        return self._orphan(parcel)

    def _orphan(self, parcel: Parcel) -> Orphan | None:
        """An asset is recognised by its first file, if that was not known before it came: then
        whoever looked for its copies has decided. Of the others the copies stand beside it."""
        ledger, name, put = self._run.ledger, self._sink.name, parcel.put
        piece, asset = parcel.work.piece, parcel.work.asset
        first, spot = piece is asset.item.first, asset.lineup.spot(name)
        if piece.known if first else spot is None:
            return None
        beside = naming.beside(piece.path, *spot) if spot and not first else None
        with self._lock:
            found = orphans.with_bytes(ledger, name, piece.resource.role, put.digests)
            free = [
                orphan
                for orphan in found
                if self._is_free(orphan) and beside in (None, orphan.copy.path)
            ]
            if not free:
                return None
            best = min(free, key=lambda orphan: orphan.copy.path != put.path)
            self._taken.add(best.copy.resource)
            self._handing_over()
            return best

    def _is_free(self, orphan: Orphan) -> bool:
        return orphan.copy.resource not in self._taken and not self._apart(orphan.copy.path)

    def look(self, parcel: Parcel) -> Transferred | None:
        """The copy, if one is there indeed. Raises what asking the sink raises."""
        while (suspect := parcel.suspect) is not None:
            if isinstance(suspect, Orphan):
                found = self._orphans_seen.at(suspect)
                receipt = found if isinstance(found, Receipt) else None
            else:
                seen = partial(self._lookalike_seen, suspect, parcel)
                receipt = retry.call(self._gate, seen)
            if receipt is not None:
                self._run.meter.add(adopted=1)
                return Transferred(parcel.put, "", receipt)
            parcel.suspect = self.suspect(parcel)
        return self._after_all(parcel)

    def _lookalike_seen(self, suspect: Lookalike, parcel: Parcel) -> Receipt | None:
        ledger, sink = self._run.ledger, self._sink
        receipt = find_copy(sink, suspect.path, suspect.identity)
        alike = receipt and not differs(sink.traits, receipt, parcel.put.digests)
        if receipt and alike and not checks.is_copy(ledger, sink.name, receipt.path, receipt.id):
            return receipt  # and no other file's by now
        lookalikes.drop(ledger, sink.name, suspect)
        return None

    def _after_all(self, parcel: Parcel) -> Transferred | None:
        """A copy that was lost and is there after all: only listings did not show it."""
        sink, put = self._sink, parcel.put
        copy = parcel.work.piece.copies.get(sink.name)
        known = copy.remote_id if copy and copy.path == put.path else None
        if known is None or parcel.generated or not isinstance(sink, TellsApart):
            return None
        receipt = retry.call(self._gate, lambda: find_copy(sink, put.path, known))
        if receipt is None or differs(sink.traits, receipt, put.digests):
            return None
        return Transferred(put, "", receipt)
