"""Which path stands for which photo: iCloud Photos has no paths, so they are kept here.

One small database per account in its private folder. Losing it loses no photo: what is sent
again is recognised by its fingerprint and entered anew.
"""

from __future__ import annotations

import errno
import sqlite3
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from connectors.errors import DiskFailed
from connectors.private import DISK_HINT, kept

# The table and its file are called as they always were: they lie on people's disks.
_SCHEMA = """
create table if not exists shelf (
    path text primary key,
    fingerprint text not null,  -- the name of the master record
    asset text not null,        -- the name of the asset's record, '' where Apple did not say
    entered real not null       -- epoch seconds
);
create index if not exists shelf_fingerprint on shelf (fingerprint);
"""

_WHAT = "the paths of photos in iCloud"
_DAMAGED = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
_MOVE_AWAY = "Move it away: what iCloud has is recognised again."
_SELECT = "select path, fingerprint, asset from shelf"


@dataclass(frozen=True, slots=True)
class PathEntry:
    """Which photo is called what here; as the table has it."""

    path: str
    fingerprint: str
    asset: str = ""


class PathIndex:
    """Opened at first use. Every method may be called from any thread.

    All raise DiskFull and DiskFailed of the disk that it lies on. A file that is no database is
    put aside at first use.
    """

    def __init__(self, file: Path) -> None:
        self._file = file
        self._lock = threading.Lock()
        self._database: sqlite3.Connection | None = None

    def get(self, path: str) -> PathEntry | None:
        rows = self._all("where path = ?", path)
        return rows[0] if rows else None

    def of(self, fingerprint: str) -> list[PathEntry]:
        return self._all("where fingerprint = ? order by path", fingerprint)

    def enter(self, held: Sequence[PathEntry]) -> None:
        """Make entries durable, all or none; an entry of the same path is replaced."""
        with self._connection() as database:
            database.executemany(
                "insert or replace into shelf values (?, ?, ?, ?)",
                [(one.path, one.fingerprint, one.asset, time.time()) for one in held],
            )

    def close(self) -> None:
        with self._lock:
            database, self._database = self._database, None
        if database is not None:
            database.close()

    def _all(self, which: str, *values: object) -> list[PathEntry]:
        with self._connection() as database:
            rows = database.execute(f"{_SELECT} {which}", values)
            return [PathEntry(*row) for row in rows]

    @contextmanager
    def _connection(self) -> Iterator[sqlite3.Connection]:
        with self._lock, kept(_WHAT, self._file.parent), self._told():
            if self._database is None:
                try:
                    self._database = self._opened()
                except sqlite3.DatabaseError as error:
                    if _code(error) not in _DAMAGED:
                        raise
                    self._file.replace(self._file.with_suffix(".damaged"))
                    self._database = self._opened()
            with self._database:
                yield self._database

    def _opened(self) -> sqlite3.Connection:
        self._file.touch(mode=0o600, exist_ok=True)
        database = sqlite3.connect(self._file, timeout=30, check_same_thread=False)
        try:
            database.executescript(_SCHEMA)
        except sqlite3.Error:
            database.close()
            raise
        return database

    @contextmanager
    def _told(self) -> Iterator[None]:
        """What SQLite says of its file, as an error of the disk."""
        try:
            yield
        except sqlite3.DatabaseError as error:
            if _code(error) == sqlite3.SQLITE_FULL:
                raise OSError(errno.ENOSPC, str(error)) from error
            if _code(error) in _DAMAGED:
                told = f"{self._file} is damaged: {error}"
                raise DiskFailed(told, hint=_MOVE_AWAY) from error
            raise DiskFailed(f"cannot use {self._file}: {error}", hint=DISK_HINT) from error


def _code(error: sqlite3.DatabaseError) -> int | None:
    return getattr(error, "sqlite_errorcode", None)
