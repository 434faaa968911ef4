"""What a ledger remembers by name: a text for each key.

source, source names        whose ledger it is (``together/owning.py``)
schema                      the version of its tables (``migrations``)
goal                        by what assets were last called confirmed (``asset_states``)
selection                   with which the choices were made (``selection_digest``)
albums                      whether they are as the source has them (``albums``)
sidecars                    the form in which they are made (``sidecars``)
place NAME, copies at NAME  which place it was, and that it has had copies (``places``)
looked through SINK         with which selection it was (``adoption``)
handed over SINK            that copies of assets that left became others' (``orphans``)
owed                        the goal for which sinks owe copies of what was freed (``losses``)
doubt SINK                  since which run nobody looked back (``unchecked``)
index SINK FILE             the digests of what was written there (``album_indexes``)
"""

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


def move(connection: Connection, before: str, after: str) -> None:
    """What was remembered under one key is under another from now on, if anything was."""
    value = get(connection, before)
    if value is not None:
        forget(connection, before)
        put(connection, after, value)


def forget(connection: Connection, key: str) -> None:
    connection.execute(delete(schema.meta).where(_M.key == key))
