"""Brings a ledger of any earlier version to the present one, in one transaction."""

from __future__ import annotations

from collections.abc import Callable

from sqlalchemy import Connection, Engine, insert, inspect, select, text, update

from connectors.errors import Misconfigured
from pipeline.ledger import schema


def _sidecars(connection: Connection) -> None:
    connection.execute(text("ALTER TABLE copies ADD COLUMN replaces VARCHAR DEFAULT '' NOT NULL"))
    schema.metadata.create_all(connection)


STEPS: dict[int, Callable[[Connection], None]] = {1: _sidecars}
"""``STEPS[n]`` turns version n into n + 1."""


class NoLedger(Exception):
    """The file is a database, and no ledger, or a damaged one."""


def upgrade(engine: Engine, *, create: bool = True) -> None:
    """Migrate the tables, or ``create`` them in a file that has none.

    Raises NoLedger; Misconfigured if a newer version wrote the file.
    """
    with engine.begin() as connection:
        tables = inspect(connection).get_table_names()
        if schema.meta.name not in tables:
            if tables or not create:
                raise NoLedger("it is another database" if tables else "it is empty")
            schema.metadata.create_all(connection)
            connection.execute(insert(schema.meta).values(key="schema", value=str(schema.VERSION)))
            return
        query = select(schema.meta.c.value).where(schema.meta.c.key == "schema")
        written = connection.execute(query).scalar()
        if written is None or not str(written).isdecimal():
            raise NoLedger("it does not say its version")
        found = int(written)
        if found > schema.VERSION:
            raise Misconfigured(
                f"the ledger is of version {found}, this outpour knows {schema.VERSION}: "
                "install the newer outpour"
            )
        if found == schema.VERSION and (lacking := schema.metadata.tables.keys() - tables):
            raise NoLedger(f"it lacks {', '.join(sorted(lacking))}")
        for version in range(found, schema.VERSION):
            STEPS[version](connection)
        if found < schema.VERSION:
            connection.execute(
                update(schema.meta)
                .where(schema.meta.c.key == "schema")
                .values(value=str(schema.VERSION))
            )
