"""What each of several sources holds, by their listings alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from connectors.abilities import Prompter
from connectors.base import Problem, Source
from connectors.errors import Misconfigured, OutpourError
from pipeline import retry
from pipeline.config.models import Pipeline
from pipeline.events import Observer, telling
from pipeline.ledger import Ledger
from pipeline.ledger.assets import listing, sightings
from pipeline.left_out import LeftOut
from pipeline.limits import Gate
from pipeline.meter import Meter
from pipeline.report.summary import SHOWN, Failure
from pipeline.report.whereabouts import Whereabouts, whereabouts
from pipeline.runner.attention import Attention
from pipeline.runner.job import fatal_if_used_before
from pipeline.runner.places.same_place import check_source
from pipeline.runner.planning import scratch
from pipeline.states import Exit
from pipeline.stopping import Stop
from pipeline.together import Together
from pipeline.together.owning import claim


@dataclass(frozen=True)
class Compared:
    """``problem_count`` items of the sources could not be shown, the first of them ``problems``;
    ``unlisted`` more are counted by a source and were not listed. They stand in no part."""

    where: Whereabouts
    problem_count: int = 0
    problems: tuple[Failure, ...] = ()
    unlisted: int = 0

    @property
    def exit(self) -> Exit:
        return Exit.ITEMS_FAILED if self.problem_count or self.unlisted else Exit.OK


@dataclass
class _Unlisted:
    problems: int = 0
    first: list[Failure] = field(default_factory=list)
    assets: int = 0  # more than were listed, by the sources' own counts


def compare(
    sources: Sequence[Source],
    ledger: Path | None,
    observer: Observer,
    *,
    stop: Stop,
    attempts: int,
    prompter: Prompter | None = None,
    pipeline: Pipeline | None = None,
    away: Mapping[str, OutpourError] | None = None,
) -> Compared:
    """List the sources into a copy of the ledger, if there is one, and say who has what.

    ``away`` says which sources cannot be used as it is, and why. No file is read and nothing is
    changed. Misconfigured for fewer than two sources, for one that is not there and was never used,
    or if the ledger is not that of ``pipeline``; raises Fatal for one that is not there now, what
    ends a listing, or Stopped.
    """
    if len(sources) < 2:
        raise Misconfigured(
            "comparing needs at least two sources",
            hint="for example: outpour stranded --from iphone --from icloud:ann@example.com",
        )
    with scratch(ledger) as copy:
        if pipeline is not None:
            claim(copy, pipeline)
        for name, why in (away or {}).items():
            raise fatal_if_used_before(copy, name, why)
        tell = telling(observer)
        gates = {source.name: Gate(source.name, 1, stop, attempts) for source in sources}
        together = Together(sources, copy, gates, LeftOut(gates, tell, lambda _: False))
        gate, meter = Gate(together.name, 1, stop, attempts), Meter()

        def work() -> _Unlisted:
            for source in sources:
                check_source(copy, source, partial(retry.call, gate))
            return retry.call(gate, lambda: _list(together, copy, meter, stop))

        ends = [(gate, together), *((gates[source.name], source) for source in sources)]
        attention = Attention(ends, stop, prompter, tell)
        unlisted = attention.during(work, lambda: observer.progress(meter.snapshot()))
        with copy.read() as connection:
            where = whereabouts(connection, [source.name for source in sources])
        return Compared(where, unlisted.problems, tuple(unlisted.first), unlisted.assets)


def _list(together: Together, ledger: Ledger, meter: Meter, stop: Stop) -> _Unlisted:
    with ledger.read() as connection:
        known = listing.last(connection, together.name)
    meter.relisted()
    found, expected = _Unlisted(), None
    for page in together.pages(known.cursor if known else None):
        stop.check()
        meter.add(listed=len(page.assets))
        found.problems += len(page.problems)
        found.first += map(_failure, page.problems[: SHOWN - len(found.first)])
        expected = page.expected if page.expected is not None else expected
        meter.expects(expected, page.doing)
    if expected is not None:
        there = ledger.transact(sightings.count_principals) + found.problems
        found.assets = max(0, expected - there)
    return found


def _failure(problem: Problem) -> Failure:
    return Failure(problem.id, "", "unreadable", problem.reason)
