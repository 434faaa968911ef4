"""Which paths are taken, learnt from listings, so that content already there is not sent.

A folder is listed once, when its first file comes; what lies below a folder that is not there
costs nothing. Of a name only eight bytes of a hash are kept (a million files cost 8 MB): a
hit means no more than that it is worth asking for that one path.
"""

from __future__ import annotations

import hashlib
import threading
from array import array
from bisect import bisect_left, insort
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor
from dataclasses import dataclass, field
from typing import Any

from dropbox.files import FolderMetadata

Lister = Callable[[str], Iterable[Any]]
"""The entries of one folder (below the root, blank for the root), none if it is not there."""


@dataclass
class _Folder:
    files: array[int] = field(default_factory=lambda: array("Q"))
    folders: set[str] = field(default_factory=set)


class Folders:
    """Thread-safe; each folder is listed by one thread while others wait for it."""

    def __init__(self, lister: Lister, workers: Executor) -> None:
        self._list = lister
        self._workers = workers
        self._known: dict[str, _Folder] = {}
        self._locks: dict[str, threading.Lock] = {}
        self._lock = threading.Lock()

    def perhaps(self, path: str) -> bool:
        """Whether something may be at ``path``; False means that nothing was when we looked.

        Raises what listing raises.
        """
        directory, _, name = _key(path).rpartition("/")
        files = self._folder(directory).files
        number = _number(name)
        at = bisect_left(files, number)
        return at < len(files) and files[at] == number

    def look(self, paths: Iterable[str]) -> None:
        """List what these paths need, several folders at a time."""
        unknown = {_key(path).rpartition("/")[0] for path in paths} - self._known.keys()
        if len(unknown) > 1:
            self._folder("")  # most often it says that none of the others is there
            list(self._workers.map(self._folder, sorted(unknown)))

    def added(self, path: str) -> None:
        """A file was made at ``path``, and so were the folders on the way that were not there."""
        directory, _, name = _key(path).rpartition("/")
        with self._lock:
            folder = self._known.get("")
            for above in _above(directory):
                if folder is None:
                    return  # not listed yet: when it is, the file will be in it
                if above:
                    below = above.rpartition("/")[2]
                    if below not in folder.folders:
                        folder.folders.add(below)
                        self._known[above] = _Folder()
                    folder = self._known.get(above)
            if folder is not None:
                insort(folder.files, _number(name))

    def _folder(self, path: str) -> _Folder:
        known = self._known.get(path)
        if known is not None:
            return known
        for above in _above(path):  # outermost first, so that no lock is taken inside another
            if not self._listed(above, path):
                return _Folder()
        return self._known[path]

    def _listed(self, path: str, wanted: str) -> bool:
        """List one folder; False if ``wanted`` cannot be below it."""
        with self._lock:
            lock = self._locks.setdefault(path, threading.Lock())
        with lock:
            if path not in self._known:
                self._known[path] = self._fetch(path)
        if path == wanted:
            return True
        below = wanted[len(path) :].lstrip("/").partition("/")[0]
        return below in self._known[path].folders

    def _fetch(self, path: str) -> _Folder:
        numbers: list[int] = []
        folders: set[str] = set()
        for entry in self._list(path):
            if isinstance(entry, FolderMetadata):
                folders.add(_key(entry.name))
            else:
                numbers.append(_number(_key(entry.name)))
        return _Folder(array("Q", sorted(numbers)), folders)


def _above(path: str) -> Iterator[str]:
    """The folders on the way to ``path``, from the root to itself."""
    yield ""
    parts = path.split("/") if path else []
    for count in range(1, len(parts) + 1):
        yield "/".join(parts[:count])


def _key(path: str) -> str:
    """Dropbox keeps case but does not tell names apart by it."""
    return path.lower()


def _number(name: str) -> int:
    return int.from_bytes(hashlib.blake2b(name.encode(), digest_size=8).digest(), "big")
