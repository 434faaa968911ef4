"""How the files on their way to one sink end, each in a named state, and what ends them all."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace

from connectors.base import Sink
from connectors.errors import (
    CapacityExceeded,
    DiskFailed,
    NotFound,
    OutpourError,
    PathConflict,
    Transient,
    Unreadable,
    unexpected,
)
from pipeline.ledger import steps
from pipeline.limits import UNUSABLE, Gate
from pipeline.stages.context import Run
from pipeline.stages.parcel import Parcel
from pipeline.states import AssetState, CopyState
from pipeline.stopping import Stopped

_FRESH_STARTS = 4  # how often one file is sent from the beginning before giving up


class Ends:
    """Gives each parcel of a lane its end, once. Safe to use from any thread.

    ``send`` takes a parcel that another try may help; ``full`` is told once when the sink has no
    room.
    """

    def __init__(
        self,
        run: Run,
        sink: Sink,
        gate: Gate,
        send: Callable[[Parcel], None],
        full: Callable[[CapacityExceeded], None],
    ) -> None:
        self._run = run
        self._sink = sink
        self._gate = gate
        self._send = send
        self._full = full
        self._no_room: CapacityExceeded | None = None
        self._broken: OutpourError | None = None
        self._open = 0
        self._idle = threading.Condition()

    @property
    def broken(self) -> OutpourError | None:
        """Why nothing more can be sent here in this run."""
        return self._broken

    def check(self) -> None:
        """Raise what keeps anything from being sent at all."""
        if self._no_room is not None:
            raise self._no_room
        if self._broken is not None:
            raise self._broken
        self._run.stop.check()

    def reopen(self) -> None:
        """There may be room again."""
        self._no_room = None

    def begin(self) -> None:
        """One more is under way."""
        with self._idle:
            self._open += 1

    def wait_for_all(self) -> None:
        """Return when nothing is under way any more."""
        with self._idle:
            while self._open:
                self._idle.wait(0.25)

    def landed(self, parcel: Parcel, path: str, stored: int) -> None:
        """It is at the sink under this path; that took so many bytes there."""
        asset, piece = parcel.work.asset, parcel.work.piece
        asset.lineup.stands(self._sink.name, piece, path)
        self._close(parcel, landed=True)
        asset.copied(self._sink.name, piece.bytes_due(self._sink.name), stored)

    @contextlib.contextmanager
    def outcome(self, parcel: Parcel) -> Iterator[None]:
        """Turns whatever ends a parcel into its named state. Raises nothing."""
        try:
            yield
        except Exception as error:  # noqa: BLE001  (a defect must not lose the item silently)
            self.end(parcel, error)

    def end(self, parcel: Parcel, error: Exception) -> None:
        """Give a parcel the state that its error means. Raises nothing: where that cannot be
        recorded, the parcel ends all the same, once, and the run with it."""
        with self._run.stop.guard():
            try:
                if parcel.ended or isinstance(error, DiskFailed):
                    raise error
                if isinstance(error, Unreadable):
                    parcel.staged.check()
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
            if self._no_room is None:
                self._no_room = error
                self._full(error)
            self._wait(parcel, f"no room at {self._sink.name}")
        elif isinstance(error, UNUSABLE):
            self._lose(parcel, error)
        elif isinstance(error, OutpourError):
            if isinstance(error, Transient) and (why := self._gate.dead_end(error)):
                self._lose(parcel, why)
            else:
                self.fail(parcel, error.advice)
        else:
            self.fail(parcel, unexpected(error))

    def _wait(self, parcel: Parcel, reason: str) -> None:
        """A later pass, or the next run, goes on with it."""
        self._close(parcel)
        parcel.work.asset.failed(AssetState.WAITING, reason)

    def _lose(self, parcel: Parcel, why: OutpourError) -> None:
        """The sink cannot be used in this run, for this file or any other."""
        self._broken, reason = self._broken or why, f"{self._sink.name}: {why}"
        if not self._run.leave_out(self._gate, why):
            self._run.stop.set(reason, why)
        self._wait(parcel, reason)

    def fail(self, parcel: Parcel, reason: str) -> None:
        """The sink does not get it in this run, for a reason of its own."""
        reason = f"{self._sink.name}: {reason}"
        steps.copy_failed(self._run.ledger, parcel.key, self._sink.name, CopyState.FAILED, reason)
        asset = parcel.work.asset
        steps.note(self._run.ledger, self._run.id, "failed", reason, asset=asset.item.key)
        self._close(parcel)
        asset.failed(AssetState.FAILED, reason)

    def _again(self, parcel: Parcel, error: OutpourError) -> None:
        """Send it afresh: the sink lost what it had of it."""
        parcel.starts += 1
        if parcel.starts >= _FRESH_STARTS:
            self.fail(parcel, error.advice)
        else:
            self._afresh(parcel)

    def _afresh(self, parcel: Parcel) -> None:
        parcel.token, parcel.ticket, parcel.sent = None, 0, None
        self._send(parcel)

    def _rename(self, parcel: Parcel, error: PathConflict) -> None:
        """The path holds other content, which stays: take a name nobody else would."""
        if parcel.generated:
            self._yield(parcel, error)
        elif path := next(parcel.names, None):
            parcel.put = replace(parcel.put, path=path)
            self._afresh(parcel)
        else:
            self.fail(parcel, error.advice)

    def _yield(self, parcel: Parcel, error: PathConflict) -> None:
        """A sidecar of another name would be read by nobody: the one that is there stays."""
        asset, sink = parcel.work.asset, self._sink.name
        outdated = bool(parcel.put.replaces) and not self._sink.traits.replaces
        why = f"{sink} replaces nothing" if outdated else f"{error}: that stays"
        steps.copy_failed(self._run.ledger, parcel.key, sink, CopyState.YIELDED, why)
        reason = f"{sink}: {parcel.put.path} was not written: {why}"
        steps.note(self._run.ledger, self._run.id, "yielded", reason, asset=asset.item.key)
        self._close(parcel)
        asset.copied(sink, parcel.work.piece.bytes_due(sink), 0)

    def _close(self, parcel: Parcel, *, landed: bool = False) -> None:
        parcel.ended = True
        try:
            if parcel.staged.let_go(landed=landed) and not parcel.generated:
                self._run.meter.add(done=parcel.put.size)
        finally:
            with self._idle:
                self._open -= 1
                self._idle.notify_all()
            parcel.work.asset.lineup.ended(self._sink.name, parcel.key)
