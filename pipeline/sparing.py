"""A place that cannot be used holds up no other: it is left out, named, and what is its waits.

Without any other there is nothing to go on with, and what it fails at ends the command.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator, Mapping

from connectors.errors import DiskFailed, Fatal, ItemError, Misconfigured, OutpourError, Transient
from pipeline.events import Tell
from pipeline.limits import Gate, GivenUp


class Sparing:
    """Leaves places out, sources or sinks, from any thread. ``may`` says of which a command can
    do without; ``closing`` is told of each before anybody who waits for it is."""

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
    def lost(self) -> dict[str, OutpourError]:
        """Why places were left out, by name."""
        return {name: gate.lost for name, gate in self._gates.items() if gate.lost}

    def spare(self, gate: Gate, why: OutpourError) -> bool:
        """Go on without this place, and say so; False where it is none of these, or the last."""
        with self._lock:
            if gate.lost:
                return True
            if isinstance(why, DiskFailed):
                return False  # all of them need it
            here = self._gates.values()
            others = [one for one in here if one is not gate and not one.lost]
            if gate not in here or not others or not self._may(gate.name):
                return False
            self._closing(gate.name)
            gate.give_up(why)
        self._tell("error", f"left out from now on: {why}", gate.name, why.hint)
        return True

    @contextlib.contextmanager
    def apart(self, name: str, *, new: bool = False) -> Iterator[None]:
        """What this place fails at in here as a whole concerns it alone. Of a ``new`` one, a person
        should rather hear of a mistake before anything is done."""
        try:
            yield
        except GivenUp:
            pass
        except (Transient, ItemError, Fatal) as error:
            mistaken = new and isinstance(error, Misconfigured)
            if mistaken or not self.spare(self._gates[name], error):
                raise
