"""Comparing what the ledger calls confirmed with what a sink is found to hold."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, bindparam, or_, select, update

from connectors.base import Receipt, Role
from connectors.checksums import Digests
from pipeline.ledger import schema
from pipeline.ledger.codec import load_digests, now
from pipeline.ledger.goal import Goal
from pipeline.ledger.store import Ledger, Op
from pipeline.states import AssetState, CopyState

_A, _R, _C = schema.assets.c, schema.resources.c, schema.copies.c
_BATCH = 200
GONE = "missing"
"""Why a copy that is not there is wrong; any other reason says what is there instead."""


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


HELD = (_C.resource, _C.sink, _C.path, _C.size, _C.remote_id, _R.sha256, _R.role)
"""Columns that ``load_held`` needs."""

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


def held(ledger: Ledger, sink: str) -> Iterator[list[Held]]:
    """All confirmed copies at a sink, in batches."""
    after = 0
    while True:
        query = (
            select(*HELD)
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
        yield [load_held(row) for row in rows]


def load_held(row: Any) -> Held:
    """From a row that has the columns ``HELD``."""
    generated = row.role == Role.METADATA
    return Held(row.resource, row.sink, row.path, row.size, row.remote_id, row.sha256, generated)


def mark(ledger: Ledger, copy: Held, why: str) -> CopyState:
    """The copy was looked at: right, or missing because of ``why``. Returns its state: a
    sidecar that somebody edited is theirs from now on, and nothing is wrong with it."""
    state = CopyState.MISSING if why else CopyState.CONFIRMED
    if copy.generated and why not in ("", GONE):
        state, why = CopyState.YIELDED, "edited since it was written: that stays"
    ledger.add(_CHECKED, key=copy.resource, at=copy.sink, when=now(), new_state=state, why=why)
    return state


def is_copy(ledger: Ledger, sink: str, path: str, identity: str | None = None) -> bool:
    """Whether a copy that counts is at this path, and has this id where both have one: several
    files may be called alike."""
    there = select(_C.resource).where(_C.sink == sink, _C.path == path)
    if identity is not None:
        there = there.where(or_(_C.remote_id.is_(None), _C.remote_id == identity))
    with ledger.read() as connection:
        query = there.where(_C.state == CopyState.CONFIRMED).limit(1)
        return connection.execute(query).first() is not None


def about_to_be_at(ledger: Ledger, resource: int, sink: str, path: str) -> None:
    """A copy goes there, under another name than it had: once this returns, a crash forgets it no
    more."""
    ledger.add(_MOVED, key=resource, at=sink, where=path, remote=None)
    ledger.flush()


def found_at(ledger: Ledger, copy: Held, receipt: Receipt) -> None:
    """The copy, unchanged, is where the receipt says."""
    ledger.add(_MOVED, key=copy.resource, at=copy.sink, where=receipt.path, remote=receipt.id)


def withdraw(ledger: Ledger, sink: str, folder: str, run: int, goal: Goal) -> int:
    """Copies that the run confirmed below a folder (blank: all) are missing, and the assets that
    need them wait for the next run; how many."""
    runs = schema.runs.c
    begun = select(runs.started).where(runs.id == run).scalar_subquery()
    statement = (
        update(schema.copies)
        .where(_C.sink == sink, _C.state == CopyState.CONFIRMED, _C.confirmed >= begun)
        .where(below(_C.path, folder))
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
    losers = select(_R.asset).join(schema.copies).where(lost_at(sink))
    connection.execute(
        update(schema.assets)
        .where(_A.state == AssetState.CONFIRMED, _A.id.in_(losers), goal.missed())
        .values(state=AssetState.WAITING, reason=f"lost its copy at {sink}: run again")
    )
    # What is there in the place of a copy keeps its name: the sidecar goes where the next stands.
    changed = select(_R.asset).join(schema.copies).where(lost_at(sink), _C.reason != GONE)
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


def digests_of(ledger: Ledger, resource: int) -> Digests | None:
    """Of the bytes that were received last; None if there were none."""
    with ledger.read() as connection:
        row = connection.execute(select(schema.resources).where(_R.id == resource)).one()
    return None if row.received is None else load_digests(row, row.received)


def sha256_of(ledger: Ledger, resource: int) -> str | None:
    """Of the bytes that were received last."""
    query = select(_R.sha256).where(_R.id == resource)
    with ledger.read() as connection:
        found: str | None = connection.execute(query).scalar_one()
    return found


def survivors(ledger: Ledger, resource: int) -> list[Held]:
    """Confirmed copies of a file, at any sink."""
    query = (
        select(*HELD)
        .join(schema.resources)
        .where(_C.resource == resource, _C.state == CopyState.CONFIRMED)
    )
    with ledger.read() as connection:
        return [load_held(row) for row in connection.execute(query)]


def below(path: ColumnElement[Any], folder: str) -> ColumnElement[bool]:
    """Whether a path is somewhere in a folder (blank: all are). A range, so that an index can tell:
    "0" comes after "/"."""
    return and_(path > f"{folder}/", path < f"{folder}0") if folder else path.is_not(None)


def lost_at(sink: str) -> Any:
    """Whether a copy of a chosen file at the sink is lost."""
    return and_(_R.chosen, _C.sink == sink, _C.state == CopyState.MISSING)
