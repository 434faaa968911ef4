"""A number of commands at once, until all of them have ended."""

from __future__ import annotations

import errno
import threading
from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import Any, Protocol

from pipeline.batch.child import Child, Ended, Task
from pipeline.states import Exit
from pipeline.stopping import Stop

_LOOK = 0.2  # seconds between two looks at whether a person wants an end
# Too many processes or open files, too little memory: until others have ended.
_FOR_NOW = {errno.EAGAIN, errno.EMFILE, errno.ENFILE, errno.ENOMEM}


class Observer(Protocol):
    """Called from several threads; must return quickly and never raise."""

    def begun(self, task: Task) -> None: ...
    def heard(self, name: str, event: Mapping[str, Any]) -> None: ...
    def ended(self, ended: Ended) -> None: ...


@dataclass(frozen=True)
class Result:
    """How the commands ended. ``left`` are those that were not started, since a person wanted
    an end."""

    ended: tuple[Ended, ...]
    left: tuple[Task, ...]
    interrupted: bool

    @property
    def by_exit(self) -> Counter[Exit]:
        return Counter(one.exit for one in self.ended)

    @property
    def exit(self) -> Exit:
        """That of all of them where they agree; where they do not, some are not confirmed."""
        if self.interrupted and (self.left or Exit.INTERRUPTED in self.by_exit):
            return Exit.INTERRUPTED
        if len(self.by_exit) == 1:
            return next(iter(self.by_exit))
        return Exit.ITEMS_FAILED if self.by_exit else Exit.OK


class Batch:
    """Runs ``tasks`` in their order, ``jobs`` at once. What becomes of one does not touch the
    others; where ``stop`` is set, those under way are asked to end and no more are started."""

    def __init__(self, tasks: Sequence[Task], jobs: int, observer: Observer, stop: Stop) -> None:
        self._tasks = tasks
        self._waiting = dict(enumerate(tasks))
        self._ended: dict[int, Ended] = {}
        self._jobs = max(1, min(jobs, len(tasks)))
        self._observer = observer
        self._stop = stop
        self._running: set[Child] = set()
        self._filled: set[str] = set()  # places that a task under way has to itself
        self._lock = threading.Lock()
        self._changed = threading.Condition()

    def run(self) -> Result:
        """Until the last has ended."""
        with ThreadPoolExecutor(self._jobs, thread_name_prefix="batch") as pool:
            workers: set[Future[None]] = set()
            try:
                for _ in range(self._jobs):
                    self._submit(pool, workers)
                self._watch(workers)
            except BaseException:
                self._stop.set("the batch was broken off")
                raise
        if self._stop.error is not None:
            raise self._stop.error
        ended = tuple(self._ended[number] for number in sorted(self._ended))
        left = tuple(task for n, task in enumerate(self._tasks) if n not in self._ended)
        return Result(ended, left, bool(self._stop))

    def kill(self) -> None:
        """End those under way, at once. Their ledgers survive that."""
        for child in tuple(self._running):
            child.kill()

    def _submit(self, pool: ThreadPoolExecutor, workers: set[Future[None]]) -> None:
        try:
            workers.add(pool.submit(self._work))
        except RuntimeError:  # no more threads for this user: as many as there are will do
            if not workers:
                raise

    def _watch(self, open_: set[Future[None]]) -> None:
        while open_:
            _, open_ = wait(open_, _LOOK, FIRST_COMPLETED)
            if self._stop:
                with self._lock:  # whoever is not among them by now finds the stop itself
                    running = tuple(self._running)
                for child in running:
                    child.end()
                return

    def _work(self) -> None:
        """One task after another, while there are any."""
        while (taken := self._take()) is not None:
            number, task = taken
            with self._stop.guard():  # a defect of ours must not leave the others unwatched
                ended = self._run(task)
                if ended is None:
                    return
                self._ended[number] = ended.brief()
                self._observer.ended(ended)
            with self._changed:
                self._filled -= task.alone
                self._changed.notify_all()

    def _take(self) -> tuple[int, Task] | None:
        """The next task that no other keeps from beginning."""
        with self._changed:
            while self._waiting and not self._stop:
                for number, task in self._waiting.items():
                    if not task.alone & self._filled:
                        del self._waiting[number]
                        self._filled |= task.alone
                        return number, task
                self._changed.wait(_LOOK)
        return None

    def _run(self, task: Task) -> Ended | None:
        if self._stop:
            return None
        self._observer.begun(task)
        try:
            child = self._started(task)
        except OSError as error:
            return Ended(task, Exit.FATAL, 0.0, f"could not be started: {error.strerror}")
        if child is None:
            return None
        try:
            return child.wait(self._heard)
        finally:
            self._running.discard(child)

    def _started(self, task: Task) -> Child | None:
        """Its process, as soon as there can be one; None where a person wants an end. Raises
        OSError."""
        while True:
            with self._lock:
                if self._stop:
                    return None
                try:
                    child = Child(task)
                except OSError as error:
                    if error.errno not in _FOR_NOW or not self._running:
                        raise
                else:
                    self._running.add(child)
                    return child
            with self._changed:
                self._changed.wait(_LOOK)

    def _heard(self, name: str, event: Mapping[str, Any]) -> None:
        if not self._stop:  # each would say that it is stopping
            self._observer.heard(name, event)
