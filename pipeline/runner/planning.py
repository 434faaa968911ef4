"""What a run would do: how much, where to, and whether it fits. Changes nothing."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from connectors.abilities import Checks
from connectors.errors import Misconfigured
from pipeline.events import Observer
from pipeline.ledger import Ledger, runs, work
from pipeline.report.summary import Failure, failed, failures, unshown
from pipeline.report.whereabouts import whereabouts
from pipeline.runner.job import Job, fatal_if_used_before
from pipeline.runner.move import Mover
from pipeline.runner.preflight import (
    Forecast,
    SinkPlan,
    StagingPlan,
    check_staging,
    consequence,
    preflight,
    staging_plan,
)
from pipeline.stopping import Stop
from pipeline.together.owning import claim


@dataclass(frozen=True, slots=True)
class Plan:
    """``assets`` have work left, of which ``bytes`` are to be moved; ``by_state`` counts all that
    is known.

    ``failures`` names the first that would not move: nothing that a run can do would help.
    ``listed`` and ``expected`` (None: the source does not count) differ when the source did
    not name everything. ``unplaced`` are bytes for which none of several sinks has room, where the
    policy chooses between them. ``problems`` are the first of those items that it could not show:
    they keep a run from being whole. ``unproven`` assets may be at several sources, each counted
    by itself here: only a run reads their bytes.
    """

    assets: int
    bytes: int
    by_state: dict[str, int]
    failures: tuple[Failure, ...]
    listed: int
    expected: int | None
    sinks: tuple[SinkPlan, ...]
    unplaced: int
    staging: StagingPlan
    if_full: str  # what the policy does about what does not fit
    problem_count: int = 0
    problems: tuple[Failure, ...] = ()
    unproven: int = 0

    @property
    def failed(self) -> int:
        return failed(self.by_state)

    @property
    def again(self) -> int:
        """Copies of what is no longer at the source that sinks lack and get from others."""
        return sum(sink.again for sink in self.sinks)

    @property
    def fits(self) -> bool:
        return self.staging.fits and Forecast(self.sinks, self.unplaced).fits


def plan(job: Job, ledger: Path, observer: Observer, *, stop: Stop) -> Plan:
    """List the source into a copy of the ledger and compare what is left with the room.

    Works beside a run that is under way. Raises what ends the listing, Misconfigured if the
    ledger is another pipeline's or nothing can be put at a sink, Fatal if one is not there, or
    Stopped.
    """
    with scratch(ledger) as copy:
        claim(copy, job.pipeline)
        job.after(copy).require_all()
        return _plan(job, copy, observer, stop)


@contextmanager
def scratch(ledger: Path | None) -> Iterator[Ledger]:
    """A copy of a ledger, or an empty one where there is none; gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="outpour-plan-") as folder:
        copy = Path(folder, "plan.sqlite")
        if ledger is not None and ledger.is_file():
            Ledger.copy(ledger, copy)
        with Ledger.open(copy) as opened:
            yield opened


def _plan(job: Job, ledger: Ledger, observer: Observer, stop: Stop) -> Plan:
    run = runs.begin(ledger, "plan")
    mover = Mover(job, ledger, observer, stop, run, compare=False)
    attention = mover.connections.attention(None)
    return attention.during(
        lambda: _compared(mover), lambda: observer.progress(mover.meter.snapshot())
    )


def _compared(mover: Mover) -> Plan:
    job, ledger = mover.job, mover.ledger
    check_staging(job)
    mover.guard.check()
    found = mover.catalogue.refresh()
    mover.open_assets()
    ask, rooms = mover.connections.ask, mover.rooms
    capacities = {sink.name: ask(sink, rooms[sink.name].look) for sink in job.sinks}
    forecast = preflight(ledger, job.pipeline.route, capacities, mover.goal)
    pending = work.due(ledger, mover.goal)
    for sink in job.sinks:
        if pending.assets and isinstance(sink, Checks):
            try:
                sink.check(writing=True)
            except Misconfigured as why:
                raise fatal_if_used_before(ledger, sink.name, why) from None
    with ledger.read() as connection:
        named = failures(connection)
        problem_count, problems = unshown(connection)
        unproven = whereabouts(connection).unproven if job.joined else 0
    return Plan(
        assets=pending.assets,
        bytes=pending.bytes,
        by_state=work.counts(ledger),
        failures=named,
        listed=found.present,
        expected=found.expected,
        sinks=forecast.sinks,
        unplaced=forecast.unplaced,
        staging=staging_plan(ledger, job),
        if_full=consequence(job.pipeline.route),
        problem_count=problem_count,
        problems=problems,
        unproven=unproven,
    )
