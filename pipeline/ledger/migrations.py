"""Brings a ledger of any earlier version to the present one, in one transaction."""

from __future__ import annotations

from collections.abc import Callable

from sqlalchemy import Connection, Engine, insert, inspect, select, text, update

from connectors.errors import Misconfigured
from pipeline.ledger import leaving, schema


def _sidecars(connection: Connection) -> None:
    connection.execute(text("ALTER TABLE copies ADD COLUMN replaces VARCHAR DEFAULT '' NOT NULL"))
    schema.metadata.create_all(connection)


def _files(connection: Connection) -> None:
    """Files say what is there in their place, and of merged assets, which states of their sources'
    assets they are of; and the first ledgers of several sources lack what questions about sizes
    are answered by."""
    if "source" not in {column["name"] for column in inspect(connection).get_columns("prints")}:
        for statement in (
            "ALTER TABLE prints ADD COLUMN source VARCHAR DEFAULT '' NOT NULL",
            "UPDATE prints SET source = (SELECT s.source FROM sightings s WHERE s.id = sighting)",
            "DROP INDEX IF EXISTS prints_unsettled",
        ):
            connection.execute(text(statement))
        for index in schema.prints.indexes:
            index.create(connection, checkfirst=True)
    for column in ("instead VARCHAR DEFAULT '' NOT NULL", "revisions VARCHAR"):
        connection.execute(text(f"ALTER TABLE resources ADD COLUMN {column}"))
    merged = (
        "SELECT json_group_array(s.revision) FROM sightings s JOIN assets a "
        "ON a.asset_id = s.principal WHERE a.id = resources.asset AND NOT s.gone "
        "AND s.revision IS NOT NULL HAVING count(*) > 0"
    )
    connection.execute(text(f"UPDATE resources SET revisions = ({merged})"))  # noqa: S608


def _sizes(connection: Connection) -> None:
    """Files are looked for by their size."""
    for index in schema.resources.indexes:
        index.create(connection, checkfirst=True)


def _missing(connection: Connection) -> None:
    """What is missing is looked for in every run."""
    for index in schema.copies.indexes:
        index.create(connection, checkfirst=True)


def _lookalikes(connection: Connection) -> None:
    """What a sink holds may be known for a copy later."""
    schema.lookalikes.create(connection, checkfirst=True)


def _freed(connection: Connection) -> None:
    """What reclaim took away is told of each source apart. Until now it took only from pipelines
    with one source, which may have been given others since."""
    if "freed" not in {column["name"] for column in inspect(connection).get_columns("sightings")}:
        statement = "ALTER TABLE sightings ADD COLUMN freed VARCHAR DEFAULT '' NOT NULL"
        connection.execute(text(statement))
    statement = "ALTER TABLE trash ADD COLUMN sighting INTEGER REFERENCES sightings (id)"
    connection.execute(text(statement))
    leaving.hand_over(connection)


def _accepted(connection: Connection) -> None:
    """Of an accepted loss, at which sink it is; until now its text began with the name."""
    for statement in (
        "ALTER TABLE events ADD COLUMN sink VARCHAR DEFAULT '' NOT NULL",
        "UPDATE events SET sink = substr(detail, 1, instr(detail, ': ') - 1) "
        "WHERE kind = 'accepted'",
    ):
        connection.execute(text(statement))
    named = text(
        "UPDATE events SET sink = :name WHERE kind = 'accepted' AND instr(detail, :told) = 1"
    )
    names = connection.execute(text("SELECT DISTINCT sink FROM copies")).scalars().all()
    for name in sorted(names, key=len):  # which may have a colon itself
        connection.execute(named, {"name": name, "told": f"{name}: "})


STEPS: dict[int, Callable[[Connection], None]] = {
    1: _sidecars,
    2: _files,
    3: _sizes,
    4: _missing,
    5: _lookalikes,
    6: _freed,
    7: _accepted,
}
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
