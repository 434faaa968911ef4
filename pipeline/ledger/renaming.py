"""A sink that its owner calls otherwise than before keeps all that is known of it."""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import Connection, update

from pipeline.ledger import album_indexes, meta, places, schema
from pipeline.ledger.copies import adoption, orphans, unchecked
from pipeline.ledger.store import Ledger


def follow(ledger: Ledger, sink: str, whereabouts: str, names: Collection[str]) -> None:
    """Where the place was a sink under a name that is none of ``names``, which are all that the
    pipeline has, all that is known of it is ``sink``'s from now on; not where it is known already
    what ``sink`` stood for."""
    if not whereabouts or places.remembered(ledger, sink) is not None:
        return
    if places.was_listed(ledger, sink):
        return
    former = [name for name in places.called(ledger, whereabouts) if name not in names]
    if len(former) == 1:
        ledger.transact(lambda connection: _rename(connection, former[0], sink))


def _rename(connection: Connection, old: str, new: str) -> None:
    for table in (schema.copies, schema.lookalikes):  # what is noted of the new name is less
        taken_over = update(table).prefix_with("OR REPLACE").where(table.c.sink == old)
        connection.execute(taken_over.values(sink=new))
    events = schema.events
    connection.execute(update(events).where(events.c.sink == old).values(sink=new))
    for former, key in zip(_keys(old), _keys(new), strict=True):
        meta.move(connection, former, key)


def _keys(sink: str) -> list[str]:
    """Under which a ledger remembers something of a sink."""
    of_copies = (adoption.key(sink), orphans.key(sink), unchecked.key(sink))
    return [*places.keys(sink), *of_copies, *album_indexes.keys(sink)]
