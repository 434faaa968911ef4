"""What becomes of a run when sinks have no room: who sleeps, who is told, when work returns."""

from __future__ import annotations

from collections.abc import Callable

from connectors.errors import (
    CapacityExceeded,
    DailyLimit,
    Fatal,
    LimitReached,
    SessionExpired,
    Transient,
)
from pipeline.ledger import work
from pipeline.ledger.goal import ExcludedRoles
from pipeline.rooms import Room
from pipeline.runner.connections import Connections
from pipeline.runner.job import Job
from pipeline.stages.context import Run
from pipeline.stopping import Stop
from pipeline.wording import show_size

_TICK = 0.25  # seconds between two looks at the clock while nothing else can be done


class Fullness:
    """Follows the policy ``full``. ``reopen`` makes the lane of a sink take files again."""

    def __init__(
        self, job: Job, run: Run, connections: Connections, excluded: ExcludedRoles
    ) -> None:
        self._policy = job.pipeline.route.full
        self._rooms = run.rooms
        self._gates = connections.sinks
        self._ledger = run.ledger
        self._excluded = excluded
        self._tell = run.notice
        self._leave_out = run.leave_out
        self._silent: set[str] = set()  # sinks that could not be asked, and the person knows
        self._told: set[str] = set()  # sinks that take nothing, and the person knows
        self.cramped = False  # an asset found too little room

    def sink_is_full(self, sink: str, error: CapacityExceeded) -> None:
        """The sink said it is full."""
        if not self._rooms[sink].sleep(error):
            return
        self._told.add(sink)
        limit = isinstance(error, LimitReached)
        text = f"takes no more for now: {error}" if limit else f"full: {error}"
        self._tell("warning", text, sink, error.hint)

    @property
    def ends_run(self) -> bool:
        """Whether nothing more is to be started: with ``stop``, once a place is full."""
        asleep = any(room.asleep for room in self._open)
        return self._policy == "stop" and (asleep or self.cramped)

    def look(self, reopen: Callable[[str], None]) -> bool:
        """Ask the sleeping sinks for which it is time; True if one takes files again, or one to
        be tried with.

        A sign-in that has ended is the person's business, as in any lane; meanwhile the sink is
        left alone. Raises what ends the run.
        """
        self._tell_who_woke()
        due = [
            room
            for room in self._open
            if room.look_is_due and self._gates[room.name].needs_person is None
        ]
        needed = work.smallest(self._ledger) if due else None
        if needed is None:
            return False
        woken = [room.name for room in due if self._wakes(room, needed)]
        for name in woken:
            self._silent.discard(name)
            reopen(name)
        self._tell_who_woke()
        return bool(woken)

    def wait_for_room(self, needed: int, reopen: Callable[[str], None], stop: Stop) -> bool:
        """What is left, ``needed`` bytes at least, fits nowhere: whether it does after a wait.

        With ``wait`` until there is room, however long; else only for a limit that time lifts.
        """
        for room in filter(self._lacks, self._open):
            if room.asleep is None and room.free is not None and room.free < needed:
                room.doze(needed)
                self._told.add(room.name)
                text = f"no room for {show_size(needed)} more"
                self._tell("warning", text, room.name, "")
        while asleep := [r.asleep for r in filter(self._lacks, self._open) if r.asleep]:
            timed = any(isinstance(why, DailyLimit) for why in asleep)
            if not (self._policy == "wait" or (self._policy == "next" and timed)):
                return False
            if self.look(reopen):
                return True
            stop.sleep(_TICK)
        return False

    @property
    def _open(self) -> list[Room]:
        """Those that may take something in this run."""
        return [room for room in self._rooms.values() if not room.closed]

    def _lacks(self, room: Room) -> bool:
        """Whether what is left is left for this sink: it may be for one that is closed alone."""
        if len(self._open) == len(self._rooms):
            return True
        return work.missing_bytes(self._ledger, room.name, self._excluded) > 0

    def _tell_who_woke(self) -> None:
        for name in [name for name in self._told if self._rooms[name].asleep is None]:
            self._told.discard(name)
            self._tell("info", "has room again", name, "")

    def _wakes(self, room: Room, needed: int) -> bool:
        try:
            return room.wake(needed)
        except SessionExpired as error:
            self._gates[room.name].expired(error)
        except Fatal as error:
            if not self._leave_out(self._gates[room.name], error):
                raise
        except (Transient, CapacityExceeded) as error:
            if room.name not in self._silent:
                self._silent.add(room.name)
                self._tell("warning", str(error), room.name, error.hint)
        return False
