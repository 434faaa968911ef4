"""How a command that the ledger keeps record of came to its end."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from connectors.errors import CapacityExceeded, DiskFull, OutpourError, SessionExpired
from pipeline.ledger import Ledger, runs
from pipeline.states import Exit, RunState
from pipeline.stopping import Stop, Stopped

EXITS = {
    RunState.NEEDS_PERSON: Exit.NEEDS_PERSON,
    RunState.FAILED: Exit.FATAL,
    RunState.INTERRUPTED: Exit.INTERRUPTED,
    RunState.NO_ROOM: Exit.NO_ROOM,
}
"""How a command ends that did not come to its end with every place."""


def state_after(error: BaseException | None, stop: Stop) -> RunState:
    """What it means for a command that ``error``, if any, ended it."""
    if isinstance(error, SessionExpired):
        return RunState.NEEDS_PERSON
    if isinstance(error, DiskFull | CapacityExceeded):
        return RunState.NO_ROOM
    if error is not None and not isinstance(error, Stopped | KeyboardInterrupt):
        return RunState.FAILED
    return RunState.INTERRUPTED if stop or error is not None else RunState.COMPLETE


def state_without(reasons: Sequence[OutpourError]) -> RunState:
    """What it means for a command that places were left out for these reasons."""
    if any(isinstance(why, SessionExpired) for why in reasons):
        return RunState.NEEDS_PERSON
    full = all(isinstance(why, CapacityExceeded) for why in reasons)
    return RunState.NO_ROOM if full else RunState.FAILED


@dataclass
class Record:
    """A command in the ledger's history: what it says of its end there, should it come to one.
    Without a ``state`` it is complete, unless it was stopped."""

    run: int
    state: RunState | None = None


@contextlib.contextmanager
def recorded(ledger: Ledger, command: str, stop: Stop) -> Iterator[Record]:
    """Around a command: its record, which is ended however the command ends."""
    record = Record(runs.begin(ledger, command))
    try:
        yield record
    except BaseException as error:
        with contextlib.suppress(Exception):  # what cannot be written must not hide why
            runs.end(ledger, record.run, state_after(error, stop))
        raise
    runs.end(ledger, record.run, record.state or state_after(None, stop))
