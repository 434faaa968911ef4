"""The bytes between source and sinks: files on local disk, within a budget."""

from __future__ import annotations

import contextlib
import hashlib
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path

from connectors.checksums import Algorithm, Digests
from connectors.errors import DiskFull, ItemError, Misconfigured, is_full
from connectors.private import kept, private_dir
from pipeline.stopping import Stop

_ELSEWHERE = "Make room there, or set staging.path."
_AGAIN = "Make room there, or set staging.path and staging.size; then run again."
_SMALLEST = 64 * 1024  # what a file counts at least, so that tiny ones are bounded in number


class Staging:
    """A folder of partly and wholly downloaded files, one for each resource.

    A file's bytes are reserved before its download and released when its last sink has
    confirmed it, so that the folder never outgrows ``budget``; a single file larger than the
    budget passes alone.
    """

    def __init__(self, folder: Path, budget: int, stop: Stop) -> None:
        self.folder = folder
        self.budget = budget
        self._stop = stop
        self._used = 0
        self._changed = threading.Condition()

    def make(self) -> None:
        """Make the folder, private, before anything is put there; one that is there stays as it
        is. Misconfigured if it cannot be, DiskFull where that is for want of room."""
        try:
            if not self.folder.is_dir():
                private_dir(self.folder)
        except OSError as error:
            if is_full(error):
                raise DiskFull(f"no room for staging in {self.folder}", hint=_ELSEWHERE) from None
            raise Misconfigured(
                f"cannot keep staging in {self.folder}: {error.strerror}", hint=_ELSEWHERE
            ) from None

    def in_use(self) -> AbstractContextManager[None]:
        """Around what is done with files in there: where the system refuses that, no file of any
        place can come through. DiskFull for want of room, else DiskFailed."""
        return kept("staging", self.folder, full=_AGAIN)

    @property
    def used(self) -> int:
        return self._used

    def path(self, resource: int) -> Path:
        return self.folder / f"{resource}.part"

    def reserve(self, size: int) -> int:
        """Wait for room for ``size`` bytes; returns what to ``release``. Raises Stopped."""
        cost = max(size, _SMALLEST)
        with self._changed:
            while self._used and self._used + cost > self.budget:
                self._stop.check()
                self._changed.wait(0.25)
            self._used += cost
        return cost

    def release(self, cost: int) -> None:
        with self._changed:
            self._used -= cost
            self._changed.notify_all()

    def leftovers(self) -> Iterator[tuple[int, Path]]:
        """Files an earlier process left, by resource."""
        for path in self.folder.iterdir():
            if path.suffix == ".part" and path.stem.isdigit():
                yield int(path.stem), path


@dataclass
class Staged:
    """A verified file that some sinks still need; it goes when the last one lets go.

    With ``lend`` it is a person's own file, which stays: calling it raises ItemError once the
    file is not the same any more.
    """

    path: Path
    digests: Digests
    cost: int
    staging: Staging
    users: int
    lend: Callable[[], Path] | None = None
    _missed: bool = False  # some sink did not get it
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)
    _look: tuple[int, ...] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self._look = _look(self.path)

    def prove(self) -> None:
        """ItemError where the file is not the one that was verified any more: a sink may take it as
        it is, unread. What does not look the same is read: a sink that failed may have set its
        time."""
        if self.lend is not None:
            self.lend()
            return
        with contextlib.suppress(OSError):  # whoever opens it tells
            now = _look(self.path)
            if now != self._look and not self._is_verified():
                raise ItemError(
                    f"{self.path}: somebody else wrote there after it was verified",
                    hint="No two pipelines, and no two computers, may use one folder for staging.",
                )
            self._look = now

    def _is_verified(self) -> bool:
        with self.path.open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
        return found == self.digests[Algorithm.SHA256]

    def check(self) -> None:
        """DiskFailed where Outpour's own file cannot be read any more: then none there can."""
        if self.lend is None:
            with self.staging.in_use(), self.path.open("rb") as file:
                file.read(1)

    @property
    def sole(self) -> bool:
        """Whether nobody but a single sink needs it any more."""
        return self.users == 1 and self.lend is None

    def let_go(self, *, landed: bool) -> bool:
        """One sink is done with it: it ``landed`` there, or will not for now. With the last one the
        file goes: True if this was the last, and all of them got it. DiskFailed where the file
        cannot be removed."""
        with self._lock:
            self.users -= 1
            self._missed = self._missed or not landed
            last = self.users == 0
        if last:
            try:
                if self.lend is None:
                    with self.staging.in_use():
                        self.path.unlink(missing_ok=True)
            finally:
                self.staging.release(self.cost)
        return last and not self._missed


def _look(path: Path) -> tuple[int, ...]:
    """By what a file that was written to, or replaced, differs; empty where there is none."""
    try:
        now = path.stat()
    except OSError:
        return ()
    return now.st_dev, now.st_ino, now.st_size, now.st_mtime_ns
