"""The disk below a ledger, and its trouble: SQLite itself meets it and says so."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Literal

from sqlalchemy import Connection, Engine, event

Trouble = Literal["", "full", "read-only"]
_NO_LIMIT = 2**30


class Disk:
    """``full``: a file keeps the size it has. ``read-only``: nothing at all can be written."""

    def __init__(self) -> None:
        self.trouble: Trouble = ""

    def begin(self, connection: Connection) -> None:
        pages = 1 if self.trouble == "full" else _NO_LIMIT  # less than it has means: no more
        connection.exec_driver_sql(f"PRAGMA max_page_count={pages}")
        connection.exec_driver_sql(f"PRAGMA query_only={self.trouble == 'read-only':d}")


@contextlib.contextmanager
def disk() -> Iterator[Disk]:
    """What every ledger lies on meanwhile."""
    below = Disk()
    event.listen(Engine, "begin", below.begin)
    try:
        yield below
    finally:
        event.remove(Engine, "begin", below.begin)
