"""One execution of a pipeline, from the first listing to the summary."""

from __future__ import annotations

import time

from connectors.abilities import Prompter
from connectors.errors import (
    CapacityExceeded,
    Misconfigured,
    OutpourError,
    SessionExpired,
)
from pipeline.events import Observer, Progress
from pipeline.ledger import Ledger, steps
from pipeline.ledger.copies import losses
from pipeline.report import Summary, summarize
from pipeline.runner.ending import EXITS, recorded, state_after, state_without
from pipeline.runner.job import Job, Outcome
from pipeline.runner.move import Mover
from pipeline.states import Exit, RunState
from pipeline.stopping import Stop

INTERRUPTED = "interrupted"
"""The reason a person's Ctrl-C gives to ``Stop.set``."""


def run(
    job: Job, ledger: Ledger, observer: Observer, *, stop: Stop, prompter: Prompter | None
) -> Outcome:
    """Move what is pending and end with every asset in a named state.

    ``stop`` may be set from a signal handler: what is in flight is finished or dropped, and
    the next run goes on. ``prompter`` is None where no person can be asked. A defect of the
    program is raised after the ledger is left in order; Fatal where the ledger itself cannot be
    written.
    """
    started = time.monotonic()
    with recorded(ledger, "run", stop) as record:
        mover = Mover(job, ledger, observer, stop, record.run, may_leave_out=True)
        attention = mover.connections.attention(prompter)
        attention.during(mover.conduct, lambda: observer.progress(_snapshot(mover)))
        waiting = 0 if mover.idle else steps.leave_waiting(ledger, _why_waiting(mover))
        record.state = state = _state(mover, waiting)
        summary = _summary(mover, state, time.monotonic() - started)
    observer.progress(_snapshot(mover))
    if stop.error is not None and not isinstance(stop.error, OutpourError):
        raise stop.error
    if mover.idle:
        return Outcome(state, _exit(state, True), summary, _error(mover), idle=mover.idle)
    if isinstance(stop.error, Misconfigured) and not mover.moved:
        return Outcome(state, Exit.USAGE, summary, _error(mover))
    short, lost = _short(mover), losses.count_last(ledger, [sink.name for sink in job.sinks])
    whole = summary.whole and not short and not lost
    return Outcome(state, _exit(state, whole), summary, _error(mover), short=short, lost=lost)


def _summary(mover: Mover, state: RunState, seconds: float) -> Summary:
    folder = mover.job.quarantine
    quarantine = folder if folder.is_dir() and any(folder.iterdir()) else None
    sinks = [sink.name for sink in mover.job.sinks]
    return summarize(
        mover.ledger, mover.run_id, state, mover.meter, seconds, sinks, quarantine, mover.spared
    )


def _snapshot(mover: Mover) -> Progress:
    connections = mover.connections
    told = {gate.name: gate.status for gate, _ in connections.places}
    for name, gate in connections.sinks.items():
        told[name] = "full" if mover.rooms[name].asleep else gate.status
    return mover.meter.snapshot(mover.run.staging.used, told)


def _why_waiting(mover: Mover) -> str:
    if mover.stop:
        return mover.stop.reason
    rooms = mover.rooms.values()
    full = ", ".join(room.name for room in rooms if room.asleep and not room.closed)
    connections = mover.connections
    sinks, sources = connections.sinks_left_out.reasons, connections.sources_left_out.reasons
    if not sinks and not sources:
        return f"no room at {full or ', '.join(mover.rooms)}"
    expired = [name for name, why in sinks.items() if isinstance(why, SessionExpired)]
    out = ", ".join(expired)
    away = ", ".join([*sources, *(name for name in sinks if name not in expired)])
    reasons = {"a person is needed at": out, "the run went without": away, "no room at": full}
    return ", ".join(f"{why} {names}" for why, names in reasons.items() if names)


def _state(mover: Mover, waiting: int) -> RunState:
    full = waiting or mover.unmade or isinstance(mover.unindexed, CapacityExceeded)
    state = state_after(mover.stop.error, mover.stop)
    if state is RunState.COMPLETE and (left_out := mover.connections.left_out):
        return state_without(left_out)
    return RunState.NO_ROOM if state is RunState.COMPLETE and full else state


def _exit(state: RunState, whole: bool) -> Exit:
    return EXITS.get(state, Exit.OK if whole else Exit.ITEMS_FAILED)


def _short(mover: Mover) -> str:
    if mover.catalogue.album_reader.unread:
        return "not all albums could be read"
    return "the album index was not written" if mover.unindexed is not None else ""


def _error(mover: Mover) -> str:
    errors = [mover.stop.error] if mover.stop.error else mover.connections.left_out
    advice = [error.advice for error in errors if isinstance(error, OutpourError)]
    if not errors and mover.unmade is not None:
        advice = [mover.unmade.advice]
    return "; ".join([*(one.rstrip(".") for one in advice[:-1]), *advice[-1:]])
