"""How the database answers what is asked of a ledger."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection, Engine, event


@contextmanager
def explained(words: str) -> Iterator[list[str]]:
    """The plan of each SELECT and UPDATE meanwhile that has these words."""
    plans: list[str] = []

    def explain(
        connection: Connection, _: object, statement: str, values: Any, *__: object
    ) -> None:
        if statement.startswith(("SELECT", "UPDATE")) and words in statement:
            raw: Any = connection.connection.dbapi_connection
            plans.append(
                "\n".join(r[3] for r in raw.execute(f"EXPLAIN QUERY PLAN {statement}", values))
            )

    event.listen(Engine, "before_cursor_execute", explain)
    try:
        yield plans
    finally:
        event.remove(Engine, "before_cursor_execute", explain)
