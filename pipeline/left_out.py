"""A place that cannot be used holds up no other: it is named and left out, and what was meant for
it waits.

The last one cannot be left out: what it fails at ends the command.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator, Mapping

from connectors.errors import (
    CapacityExceeded,
    DiskFailed,
    Fatal,
    ItemError,
    Misconfigured,
    OutpourError,
    Transient,
)
from pipeline.events import Tell
from pipeline.limits import Gate, GivenUp


class LeftOut:
    """The sources, or the sinks, that a command goes on without. Safe to use from any thread.

    ``may`` says which places it can go on without; ``closing`` is told of each before anybody who
    waits for it is.
    """

    def __init__(
        self,
        gates: Mapping[str, Gate],
        tell: Tell,
        may: Callable[[str], bool] = lambda _: True,
        closing: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._gates = gates
        self._tell = tell
        self._may = may
        self._closing = closing
        self._lock = threading.Lock()

    @property
    def reasons(self) -> dict[str, OutpourError]:
        """Why places were left out, by name."""
        return {name: gate.left_out for name, gate in self._gates.items() if gate.left_out}

    def leave_out(self, gate: Gate, why: OutpourError) -> bool:
        """Go on without this place, and say so. False where the command cannot: the place is the
        last, not one of these, or failed at what all of them need."""
        with self._lock:
            if gate.left_out:
                return True
            if isinstance(why, DiskFailed):
                return False  # all of them need it
            here = self._gates.values()
            others = [one for one in here if one is not gate and not one.left_out]
            if gate not in here or not others or not self._may(gate.name):
                return False
            self._closing(gate.name)
            gate.give_up(why)
        self._tell("error", f"left out from now on: {why}", gate.name, why.hint)
        return True

    @contextlib.contextmanager
    def tolerating(self, name: str, *, new: bool = False) -> Iterator[None]:
        """An error in here that concerns the place as a whole leaves it out, or is raised where the
        command cannot go on without it.

        For a ``new`` place, which no run ever used, Misconfigured is raised as well: the person
        should hear of a typing mistake before anything starts.
        """
        try:
            yield
        except GivenUp:
            pass
        except (Transient, ItemError, CapacityExceeded, Fatal) as error:
            mistaken = new and isinstance(error, Misconfigured)
            if mistaken or not self.leave_out(self._gates[name], error):
                raise
