"""The folders of a sink: inside its root, made when needed, durable, clear of old strays."""

from __future__ import annotations

import bisect
import contextlib
import errno
import itertools
import os
import re
import secrets
import threading
import time
from array import array
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from connectors import durable
from connectors.errors import ItemError, OutpourError, Transient
from connectors.local import disk
from connectors.local.root import check_reading, check_same
from connectors.spelling import folded

PREFIX = ".outpour-"
_SESSION = secrets.token_hex(4)
_TEMPORARY = re.compile(re.escape(PREFIX) + r"(?P<pid>\d+)-(?P<session>[0-9a-f]{8})-\d+")
_LONGEST_RUN = 24 * 3600  # seconds; an older file of a process number that is in use is a stray
_numbers = itertools.count(1)


def temporary_name() -> str:
    """A name no other process or thread takes, and that says whose it is."""
    return f"{PREFIX}{os.getpid()}-{_SESSION}-{next(_numbers)}"


def is_temporary(name: str) -> bool:
    return _TEMPORARY.fullmatch(name) is not None


@dataclass
class _Folder:
    """What is known of a folder since it was entered first.

    ``names`` are hashes of the folded names it held then, sorted: 8 bytes each, so that a
    folder of a million files costs 8 MB. Names we add later are kept apart by the engine.
    """

    path: Path
    names: array[int]
    durable: bool = False


class Folders:
    """All folders below ``root``. Safe with many threads."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._entered: dict[PurePosixPath, _Folder] = {}
        self._lock = threading.Lock()
        self._device = disk.device(root)  # when it was there first

    def target(self, path: str) -> Path:
        """Where a path of the contract is on disk; ItemError if it would leave the root."""
        parts = path.split("/")
        if any(part in ("", ".", "..") or "\0" in part for part in parts) or is_temporary(
            parts[-1]
        ):
            raise ItemError(f"{path!r} is no path below the folder")
        target = self.root.joinpath(*parts)
        if PurePosixPath(path).parent not in self._entered:
            self._inside(target.parent, path)
        return target

    def enter(self, path: str) -> None:
        """Have the folder of ``path`` ready: made, and free of what dead processes left. The disk
        is looked for each time: it may be out by now, and its mount point take what comes."""
        folder = PurePosixPath(path).parent
        self.check()
        if folder in self._entered:
            return
        with self._lock:
            if folder not in self._entered:
                self._make(folder)
                place = self.root / folder
                self._inside(place, path)
                self._entered[folder] = _Folder(place, _look_through(place))

    def forget(self, path: str) -> None:
        """The folder of ``path`` was taken away: enter it anew next time."""
        with self._lock:
            self._entered.pop(PurePosixPath(path).parent, None)

    def check(self) -> None:
        """Misconfigured when the root is not there, or no more, so nothing else is told of it.

        Writing there could fill the disk below the mount point of the missing one.
        """
        if self._device is None:
            check_reading(self.root, made=True)
        else:
            check_same(self.root, self._device)

    def error_of(self, error: OSError, what: str) -> OutpourError:
        """What an error of the system stands for; Misconfigured where the root is gone."""
        self.check()
        return disk.error_of(error, what)

    def clash(self, path: str) -> Path | None:
        """A file whose name differs from ``path`` only in case or composition."""
        pure = PurePosixPath(path)
        folder = self._entered.get(pure.parent)
        if folder is None:  # another file found that it was taken away
            raise Transient(f"{path}: its folder was taken away meanwhile")
        wanted = folded(pure.name)
        at = bisect.bisect_left(folder.names, _number(wanted))
        if at == len(folder.names) or folder.names[at] != _number(wanted):
            return None
        with os.scandir(folder.path) as entries:
            found = (e.name for e in entries if e.name != pure.name and folded(e.name) == wanted)
            name = next(found, None)
        return folder.path / name if name else None

    def make_durable(self, paths: Iterable[str]) -> None:
        """Return when the names at ``paths`` are on the medium: one sync for each folder."""
        for folder in {PurePosixPath(path).parent for path in paths}:
            durable.sync_folder(self.root / folder)
            known = self._entered.get(folder)
            if known is None or not known.durable:
                for parent in folder.parents:
                    durable.sync_folder(self.root / parent)
                with contextlib.suppress(PermissionError):  # then we did not make the root
                    durable.sync_folder(self.root.parent)
                if known:
                    known.durable = True

    def _make(self, folder: PurePosixPath) -> None:
        try:
            self.check()
            self.root.mkdir(exist_ok=True)
            if self._device is None:
                self._device = disk.device(self.root)
            for part in (*reversed(folder.parents), folder):
                with contextlib.suppress(FileExistsError):
                    (self.root / part).mkdir()
            self.check()
        except OSError as error:
            raise self.error_of(error, f"folder {self.root / folder}") from error

    def _inside(self, place: Path, path: str) -> None:
        try:
            if not place.resolve().is_relative_to(self.root.resolve()):
                raise ItemError(f"{path!r} leads out of {self.root} by a link")
        except (OSError, RuntimeError) as error:  # RuntimeError: a loop of links, until 3.13
            raise ItemError(f"{path!r} cannot be followed: {error}") from error


def _look_through(folder: Path) -> array[int]:
    names: list[int] = []
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.name.startswith(PREFIX) and is_temporary(entry.name):
                    _sweep(entry)
                else:
                    names.append(_number(folded(entry.name)))
    except OSError as error:
        if error.errno == errno.ENOTDIR:
            raise ItemError(f"{folder} is a file, not a folder") from error
        raise disk.error_of(error, f"folder {folder}") from error
    return array("q", sorted(names))


def _sweep(entry: os.DirEntry[str]) -> None:
    """Remove a temporary file unless the process that made it may still want it."""
    match = _TEMPORARY.fullmatch(entry.name)
    assert match is not None
    pid = int(match["pid"])
    with contextlib.suppress(OSError):
        if pid == os.getpid():
            # The number is ours: what an earlier bearer left (pid 1 of a container) is a stray.
            wanted = match["session"] == _SESSION
        else:
            age = time.time() - entry.stat(follow_symlinks=False).st_ctime
            wanted = _runs(pid) and age < _LONGEST_RUN
        if not wanted:
            Path(entry.path).unlink()


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        return True
    return True


def _number(folded: str) -> int:
    return hash(folded)
