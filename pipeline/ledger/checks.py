"""Comparing what the ledger calls confirmed with what a sink is found to hold."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, bindparam, func, or_, select, update

from connectors.base import Receipt, Role
from connectors.checksums import Algorithm
from pipeline.ledger import schema
from pipeline.ledger.codec import now
from pipeline.ledger.goal import Goal
from pipeline.ledger.store import Ledger, Op
from pipeline.states import NOT_WANTED, AssetState, CopyState, TrashState

_A, _R, _C, _T = schema.assets.c, schema.resources.c, schema.copies.c, schema.trash.c
_BATCH = 200
_NAMED = 1000  # files that are nobody's copy: there may be any number of them
# Of others the ledger may know the bytes that the source had before, which prove nothing now.
_LOOKED_FOR = (CopyState.CONFIRMED, CopyState.MISSING)
GONE = "missing"
"""Why a copy that is not there is wrong; any other reason says what is there instead."""
FREED = (
    ", and freed at the source: outpour reclaim --undo brings it back while its bin has it; or put "
    "the file back by hand from another copy, which verify recognises"
)


@dataclass(frozen=True, slots=True)
class Held:
    """A confirmed copy, as the ledger knows it."""

    resource: int
    sink: str
    path: str
    size: int
    remote_id: str | None
    sha256: str
    generated: bool = False  # a sidecar of our making, which people and programs may edit


_CHECKED = Op(
    7,
    update(schema.copies)
    .where(_C.resource == bindparam("key"), _C.sink == bindparam("at"))
    .values(checked=bindparam("when"), state=bindparam("new_state"), reason=bindparam("why")),
)

_MOVED = Op(
    7,
    update(schema.copies)
    .where(_C.resource == bindparam("key"), _C.sink == bindparam("at"))
    .values(path=bindparam("where"), remote_id=bindparam("remote")),
)


Wrong = dict[int, tuple[str, str]]
"""By resource: the path of a copy that is missing or changed, and why it does not count."""

SecondLook = Callable[[Sequence[Held]], Sequence[Receipt | None]]
"""Asks the sink for copies that its listing does not show; None for each that is gone."""


def held(ledger: Ledger, sink: str) -> Iterator[list[Held]]:
    """All confirmed copies at a sink, in batches."""
    after = 0
    while True:
        query = (
            select(_C.resource, _C.path, _C.size, _C.remote_id, _R.sha256, _R.role)
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
        yield [load_held(row, sink) for row in rows]


def load_held(row: Any, sink: str) -> Held:
    """From a row with what this needs of a copy and of its resource."""
    generated = row.role == Role.METADATA
    return Held(row.resource, sink, row.path, row.size, row.remote_id, row.sha256, generated)


def mark(ledger: Ledger, copy: Held, why: str) -> CopyState:
    """The copy was looked at: right, or missing because of ``why``. Returns its state: a
    sidecar that somebody edited is theirs from now on, and nothing is wrong with it."""
    state = CopyState.MISSING if why else CopyState.CONFIRMED
    if copy.generated and why not in ("", GONE):
        state, why = CopyState.YIELDED, "edited since it was written: that stays"
    ledger.add(_CHECKED, key=copy.resource, at=copy.sink, when=now(), new_state=state, why=why)
    return state


def lost(ledger: Ledger, sink: str) -> list[Held]:
    """All copies that a check did not find at the sink."""
    query = (
        select(_C.resource, _C.path, _C.size, _C.remote_id, _R.sha256, _R.role)
        .join(schema.resources)
        .where(_lost_at(sink), _C.reason == GONE)
        .order_by(_C.resource)
    )
    with ledger.read() as connection:
        return [load_held(row, sink) for row in connection.execute(query)]


def is_copy(ledger: Ledger, sink: str, path: str) -> bool:
    """Whether a copy that counts is at this path."""
    there = select(_C.resource).where(_C.sink == sink, _C.path == path)
    with ledger.read() as connection:
        query = there.where(_C.state == CopyState.CONFIRMED).limit(1)
        return connection.execute(query).first() is not None


def found_at(ledger: Ledger, copy: Held, receipt: Receipt) -> None:
    """The copy, unchanged, is where the receipt says."""
    ledger.add(_MOVED, key=copy.resource, at=copy.sink, where=receipt.path, remote=receipt.id)


def withdraw(ledger: Ledger, sink: str, folder: str, run: int, goal: Goal) -> int:
    """Copies that the run confirmed below a folder (blank: all) are missing, and the assets that
    need them wait for the next run; how many."""
    runs = schema.runs.c
    begun = select(runs.started).where(runs.id == run).scalar_subquery()
    below = f"{folder}/" if folder else ""
    statement = (
        update(schema.copies)
        .where(_C.sink == sink, _C.state == CopyState.CONFIRMED, _C.confirmed >= begun)
        .where(func.substr(_C.path, 1, len(below)) == below)
    )
    values = {"state": CopyState.MISSING, "reason": GONE, "checked": now()}

    def work(connection: Connection) -> int:
        lost = connection.execute(statement.values(values)).rowcount
        _mark_waiting(connection, sink, goal)
        return lost

    return ledger.transact(work)


def mark_waiting(ledger: Ledger, sink: str, goal: Goal) -> None:
    """Assets that lost a copy at the sink and fall short of the goal now wait for the next run."""
    ledger.transact(lambda connection: _mark_waiting(connection, sink, goal))


def _mark_waiting(connection: Connection, sink: str, goal: Goal) -> None:
    losers = select(_R.asset).join(schema.copies).where(_lost_at(sink))
    connection.execute(
        update(schema.assets)
        .where(_A.state == AssetState.CONFIRMED, _A.id.in_(losers), goal.missed())
        .values(state=AssetState.WAITING, reason=f"lost its copy at {sink}: run again")
    )
    # What is there in the place of a copy keeps its name: the sidecar goes where the next stands.
    changed = select(_R.asset).join(schema.copies).where(_lost_at(sink), _C.reason != GONE)
    beside = (
        select(_R.id)
        .join(schema.assets)
        .where(_R.asset.in_(changed), _R.role == Role.METADATA, _A.state == AssetState.WAITING)
    )
    connection.execute(
        update(schema.copies)
        .where(_C.sink == sink, _C.state == CopyState.CONFIRMED, _C.resource.in_(beside))
        .values(state=CopyState.PENDING, reason="what it stands beside was changed")
    )


def owed(ledger: Ledger, sink: str) -> Wrong:
    """Copies that were lost, and that no run has made again or found needless since. No run can
    make those again of what was freed at the source."""
    at_rest = [AssetState.CONFIRMED, *NOT_WANTED]
    joined = schema.copies.join(schema.resources).join(schema.assets)
    columns = (_C.resource, _C.path, _C.reason, _A.state)
    query = select(*columns).select_from(joined).where(_lost_at(sink))
    with ledger.read() as connection:
        which = or_(_A.state.not_in(at_rest), and_(_A.state == AssetState.GONE, _freed()))
        rows = connection.execute(query.where(which).order_by(_C.resource))
        return {row.resource: (row.path, row.reason + _note(row.state)) for row in rows}


def lost_and_freed(ledger: Ledger, sinks: Sequence[str]) -> int:
    """How many copies at these sinks were lost that no run can make again, since their assets
    were freed."""
    joined = schema.copies.join(schema.resources).join(schema.assets)
    query = select(func.count()).select_from(joined)
    lost = and_(_R.chosen, _C.sink.in_(sinks), _C.state == CopyState.MISSING)
    with ledger.read() as connection:
        found = connection.execute(query.where(lost, _A.state == AssetState.GONE, _freed()))
        return int(found.scalar_one())


def _freed() -> ColumnElement[bool]:
    """Whether reclaim took an asset from its source: its copies are all that is left of it."""
    taken = (TrashState.INTENDED, TrashState.TRASHED)
    return _A.id.in_(select(_T.asset).where(_T.state.in_(taken)))


def _note(state: AssetState) -> str:
    return FREED if state == AssetState.GONE else ""


def _lost_at(sink: str) -> Any:
    """Whether a copy of a chosen file at the sink is lost."""
    return and_(_R.chosen, _C.sink == sink, _C.state == CopyState.MISSING)


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

    def finish(self, look: SecondLook) -> None:
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
        copy = load_held(row, self._sink)
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
