"""The end of a run in numbers, taken from the ledger and not from what the run believes."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Connection, case, func, select

from connectors.base import Role
from pipeline.ledger import schema, work
from pipeline.ledger.codec import now
from pipeline.ledger.items import Totals
from pipeline.ledger.store import Ledger
from pipeline.meter import Meter
from pipeline.states import NOT_WANTED, WENT_WRONG, AssetState, CopyState, Proof, RunState

SHOWN = 20
"""How many failures and problems a summary names; the report names all."""

UNFINISHED = (
    AssetState.QUARANTINED,
    AssetState.FAILED,
    AssetState.UNAVAILABLE,
    AssetState.WAITING,
    AssetState.PENDING,
)
"""States that keep a run from being complete, the worst first."""


_A, _R, _C = schema.assets.c, schema.resources.c, schema.copies.c


@dataclass(frozen=True, slots=True)
class Failure:
    """One asset that is not confirmed, and why."""

    asset: str
    filename: str
    state: str
    reason: str


@dataclass(frozen=True, slots=True)
class SinkTotals:
    """What one sink holds, confirmed by its own answers. ``copies`` and ``bytes`` are of the
    source's files, ``sidecars`` are beside them."""

    name: str
    copies: int
    bytes: int
    sidecars: int = 0


@dataclass(frozen=True, slots=True)
class Spared:
    """Files and bytes that were ``taken`` from one source and not from another, ``instead``."""

    taken: str
    instead: str
    files: int
    bytes: int


@dataclass(frozen=True, slots=True)
class Summary:
    """Where a pipeline stands after a run, and what that run did. Sizes in bytes.

    ``assets`` counts every asset ever listed by state. ``failures`` names the first that went
    wrong; those that merely wait are in ``waiting``, counted by reason. ``verified_files`` were
    checked against the source's own checksum; ``unverifiable_files`` only by size, since the
    source gives no checksum anyone can recompute. ``listed`` and ``expected`` (the source's own
    count, None if it gives none) differ when the source did not list everything. ``yielded``
    counts sidecars that were not written, or no longer are ours, since somebody else's stands
    there.
    """

    run: int
    state: RunState
    started: str
    ended: str
    seconds: float
    assets: dict[str, int]
    confirmed_bytes: int
    verified_files: int
    unverifiable_files: int
    moved_assets: int
    moved_bytes: int
    downloaded_bytes: int
    adopted_files: int
    retries: int
    mismatches: int
    listed: int
    expected: int | None
    sinks: tuple[SinkTotals, ...]
    failures: tuple[Failure, ...]
    waiting: dict[str, int]
    problem_count: int
    problems: tuple[Failure, ...]
    quarantine: str | None
    spared: tuple[Spared, ...] = ()
    yielded: int = 0

    @property
    def total(self) -> int:
        """Assets that were asked for: all but those left out, or gone from the source."""
        return sum(count for state, count in self.assets.items() if state not in NOT_WANTED)

    @property
    def confirmed(self) -> int:
        return self.assets.get(AssetState.CONFIRMED, 0)

    @property
    def missing(self) -> int:
        """Assets that the source counts and did not list."""
        return max(0, (self.expected or 0) - self.listed)

    @property
    def whole(self) -> bool:
        """Everything asked for is confirmed, and the source named all that it counts."""
        whole = self.confirmed == self.total and not self.problem_count
        return whole and not self.missing

    @property
    def failed(self) -> int:
        return failed(self.assets)


def summarize(
    ledger: Ledger,
    run: int,
    state: RunState,
    meter: Meter,
    seconds: float,
    sinks: Collection[str],
    quarantine: Path | None = None,
    spared: tuple[Spared, ...] = (),
) -> Summary:
    """The summary of ``run``, which ended in ``state`` after ``seconds``.

    ``sinks`` are those of the pipeline now: what the ledger knows of others, nobody looks after.
    ``quarantine`` is the folder of files whose bytes contradict the source.
    """
    ledger.flush()
    with ledger.read() as connection:
        by_state = work.by_state(connection)
        listed, expected = _listing(connection)
        proofs = _proofs(connection)
        unreadable, problems = unshown(connection)
        started = connection.execute(
            select(schema.runs.c.started).where(schema.runs.c.id == run)
        ).scalar_one()
        return Summary(
            run=run,
            state=state,
            started=started,
            ended=now(),
            seconds=round(seconds, 3),
            assets={state: totals.assets for state, totals in by_state.items()},
            confirmed_bytes=by_state.get(AssetState.CONFIRMED, Totals()).bytes,
            verified_files=proofs.get(Proof.CHECKSUM, 0),
            unverifiable_files=proofs.get(Proof.SIZE, 0),
            moved_assets=meter.assets_done,
            moved_bytes=meter.bytes_done,
            downloaded_bytes=meter.bytes_downloaded,
            adopted_files=meter.adopted,
            retries=meter.retries,
            mismatches=meter.mismatches,
            listed=listed,
            expected=expected,
            sinks=_sinks(connection, sinks),
            failures=failures(connection),
            waiting=_waiting(connection),
            problem_count=unreadable,
            problems=problems,
            quarantine=str(quarantine) if quarantine else None,
            spared=spared,
            yielded=_yielded(connection),
        )


def _listing(connection: Connection) -> tuple[int, int | None]:
    rows = connection.execute(select(schema.cursors.c.listed, schema.cursors.c.expected)).all()
    known = [row.expected for row in rows if row.expected is not None]
    return sum(row.listed for row in rows), sum(known) if known else None


def _proofs(connection: Connection) -> dict[str, int]:
    query = (
        select(_R.proof, func.count())
        .select_from(schema.resources.join(schema.assets, _R.asset == _A.id))
        .where(_R.chosen, _R.role != Role.METADATA, _A.state == AssetState.CONFIRMED)
        .group_by(_R.proof)
    )
    return {row[0]: row[1] for row in connection.execute(query)}


def _sinks(connection: Connection, names: Collection[str]) -> tuple[SinkTotals, ...]:
    generated = case((_R.role == Role.METADATA, 1), else_=0)
    of_files = func.coalesce(func.sum(_C.size).filter(generated == 0), 0)
    query = (
        select(_C.sink, func.count(), of_files, func.sum(generated))
        .join(schema.resources)
        .where(_C.state == CopyState.CONFIRMED, _C.sink.in_(names))
        .group_by(_C.sink)
    )
    rows = connection.execute(query.order_by(_C.sink))
    return tuple(SinkTotals(row[0], row[1] - row[3], int(row[2]), row[3]) for row in rows)


def _yielded(connection: Connection) -> int:
    query = select(func.count()).where(_C.state == CopyState.YIELDED)
    return int(connection.execute(query).scalar_one())


def failed(by_state: Mapping[str, int]) -> int:
    """Assets that went wrong, beside those that only wait."""
    return sum(by_state.get(state, 0) for state in WENT_WRONG)


def failures(connection: Connection) -> tuple[Failure, ...]:
    """The first assets that went wrong, the worst first."""
    found: list[Failure] = []
    for state in WENT_WRONG:
        query = select(schema.assets).where(_A.state == state).order_by(_A.id)
        rows = connection.execute(query.limit(SHOWN - len(found)))
        found += [Failure(row.asset_id, row.filename, row.state, row.reason) for row in rows]
    return tuple(found)


def _waiting(connection: Connection) -> dict[str, int]:
    query = select(_A.reason, func.count()).where(_A.state == AssetState.WAITING)
    rows = connection.execute(query.group_by(_A.reason).order_by(func.count().desc()).limit(SHOWN))
    return {row[0]: row[1] for row in rows}


def unshown(connection: Connection) -> tuple[int, tuple[Failure, ...]]:
    """How many items the source could not show, and the first of them."""
    count = select(func.count()).select_from(schema.problems)
    query = select(schema.problems).order_by(schema.problems.c.id).limit(SHOWN)
    found = tuple(
        Failure(row.id, "", "unreadable", row.reason) for row in connection.execute(query)
    )
    return int(connection.execute(count).scalar_one()), found
