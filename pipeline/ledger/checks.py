"""Comparing what the ledger calls confirmed with what a sink is found to hold."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from sqlalchemy import and_, bindparam, exists, select, update

from connectors.base import Receipt
from connectors.checksums import Algorithm
from pipeline.ledger import schema
from pipeline.ledger.codec import now
from pipeline.ledger.store import Ledger, Op
from pipeline.states import AssetState, CopyState

_A, _R, _C = schema.assets.c, schema.resources.c, schema.copies.c
_BATCH = 200


@dataclass(frozen=True, slots=True)
class Held:
    """A confirmed copy, as the ledger knows it."""

    resource: int
    sink: str
    path: str
    size: int
    remote_id: str | None
    sha256: str


_CHECKED = Op(
    7,
    update(schema.copies)
    .where(_C.resource == bindparam("key"), _C.sink == bindparam("at"))
    .values(checked=bindparam("when"), state=bindparam("new_state"), reason=bindparam("why")),
)


def held(ledger: Ledger, sink: str) -> Iterator[list[Held]]:
    """All confirmed copies at a sink, in batches."""
    after = 0
    while True:
        query = (
            select(_C.resource, _C.path, _C.size, _C.remote_id, _R.sha256)
            .join(schema.resources)
            .where(_C.sink == sink, _C.state == CopyState.CONFIRMED, _C.resource > after)
            .order_by(_C.resource)
            .limit(_BATCH)
        )
        with ledger.read() as connection:
            rows = connection.execute(query).all()
        if not rows:
            return
        after = rows[-1].resource
        yield [Held(r.resource, sink, r.path, r.size, r.remote_id, r.sha256) for r in rows]


def mark(ledger: Ledger, copy: Held, why: str) -> None:
    """The copy was looked at: right, or missing because of ``why``."""
    state = CopyState.MISSING if why else CopyState.CONFIRMED
    ledger.add(_CHECKED, key=copy.resource, at=copy.sink, when=now(), new_state=state, why=why)


def settle(ledger: Ledger, sink: str) -> list[tuple[str, str]]:
    """Assets that lost a copy at the sink wait for the next run; names each with the reason."""
    lost = and_(_R.asset == _A.id, _C.sink == sink, _C.state == CopyState.MISSING)
    both = schema.copies.join(schema.resources)

    def work(connection: Any) -> list[tuple[str, str]]:
        joined = select(_C.path, _C.reason).select_from(both.join(schema.assets))
        found = connection.execute(joined.where(lost)).all()
        connection.execute(
            update(schema.assets)
            .where(_A.state == AssetState.CONFIRMED)
            .where(exists(select(_C.resource).select_from(both).where(lost)))
            .values(state=AssetState.WAITING, reason=f"lost its copy at {sink}: run again")
        )
        return [(row.path, row.reason) for row in found]

    return ledger.transact(work)


class Listing:
    """A sink's own listing, compared file by file, by the sink's own checksums."""

    def __init__(self, ledger: Ledger, sink: str) -> None:
        self._ledger = ledger
        self._sink = sink
        self._seen = bytearray()  # by resource, so that a million copies cost a megabyte
        self.checked = 0
        self.bare = False  # a file came without a checksum: its size alone was compared
        self.doubled: list[str] = []
        self._wrong: list[tuple[str, str]] = []

    def saw(self, receipt: Receipt) -> bool:
        """Compare one file; False if the ledger does not know it."""
        query = (
            select(schema.copies, *[getattr(_R, algorithm) for algorithm in Algorithm])
            .join(schema.resources)
            .where(_C.sink == self._sink, _C.path == receipt.path, _C.confirmed.is_not(None))
        )
        with self._ledger.read() as connection:
            row = connection.execute(query).first()
        if row is None:
            return False
        if row.remote_id and receipt.id and row.remote_id != receipt.id:
            self.doubled.append(receipt.path)
            return True
        self._seen.extend(bytes(max(0, row.resource + 1 - len(self._seen))))
        self._seen[row.resource] = 1
        self.bare = self.bare or not receipt.checksums
        why = _difference(row, receipt)
        copy = Held(row.resource, self._sink, row.path, row.size, row.remote_id, row.sha256)
        mark(self._ledger, copy, why)
        self.checked += 1
        if why:
            self._wrong.append((receipt.path, why))
        return True

    def finish(self) -> list[tuple[str, str]]:
        """Mark what was not seen as missing; returns all that is wrong, with the reason."""
        self._ledger.flush()
        for batch in held(self._ledger, self._sink):
            for copy in batch:
                if not self._seen[copy.resource : copy.resource + 1].strip(b"\0"):
                    mark(self._ledger, copy, "missing")
                    self._wrong.append((copy.path, "missing"))
        self._ledger.flush()
        return self._wrong


def _difference(row: Any, receipt: Receipt) -> str:
    for checksum in receipt.checksums:
        known = getattr(row, checksum.algorithm.value)
        if known is not None and known != checksum.value:
            return f"holds {checksum}, not {checksum.algorithm}:{known}"
    if row.size != receipt.size:
        return f"holds {receipt.size} bytes, not {row.size}"
    return ""
