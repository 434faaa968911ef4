"""The commands that a ledger keeps record of."""

from __future__ import annotations

from sqlalchemy import Connection, insert, update

from pipeline.ledger import schema
from pipeline.ledger.codec import now
from pipeline.ledger.store import Ledger
from pipeline.states import RunState


def begin(ledger: Ledger, command: str) -> int:
    """Record that a run began; one that never ended is marked as interrupted."""

    def work(connection: Connection) -> int:
        connection.execute(
            update(schema.runs)
            .where(schema.runs.c.state == RunState.RUNNING)
            .values(state=RunState.INTERRUPTED, ended=now())
        )
        done = connection.execute(
            insert(schema.runs).values(command=command, started=now(), state=RunState.RUNNING)
        )
        assert done.inserted_primary_key is not None
        return int(done.inserted_primary_key[0])

    return ledger.transact(work)


def end(ledger: Ledger, run: int, state: RunState) -> None:
    statement = update(schema.runs).where(schema.runs.c.id == run)
    ended = statement.values(state=state, ended=now())
    ledger.transact(lambda connection: connection.execute(ended))
