"""Small files: one request each, or many in one.

``start`` with ``close`` makes a session that is complete after one request and works
everywhere. Where the service takes ``start_batch`` and ``append_batch``, the bytes of many
files share a body. Its arguments travel in a header (some 150 bytes for each file), and how
long a header may be is not published: the number of files grows while it is accepted, halves
when it is not, and where few are not taken either we stay with the way that works everywhere.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from concurrent.futures import Executor

from connectors.base import Body, Put, Transferred
from connectors.checksums import Algorithm
from connectors.dropbox.errors import NoRoute, SessionGone
from connectors.dropbox.reading import Budget, check, content_hash, read
from connectors.dropbox.sessions import (
    BATCH_ENTRIES,
    BATCH_SESSIONS,
    AlreadyClosed,
    Sessions,
    WrongOffset,
)
from connectors.dropbox.ticket import Ticket
from connectors.errors import OutpourError, Throttled, Transient

BATCH_BYTES = 8 * 1024 * 1024
_FIRST_TRY = 100  # files in one body: a header of 15 kB
_FEW = 10  # files in one body below which it is not worth the trouble
_STEADY = 50
_AHEAD = 250  # sessions to start at once, at least

Item = tuple[Put, Body]
Answer = Transferred | OutpourError


class SmallFiles:
    """Thread-safe. ``workers`` runs requests that may go side by side."""

    def __init__(self, sessions: Sessions, budget: Budget, workers: Executor) -> None:
        self._sessions = sessions
        self._budget = budget
        self._workers = workers
        self._size = _BatchSize()
        self._started = _Started(sessions)

    def one(self, put: Put, body: Body) -> Transferred:
        """Send a file in one request of its own."""
        with self._budget.room(body.size):
            data = read(body, 0, body.size)
            session = self._sessions.start(data, put.digests[Algorithm.DROPBOX], close=True)
        return _complete(put, session)

    def many(self, items: Sequence[Item]) -> list[Answer]:
        """Send files together; an answer for each. Raises what met the first request."""
        answers: list[Answer] = []
        while len(answers) < len(items):
            waiting = items[len(answers) :]
            if not self._size.value:
                return answers + list(self._workers.map(self._attempt, waiting))
            batch = _first(waiting, self._size.value)
            try:
                answers += self._together(batch)
            except OutpourError as error:
                if not answers:
                    raise
                answers += [error] * len(waiting)
        return answers

    def _together(self, batch: Sequence[Item]) -> list[Answer]:
        """Send files in one body; no answers where the service does not take that many."""
        try:
            sessions = self._started.take(len(batch))
        except NoRoute:
            self._size.unknown()
            return []
        try:
            with self._budget.room(sum(body.size for _, body in batch)):
                answers = self._joined(batch, sessions)
        except NoRoute:
            self._size.refused(len(batch))
            return []
        except Throttled:
            raise
        except Transient:  # perhaps somebody on the way hung up on too long a header
            self._size.doubtful(len(batch))
            raise
        self._size.accepted(len(batch))
        return answers

    def _joined(self, batch: Sequence[Item], sessions: Sequence[str]) -> list[Answer]:
        ids, lengths, data, unsent = _join(batch, sessions)
        failures: dict[str, OutpourError | None] = {}
        if ids:
            found = self._sessions.append_many(ids, lengths, data, content_hash(data))
            failures = dict(zip(ids, found, strict=True))
        answers: list[Answer] = []
        for (put, _), session in zip(batch, sessions, strict=True):
            failure = failures.get(session)
            if session in unsent:
                answers.append(unsent[session])
            elif failure is not None:
                answers.append(_again(put, failure))
            else:
                answers.append(_complete(put, session))
        return answers

    def _attempt(self, item: Item) -> Answer:
        try:
            return self.one(*item)
        except OutpourError as error:
            return error


class _BatchSize:
    """How many files one body may hold; 0 when the service takes no such bodies."""

    def __init__(self) -> None:
        self.value = _FIRST_TRY
        self._most = BATCH_ENTRIES
        self._steady = 0  # bodies to be taken before it grows again
        self._lock = threading.Lock()

    def accepted(self, count: int) -> None:
        with self._lock:
            self._steady -= 1
            if self.value and count >= self.value and self._steady < 0:
                self.value = min(self._most, count * 2)

    def refused(self, count: int) -> None:
        with self._lock:
            half = count // 2 if count // 2 >= _FEW else 0
            self._most = min(self._most, half)
            self.value = min(self.value, half)

    def doubtful(self, count: int) -> None:
        with self._lock:
            self.value = min(self.value, max(_FEW, count // 2))
            self._steady = _STEADY

    def unknown(self) -> None:
        with self._lock:
            self.value = 0


class _Started:
    """Empty sessions, started many at a time; one that is never used costs nothing."""

    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions
        self._ids: list[str] = []
        self._lock = threading.Lock()

    def take(self, count: int) -> list[str]:
        with self._lock:
            if len(self._ids) < count:
                self._ids += self._sessions.start_many(min(BATCH_SESSIONS, max(count, _AHEAD)))
            if len(self._ids) < count:
                raise Transient("Dropbox started fewer uploads than it was asked for")
            taken, self._ids = self._ids[:count], self._ids[count:]
            return taken


def _first(items: Sequence[Item], most: int) -> Sequence[Item]:
    """As many as one body takes, at least one."""
    size = 0
    for count, (_, body) in enumerate(items[:most]):
        size += body.size
        if count and size > BATCH_BYTES:
            return items[:count]
    return items[:most]


def _join(
    batch: Sequence[Item], sessions: Sequence[str]
) -> tuple[list[str], list[int], bytes, dict[str, OutpourError]]:
    """Sessions, lengths and joined bytes of what can be sent; why the others cannot.

    The body's hash is of what is read here: that it is what was verified is for us to see.
    """
    parts: dict[str, bytes] = {}
    unsent: dict[str, OutpourError] = {}
    for (put, body), session in zip(batch, sessions, strict=True):
        try:
            data = read(body, 0, body.size)
            check(data, put.digests[Algorithm.DROPBOX])
            parts[session] = data
        except OutpourError as error:
            unsent[session] = error
    lengths = [len(part) for part in parts.values()]
    return list(parts), lengths, b"".join(parts.values()), unsent


def _complete(put: Put, session: str) -> Transferred:
    return Transferred(put, Ticket.complete(session, put).written())


def _again(put: Put, failure: OutpourError) -> OutpourError:
    """A session just made was not as it should be: another one may be."""
    if isinstance(failure, SessionGone | WrongOffset | AlreadyClosed):
        return Transient(f"{put.path}: Dropbox lost the upload it had just begun")
    return failure
