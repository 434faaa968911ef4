"""Copies that a check found lost: who brings them again, and what helps where nobody does."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    and_,
    bindparam,
    delete,
    exists,
    func,
    insert,
    literal,
    or_,
    select,
    update,
)

from connectors.base import Role
from pipeline.ledger import leaving, meta, schema
from pipeline.ledger.codec import now
from pipeline.ledger.copies.checks import GONE, HELD, Held, load_held, lost_at
from pipeline.ledger.goal import Goal, wanted_at
from pipeline.ledger.store import Ledger
from pipeline.states import NOT_WANTED, AssetState, CopyState

_A, _R, _C, _T = schema.assets.c, schema.resources.c, schema.copies.c, schema.trash.c
_IS_LOST = _C.state == CopyState.MISSING
_COPIES = schema.copies.join(schema.resources).join(schema.assets)

_OWED = "owed"
_BATCH = 500
_ACCEPTED = "accepted"  # the kind of event


class Fate(StrEnum):
    """What becomes of a lost copy."""

    AGAIN = "again"  # the next run brings it from the source
    FREED = "freed"  # reclaim took it from the source: another sink may have it, or the bin
    LEFT = "left"  # no longer at the source: another sink may have it
    LEFT_OUT = "left out"  # select leaves it out: nobody makes it again
    OWED = "owed"  # freed, and never there: another sink has it


@dataclass(frozen=True, slots=True)
class Loss:
    """A copy that is missing or changed, and why it does not count."""

    path: str
    reason: str
    fate: Fate


def lost(ledger: Ledger, sink: str) -> list[Held]:
    """All copies that a check did not find at the sink."""
    query = (
        select(*HELD)
        .join(schema.resources)
        .where(lost_at(sink), _C.reason == GONE)
        .order_by(_C.resource)
    )
    with ledger.read() as connection:
        return [load_held(row) for row in connection.execute(query)]


def owed(ledger: Ledger, sink: str, sinks: Sequence[str]) -> dict[int, Loss]:
    """By resource: copies that were lost, and that no run has made again or found needless.
    ``sinks`` are all that the pipeline has."""
    left_out = _is_left_out().label("left_out")
    freed = or_(leaving.freed(), leaving.freed_file()).label("freed")
    at_rest = [AssetState.CONFIRMED, *NOT_WANTED]
    which = or_(and_(_R.chosen, _A.state.not_in(at_rest)), _is_last(), left_out)
    owed = _is_owed(sinks).label("owed")
    query = select(_C.resource, _C.path, _C.reason, _A.state, left_out, freed, owed)
    query = query.select_from(_COPIES).where(_C.sink == sink, _IS_LOST, which)
    with ledger.read() as connection:
        rows = connection.execute(query.order_by(_C.resource)).all()
    return {row.resource: Loss(row.path, row.reason, _fate(row)) for row in rows}


def _fate(row: Any) -> Fate:
    if row.left_out:
        return Fate.LEFT_OUT
    if row.state != AssetState.GONE and not row.freed:
        return Fate.AGAIN
    if row.owed:
        return Fate.OWED
    return Fate.FREED if row.freed else Fate.LEFT


def count_last(ledger: Ledger, sinks: Sequence[str]) -> int:
    """How many copies at these sinks are lost of assets that are no longer at the source."""
    query = select(func.count()).select_from(_COPIES)
    with ledger.read() as connection:
        found = connection.execute(query.where(_C.sink.in_(sinks), _IS_LOST, _is_last()))
        return int(found.scalar_one())


def short_of_copies(ledger: Ledger, sink: str) -> list[int]:
    """Rows of assets that lost a copy at the sink since they, or files of them, left the source."""
    query = select(_A.id).distinct().select_from(_COPIES)
    with ledger.read() as connection:
        found = connection.execute(query.where(_C.sink == sink, _IS_LOST, _is_last()))
        return list(found.scalars())


def miss_freed_files(ledger: Ledger) -> bool:
    """Copies of files that were freed, of assets which another source has still, are missing and
    not to be brought from there; returns whether there are any."""
    short = (CopyState.MISSING, CopyState.FAILED, CopyState.PENDING)
    query = select(_C.resource, _C.sink).select_from(_COPIES)
    query = query.where(_C.state.in_(short), _R.chosen, leaving.freed_file())
    there = _A.state.not_in(NOT_WANTED)

    any_freed = select(_T.run).where(_T.sighting.is_not(None)).limit(1)

    def work(connection: Connection) -> bool:
        if connection.execute(any_freed).first() is None:
            return False
        rows = connection.execute(query.where(there)).all()
        missing = update(schema.copies).where(
            _C.resource == bindparam("key"), _C.sink == bindparam("at")
        )
        if rows:
            these = [{"key": row.resource, "at": row.sink} for row in rows]
            connection.execute(missing.values(state=CopyState.MISSING), these)
        return bool(rows)

    return ledger.transact(work)


def to_make_again(ledger: Ledger, sink: str, sinks: Sequence[str]) -> tuple[int, int]:
    """Number and bytes of the copies that ``short_of_copies`` are short of and that another of
    ``sinks`` has; sidecars, which are composed again, not among them."""
    query = select(func.count(), func.coalesce(func.sum(_R.size), 0)).select_from(_COPIES)
    query = query.where(_C.sink == sink, _IS_LOST, _is_last(), _is_at_one_of(sinks))
    with ledger.read() as connection:
        number, size = connection.execute(query.where(_R.role != Role.METADATA)).one()
    return int(number), int(size)


def any_never_there(ledger: Ledger, sink: str) -> bool:
    """Whether the sink lacks something that it never had a copy of."""
    query = select(_C.resource).where(_C.sink == sink, _IS_LOST, _C.confirmed.is_(None)).limit(1)
    with ledger.read() as connection:
        return connection.execute(query).first() is not None


def owe(ledger: Ledger, goal: Goal) -> None:
    """Where the goal is another than it was: what was freed and falls short of it is missing at
    each sink that never had it, as if it had been lost there, at the path of another copy: the
    sink may only have another name."""

    def work(connection: Connection) -> None:
        if meta.get(connection, _OWED) == str(goal):
            return
        part = exists().where(_R.asset == _A.id, _R.chosen, leaving.freed_file())
        short = select(_A.id).where(or_(leaving.freed(), part), goal.missed())
        keys = connection.execute(short.order_by(_A.id)).scalars().all()
        for start in range(0, len(keys), _BATCH):
            for sink in goal.sinks:
                _owe(connection, sink, goal, keys[start : start + _BATCH])
        meta.put(connection, _OWED, str(goal))

    ledger.transact(work)


def _owe(connection: Connection, sink: str, goal: Goal, assets: Sequence[int]) -> None:
    other = schema.copies.alias()
    elsewhere = select(func.min(other.c.path)).where(
        other.c.resource == _R.id, other.c.state == CopyState.CONFIRMED
    )
    path = func.coalesce(elsewhere.scalar_subquery(), _R.path)
    freed = exists().where(_A.id == _R.asset, or_(leaving.freed(), leaving.freed_file()))
    begun = (CopyState.PENDING, CopyState.TRANSFERRED, CopyState.FAILED)  # never a copy
    here = exists().where(_C.resource == _R.id, _C.sink == sink, _C.state.not_in(begun))
    values = (literal(sink), literal(CopyState.MISSING.value), path, _R.received, literal(GONE))
    missing = select(_R.id, *values).where(
        _R.asset.in_(assets), freed, wanted_at(sink, goal.excluded), ~here, ~_accepted_at(sink)
    )
    columns = ["resource", "sink", "state", "path", "size", "reason"]
    owed = insert(schema.copies).prefix_with("OR REPLACE").from_select(columns, missing)
    connection.execute(owed)


def forgive(ledger: Ledger, goal: Goal) -> None:
    """What meets the goal by now is owed to no sink that never had it."""

    def work(connection: Connection) -> None:
        never = and_(_IS_LOST, _C.confirmed.is_(None))
        owed = select(_R.asset).distinct().join(schema.copies).where(never)
        keys = connection.execute(owed).scalars().all()
        for start in range(0, len(keys), _BATCH):
            these = _A.id.in_(keys[start : start + _BATCH])
            query = select(_A.id).where(these, _A.state == AssetState.GONE, ~goal.missed())
            files = select(_R.id).where(_R.asset.in_(connection.execute(query).scalars().all()))
            connection.execute(delete(schema.copies).where(never, _C.resource.in_(files)))

    ledger.transact(work)


def accept(ledger: Ledger, run: int, sink: str, sinks: Sequence[str]) -> dict[int, str]:
    """Nobody asks any more for the copies that are gone from the sink of what is no longer at the
    source or not selected; the run's history says so. Returns their paths by resource. One that
    is there and damaged is asked for still, and so is one that never was there and another sink
    has."""
    query = select(_C.resource, _R.asset, _C.path).select_from(_COPIES)
    query = query.where(_C.sink == sink, _IS_LOST, _C.reason == GONE, ~_is_owed(sinks))
    gone_too = and_(_A.state == AssetState.GONE, _is_last())  # else runs would look for it again
    query = query.where(or_(gone_too, _is_left_out()))
    gone = select(query.subquery().c.resource)

    def work(connection: Connection) -> dict[int, str]:
        rows = connection.execute(query.order_by(_C.resource)).all()
        if rows:
            told = [_acceptance(run, sink, row) for row in rows]
            connection.execute(insert(schema.events), told)
        connection.execute(delete(schema.copies).where(_C.sink == sink, _C.resource.in_(gone)))
        return {row.resource: row.path for row in rows}

    return ledger.transact(work)


def _acceptance(run: int, sink: str, lost: Any) -> dict[str, Any]:
    detail = f"{sink}: {lost.path} is missing, which was accepted"
    what = {"asset": lost.asset, "resource": lost.resource, "sink": sink, "detail": detail}
    return {"run": run, "time": now(), "kind": _ACCEPTED, **what}


def _is_last() -> ColumnElement[bool]:
    """Whether no source can give a file any more, and a copy of it is something to lose: it was
    freed, so that its copies are all that is left; or its content is nowhere else at the sink."""
    freed = or_(leaving.freed(), leaving.freed_file())
    something = or_(and_(freed, _C.confirmed.is_not(None)), ~_is_there_otherwise())
    return and_(_R.chosen, or_(_A.state == AssetState.GONE, leaving.freed_file()), something)


def _is_left_out() -> ColumnElement[bool]:
    """Whether nobody asks for a file, whose content is nowhere else at the sink."""
    return and_(or_(~_R.chosen, _A.state == AssetState.EXCLUDED), ~_is_there_otherwise())


def _is_owed(sinks: Sequence[str]) -> ColumnElement[bool]:
    """Whether the sink never had a copy that it lacks, and another of these has."""
    return and_(_C.confirmed.is_(None), _is_at_one_of(sinks))


def _is_at_one_of(sinks: Sequence[str]) -> ColumnElement[bool]:
    """Whether one of these has the file that a copy is of."""
    other = schema.copies.alias()
    return exists().where(
        other.c.resource == _C.resource,
        other.c.state == CopyState.CONFIRMED,
        other.c.sink.in_(sinks),
    )


def _accepted_at(sink: str) -> ColumnElement[bool]:
    """Whether it was accepted that the sink lacks the files of an asset, since it was freed."""
    events = schema.events.c
    freed = select(func.max(_T.time)).where(_T.asset == _R.asset).scalar_subquery()
    here = and_(events.kind == _ACCEPTED, events.asset == _R.asset, events.sink == sink)
    return exists().where(here, events.time >= freed)


def _is_there_otherwise() -> ColumnElement[bool]:
    """Whether the sink has the bytes of a lost copy as the copy of another file, say because the
    photo was brought in again; a sidecar goes with its photo."""
    other, copy = schema.resources.alias(), schema.copies.alias()
    here = exists().where(
        copy.c.resource == other.c.id,
        copy.c.sink == _C.sink,
        copy.c.state == CopyState.CONFIRMED,
    )
    # The size has an index. Joined, SQLite would look through all copies of the sink instead.
    sized = (other.c.size == _R.size, other.c.sha256 == _R.sha256)
    same = exists().where(*sized, here.correlate(other, schema.copies))
    return or_(_R.role == Role.METADATA, same)
