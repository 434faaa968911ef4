"""The passes of a run: every pending asset is offered to the sinks, until no sink takes more."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from connectors.abilities import Lends, Prefetches
from connectors.base import Resource, Sink
from connectors.errors import OutpourError
from pipeline.ledger import steps, work
from pipeline.ledger.items import Item
from pipeline.limits import Gate
from pipeline.naming import COMPANIONS
from pipeline.routing import Assignment, Router
from pipeline.runner.fullness import Fullness
from pipeline.stages.context import AssetWork, Finale, PieceWork, Run
from pipeline.stages.download import Downloads
from pipeline.stages.lineup import Lineup
from pipeline.stages.parcel import Tokens
from pipeline.stages.sidecars import Sidecars
from pipeline.stages.upload import Lane
from pipeline.staging import Staged
from pipeline.states import AssetState

_AT_HAND = 4  # files read at once from a local disk: more only keep the sinks from the cores
_BATCH = 50  # assets that are given their sinks at once: few, so that news of room counts soon


@dataclass(frozen=True, slots=True)
class Sending:
    """How a sink is reached. ``threads`` transfer to it at once: None for as many as suit it. What
    lies at a path that is ``apart`` belongs to a source."""

    sink: Sink
    gate: Gate
    tokens: Tokens | None
    threads: int | None
    apart: Callable[[str], bool]


class Passes:
    """Moves what is pending. ``downloads`` is the most files that come at once; ``within_reach``
    says which can come at all, None that they all can."""

    def __init__(
        self,
        run: Run,
        router: Router,
        full: Fullness,
        sinks: Sequence[Sending],
        downloads: int,
        within_reach: Callable[[Resource], bool] | None,
    ) -> None:
        self._run = run
        self._within_reach = within_reach
        self._router = router
        self._full = full
        self._sinks = sinks
        self._most = min(downloads, _AT_HAND) if isinstance(run.source, Lends) else downloads
        self._under_way = 0
        self._offered = 0  # in one pass
        self._changed = threading.Condition()

    def move(self) -> None:
        """Until nothing is left that any sink takes. Raises what ends the run, or Stopped."""
        lanes = {sending.sink.name: self._lane(sending) for sending in self._sinks}

        def deliver(work: PieceWork, staged: Staged) -> None:
            for sink in work.sinks:
                lanes[sink].put(work, staged)

        def in_vain(work: PieceWork) -> OutpourError | None:
            broken = [lanes[sink].broken for sink in work.sinks]
            return broken[0] if all(broken) else None

        def reopen(sink: str) -> None:
            lanes[sink].reopen()

        downloads = Downloads(self._run, self._most, deliver, in_vain)
        writer = Sidecars(self._run, deliver, downloads.put)
        try:
            while True:
                started = self._pass(downloads, writer, reopen)
                self._drain()
                left = work.smallest(self._run.ledger)
                if left is None or self._full.ends_run:
                    break
                if started:
                    continue
                if not self._offered or not self._full.wait_for_room(left, reopen, self._run.stop):
                    break
        finally:
            downloads.finish()
            writer.finish()
            self._run.meter.begin("finishing")
            for lane in lanes.values():
                lane.finish()
            self._run.ledger.flush()

    def _lane(self, sending: Sending) -> Lane:
        sink, full = sending.sink, partial(self._full.sink_is_full, sending.sink.name)
        threads = sending.threads or sink.traits.transfers
        return Lane(self._run, sink, sending.gate, sending.tokens, threads, full, sending.apart)

    def _pass(self, downloads: Downloads, writer: Sidecars, reopen: Callable[[str], None]) -> int:
        """Offer every pending asset to the sinks once; returns how many were taken up."""
        started = self._offered = 0
        for batch in work.pending(self._run.ledger, batch=_BATCH):
            self._full.look(reopen)
            if self._full.ends_run:
                break
            items = [item for item in batch if self._can_come(item)]
            self._offered += len(items)
            chosen = [(item, self._router.assign(item)) for item in items]
            self._full.cramped |= any(assigned.cramped for _, assigned in chosen)
            self._prefetch([item for item, assigned in chosen if assigned.sinks])
            for item, assigned in chosen:
                if assigned.sinks:
                    self._start(item, assigned, downloads, writer)
                    started += 1
        return started

    def _can_come(self, item: Item) -> bool:
        if self._within_reach is None:
            return True
        if item.key in self._run.out_of_reach:
            return False
        files = (piece.resource for piece in self._router.lacking(item) if not piece.generated)
        return all(map(self._within_reach, files))

    def _prefetch(self, items: Sequence[Item]) -> None:
        if isinstance(self._run.source, Prefetches):
            self._run.source.prefetch(
                [
                    (item.asset.id, piece.resource)
                    for item in items
                    for piece in item.pieces
                    if not piece.generated
                ]
            )

    def _start(
        self, item: Item, assigned: Assignment, downloads: Downloads, writer: Sidecars
    ) -> None:
        pieces = self._router.portions(item, assigned.sinks)
        reserved = {
            sink: sum(piece.bytes_due(sink) for piece, sinks in pieces if sink in sinks)
            for sink in assigned.sinks
        }
        success = AssetState.PENDING if assigned.owed else AssetState.CONFIRMED
        copies = sum(len(sinks) for _, sinks in pieces)
        lineup = Lineup(item.first.key, item.spots)
        asset = AssetWork(self._run, item, copies, success, reserved, self._ended, lineup)
        with self._changed:
            self._under_way += 1
        works = [PieceWork(asset, piece, sinks) for piece, sinks in pieces]
        works.sort(key=lambda one: one.piece is not item.first)  # the others stand beside it
        files = [one for one in works if one.piece.resource.role not in COMPANIONS]
        files = files or [one for one in works if not one.piece.generated]
        after = [one for one in works if all(one is not file for file in files)]
        for one in files:
            lineup.expect(one.piece.key, one.sinks)
        if files and after:
            last = sum(len(one.sinks) for one in after)
            asset.finale = Finale(last, partial(writer.put, *after))
        for one in works:
            for sink in one.sinks:
                steps.plan_copy(self._run.ledger, one.piece.key, sink)
        for one in files:
            downloads.put(one)
        if not files:
            writer.offer(works[0])

    def _ended(self) -> None:
        with self._changed:
            self._under_way -= 1
            self._changed.notify_all()

    def _drain(self) -> None:
        with self._changed:
            while self._under_way:
                self._run.stop.check()
                self._changed.wait(0.25)
        self._run.ledger.flush()
