"""Brings a ledger of any earlier version to the present one, in one transaction."""

from __future__ import annotations

from collections.abc import Callable

from sqlalchemy import Connection, Engine, insert, inspect, select, text, update

from connectors.errors import Misconfigured
from pipeline.ledger import schema


def _sidecars(connection: Connection) -> None:
    connection.execute(text("ALTER TABLE copies ADD COLUMN replaces VARCHAR DEFAULT '' NOT NULL"))
    schema.metadata.create_all(connection)


def _absent_files(connection: Connection) -> None:
    connection.execute(text("ALTER TABLE resources ADD COLUMN instead VARCHAR DEFAULT '' NOT NULL"))


STEPS: dict[int, Callable[[Connection], None]] = {1: _sidecars, 2: _absent_files}
"""``STEPS[n]`` turns version n into n + 1."""


def upgrade(engine: Engine) -> None:
    """Create the tables, or migrate them; Misconfigured if a newer version wrote the file."""
    with engine.begin() as connection:
        if not inspect(connection).has_table(schema.meta.name):
            schema.metadata.create_all(connection)
            connection.execute(insert(schema.meta).values(key="schema", value=str(schema.VERSION)))
            return
        query = select(schema.meta.c.value).where(schema.meta.c.key == "schema")
        found = int(connection.execute(query).scalar_one())
        if found > schema.VERSION:
            raise Misconfigured(
                f"the ledger is of version {found}, this outpour knows {schema.VERSION}: "
                "install the newer outpour"
            )
        for version in range(found, schema.VERSION):
            STEPS[version](connection)
        if found < schema.VERSION:
            connection.execute(
                update(schema.meta)
                .where(schema.meta.c.key == "schema")
                .values(value=str(schema.VERSION))
            )
