"""A sink's own listing beside what the ledger calls confirmed there."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from sqlalchemy import select

from connectors.base import Receipt
from connectors.checksums import Algorithm
from pipeline.ledger import schema
from pipeline.ledger.copies.checks import GONE, Held, Wrong, found_at, held, load_held, mark
from pipeline.ledger.store import Ledger
from pipeline.states import CopyState

_R, _C = schema.resources.c, schema.copies.c
_BATCH = 200
_NAMED = 1000  # files that are nobody's copy: there may be any number of them
# Of others the ledger may know the bytes that the source had before, which prove nothing now.
_LOOKED_FOR = (CopyState.CONFIRMED, CopyState.MISSING)

AskAgain = Callable[[Sequence[Held]], Sequence[Receipt | None]]
"""Asks the sink for copies that its listing does not show; None for each that is gone."""


class Marks:
    """Which resources were seen: a million of them cost a megabyte."""

    def __init__(self) -> None:
        self._bits = bytearray()

    def add(self, resource: int) -> None:
        self._bits.extend(bytes(max(0, resource + 1 - len(self._bits))))
        self._bits[resource] = 1

    def __contains__(self, resource: int) -> bool:
        return resource < len(self._bits) and bool(self._bits[resource])


class Comparison:
    """A sink's own listing, compared file by file, by the sink's own checksums.

    A copy that is elsewhere now, with its bytes as they were, is found there and counted as
    ``moved``. ``doubled`` are paths of files whose bytes are another copy's, ``foreign``
    counts files that are no copy of what the source has, as far as the ledger knows;
    ``strangers`` are the paths of the first thousand of these.
    """

    def __init__(self, ledger: Ledger, sink: str) -> None:
        self._ledger = ledger
        self._sink = sink
        self._seen = Marks()
        self.checked = 0
        self.moved = 0
        self.foreign = 0
        self.strangers: list[str] = []
        self.edited = 0  # sidecars that are no longer as we wrote them
        self.doubled: list[str] = []
        self.wrong: Wrong = {}
        self.bare = False  # a file came without a checksum: its size alone was compared
        self._listed: list[Receipt] = []  # not looked at yet
        self._alike: list[tuple[Receipt, list[Any]]] = []  # with the copies whose bytes it has
        self._instead: dict[str, Receipt] = {}  # what is at the path of a copy, and is not it

    def saw(self, receipt: Receipt) -> None:
        """Take one file of the listing."""
        self._listed.append(receipt)
        if len(self._listed) >= _BATCH:
            self._look_through()

    def _look_through(self) -> None:
        """Files that were listed: which are where their copies are?"""
        receipts, self._listed = self._listed, []
        at: dict[str, list[Any]] = {}
        for row in self._rows(_C.path.in_([receipt.path for receipt in receipts])):
            at.setdefault(row.path, []).append(row)
        strange = [one for one in receipts if not self._is_known(one, at.get(one.path, []))]
        self._look_into(strange)

    def _is_known(self, receipt: Receipt, rows: Sequence[Any]) -> bool:
        for row in rows:
            if not (row.remote_id and receipt.id and row.remote_id != receipt.id):
                self._compare(row, receipt)
                return True
            self._instead[receipt.path] = receipt
        return False

    def finish(self, look: AskAgain) -> None:
        """The listing has ended: what was not seen, and is not there when asked for, is missing.
        Raises what asking raises."""
        self._look_through()
        for receipt, rows in self._alike:
            unseen = [row for row in rows if row.resource not in self._seen]
            if unseen:
                self._compare(unseen[0], receipt)
            else:
                self.doubled.append(receipt.path)
        self._ledger.flush()
        for batch in held(self._ledger, self._sink):
            unseen = [copy for copy in batch if copy.resource not in self._seen]
            for copy, found in zip(unseen, look(unseen), strict=True):
                if found is not None:
                    (row,) = self._rows(_C.resource == copy.resource)
                    self._compare(row, found)
                    continue
                other = self._instead.get(copy.path)
                why = f"replaced by a file of {other.size} bytes" if other else GONE
                self._judge(copy, copy.path, why)
        self._ledger.flush()

    def _look_into(self, receipts: Sequence[Receipt]) -> None:
        """Files at paths where no copy is: whose are they, by the sink's id or by the bytes?"""
        ids = [receipt.id for receipt in receipts if receipt.id]
        sums = [str(receipt.checksums[0]) for receipt in receipts if receipt.checksums]
        by_id = {row.remote_id: row for row in self._rows(_C.remote_id.in_(ids))}
        by_sum: dict[str, list[Any]] = {}
        for row in self._rows(_C.checksum.in_(sums)):
            by_sum.setdefault(row.checksum, []).append(row)
        for receipt in receipts:
            alike = by_sum.get(str(receipt.checksums[0])) if receipt.checksums else None
            if receipt.id in by_id:
                self._compare(by_id[receipt.id], receipt)
            elif alike:
                self._alike.append((receipt, alike))
            else:
                self.foreign += 1
                if len(self.strangers) < _NAMED:
                    self.strangers.append(receipt.path)

    def _rows(self, which: Any) -> list[Any]:
        query = (
            select(schema.copies, _R.role, *[getattr(_R, algorithm) for algorithm in Algorithm])
            .join(schema.resources)
            .where(_C.sink == self._sink, which, _C.state.in_(_LOOKED_FOR))
        )
        with self._ledger.read() as connection:
            return list(connection.execute(query).all())

    def _compare(self, row: Any, receipt: Receipt) -> None:
        self._seen.add(row.resource)
        self.bare = self.bare or not receipt.checksums
        why = _difference(row, receipt)
        copy = load_held(row)
        if not why and (receipt.path, receipt.id) != (row.path, row.remote_id):
            # Also where only the case of a name differs: the sink's way to write it counts.
            self.moved += receipt.path.casefold() != row.path.casefold()
            found_at(self._ledger, copy, receipt)
        self._judge(copy, receipt.path, why)
        self.checked += 1

    def _judge(self, copy: Held, path: str, why: str) -> None:
        state = mark(self._ledger, copy, why)
        self.edited += state is CopyState.YIELDED
        if state is CopyState.MISSING:
            self.wrong[copy.resource] = (path, why)


def _difference(row: Any, receipt: Receipt) -> str:
    for checksum in receipt.checksums:
        known = getattr(row, checksum.algorithm.value)
        if known is not None and known != checksum.value:
            return f"holds {checksum}, not {checksum.algorithm}:{known}"
    if row.size != receipt.size:
        return f"holds {receipt.size} bytes, not {row.size}"
    return ""
