"""Copies of runs that ended before they looked back at the sink.

A disk that was pulled out, or a folder that went into a cloud's bin, takes copies that were
confirmed just before. A run finds that out at its end; where it has none, the next one does.
"""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import Select, select

from pipeline.ledger import meta, schema
from pipeline.ledger.copies.checks import HELD, Held, below, load_held
from pipeline.ledger.store import Ledger
from pipeline.states import CopyState

_R, _C = schema.resources.c, schema.copies.c
_AT_ONCE = 1000


def mark(ledger: Ledger, sink: str, run: int) -> None:
    """Copies are about to be made at the sink. Those of an earlier run stay unchecked too."""
    with ledger.read() as connection:
        if meta.get(connection, key(sink)) is not None:
            return
    ledger.transact(lambda connection: meta.put(connection, key(sink), str(run)))


def clear(ledger: Ledger, sink: str) -> None:
    """Its copies were looked at."""
    ledger.transact(lambda connection: meta.forget(connection, key(sink)))


def since(ledger: Ledger, sink: str) -> int | None:
    """The first run whose copies at the sink were not looked back at; None if all were."""
    with ledger.read() as connection:
        told = meta.get(connection, key(sink))
    return None if told is None else int(told)


def latest(ledger: Ledger, sink: str, run: int) -> dict[str, Held]:
    """The copy that each folder got last since this run began, by folder."""
    query = _confirmed(sink, run).order_by(_C.confirmed, _C.resource)
    found: dict[str, Held] = {}
    with ledger.read() as connection:
        for row in connection.execute(query.execution_options(yield_per=_AT_ONCE)):
            found[row.path.rpartition("/")[0]] = load_held(row)
    return found


def copies(ledger: Ledger, sink: str, run: int, folder: str) -> Iterator[Held]:
    """What the folder itself got since this run began."""
    query = _confirmed(sink, run).where(below(_C.path, folder))
    with ledger.read() as connection:
        for row in connection.execute(query.execution_options(yield_per=_AT_ONCE)):
            if row.path.rpartition("/")[0] == folder:
                yield load_held(row)


def _confirmed(sink: str, run: int) -> Select[tuple[object, ...]]:
    begun = select(schema.runs.c.started).where(schema.runs.c.id == run).scalar_subquery()
    query = select(*HELD).join(schema.resources).where(_C.sink == sink, _C.path.is_not(None))
    return query.where(_C.state == CopyState.CONFIRMED, _C.confirmed >= begun)


def key(sink: str) -> str:
    """Under which the ledger remembers since when nobody looked back at the sink."""
    return f"doubt {sink}"
