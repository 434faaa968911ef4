"""The ledger's file: one writer thread, group commits, one process at a time.

Everything written goes through a queue to a single thread that commits what has gathered in
one transaction, so that no item pays for a commit of its own and a crash at any instruction
leaves a consistent file (SQLite WAL, synchronous=FULL).
"""

from __future__ import annotations

import contextlib
import os
import queue
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote

import filelock
from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.exc import DatabaseError, DBAPIError, OperationalError
from sqlalchemy.sql import Executable

from connectors.errors import DiskFailed, DiskFull, Fatal, Misconfigured
from connectors.private import may
from pipeline.ledger import migrations

T = TypeVar("T")
_LINGER = 0.02  # seconds a commit waits for company
_BRIEF = 0.004  # the same, when somebody waits for it already
_MOST = 5000  # rows in one transaction
_INSTANT = 0.5  # seconds: for no longer does a question whether it is in use hold the lock
_MAKE_ROOM = "Make room on its disk, then run again: it goes on from here."
_REPLACE = "Put a copy of it back; or move it away, then: outpour rebuild."
_CORRUPT = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
# The second where the index of the log does not fit any more.
_FULL = (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR_SHMSIZE)


def damaged(path: Path, why: BaseException) -> Misconfigured:
    """What to raise where a file is no ledger, or none any more."""
    return Misconfigured(f"{path} is not a readable ledger: {_text(why)}", hint=_REPLACE)


class Unwritable(DiskFailed):
    """The ledger cannot be written: whatever is done from now on would not be remembered."""

    def __init__(self, path: Path, why: BaseException) -> None:
        hint = "Is there room on its disk, and may you write there? Then run again."
        if _is_full(why):
            hint = _MAKE_ROOM
        elif _code(why) in _CORRUPT:
            hint = _REPLACE
        super().__init__(f"cannot write the ledger {path}: {_text(why)}", hint=hint)


class _Full(Unwritable, DiskFull):
    """The same, for want of room on the ledger's disk."""


def _unwritable(path: Path, why: BaseException) -> Unwritable:
    return (_Full if _is_full(why) else Unwritable)(path, why)


def _is_full(why: BaseException) -> bool:
    return _code(why) in _FULL


def _code(why: BaseException) -> int | None:
    return getattr(_own(why), "sqlite_errorcode", None)


def _text(why: BaseException) -> str:
    return str(_own(why)) or type(why).__name__


def _own(why: BaseException) -> BaseException | None:
    """What SQLite said; SQLAlchemy's own text has the statement in it, on many lines."""
    return why.orig if isinstance(why, DBAPIError) else why


@dataclass(frozen=True, eq=False)
class Op:
    """A statement the writer groups. Within a commit, lower ranks are executed first:
    an item passes through the ranks in order, so grouping never reorders its story."""

    rank: int
    statement: Executable


@dataclass
class _Job:
    """A row for ``op``, or a piece of ``work``, or neither: then ``done`` alone is wanted."""

    op: Op | None = None
    row: dict[str, Any] | None = None
    work: Callable[[Connection], Any] | None = None
    done: threading.Event | None = None
    ticket: int = 0
    result: Any = None
    error: BaseException | None = None


class Ledger:
    """The durable record of one pipeline. Safe to use from any thread."""

    def __init__(self, path: Path, engine: Engine, lock: filelock.BaseFileLock | None) -> None:
        self.path = path
        self._engine = engine
        self._lock = lock
        self._jobs: queue.Queue[_Job | None] = queue.Queue(maxsize=20_000)
        self._broken: BaseException | None = None
        self._order = threading.Lock()
        self._issued = 0
        self._durable = 0
        self._writer = threading.Thread(target=self._write_loop, name="ledger", daemon=True)
        self._writer.start()

    @classmethod
    def open(cls, path: Path, *, exclusive: bool = True) -> Ledger:
        """Open or create the ledger at ``path``.

        ``exclusive`` is for commands that act: Misconfigured if another process has it.
        Misconfigured also when the file is no ledger or a newer version wrote it; DiskFull or
        Fatal when its disk is full or refuses.
        """
        lock: filelock.BaseFileLock | None = None
        if exclusive:
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            lock = filelock.FileLock(f"{path}.lock")
            try:
                lock.acquire(timeout=_INSTANT)
            except filelock.Timeout:
                raise Misconfigured(
                    f"another run of pipeline {path.stem!r} is under way: wait for it or stop it"
                ) from None
        elif not path.exists():
            raise Misconfigured(f"pipeline {path.stem!r} has no ledger yet: run it first")
        engine = _engine(path, exclusive=exclusive)
        try:
            migrations.upgrade(engine, create=exclusive)
        except OperationalError as refused:
            _release(engine, lock)
            reason = f"the ledger {path} cannot be opened: {refused.orig}"
            if _is_full(refused):
                raise DiskFull(reason, hint=_MAKE_ROOM) from None
            raise Fatal(reason, hint="May you read it, and write there?") from None
        except DatabaseError as broken:
            _release(engine, lock)
            raise damaged(path, broken) from None
        except migrations.NoLedger as other:
            _release(engine, lock)
            raise damaged(path, other) from None
        except BaseException:
            _release(engine, lock)
            raise
        return cls(path, engine, lock)

    @staticmethod
    def copy(path: Path, to: Path) -> None:
        """Copy a ledger, which others may be writing, to a new file. Misconfigured where it is none
        that can be read, DiskFull where there is no room for the copy, else Fatal."""
        engine = _engine(path, exclusive=False)
        try:
            with engine.connect() as old, contextlib.closing(sqlite3.connect(to)) as new:
                old.connection.driver_connection.backup(new)  # type: ignore[union-attr]
        except (OperationalError, sqlite3.OperationalError) as refused:
            if _is_full(refused):
                told = f"no room for a copy of the ledger in {to.parent}"
                raise DiskFull(told, hint="Make room there, or set TMPDIR to another.") from None
            told = f"the ledger {path} cannot be copied to {to.parent}: {_text(refused)}"
            raise Fatal(told, hint="Run again.") from None
        except (DatabaseError, sqlite3.DatabaseError) as broken:
            raise damaged(path, broken) from None
        finally:
            engine.dispose()

    @staticmethod
    def in_use(path: Path) -> bool:
        """Whether a command that acts has it open now. Writes nothing."""
        lock = Path(f"{path}.lock")
        if not lock.exists():
            return False
        try:
            with filelock.FileLock(lock, timeout=0):
                return False
        except filelock.Timeout:
            return True
        except OSError:  # another user's, and nobody else can tell
            return True

    def __enter__(self) -> Ledger:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Write what is queued, then release the file. May be called twice."""
        if self._writer.is_alive():
            self._jobs.put(None)
            self._writer.join()
        _release(self._engine, self._lock)

    @contextlib.contextmanager
    def read(self) -> Iterator[Connection]:
        """A connection that sees what is committed; ``flush`` first to see what was added."""
        with self._engine.connect() as connection:
            yield connection

    def add(self, op: Op, **row: Any) -> int:
        """Queue one row; it is durable after the next group commit. Returns a ticket for
        ``wait_durable``. Raises Unwritable if writing has failed: it stays so until reopened."""
        return self._submit(_Job(op=op, row=row))

    def wait_durable(self, ticket: int) -> None:
        """Return when the row of this ticket is durable, at once if it is already; Unwritable
        if it never will be."""
        if self._durable < ticket:
            self.flush()

    def flush(self) -> None:
        """Return when everything queued so far is durable; Unwritable if that fails."""
        job = _Job(done=threading.Event())
        self._submit(job)
        self._wait(job)

    def transact(self, work: Callable[[Connection], T]) -> T:
        """Run ``work`` in the writer after all that was queued before, and return its answer once
        it is durable. Raises what ``work`` raised, which undid itself alone, or Unwritable."""
        return self.later(work)()

    def later(self, work: Callable[[Connection], T]) -> Callable[[], T]:
        """Queue ``work`` like ``transact``; what comes back waits for its answer."""
        job = _Job(work=work, done=threading.Event())
        self._submit(job)

        def answer() -> T:
            self._wait(job)
            result: T = job.result
            return result

        return answer

    def _wait(self, job: _Job) -> None:
        assert job.done is not None
        while not job.done.wait(1):
            if not self._writer.is_alive():
                raise Fatal("the ledger is closed")
        if job.error is not None:
            raise job.error

    def _submit(self, job: _Job) -> int:
        if self._broken is not None:
            raise _unwritable(self.path, self._broken) from self._broken
        with self._order:
            self._issued += 1
            job.ticket = self._issued
            self._jobs.put(job)
        return job.ticket

    def _write_loop(self) -> None:
        ended = False
        while not ended:
            batch, ended = self._gather()
            if batch:
                self._write(batch)

    def _write(self, batch: list[_Job]) -> None:
        """Commit the batch. After one that failed nothing is: it may rest on rows that are lost."""
        if self._broken is None:
            try:
                with self._engine.begin() as connection:
                    _execute(connection, batch)
                self._durable = batch[-1].ticket
            except Exception as error:  # noqa: BLE001  (told to whoever waits, and to all later)
                self._broken = error
        for job in batch:
            if self._broken is not None:
                job.error = _unwritable(self.path, self._broken)
            if job.done is not None:
                job.done.set()

    def _gather(self) -> tuple[list[_Job], bool]:
        first = self._jobs.get()
        if first is None:
            return [], True
        batch, deadline = [first], time.monotonic() + _LINGER
        while len(batch) < _MOST:
            # Someone who waits should not wait for long; others like them are near.
            if batch[-1].done is not None:
                brief = 0.0 if batch[-1].work is not None else _BRIEF
                deadline = min(deadline, time.monotonic() + brief)
            patience = max(0.0, deadline - time.monotonic())
            try:
                job = self._jobs.get(timeout=patience) if patience else self._jobs.get_nowait()
            except queue.Empty:
                break
            if job is None:
                return batch, True
            batch.append(job)
        return batch, False


def _execute(connection: Connection, batch: list[_Job]) -> None:
    """Rows grouped by statement; a piece of work is a barrier between groups."""
    rows: dict[Op, list[dict[str, Any]]] = {}

    def write_rows() -> None:
        for op in sorted(rows, key=lambda op: op.rank):
            connection.execute(op.statement, rows[op])
        rows.clear()

    for job in batch:
        if job.op is not None:
            assert job.row is not None
            rows.setdefault(job.op, []).append(job.row)
        elif job.work is not None:
            write_rows()
            _work(connection, job, job.work)
    write_rows()


def _work(connection: Connection, job: _Job, work: Callable[[Connection], Any]) -> None:
    """Do it; its failure undoes nothing but itself, and is raised where it is waited for."""
    point = connection.begin_nested()
    try:
        job.result = work(connection)
    except OperationalError:
        raise  # a disk that is full or fails: SQLite may have undone the whole transaction
    except Exception as error:  # noqa: BLE001
        point.rollback()
        job.error = error
    else:
        point.commit()


def _engine(path: Path, *, exclusive: bool) -> Engine:
    engine = create_engine(_address(path), connect_args={"timeout": 30})
    # A reader changes no file, whatever file it is; the ledger's own stays in WAL mode.
    wal = ("journal_mode=WAL",) if exclusive else ()

    @event.listens_for(engine, "connect")
    def configure(connection: Any, _: object) -> None:
        connection.isolation_level = None  # we say BEGIN ourselves, see below
        cursor = connection.cursor()
        for pragma in (
            *wal,
            "synchronous=FULL",
            "foreign_keys=ON",
            "temp_store=MEMORY",
            "cache_size=-16000",
            "journal_size_limit=67108864",
        ):
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN")

    return engine


def _address(path: Path) -> str:
    """Of a file in a folder that cannot be written: SQLite then has to be told that it cannot
    keep its log there, and, where there is none, that the file will not change."""
    if may(path.parent, os.W_OK):
        return f"sqlite:///{path}"
    how = "mode=ro" if path.with_name(f"{path.name}-wal").exists() else "immutable=1"
    return f"sqlite:///file:{quote(str(path))}?{how}&uri=true"


def _release(engine: Engine, lock: filelock.BaseFileLock | None) -> None:
    engine.dispose()
    if lock is not None:
        lock.release()
