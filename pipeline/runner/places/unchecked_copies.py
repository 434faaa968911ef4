"""Looks for the last copies of a run that ended before it looked back at the sink."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice

from connectors.base import Sink
from connectors.errors import ItemError
from pipeline.ledger.copies import adoption, checks, unchecked
from pipeline.ledger.copies.checks import Held
from pipeline.ledger.goal import Goal
from pipeline.runner.places.same_place import Ask
from pipeline.stages.context import Run
from pipeline.stages.copy_lookup import stat_copy
from pipeline.wording import counted

_AT_ONCE = 20  # questions


def settle_unchecked(run: Run, sink: Sink, goal: Goal, ask: Ask) -> None:
    """Look at the copy that each folder got last, and at all that it got where that is gone. What
    is not there waits to be brought again. Raises what asking raises."""
    ledger = run.ledger
    since = unchecked.since(ledger, sink.name)
    if since is None:
        return
    latest = unchecked.latest(ledger, sink.name, since)
    gone = _missing(sink, latest.values(), ask)
    suspects = [folder for folder, copy in latest.items() if copy.resource in gone]
    lost = 0
    for folder in suspects:
        copies = list(unchecked.copies(ledger, sink.name, since, folder))
        missing = _missing(sink, copies, ask)
        lost += len(missing)
        for copy in copies:
            if copy.resource in missing:
                checks.mark(ledger, copy, checks.GONE)
    if lost:
        ledger.flush()
        checks.mark_waiting(ledger, sink.name, goal)
        adoption.look_again(ledger, sink.name)  # somebody may have moved them
        text = f"not where an earlier run put them: {counted(lost, 'copy')}"
        run.notice("warning", text, sink.name)
    unchecked.clear(ledger, sink.name)


def _missing(sink: Sink, copies: Iterable[Held], ask: Ask) -> set[int]:
    """Those of the copies that are not there, by resource."""

    def is_there(copy: Held) -> bool:
        try:
            return ask(lambda: stat_copy(sink, copy.path, copy.remote_id)) is not None
        except ItemError:
            return True  # nothing is known of it

    found: set[int] = set()
    rest: Iterator[Held] = iter(copies)
    with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="recheck") as workers:
        while some := list(islice(rest, 10 * _AT_ONCE)):
            there = workers.map(is_there, some)
            found |= {copy.resource for copy, yes in zip(some, there, strict=True) if not yes}
    return found
