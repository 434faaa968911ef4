"""Upload: one lane for each sink, many transfers side by side, commits one after another."""

from __future__ import annotations

import contextlib
import queue
import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

from connectors.abilities import BatchTransfers
from connectors.base import Body, Put, Receipt, Sink, Transferred
from connectors.checksums import Algorithm
from connectors.errors import (
    CapacityExceeded,
    OutpourError,
    SessionExpired,
    Transient,
)
from pipeline import retry
from pipeline.ledger import steps
from pipeline.ledger.copies.orphans import Orphan
from pipeline.limits import Gate
from pipeline.stages.already_there import AlreadyThere
from pipeline.stages.confirm import confirm
from pipeline.stages.context import PieceWork, Run
from pipeline.stages.ends import Ends
from pipeline.stages.names import Names
from pipeline.stages.outbox import LINGER, Outbox
from pipeline.stages.parcel import Parcel, Tokens, put_of
from pipeline.stages.uncommitted import Uncommitted
from pipeline.staging import Staged


class Lane:
    """Everything on its way to one sink. ``full`` is called once when it has no room.

    ``tokens`` are None where the sink reserves none. What lies at a path that is ``apart`` belongs
    to a source and is no copy.
    """

    def __init__(
        self,
        run: Run,
        sink: Sink,
        gate: Gate,
        tokens: Tokens | None,
        threads: int,
        full: Callable[[CapacityExceeded], None],
        apart: Callable[[str], bool],
    ) -> None:
        self._sink = sink
        self._gate = gate
        self._run = run
        self._outbox = Outbox(sink)
        self._ends = Ends(run, sink, gate, self._outbox.put, full)
        self._sent: queue.Queue[Parcel | None] = queue.Queue()
        self._tokens = tokens
        self._names = Names(run.ledger, sink.name)
        self._there = AlreadyThere(run, sink, gate, apart, self._names.handing_over)
        self._ahead = Uncommitted(threads, run.rooms[sink.name], run.stop)
        self._threads = [
            threading.Thread(target=self._transfers, name=f"{sink.name}-{n}", daemon=True)
            for n in range(threads)
        ]
        self._committer = threading.Thread(
            target=self._commits, name=f"{sink.name}-commit", daemon=True
        )
        for thread in (*self._threads, self._committer):
            thread.start()

    def put(self, work: PieceWork, staged: Staged) -> None:
        """Take over a verified file. Never waits: the staging budget bounds what is here."""
        copy = work.piece.copies.get(self._sink.name)
        replaces = copy.replaces if copy else frozenset()
        asset, path = work.asset.item.asset, work.piece.path
        put = put_of(asset, work.piece, staged.digests, path, replaces)
        parcel = Parcel(work, staged, put, copy.token if copy else None, retry.Patience(self._gate))
        self._ends.begin()
        with self._ends.outcome(parcel):
            if copy and copy.path and work.piece.stays(self._sink.name, staged.digests):
                steps.kept(self._run.ledger, parcel.key, self._sink.name)
                self._ends.landed(parcel, copy.path, 0)
            else:
                begin = partial(self._begin, parcel)
                work.asset.lineup.after_first(self._sink.name, parcel.key, begin)

    def _begin(self, parcel: Parcel) -> None:
        with self._ends.outcome(parcel):
            self._send_named(parcel)

    def _send_named(self, parcel: Parcel) -> None:
        """Under the best name that it can have."""
        piece, asset = parcel.work.piece, parcel.work.asset
        # Before the names: from then on none is given that a copy has which becomes another's.
        parcel.suspect = self._there.suspect(parcel)
        spot, sha256 = asset.lineup.spot(self._sink.name), parcel.put.digests[Algorithm.SHA256]
        parcel.names = self._names.of(piece, asset.item, spot, sha256)
        path = next(parcel.names, None)
        if path is None:
            self._ends.fail(parcel, f"no name is free for {parcel.put.path}")
            return
        copy = piece.copies.get(self._sink.name)
        if copy and copy.path != path:
            parcel.token = None  # of an upload to another name
        replaces = parcel.put.replaces | self._names.replaced(parcel.work, path)
        parcel.put = replace(parcel.put, path=path, replaces=replaces)
        self._outbox.put(parcel)

    def finish(self) -> None:
        """Return when everything taken over has ended, then end the threads."""
        self._ends.wait_for_all()
        for _ in self._threads:
            self._outbox.put(None)
        self._sent.put(None)
        for thread in (*self._threads, self._committer):
            thread.join()

    @property
    def broken(self) -> OutpourError | None:
        """Why nothing more can be sent here in this run."""
        return self._ends.broken

    def reopen(self) -> None:
        """There may be room again."""
        self._ends.reopen()

    # --- transfers ---

    def _transfers(self) -> None:
        while (taken := self._outbox.take()) is not None:
            with self._run.stop.guard():
                self._send(*taken)

    def _send(self, group: list[Parcel], alone: list[Parcel]) -> None:
        if group:
            self._send_group(group)
        for parcel in alone:
            with self._ends.outcome(parcel), self._ahead.turn(1) as turn:
                self._ends.check()
                turn.sent += self._transfer(parcel)

    def _send_group(self, group: list[Parcel]) -> None:
        try:
            with self._ahead.turn(len(group)) as turn:
                turn.sent += self._transfer_group(group)
        except Exception as error:  # noqa: BLE001  (it ends them all)
            for parcel in group:
                self._ends.end(parcel, error)

    def _transfer_group(self, group: list[Parcel]) -> int:
        """How many of them wait for their commit now. Raises what concerns them all."""
        sink, waiting = self._sink, 0
        assert isinstance(sink, BatchTransfers)
        self._ends.check()
        answers = retry.call(
            self._gate, lambda: sink.transfer_many([self._triple(p) for p in group])
        )
        again = self._patient(group, answers)
        for parcel, answer in zip(group, answers, strict=True):
            if parcel in again:
                self._outbox.put(parcel)
                continue
            with self._ends.outcome(parcel):
                if isinstance(answer, OutpourError):
                    raise answer
                waiting += self._arrived(parcel, answer)
        return waiting

    def _patient(
        self, parcels: list[Parcel], answers: Sequence[object | OutpourError]
    ) -> list[Parcel]:
        """Those whose own answer asks for another try; until then the place is left alone."""
        again: list[Parcel] = []
        pause = 0.0
        for parcel, answer in zip(parcels, answers, strict=True):
            if isinstance(answer, Transient | SessionExpired) and parcel.patience.failed(answer):
                again.append(parcel)
                pause = max(pause, parcel.patience.pause(answer))
                retry.heed(self._gate, answer, pause)
        self._gate.wait(pause, less=False)
        return again

    def _transfer(self, parcel: Parcel) -> bool:
        """Whether it waits for its commit now."""
        there = self._there.look(parcel)
        if there is not None:
            return self._arrived(parcel, there)
        if parcel.token is None and self._tokens is not None:
            token = retry.call(self._gate, self._tokens.take)
            self._keep(parcel, token)
        sent = retry.call(self._gate, lambda: self._attempt(parcel), lambda: parcel.reached)
        return self._arrived(parcel, sent)

    def _arrived(self, parcel: Parcel, sent: Transferred) -> bool:
        parcel.sent = sent
        self._gate.succeeded(parcel.put.size)
        steps.transferred(
            self._run.ledger, parcel.key, self._sink.name, parcel.put.path, sent.token
        )
        self._sent.put(parcel)
        return sent.receipt is None

    def _triple(self, parcel: Parcel) -> tuple[Put, Body, str | None]:
        staged, spend = parcel.staged, self._run.uploading.spend
        body = Body(staged.path, staged.digests.size, staged.sole, spend)
        return parcel.put, body, parcel.token

    def _attempt(self, parcel: Parcel) -> Transferred:
        self._run.ledger.wait_durable(parcel.ticket)
        parcel.prove(self._run.stop)

        def keep(token: str, held: int = 0) -> None:
            parcel.reached = max(parcel.reached, held)
            if token != parcel.token:
                self._keep(parcel, token)
                self._run.ledger.wait_durable(parcel.ticket)

        put, body, known = self._triple(parcel)
        return self._sink.transfer(put, body, known, keep)

    def _keep(self, parcel: Parcel, token: str) -> None:
        parcel.token = token
        parcel.ticket = steps.keep_token(
            self._run.ledger, parcel.key, self._sink.name, parcel.put.path, token
        )

    # --- commits ---

    def _commits(self) -> None:
        while (first := self._sent.get()) is not None:
            with self._run.stop.guard():
                batch = self._with_company(first)
                ahead = sum(1 for parcel in batch if parcel.sent and parcel.sent.receipt is None)
                self._commit(batch)
                self._ahead.kept(ahead)

    def _with_company(self, first: Parcel) -> list[Parcel]:
        batch = [first]
        with contextlib.suppress(queue.Empty):
            while len(batch) < self._sink.traits.commit_batch:
                parcel = self._sent.get(timeout=LINGER)
                if parcel is None:
                    self._sent.put(None)  # the end comes after this batch
                    break
                batch.append(parcel)
        return batch

    def _commit(self, batch: list[Parcel]) -> None:
        while batch:
            items = [parcel.sent for parcel in batch if parcel.sent is not None]
            try:
                answers = retry.call(self._gate, partial(self._sink.commit, items))
                again = self._patient(batch, answers)
            except Exception as error:  # noqa: BLE001  (it ends them all)
                for parcel in batch:
                    self._ends.end(parcel, error)
                return
            for parcel, answer in zip(batch, answers, strict=True):
                if parcel not in again:
                    with self._ends.outcome(parcel):
                        self._confirm(parcel, answer)
            batch = again

    def _confirm(self, parcel: Parcel, answer: Receipt | OutpourError) -> None:
        if not isinstance(answer, Receipt):
            raise answer
        confirm(self._sink.traits, answer, parcel.staged.digests)
        ledger, sink = self._run.ledger, self._sink.name
        steps.confirmed(ledger, parcel.key, sink, answer)
        if isinstance(parcel.suspect, Orphan):
            steps.handed_over(ledger, parcel.suspect.copy.resource, sink)
        self._ends.landed(parcel, answer.path, parcel.put.size)
