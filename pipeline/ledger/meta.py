"""What a ledger remembers by name: a text for each key."""

from __future__ import annotations

from sqlalchemy import Connection, delete, select
from sqlalchemy.dialects.sqlite import insert as upsert

from pipeline.ledger import schema

_M = schema.meta.c


def get(connection: Connection, key: str) -> str | None:
    """None where nothing was ever put there."""
    return connection.execute(select(_M.value).where(_M.key == key)).scalar()


def put(connection: Connection, key: str, value: str) -> None:
    statement = upsert(schema.meta).values(key=key, value=value)
    connection.execute(statement.on_conflict_do_update(["key"], set_={"value": value}))


def forget(connection: Connection, key: str) -> None:
    connection.execute(delete(schema.meta).where(_M.key == key))
