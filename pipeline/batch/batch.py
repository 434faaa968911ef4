"""A number of commands at once, until all of them have ended."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, CancelledError, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import Any, Protocol

from pipeline.batch.child import Child, Ended, Task
from pipeline.states import Exit
from pipeline.stopping import Stop

_LOOK = 0.2  # seconds between two looks at whether a person wants an end


class Observer(Protocol):
    """Called from several threads; must return quickly and never raise."""

    def begun(self, task: Task) -> None: ...
    def heard(self, name: str, event: Mapping[str, Any]) -> None: ...
    def ended(self, ended: Ended) -> None: ...


@dataclass(frozen=True)
class Result:
    """How the commands ended. ``left`` are those that were not started."""

    ended: tuple[Ended, ...]
    left: tuple[Task, ...]

    @property
    def by_exit(self) -> Counter[Exit]:
        return Counter(one.exit for one in self.ended)

    @property
    def exit(self) -> Exit:
        """That of all of them where they agree; where they do not, some are not confirmed."""
        if self.left or Exit.INTERRUPTED in self.by_exit:
            return Exit.INTERRUPTED
        if len(self.by_exit) == 1:
            return next(iter(self.by_exit))
        return Exit.ITEMS_FAILED if self.by_exit else Exit.OK


class Batch:
    """Runs ``tasks`` in their order, ``jobs`` at once. What becomes of one does not touch the
    others; where ``stop`` is set, those under way are asked to end and no more are started."""

    def __init__(self, tasks: Sequence[Task], jobs: int, observer: Observer, stop: Stop) -> None:
        self._tasks = tasks
        self._jobs = jobs
        self._observer = observer
        self._stop = stop
        self._running: set[Child] = set()
        self._lock = threading.Lock()

    def run(self) -> Result:
        """Until the last has ended. Raises OSError where none can be started."""
        with ThreadPoolExecutor(self._jobs, thread_name_prefix="batch") as pool:
            futures = {pool.submit(self._one, task): task for task in self._tasks}
            try:
                self._watch(set(futures))
            finally:
                for future in futures:
                    future.cancel()
        ended, left = [], []
        for future, task in futures.items():
            try:
                found = future.result()
            except CancelledError:
                found = None
            if found is None:
                left.append(task)
            else:
                ended.append(found)
        return Result(tuple(ended), tuple(left))

    def kill(self) -> None:
        """End those under way, at once. Their ledgers survive that."""
        for child in tuple(self._running):
            child.kill()

    def _watch(self, open_: set[Future[Ended | None]]) -> None:
        while open_:
            done, open_ = wait(open_, _LOOK, FIRST_COMPLETED)
            for future in done:
                future.result()  # what keeps one command from starting keeps all
            if self._stop:
                with self._lock:  # whoever is not among them by now finds the stop itself
                    running = tuple(self._running)
                for child in running:
                    child.end()
                return

    def _one(self, task: Task) -> Ended | None:
        with self._lock:
            if self._stop:
                return None
            child = Child(task)
            self._running.add(child)
        self._observer.begun(task)
        try:
            ended = child.wait(self._observer.heard)
        finally:
            self._running.discard(child)
        self._observer.ended(ended)
        return ended
