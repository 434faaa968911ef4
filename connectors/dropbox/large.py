"""Large files: in parts, resumable in another process, never whole in memory.

Middle-sized files go part after part in a sequential session, which costs no extra request.
Above that a concurrent session takes several parts at once, in any order, so that the round
trip is paid once for many. Parts are 4 MiB multiples, as concurrent sessions demand and so
that their hashes come from the digests already made.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, Executor, Future, wait
from dataclasses import replace

from connectors.base import Body, Checkpoint, Put, Transferred
from connectors.checksums import DROPBOX_BLOCK
from connectors.dropbox.errors import SessionGone
from connectors.dropbox.reading import Budget, check, content_hash, read
from connectors.dropbox.sessions import AlreadyClosed, PartRefused, Sessions, WrongOffset
from connectors.dropbox.ticket import Ticket
from connectors.errors import OutpourError, Transient

PART = 2 * DROPBOX_BLOCK
CONCURRENT = 32 * 1024 * 1024  # bytes from which parts go side by side
_AT_ONCE = 8  # parts of one file
_STUCK = 3  # answers in a row that say nothing arrived


class LargeFiles:
    """Thread-safe. ``workers`` sends the parts that go side by side."""

    def __init__(self, sessions: Sessions, budget: Budget, workers: Executor) -> None:
        self._sessions = sessions
        self._budget = budget
        self._workers = workers

    def send(self, put: Put, body: Body, ticket: Ticket | None, keep: Checkpoint) -> Transferred:
        """Bring the file in, going on where ``ticket`` says, afresh if its session is gone."""
        if ticket is not None:
            try:
                return self._continue(put, body, ticket, keep, again=True)
            except (SessionGone, PartRefused):
                pass
        try:
            return self._continue(put, body, self._begin(put, body, keep), keep, again=False)
        except SessionGone as gone:
            raise Transient(f"{put.path}: {gone}") from gone

    def _begin(self, put: Put, body: Body, keep: Checkpoint) -> Ticket:
        if put.size >= CONCURRENT:
            ticket = Ticket.fresh(self._sessions.start_concurrent(), put, concurrent=True)
        else:
            with self._budget.room(PART):
                digest = put.digests.part(0, PART)
                session = self._sessions.start(read(body, 0, PART), digest, close=False)
            ticket = replace(Ticket.fresh(session, put), offset=PART)
        keep(ticket.written(), ticket.held)
        return ticket

    def _continue(
        self, put: Put, body: Body, ticket: Ticket, keep: Checkpoint, *, again: bool
    ) -> Transferred:
        """``again``: answers may have got lost before."""
        if not ticket.closed:
            try:
                if ticket.concurrent:
                    ticket = self._side_by_side(put, body, ticket, keep, again=again)
                ticket = self._in_order(put, body, ticket, keep)
            except AlreadyClosed:  # the answer to its last part got lost
                pass
            ticket = Ticket.complete(ticket.session, put)
            keep(ticket.written(), ticket.held)
        return Transferred(put, ticket.written())

    # --- one part after the other ---------------------------------------------------------

    def _in_order(self, put: Put, body: Body, ticket: Ticket, keep: Checkpoint) -> Ticket:
        stuck = 0
        while True:
            end = min(_block(ticket.offset) + PART, put.size)
            try:
                self._append(put, body, ticket, ticket.offset, end)
                reached = end
            except WrongOffset as wrong:
                reached = wrong.correct
                if ticket.concurrent and reached == end == put.size:
                    raise AlreadyClosed("Dropbox has all of it") from wrong
                stuck = 0 if reached > ticket.offset else stuck + 1
                if stuck == _STUCK or reached > put.size or ticket.concurrent:
                    raise SessionGone(f"Dropbox has {reached} bytes of it") from wrong
            else:
                if end == put.size:
                    return ticket
            ticket = replace(ticket, offset=reached)
            keep(ticket.written(), ticket.held)

    def _append(self, put: Put, body: Body, ticket: Ticket, start: int, end: int) -> None:
        """Send one part; the last of the file closes the session."""
        block = _block(start)
        with self._budget.room(end - block):
            data = read(body, block, end)
            digest = put.digests.part(block, end - block)
            if block < start:  # Dropbox stands inside a block: no digest begins there
                check(data, digest)
                data = data[start - block :]
                digest = content_hash(data)
            self._sessions.append(ticket.session, start, data, digest, close=end == put.size)

    # --- many parts at once ---------------------------------------------------------------

    def _side_by_side(
        self, put: Put, body: Body, ticket: Ticket, keep: Checkpoint, *, again: bool
    ) -> Ticket:
        """Send all parts but the last, which has to close the session after the others.

        Checkpoints are taken here, one for all parts that ended meanwhile.
        """
        missing = _missing(put, ticket)
        flying: dict[Future[None], tuple[int, int]] = {}
        failure: OutpourError | None = None
        while True:
            while failure is None and len(flying) < _AT_ONCE and (part := next(missing, None)):
                sent = self._workers.submit(self._append, put, body, ticket, *part)
                flying[sent] = part
            if not flying:
                break
            done, _ = wait(flying, return_when=FIRST_COMPLETED)
            before = ticket
            for sent in done:
                start, end = flying.pop(sent)
                error = sent.exception()
                if error is None or _has_it(error, end, again=again):
                    ticket = ticket.plus(start, end)
                elif isinstance(error, OutpourError):
                    failure = failure or error
                else:
                    raise error
            if ticket != before:
                keep(ticket.written(), ticket.held)
        if isinstance(failure, WrongOffset):
            raise SessionGone("Dropbox has other parts of it than it said") from failure
        if failure is not None:
            raise failure
        return ticket


def _block(offset: int) -> int:
    """Where the block that ``offset`` lies in begins."""
    return offset - offset % DROPBOX_BLOCK


def _has_it(error: BaseException, end: int, *, again: bool) -> bool:
    """Whether a part up to ``end`` was refused since Dropbox has it, as far as can be told.

    One that it has is refused for where it lies (a Dropbox engineer in dropbox-sdk-rust#53, without
    saying in what words). If it was for another reason, the commit finds bytes missing.
    """
    if isinstance(error, WrongOffset) and error.correct >= end:
        return True
    return again and isinstance(error, WrongOffset | PartRefused)


def _missing(put: Put, ticket: Ticket) -> Iterator[tuple[int, int]]:
    """The parts, all but the file's last, that Dropbox does not have."""
    for start in range(0, put.size - PART, PART):
        if not ticket.has(start, start + PART):
            yield start, start + PART
