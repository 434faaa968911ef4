"""Matching what a sink holds with what the ledger wants there."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, exists, insert, or_, select, update

from connectors.base import Receipt
from connectors.checksums import Algorithm, Checksum, Digests
from pipeline.ledger import schema
from pipeline.ledger.codec import now
from pipeline.ledger.store import Ledger
from pipeline.states import AssetState, CopyState, Proof

_A, _R, _C = schema.assets.c, schema.resources.c, schema.copies.c


def knows(ledger: Ledger, sink: str) -> bool:
    """Whether the ledger has any confirmed copy at the sink."""
    query = select(_C.resource).where(_C.sink == sink, _C.state == CopyState.CONFIRMED).limit(1)
    with ledger.read() as connection:
        return connection.execute(query).first() is not None


def candidates(ledger: Ledger, sink: str, receipts: Sequence[Receipt]) -> dict[str, list[Any]]:
    """For each path, the wanted resources that this file may be, by size or source checksum."""
    sizes = {receipt.size for receipt in receipts}
    sources = {receipt.properties.get("source", "") for receipt in receipts} - {""}
    here = exists().where(_C.resource == _R.id, _C.sink == sink, _C.state == CopyState.CONFIRMED)
    query = (
        select(_R.id, _R.size, _R.checksum, _R.path)
        .join(schema.assets)
        .where(
            _R.chosen,
            _A.state.not_in((AssetState.GONE, AssetState.EXCLUDED)),
            or_(_R.size.in_(sizes), _R.checksum.in_(sources)),
            ~here,
        )
    )
    with ledger.read() as connection:
        rows = connection.execute(query).all()
    by_size, by_checksum = defaultdict(list), defaultdict(list)
    for row in rows:
        by_size[row.size].append(row)
        by_checksum[row.checksum].append(row)
    found = {}
    for receipt in receipts:
        source = receipt.properties.get("source")
        found[receipt.path] = by_checksum[source] if source else by_size[receipt.size]
    return found


def from_properties(receipt: Receipt) -> Digests | None:
    """Digests that the sink vouches for: its own checksums, and what we left beside the copy.

    What we left counts only where the sink's own SHA-256 says the same: the file may have
    been changed since, and what we left stays beside it.
    """
    values: dict[Algorithm, str] = {c.algorithm: c.value for c in receipt.checksums}
    kept = receipt.properties
    try:
        source = Checksum.parse(kept.get("source", ""))
    except ValueError:
        return None
    if Algorithm.SHA256 not in values or values[Algorithm.SHA256] != kept.get("sha256"):
        return None
    values[source.algorithm] = source.value
    return Digests(receipt.size, values)


def adopt(
    ledger: Ledger, sink: str, found: Iterable[tuple[Receipt, Digests, Sequence[Any]]]
) -> int:
    """Confirm each file as the copy of one resource whose checksum it has; returns how many."""

    def work(connection: Connection) -> int:
        taken: set[int] = set()
        for receipt, digests, rows in found:
            fits = [row for row in rows if row.id not in taken and _agrees(row, digests)]
            if not fits:
                continue
            # Of several with the same bytes, the one that would go to this very path.
            row = next((row for row in fits if row.path == receipt.path), fits[0])
            taken.add(row.id)
            _confirm(connection, sink, row.id, receipt, digests)
        return len(taken)

    return ledger.transact(work)


def _agrees(row: Any, digests: Digests) -> bool:
    if not row.checksum:
        return False
    checksum = Checksum.parse(row.checksum)
    return checksum.verifiable and digests.agrees(checksum)


def _confirm(
    connection: Connection, sink: str, resource: int, receipt: Receipt, digests: Digests
) -> None:
    values: Mapping[str, Any] = {a.value: digests.values.get(a) for a in Algorithm}
    connection.execute(
        update(schema.resources)
        .where(_R.id == resource)
        .values(proof=Proof.CHECKSUM, received=digests.size, **values)
    )
    connection.execute(
        insert(schema.copies)
        .prefix_with("OR REPLACE")
        .values(
            resource=resource,
            sink=sink,
            state=CopyState.CONFIRMED,
            path=receipt.path,
            remote_id=receipt.id,
            checksum=str(receipt.checksums[0]) if receipt.checksums else None,
            size=receipt.size,
            confirmed=now(),
            checked=now(),
            reason="adopted",
        )
    )
