"""What each of several sources holds, by their listings alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

from connectors.abilities import Prompter
from connectors.base import Source
from connectors.errors import Misconfigured, OutpourError
from pipeline import retry
from pipeline.config.models import Pipeline
from pipeline.events import Observer, telling
from pipeline.ledger import Ledger, listing
from pipeline.left_out import LeftOut
from pipeline.limits import Gate
from pipeline.meter import Meter
from pipeline.report.whereabouts import Whereabouts, whereabouts
from pipeline.runner.attention import Attention
from pipeline.runner.job import fatal_if_used_before
from pipeline.runner.planning import scratch
from pipeline.runner.same_place import check_source
from pipeline.stopping import Stop
from pipeline.together import Together
from pipeline.together.owning import claim


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
) -> Whereabouts:
    """List the sources into a copy of the ledger, if there is one, and say who has what.

    ``away`` says which sources cannot be used as it is, and why. No file is read and nothing is
    changed. Misconfigured for fewer than two sources, for one that is not there and was never used,
    or if the ledger is not that of ``pipeline``; raises Fatal for one that is not there now, what
    ends a listing, or Stopped.
    """
    if len(sources) < 2:
        raise Misconfigured(
            "to compare takes at least two sources",
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

        def work() -> None:
            for source in sources:
                check_source(copy, source, partial(retry.call, gate))
            retry.call(gate, lambda: _list(together, copy, meter, stop))

        ends = [(gate, together), *((gates[source.name], source) for source in sources)]
        attention = Attention(ends, stop, prompter, tell)
        attention.during(work, lambda: observer.progress(meter.snapshot(0, {})))
        with copy.read() as connection:
            return whereabouts(connection, [source.name for source in sources])


def _list(together: Together, ledger: Ledger, meter: Meter, stop: Stop) -> None:
    with ledger.read() as connection:
        known = listing.last(connection, together.name)
    meter.relisted()
    for page in together.pages(known.cursor if known else None):
        stop.check()
        meter.add(listed=len(page.assets))
