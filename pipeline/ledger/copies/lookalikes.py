"""Files at a sink that may be copies: of the right size, by a checksum that nothing here can be
compared with yet. Once the bytes of a file have come, its digests say which of them is its copy."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy import Connection, delete, or_, select, update
from sqlalchemy.dialects.sqlite import insert

from connectors.base import Receipt
from connectors.checksums import Algorithm, Checksum, Digests
from pipeline.ledger import schema
from pipeline.ledger.store import Ledger

_L = schema.lookalikes.c


@dataclass(frozen=True, slots=True)
class Lookalike:
    """A file at a sink; ``identity`` is the sink's own name for it, None where it gave none."""

    path: str
    identity: str | None


def forget(ledger: Ledger, sink: str) -> None:
    """The sink is looked through anew."""
    ledger.transact(lambda c: c.execute(delete(schema.lookalikes).where(_L.sink == sink)))


def remember(
    ledger: Ledger, sink: str, algorithm: Algorithm | None, receipts: Iterable[Receipt]
) -> None:
    """Those of these files whose listing tells such a checksum."""
    rows = [
        {
            "sink": sink,
            "checksum": str(checksum),
            "path": receipt.path,
            "remote_id": receipt.id or "",
        }
        for receipt in receipts
        for checksum in receipt.checksums
        if checksum.algorithm == algorithm
    ]
    if rows:
        statement = insert(schema.lookalikes).on_conflict_do_nothing()
        ledger.transact(lambda connection: connection.execute(statement, rows))


def any_at(ledger: Ledger, sink: str) -> bool:
    """Whether the sink has any."""
    query = select(_L.path).where(_L.sink == sink).limit(1)
    with ledger.read() as connection:
        return connection.execute(query).first() is not None


def claim(
    ledger: Ledger, sink: str, algorithm: Algorithm, digests: Digests, resource: int
) -> Lookalike | None:
    """A file that has these bytes, which no other resource gets from now on; None if there is
    none."""
    checksum = str(Checksum(algorithm, digests[algorithm]))
    here = (_L.sink == sink, _L.checksum == checksum)
    free = or_(_L.resource.is_(None), _L.resource == resource)
    query = select(_L.path, _L.remote_id).where(*here, free).order_by(_L.resource.desc()).limit(1)
    with ledger.read() as connection:
        if connection.execute(query).first() is None:  # of most files: nothing is to be written
            return None

    def work(connection: Connection) -> Lookalike | None:
        row = connection.execute(query).one_or_none()
        if row is None:
            return None
        this = (_L.path == row.path, _L.remote_id == row.remote_id)
        taken = update(schema.lookalikes).where(*here, *this)
        connection.execute(taken.values(resource=resource))
        return Lookalike(row.path, row.remote_id or None)

    return ledger.transact(work)


def drop(ledger: Ledger, sink: str, file: Lookalike) -> None:
    """It is not what it was listed as."""
    this = (_L.sink == sink, _L.path == file.path, _L.remote_id == (file.identity or ""))
    ledger.transact(lambda connection: connection.execute(delete(schema.lookalikes).where(*this)))
