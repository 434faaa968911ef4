"""Upload: one lane for each sink, many transfers side by side, commits one after another."""

from __future__ import annotations

import contextlib
import queue
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import TypeVar

from connectors.abilities import BatchTransfers, TellsApart
from connectors.base import Body, Put, Receipt, Sink, Transferred
from connectors.checksums import Algorithm
from connectors.errors import (
    CapacityExceeded,
    Fatal,
    NotFound,
    OutpourError,
    PathConflict,
    SessionExpired,
    Throttled,
    Transient,
)
from pipeline import retry
from pipeline.ledger import steps
from pipeline.ledger.store import Unwritable
from pipeline.limits import UNUSABLE, Gate
from pipeline.stages.ahead import Ahead
from pipeline.stages.company import LINGER, Outbox
from pipeline.stages.confirm import confirm
from pipeline.stages.context import PieceWork, Run
from pipeline.stages.looking import look_for
from pipeline.stages.names import Names
from pipeline.stages.parcel import Parcel, Tokens, pause, put_of
from pipeline.stages.recheck import differs
from pipeline.staging import Staged
from pipeline.states import AssetState, CopyState
from pipeline.stopping import Stopped

T = TypeVar("T")
_FRESH_STARTS = 4  # how often one file is sent from the beginning before giving up

NoRoom = Callable[["Lane", CapacityExceeded], None]
"""Told once when a sink has no room."""


class Lane:
    """Everything on its way to one sink. ``full`` is called once when it has no room.

    ``tokens`` are None where the sink reserves none.
    """

    def __init__(
        self,
        run: Run,
        sink: Sink,
        place: Gate,
        tokens: Tokens | None,
        threads: int,
        full: NoRoom,
    ) -> None:
        self.sink = sink
        self.place = place
        self.no_room: CapacityExceeded | None = None
        self._broken: OutpourError | None = None
        self._run = run
        self._on_full = full
        self._outbox = Outbox(sink)
        self._sent: queue.Queue[Parcel | None] = queue.Queue()
        self._tokens = tokens
        self._names = Names(run.ledger, sink.name)
        self._ahead = Ahead(threads, run.rooms[sink.name], run.stop)
        self._told_again = run.retried(sink.name)
        self._open = 0
        self._idle = threading.Condition()
        self._threads = [
            threading.Thread(target=self._transfers, name=f"{sink.name}-{n}", daemon=True)
            for n in range(threads)
        ]
        self._committer = threading.Thread(
            target=self._commits, name=f"{sink.name}-commit", daemon=True
        )
        for thread in (*self._threads, self._committer):
            thread.start()

    def put(self, piece: PieceWork, staged: Staged) -> None:
        """Take over a verified file. Never waits: the staging budget bounds what is here."""
        copy = piece.piece.copies.get(self.sink.name)
        put = put_of(piece, staged, piece.piece.path, copy.replaces if copy else frozenset())
        parcel = Parcel(piece, staged, put, copy.token if copy else None)
        with self._idle:
            self._open += 1
        if copy and copy.path and piece.piece.stays(self.sink.name, staged.digests):
            steps.kept(self._run.ledger, parcel.key, self.sink.name)
            self._landed(parcel, copy.path, 0)
            return
        piece.asset.after_first(self.sink.name, parcel.key, partial(self._begin, parcel))

    def _begin(self, parcel: Parcel) -> None:
        """Send it, under the best name that it can have."""
        parcel.names = self._names.of(parcel.piece, parcel.put.digests[Algorithm.SHA256])
        path = next(parcel.names, None)
        if path is None:
            self._fail(parcel, f"no name is free for {parcel.put.path}")
            return
        copy = parcel.piece.piece.copies.get(self.sink.name)
        if copy and copy.path != path:
            parcel.token = None  # of an upload to another name
        replaces = parcel.put.replaces | self._names.replaced(parcel.piece, path)
        parcel.put = replace(parcel.put, path=path, replaces=replaces)
        self._outbox.put(parcel)

    def finish(self) -> None:
        """Return when everything taken over has ended, then end the threads."""
        with self._idle:
            while self._open:
                self._idle.wait(0.25)
        for _ in self._threads:
            self._outbox.put(None)
        self._sent.put(None)
        for thread in (*self._threads, self._committer):
            thread.join()

    @property
    def broken(self) -> OutpourError | None:
        """Why nothing more can be sent here in this run."""
        return self._broken

    # --- transfers ---

    def _transfers(self) -> None:
        while (taken := self._outbox.take()) is not None:
            with self._run.stop.guard():
                self._send(*taken)

    def _send(self, group: list[Parcel], alone: list[Parcel]) -> None:
        if group:
            self._send_group(group)
        for parcel in alone:
            with self._outcome(parcel), self._ahead.turn(1) as turn:
                self._check()
                turn.sent += self._transfer(parcel)

    def _send_group(self, group: list[Parcel]) -> None:
        try:
            with self._ahead.turn(len(group)) as turn:
                turn.sent += self._transfer_group(group)
        except Exception as error:  # noqa: BLE001  (it ends them all)
            for parcel in group:
                self._settle(parcel, error)

    def _transfer_group(self, group: list[Parcel]) -> int:
        """How many of them wait for their commit now. Raises what concerns them all."""
        sink, waiting = self.sink, 0
        assert isinstance(sink, BatchTransfers)
        self._check()
        answers = self._call(lambda: sink.transfer_many([self._triple(p) for p in group]))
        again = self._patient(group, answers)
        for parcel, answer in zip(group, answers, strict=True):
            if parcel in again:
                self._outbox.put(parcel)
                continue
            with self._outcome(parcel):
                if isinstance(answer, OutpourError):
                    raise answer
                waiting += self._arrived(parcel, answer)
        return waiting

    def _patient(
        self, parcels: list[Parcel], answers: Sequence[object | OutpourError]
    ) -> list[Parcel]:
        """Those whose own answer asks for another try; until then the place is left alone."""
        attempts, errors, again = self._run.attempts, [], []
        for parcel, answer in zip(parcels, answers, strict=True):
            if isinstance(answer, Transient) and parcel.may_again(answer, attempts, self.place):
                again.append(parcel)
                errors.append(answer)
                self._told_again(answer)
            elif isinstance(answer, SessionExpired):  # it concerns the place, not the file
                again.append(parcel)
                self.place.expired(answer)
        if errors:
            self.place.wait(
                pause(again, errors), less=any(isinstance(e, Throttled) for e in errors)
            )
        return again

    def _check(self) -> None:
        """Raise what keeps anything from being sent at all."""
        if self.no_room is not None:
            raise self.no_room
        if self._broken is not None:
            raise self._broken
        self._run.stop.check()

    def _transfer(self, parcel: Parcel) -> bool:
        """Whether it waits for its commit now."""
        there = self._there(parcel)
        if there is not None:
            return self._arrived(parcel, there)
        if parcel.token is None and self._tokens is not None:
            token = self._call(self._tokens.take)
            self._keep(parcel, token)
        sent = self._call(lambda: self._attempt(parcel), lambda: parcel.reached)
        return self._arrived(parcel, sent)

    def _there(self, parcel: Parcel) -> Transferred | None:
        """A copy that was lost and is there after all: only listings did not show it."""
        sink, put = self.sink, parcel.put
        copy = parcel.piece.piece.copies.get(sink.name)
        known = copy.remote_id if copy and copy.path == put.path else None
        if known is None or parcel.generated or not isinstance(sink, TellsApart):
            return None
        receipt = self._call(lambda: look_for(sink, put.path, known))
        if receipt is None or differs(sink.traits, receipt, put.digests):
            return None
        return Transferred(put, "", receipt)

    def _arrived(self, parcel: Parcel, sent: Transferred) -> bool:
        parcel.sent = sent
        self.place.succeeded(parcel.put.size)
        steps.transferred(self._run.ledger, parcel.key, self.sink.name, parcel.put.path, sent.token)
        self._sent.put(parcel)
        return sent.receipt is None

    def _triple(self, parcel: Parcel) -> tuple[Put, Body, str | None]:
        staged = parcel.staged
        return parcel.put, Body(staged.path, staged.digests.size, sole=staged.sole), parcel.token

    def _attempt(self, parcel: Parcel) -> Transferred:
        self._run.ledger.settled(parcel.ticket)
        parcel.lend(self._run.stop)

        def keep(token: str, held: int = 0) -> None:
            parcel.reached = max(parcel.reached, held)
            if token != parcel.token:
                self._keep(parcel, token)
                self._run.ledger.settled(parcel.ticket)

        put, body, known = self._triple(parcel)
        return self.sink.transfer(put, body, known, keep)

    def _keep(self, parcel: Parcel, token: str) -> None:
        parcel.token = token
        parcel.ticket = steps.keep_token(
            self._run.ledger, parcel.key, self.sink.name, parcel.put.path, token
        )

    def _call(self, attempt: Callable[[], T], progress: Callable[[], int] = lambda: 0) -> T:
        return retry.call(
            self.place,
            attempt,
            stop=self._run.stop,
            attempts=self._run.attempts,
            progress=progress,
            on_retry=self._told_again,
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
            while len(batch) < self.sink.traits.commit_batch:
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
                answers = self._call(partial(self.sink.commit, items))
                again = self._patient(batch, answers)
            except Exception as error:  # noqa: BLE001  (it ends them all)
                for parcel in batch:
                    self._settle(parcel, error)
                return
            for parcel, answer in zip(batch, answers, strict=True):
                if parcel not in again:
                    with self._outcome(parcel):
                        self._confirm(parcel, answer)
            batch = again

    def _confirm(self, parcel: Parcel, answer: Receipt | OutpourError) -> None:
        if not isinstance(answer, Receipt):
            raise answer
        confirm(self.sink.traits, answer, parcel.staged.digests)
        steps.confirmed(self._run.ledger, parcel.key, self.sink.name, answer)
        self._landed(parcel, answer.path, parcel.put.size)

    # --- ends ---

    def _landed(self, parcel: Parcel, path: str, stored: int) -> None:
        """It is at the sink under this path; that took so many bytes there."""
        asset, piece = parcel.piece.asset, parcel.piece.piece
        asset.stands(self.sink.name, piece, path)
        self._end(parcel)
        asset.copied(self.sink.name, piece.due(self.sink.name), stored)

    @contextlib.contextmanager
    def _outcome(self, parcel: Parcel) -> Iterator[None]:
        """Turns whatever ends a parcel into its named state. Raises nothing."""
        try:
            yield
        except Exception as error:  # noqa: BLE001  (a defect must not lose the item silently)
            self._settle(parcel, error)

    def _settle(self, parcel: Parcel, error: Exception) -> None:
        """Give a parcel the state that its error means. Raises nothing: where that cannot be
        recorded, the parcel ends all the same, once, and the run with it."""
        with self._run.stop.guard():
            try:
                if parcel.ended or isinstance(error, Unwritable):
                    raise error
                self._resolve(parcel, error)
            except Exception as worse:
                if not parcel.ended:
                    self._wait(parcel, str(worse))
                raise

    def _resolve(self, parcel: Parcel, error: Exception) -> None:
        if isinstance(error, PathConflict):
            self._rename(parcel, error)
        elif isinstance(error, NotFound):
            self._again(parcel, error)
        elif isinstance(error, Stopped):
            self._wait(parcel, self._run.stop.reason)
        elif isinstance(error, CapacityExceeded):
            if self.no_room is None:
                self.no_room = error
                self._on_full(self, error)
            self._wait(parcel, f"no room at {self.sink.name}")
        elif isinstance(error, UNUSABLE):
            self._lose(parcel, error)
        elif isinstance(error, OutpourError):
            if isinstance(error, Transient) and self.place.dead_end():
                why = Fatal(f"{self.sink.name} keeps failing: {error}", hint=error.hint)
                self._lose(parcel, why)
            else:
                self._fail(parcel, error.advice)
        else:
            self._fail(parcel, f"unexpected {type(error).__name__}: {error}")

    def _wait(self, parcel: Parcel, reason: str) -> None:
        """A later pass, or the next run, goes on with it."""
        self._end(parcel)
        parcel.piece.asset.failed(AssetState.WAITING, reason)

    def _lose(self, parcel: Parcel, why: OutpourError) -> None:
        """The sink cannot be used in this run, for this file or any other."""
        self._broken, reason = self._broken or why, f"{self.sink.name}: {why}"
        if not self._run.spare(self.place, why):
            self._run.stop.set(reason, why)
        self._wait(parcel, reason)

    def _fail(self, parcel: Parcel, reason: str) -> None:
        reason = f"{self.sink.name}: {reason}"
        steps.copy_failed(self._run.ledger, parcel.key, self.sink.name, CopyState.FAILED, reason)
        asset = parcel.piece.asset
        steps.note(self._run.ledger, self._run.id, "failed", reason, asset=asset.item.key)
        self._end(parcel)
        asset.failed(AssetState.FAILED, reason)

    def _again(self, parcel: Parcel, error: OutpourError) -> None:
        """Send it afresh: the sink lost what it had of it."""
        parcel.starts += 1
        if parcel.starts >= _FRESH_STARTS:
            self._fail(parcel, error.advice)
        else:
            self._afresh(parcel)

    def _afresh(self, parcel: Parcel) -> None:
        parcel.token, parcel.ticket, parcel.sent = None, 0, None
        self._outbox.put(parcel)

    def _rename(self, parcel: Parcel, error: PathConflict) -> None:
        """The path holds other content, which stays: take a name nobody else would."""
        if parcel.generated:
            self._yield(parcel, error)
        elif path := next(parcel.names, None):
            parcel.put = replace(parcel.put, path=path)
            self._afresh(parcel)
        else:
            self._fail(parcel, error.advice)

    def _yield(self, parcel: Parcel, error: PathConflict) -> None:
        """A sidecar of another name would be read by nobody: the one that is there stays."""
        asset, sink = parcel.piece.asset, self.sink.name
        outdated = bool(parcel.put.replaces) and not self.sink.traits.replaces
        why = f"{sink} replaces nothing" if outdated else f"{error}: that stays"
        steps.copy_failed(self._run.ledger, parcel.key, sink, CopyState.YIELDED, why)
        reason = f"{sink}: {parcel.put.path} was not written: {why}"
        steps.note(self._run.ledger, self._run.id, "yielded", reason, asset=asset.item.key)
        self._end(parcel)
        asset.copied(sink, parcel.piece.piece.due(sink), 0)

    def _end(self, parcel: Parcel) -> None:
        parcel.ended = True
        try:
            if parcel.staged.let_go() and not parcel.generated:
                self._run.meter.add(done=parcel.put.size)
        finally:
            with self._idle:
                self._open -= 1
                self._idle.notify_all()
            parcel.piece.asset.ended_at(self.sink.name, parcel.key)
