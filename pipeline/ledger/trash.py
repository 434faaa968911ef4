"""The story of every deletion at the source: written before it is asked for, and after.

A row that is still ``intended`` when a run begins was left by a crash between the two; what
the source lists then tells how it ended.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    and_,
    bindparam,
    case,
    exists,
    func,
    insert,
    select,
    true,
    update,
)

from connectors.errors import Fatal
from pipeline.ledger import leaving, reclaimable, schema
from pipeline.ledger.assets import listing
from pipeline.ledger.assets.listing import Coverage
from pipeline.ledger.codec import now
from pipeline.ledger.reclaimable import Candidate
from pipeline.ledger.store import Ledger
from pipeline.states import AssetState, TrashState

_A, _S, _T = schema.assets.c, schema.sightings.c, schema.trash.c
_TRASH = schema.trash.join(schema.assets).outerjoin(schema.sightings, _S.id == _T.sighting)
"""What went is a sighting where the pipeline has several sources, and else the asset itself."""
_ID = func.coalesce(_S.asset_id, _A.asset_id)
_FILENAME = func.coalesce(_S.filename, _A.filename)
_SIZE = func.coalesce(_S.size, _A.size)
_SEEN = func.coalesce(_S.seen, _A.seen)
_GONE = case((_T.sighting.is_(None), _A.state == AssetState.GONE), else_=_S.gone)


@dataclass(frozen=True, slots=True)
class Trashed:
    """An asset that a run has put into the bin. ``asset`` is its id at the source."""

    key: int
    asset: str
    filename: str
    size: int


def intend(
    ledger: Ledger,
    run: int,
    source: str,
    rules: reclaimable.Rules,
    proven: Sequence[tuple[Candidate, str]],
) -> set[int]:
    """Record what is about to go, each with its evidence; returns the keys of what may still.

    In one transaction with a last look at the ledger: whatever changed since the candidate was
    made stays. Raises Fatal while a listing of ``source``, or of several as one, is not complete.
    """

    def work(connection: Connection) -> set[int]:
        known = listing.last(connection, source)
        if known is None or not known.complete:
            raise Fatal(f"the listing of {source} is not complete", hint="Run again.")
        still = reclaimable.still(connection, rules, [one.key for one, _ in proven])
        going = [
            (one, evidence) for one, evidence in proven
            if still.get(one.key) == (one.asset, one.revision)
        ]  # fmt: skip
        rows = [
            {"run": run, "asset": one.key, "state": TrashState.INTENDED, "time": now(),
             "evidence": evidence, "reason": "", "sighting": one.sighting}
            for one, evidence in going
        ]  # fmt: skip
        if rows:
            connection.execute(insert(schema.trash), rows)
        return {one.key for one, _ in going}

    return ledger.transact(work)


def asked_before(ledger: Ledger, run: int, keys: Iterable[int]) -> set[int]:
    """Those of these assets of ``run`` that an earlier one asked for, with no answer so far."""
    query = select(_T.asset).where(_T.asset.in_(list(keys)), _is_open_since_before(run))
    with ledger.read() as connection:
        return set(connection.execute(query).scalars())


def _is_open_since_before(run: int) -> ColumnElement[bool]:
    """Whether a row is of an earlier run, without an answer, and this run asks for the same."""
    mine = schema.trash.alias()
    same = and_(
        mine.c.run == run,
        mine.c.asset == _T.asset,
        mine.c.sighting.is_not_distinct_from(_T.sighting),
    )
    return and_(_T.state == TrashState.INTENDED, _T.run != run, exists().where(same))


def record_answers(
    ledger: Ledger, run: int, answers: Mapping[int, str], done: TrashState = TrashState.TRASHED
) -> None:
    """Record the source's answers by asset: empty where it did what was asked, else why not. What
    an earlier run asked for without an answer is this run's from then on."""
    rows = [
        {"of": run, "key": key, "new": TrashState.REFUSED if why else done,
         "when": now(), "why": why}
        for key, why in answers.items()
    ]  # fmt: skip
    mine = [key for key, why in answers.items() if not why]
    earlier = update(schema.trash).where(_T.asset.in_(mine), _is_open_since_before(run))
    again = f"asked for again by run {run}"

    def work(connection: Connection) -> None:
        _record(connection, rows)
        connection.execute(earlier.values(state=TrashState.REFUSED, reason=again))

    if rows:
        ledger.transact(work)


def note_failed(ledger: Ledger, run: int, reasons: Mapping[int, str]) -> None:
    """What could not be brought back stays in the bin, since when it was; the reason is kept."""
    rows = [{"of": run, "key": key, "why": why} for key, why in reasons.items()]
    statement = _row().values(reason=bindparam("why"))
    if rows:
        ledger.transact(lambda connection: connection.execute(statement, rows))


def reconcile(ledger: Ledger, source: str | None, coverage: Coverage) -> tuple[int, int]:
    """How deletions ended whose answers were lost: numbers of those done, and not done. Here and
    below ``source`` is the one that was asked, None where the pipeline has no other.

    Right after a listing of it only, of this ``coverage``: what it no longer lists is in its bin.
    Of what a listing that is not sure did not name, it stays open.
    """

    def work(connection: Connection) -> tuple[int, int]:
        what = (_T.run, _T.asset, _GONE.label("gone"), _SEEN.label("seen"))
        query = select(*what).select_from(_TRASH)
        rows = connection.execute(query.where(_in_state(source, TrashState.INTENDED))).all()
        ended = [
            {"of": row.run, "key": row.asset, "when": now(),
             "new": TrashState.TRASHED if row.gone else TrashState.REFUSED,
             "why": "the answer was lost; read from the next listing"}
            for row in rows if row.gone or coverage.sure or row.seen == coverage.number
        ]  # fmt: skip
        if ended:
            _record(connection, ended)
        done = sum(row["new"] is TrashState.TRASHED for row in ended)
        return done, len(ended) - done

    return ledger.transact(work)


def last_run(ledger: Ledger, source: str | None) -> int | None:
    """The last run of which something is in the bin still."""
    query = select(func.max(_T.run)).select_from(_TRASH).where(_to_undo(source))
    with ledger.read() as connection:
        return connection.execute(query).scalar()


def runs(ledger: Ledger, source: str | None) -> list[tuple[int, int]]:
    """(run, assets that are in the bin still), the newest first."""
    query = select(_T.run, func.count()).select_from(_TRASH).where(_to_undo(source))
    with ledger.read() as connection:
        rows = connection.execute(query.group_by(_T.run).order_by(_T.run.desc()))
        return [(row[0], row[1]) for row in rows]


def of_run(ledger: Ledger, source: str | None, run: int) -> list[Trashed]:
    """What a run has put into the bin and nobody has restored through us; not what came back by
    other ways and went by its owner's hand."""
    query = (
        select(_A.id, _ID, _FILENAME, _SIZE)
        .select_from(_TRASH)
        .where(_T.run == run, _to_undo(source))
        .order_by(_A.id)
    )
    with ledger.read() as connection:
        return [Trashed(*row) for row in connection.execute(query)]


def _to_undo(source: str | None) -> ColumnElement[bool]:
    others = select(_A.id).where(leaving.left())
    owners = case(
        (_T.sighting.is_(None), _T.asset.in_(others)), else_=and_(_S.gone, _S.freed == "")
    )
    # To bring back what has never gone does nothing.
    return and_(_in_state(source, TrashState.TRASHED, TrashState.INTENDED), ~owners)


def in_bin(ledger: Ledger, source: str | None, *, since: str = "") -> dict[str, int]:
    """Bytes by asset id of all that we put into the bin (after a moment, ISO 8601 in UTC) and that
    left the source since."""
    query = select(_ID, _SIZE).select_from(_TRASH)
    query = query.where(_in_state(source, TrashState.TRASHED), _GONE, _T.time >= since)
    with ledger.read() as connection:
        return {row[0]: row[1] for row in connection.execute(query)}


def bytes_since(ledger: Ledger, source: str | None, moment: str) -> int:
    """Bytes put into the bin since ``moment`` (ISO 8601, UTC) and not restored."""
    trashed = and_(_in_state(source, TrashState.TRASHED), _T.time >= moment, _GONE)
    query = select(func.coalesce(func.sum(_SIZE), 0)).select_from(_TRASH)
    with ledger.read() as connection:
        return int(connection.execute(query.where(trashed)).scalar_one())


def _in_state(source: str | None, *states: TrashState) -> ColumnElement[bool]:
    return and_(_T.state.in_(states), true() if source is None else _S.source == source)


def _row() -> Any:
    return update(schema.trash).where(_T.run == bindparam("of"), _T.asset == bindparam("key"))


def _record(connection: Connection, rows: Iterable[Mapping[str, Any]]) -> None:
    rows = list(rows)
    statement = _row().values(
        state=bindparam("new"), reason=bindparam("why"), time=bindparam("when")
    )
    connection.execute(statement, rows)
    gone = [
        {"of": row["of"], "key": row["key"], "why": leaving.by_reclaim(row["of"], row["when"])}
        for row in rows
        if row["new"] is TrashState.TRASHED
    ]
    if not gone:
        return
    mine = and_(_T.run == bindparam("of"), _T.asset == bindparam("key"))
    what = select(_T.sighting).where(mine).scalar_subquery()
    went = update(schema.sightings).where(_S.id == what)
    connection.execute(went.values(gone=True, freed=bindparam("why")), gone)
    elsewhere = exists().where(_S.principal == _A.asset_id, ~_S.gone)  # at another source
    left = update(schema.assets).where(_A.id == bindparam("key"), ~elsewhere)
    connection.execute(left.values(state=AssetState.GONE, reason=bindparam("why")), gone)
