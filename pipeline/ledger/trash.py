"""The story of every deletion at the source: written before it is asked for, and after.

A row that is still ``intended`` when a run begins was left by a crash between the two; what
the source lists then tells how it ended.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, bindparam, func, insert, select, update

from connectors.errors import Fatal
from pipeline.ledger import leaving, reclaimable, schema
from pipeline.ledger.assets import listing
from pipeline.ledger.codec import now
from pipeline.ledger.store import Ledger
from pipeline.states import AssetState, TrashState

_A, _T = schema.assets.c, schema.trash.c


@dataclass(frozen=True, slots=True)
class Trashed:
    """An asset that a run has put into the bin."""

    key: int
    asset: str
    filename: str
    size: int


def intend(
    ledger: Ledger,
    run: int,
    source: str,
    rules: reclaimable.Rules,
    candidates: Mapping[int, tuple[str, str]],
) -> set[int]:
    """Record what is about to go, (revision, evidence) by asset; returns what may.

    In one transaction with a last look at the ledger: whatever changed since the candidate was
    made stays. Raises Fatal while a listing of the source is not complete.
    """

    def work(connection: Connection) -> set[int]:
        known = listing.last(connection, source)
        if known is None or not known.complete:
            raise Fatal(f"the listing of {source} is not complete", hint="Run again.")
        still = reclaimable.still(connection, rules, candidates)
        going = {key for key, revision in still.items() if candidates[key][0] == revision}
        rows = [
            {"run": run, "asset": key, "state": TrashState.INTENDED, "time": now(),
             "evidence": candidates[key][1], "reason": ""}
            for key in sorted(going)
        ]  # fmt: skip
        if rows:
            connection.execute(insert(schema.trash), rows)
        return going

    return ledger.transact(work)


def record_answers(
    ledger: Ledger, run: int, answers: Mapping[int, str], done: TrashState = TrashState.TRASHED
) -> None:
    """Record the source's answers by asset: empty where it did what was asked, else why not."""
    rows = [
        {"of": run, "key": key, "new": TrashState.REFUSED if why else done,
         "when": now(), "why": why}
        for key, why in answers.items()
    ]  # fmt: skip
    if rows:
        ledger.transact(lambda connection: _record(connection, rows))


def note_failed(ledger: Ledger, run: int, reasons: Mapping[int, str]) -> None:
    """What could not be brought back stays in the bin; the reason is kept."""
    rows = [{"of": run, "key": key, "why": why, "when": now()} for key, why in reasons.items()]
    statement = _row().values(reason=bindparam("why"), time=bindparam("when"))
    if rows:
        ledger.transact(lambda connection: connection.execute(statement, rows))


def reconcile(ledger: Ledger) -> tuple[int, int]:
    """How deletions ended whose answers were lost: numbers of those done, and not done.

    Right after a complete listing only: what the source no longer lists is in its bin.
    """

    def work(connection: Connection) -> tuple[int, int]:
        query = select(_T.run, _T.asset, _A.state).join(schema.assets)
        rows = connection.execute(query.where(_T.state == TrashState.INTENDED)).all()
        ended = [
            {"of": row.run, "key": row.asset, "when": now(),
             "new": TrashState.TRASHED if row.state == AssetState.GONE else TrashState.REFUSED,
             "why": "the answer was lost; read from the next listing"}
            for row in rows
        ]  # fmt: skip
        if ended:
            _record(connection, ended)
        done = sum(row["new"] is TrashState.TRASHED for row in ended)
        return done, len(ended) - done

    return ledger.transact(work)


def last_run(ledger: Ledger) -> int | None:
    """The last run of which something is in the bin still."""
    query = select(func.max(_T.run)).where(_to_undo())
    with ledger.read() as connection:
        return connection.execute(query).scalar()


def runs(ledger: Ledger) -> list[tuple[int, int]]:
    """(run, assets that are in the bin still), the newest first."""
    query = select(_T.run, func.count()).where(_to_undo())
    with ledger.read() as connection:
        rows = connection.execute(query.group_by(_T.run).order_by(_T.run.desc()))
        return [(row[0], row[1]) for row in rows]


def of_run(ledger: Ledger, run: int) -> list[Trashed]:
    """What a run has put into the bin and nobody has restored through us; not what came back by
    other ways and went by its owner's hand."""
    query = (
        select(_A.id, _A.asset_id, _A.filename, _A.size)
        .join_from(schema.trash, schema.assets)
        .where(_T.run == run, _to_undo())
        .order_by(_A.id)
    )
    with ledger.read() as connection:
        return [Trashed(*row) for row in connection.execute(query)]


def _to_undo() -> ColumnElement[bool]:
    others = select(_A.id).where(leaving.left())
    return and_(_T.state == TrashState.TRASHED, _T.asset.not_in(others))


def in_bin(ledger: Ledger) -> dict[str, int]:
    """Bytes by asset id of all that we put into the bin and that left the source since."""
    query = (
        select(_A.asset_id, _A.size)
        .join_from(schema.trash, schema.assets)
        .where(_T.state == TrashState.TRASHED, _A.state == AssetState.GONE)
    )
    with ledger.read() as connection:
        return {row.asset_id: row.size for row in connection.execute(query)}


def bytes_since(ledger: Ledger, moment: str) -> int:
    """Bytes put into the bin since ``moment`` (ISO 8601, UTC) and not restored."""
    trashed = and_(_T.state == TrashState.TRASHED, _T.time >= moment, _A.state == AssetState.GONE)
    query = select(func.coalesce(func.sum(_A.size), 0)).join_from(schema.trash, schema.assets)
    with ledger.read() as connection:
        return int(connection.execute(query.where(trashed)).scalar_one())


def _row() -> Any:
    return update(schema.trash).where(_T.run == bindparam("of"), _T.asset == bindparam("key"))


def _record(connection: Connection, rows: Iterable[Mapping[str, Any]]) -> None:
    rows = list(rows)
    statement = _row().values(
        state=bindparam("new"), reason=bindparam("why"), time=bindparam("when")
    )
    connection.execute(statement, rows)
    gone = [
        {"key": row["key"], "why": leaving.by_reclaim(row["of"], row["when"])}
        for row in rows
        if row["new"] is TrashState.TRASHED
    ]
    if gone:
        left = update(schema.assets).where(_A.id == bindparam("key"))
        connection.execute(left.values(state=AssetState.GONE, reason=bindparam("why")), gone)
