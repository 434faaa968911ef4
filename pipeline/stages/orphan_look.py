"""A look at copies whose assets left the source, before they become other files'."""

from __future__ import annotations

import threading

from connectors.base import Receipt, Sink
from connectors.errors import OutpourError
from pipeline import retry
from pipeline.ledger.copies.orphans import Orphan
from pipeline.limits import Gate, GivenUp
from pipeline.stages.context import Run
from pipeline.stages.recheck import recheck

_ENOUGH = 3  # copies in a row that cannot be looked at: it is the place, not the copies


class OrphanLook:
    """At one sink. Safe to use from any thread."""

    def __init__(self, run: Run, sink: Sink, gate: Gate) -> None:
        self._run = run
        self._sink = sink
        self._gate = gate
        self._failures = 0  # in a row
        self._lock = threading.Lock()

    @property
    def hopeless(self) -> bool:
        """Whether it is no use to look at more of them."""
        return self._failures >= _ENOUGH

    def at(self, orphan: Orphan) -> Receipt | str | OutpourError:
        """The copy, if it is there as it was, or what ``recheck`` says of it; or why that cannot
        be told, which the person is told. Raises GivenUp where the sink was given up."""
        run, sink = self._run, self._sink
        try:
            found = retry.call(
                self._gate,
                lambda: recheck(run.ledger, sink, orphan.copy, orphan.digests, run.stop),
            )
        except GivenUp:
            raise  # nothing goes there in this run: the next one finds all as it is
        except OutpourError as error:
            with self._lock:
                self._failures += 1
            text = f"{orphan.copy.path} cannot be looked at: {error}"
            run.notice("warning", text, sink.name, error.hint)
            return error
        with self._lock:
            self._failures = 0
        return found
