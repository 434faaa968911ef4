"""The folders of a sink in Drive, and the names that are taken in them.

In Drive a name is no key: two files, or two folders, of one name can lie side by side. So
this is where one-of-each is kept:

- a folder's id comes from Drive beforehand and is on disk before the folder is made. Whoever
  tries again, in this process or after a crash, asks for the same id, which Drive gives once;
- one thread at a time looks into or makes a folder, the others wait for it;
- a folder that was there before is listed once, and what is then uploaded is added. Only
  hashes of names are kept (some 70 bytes each): a name that is not among them is free, one
  that is among them must be asked about.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from unicodedata import normalize

from connectors.durable import sync, sync_folder
from connectors.errors import Fatal, Misconfigured, NotFound, PathConflict
from connectors.gdrive.api import FOLDER, NAMES, Api, File, Ids
from connectors.gdrive.errors import IdTaken, IdUnusable
from connectors.gdrive.unseen import Unseen
from connectors.gdrive.used import Used
from connectors.private import kept, private_dir

_MOST_NAMES = 500_000  # of all folders together, some 35 MB; Drive's own limit for one folder
_ATTEMPTS = 4
_ABSENT = 10.0  # seconds for which a folder that was not there is made without another look


class Reserved:
    """Ids of folders yet to be made, by path, one private file each.

    A file appears whole and never changes, so that of two processes that want the same
    folder both use the id of the first. Raises DiskFull and DiskFailed of their disk.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def get(self, path: str, make: Callable[[], str]) -> str:
        """The id for ``path``; durable when this returns."""
        while (found := self.peek(path)) is None:
            identity = make()
            with self._kept():
                self._write(self._file(path), identity)
        return found

    def peek(self, path: str) -> str | None:
        with self._kept():
            try:
                return self._file(path).read_text()
            except FileNotFoundError:
                return None

    def drop(self, path: str, identity: str) -> None:
        """Forget an id that cannot be used."""
        if self.peek(path) == identity:
            with self._kept():
                self._file(path).unlink(missing_ok=True)

    def _kept(self) -> AbstractContextManager[None]:
        return kept("the ids of folders in Google Drive", self._folder)

    def _write(self, file: Path, identity: str) -> None:
        private_dir(self._folder)
        handle, name = tempfile.mkstemp(dir=self._folder)
        temporary = Path(name)
        try:
            with os.fdopen(handle, "w") as out:
                out.write(identity)
                out.flush()
                sync(out.fileno())
            with suppress(FileExistsError):  # unlike a rename, a link fails where a file is
                file.hardlink_to(temporary)
            sync_folder(self._folder)
        finally:
            temporary.unlink()

    def _file(self, path: str) -> Path:
        return self._folder / hashlib.sha256(path.encode()).hexdigest()[:40]


class Folder:
    """``ids`` has more than one where others made folders of the same name."""

    def __init__(self, path: str, ids: tuple[str, ...]) -> None:
        self.path = path
        self.ids = ids
        self.children: dict[str, Folder] = {}
        self.absent: dict[str, float] = {}  # folders asked for and not found, and when
        self.names: set[int] | None = None  # None until it has been listed
        self.busy: set[str] = set()
        self.lock = threading.Condition()


class Tree:
    """Thread-safe. Paths are relative to the sink's folder; blank is that folder itself."""

    def __init__(
        self, api: Api, ids: Ids, unseen: Unseen, base: str, reserved: Callable[[], Reserved]
    ) -> None:
        self._api = api
        self._ids = ids
        self._base = base
        self._reserved = reserved
        self._top = Folder("", (api.drive or "root",))
        self._listed: OrderedDict[Folder, int] = OrderedDict()  # latest used last
        self._total = 0
        self._lock = threading.Lock()
        self._used = Used()
        self._unseen = unseen

    def ensure(self, path: str) -> Folder:
        """The folder at ``path``, made if missing. Raises PathConflict where a file is."""
        way = self._walk(path, make=True)
        for folder in way:
            self._used.note(folder.path, folder.ids)
        return way[-1]

    def find(self, path: str) -> Folder | None:
        """The folder at ``path`` if there is one."""
        way = self._walk(path, make=False)
        return way[-1] if way else None

    def vanished(self) -> list[str]:
        """Folders that ``ensure`` gave and that are gone by now, or in the bin with what is in
        them; the outermost of them."""
        below = len(self._base) + 1
        return [path[below:] for path in self._used.gone(self._api)]

    def top(self) -> tuple[str, ...]:
        """Ids of the sink's own folder as Drive shows it now; none where it does not."""
        self.forget()
        found = self.find("")
        return found.ids if found else ()

    def forget(self) -> None:
        """Look at Drive afresh: a folder turned out to be gone."""
        with self._lock:
            self._top = Folder("", self._top.ids)
            self._listed.clear()
            self._total = 0

    @contextmanager
    def claim(self, folder: Folder, name: str) -> Iterator[bool]:
        """Hold a name against other threads; tells whether it may be taken already.

        The name counts as taken afterwards, whatever became of it.
        """
        with folder.lock:
            folder.lock.wait_for(lambda: name not in folder.busy)
            names = self._names(folder)
            key = _key(name)
            perhaps = key in names
            names.add(key)
            folder.busy.add(name)
        try:
            yield perhaps
        finally:
            with folder.lock:
                folder.busy.discard(name)
                folder.lock.notify_all()

    def may_hold(self, folder: Folder, name: str) -> bool:
        """Whether the folder's listing, or anybody here since, had the name."""
        with folder.lock:
            return _key(name) in self._names(folder)

    def _walk(self, path: str, *, make: bool) -> list[Folder]:
        """The folders on the way to ``path``, itself last; none where it is not there."""
        folder, way = self._top, []
        base = self._base.split("/")
        parts = base + (path.split("/") if path else [])
        for depth, part in enumerate(parts):
            with folder.lock:
                child = folder.children.get(part)
                known = time.monotonic() - folder.absent.get(part, -_ABSENT) < _ABSENT
                if child is None and not (make and known):
                    child = self._look(folder, part, ours=depth >= len(base))
                    if child is None:
                        folder.absent[part] = time.monotonic()
                if child is None and make:
                    child = self._make(folder, part)
                if child is None:
                    return []
                folder.children[part] = child
            folder = child
            way.append(folder)
        return way

    def _look(self, folder: Folder, name: str, *, ours: bool) -> Folder | None:
        """Find a subfolder. Above our own folder only the one name is asked for."""
        if ours:
            names = self._names(folder)
            if name in folder.children:
                return folder.children[name]
            if _key(name) not in names:
                return self._unlisted(folder, name)
        found = self._asked(folder, name)
        same = [entry for entry in found if normalize("NFC", entry["name"]) == name]
        ids = tuple(sorted(entry["id"] for entry in same if entry["mimeType"] == FOLDER))
        if ids:
            return Folder(_join(folder.path, name), ids)
        if same:
            raise self._in_the_way(folder, name, ours=ours)
        return self._unlisted(folder, name)

    def _asked(self, folder: Folder, name: str) -> list[File]:
        try:
            found = list(self._api.children(folder.ids, NAMES, name))
            if not found and not name.isascii():  # such names are not always found by asking
                found = list(self._api.children(folder.ids, NAMES))
            return found
        except NotFound as error:
            if folder.path or not self._api.drive:
                raise
            raise Misconfigured(
                "the shared drive cannot be found with this sign-in",
                hint="Check 'drive', become a member of it, or set 'scope: drive'.",
            ) from error

    def _unlisted(self, parent: Folder, name: str) -> Folder | None:
        """A folder we made so lately that no listing shows it yet."""
        path = _join(parent.path, name)
        identity = self._reserved().peek(path)
        if identity is None or not _is_here(self._api.get(identity), name, parent):
            return None
        return Folder(path, (identity,))

    def _in_the_way(self, folder: Folder, name: str, *, ours: bool) -> Misconfigured | PathConflict:
        path = _join(folder.path, name)
        if ours:
            return PathConflict(
                f"{path!r} is a file in Google Drive, not a folder",
                hint="Rename that file, or choose another folder or layout.",
            )
        return Misconfigured(
            f"{path!r} is a file in Google Drive, not a folder",
            hint="Set 'folder' to another name, or rename that file.",
        )

    def _make(self, parent: Folder, name: str) -> Folder:
        path = _join(parent.path, name)
        reserved = self._reserved()
        for _ in range(_ATTEMPTS):
            identity = reserved.get(path, lambda: self._ids.take()[0])
            try:
                self._api.create_folder(identity, name, parent.ids[0])
            except IdTaken:
                if not _is_here(self._unseen.find(identity), name, parent):
                    reserved.drop(path, identity)
                    continue
                return Folder(path, (identity,))
            except IdUnusable:
                reserved.drop(path, identity)
                continue
            made = Folder(path, (identity,))
            made.names = set()  # it is new, so nothing can be in it
            if parent.names is not None:
                parent.names.add(_key(name))
            return made
        raise Fatal(f"Google Drive does not let the folder {path!r} be made")

    def _names(self, folder: Folder) -> set[int]:
        """Hashes of the names in a folder (its lock is held), listed if they are not known."""
        names = folder.names
        if names is None:
            names = set()
            folders: dict[str, list[str]] = {}
            for entry in self._api.children(folder.ids, NAMES):
                name = normalize("NFC", entry["name"])
                names.add(_key(name))
                if entry["mimeType"] == FOLDER:
                    folders.setdefault(name, []).append(entry["id"])
            for name, ids in folders.items():
                known = Folder(_join(folder.path, name), tuple(sorted(ids)))
                folder.children.setdefault(name, known)
            folder.names = names
        self._touch(folder, len(names))
        return names

    def _touch(self, folder: Folder, count: int) -> None:
        """Keep the names of all folders together within bounds."""
        with self._lock:
            self._total += count - self._listed.get(folder, 0)
            self._listed[folder] = count
            self._listed.move_to_end(folder)
            if self._total > _MOST_NAMES:
                self._drop_others(folder)

    def _drop_others(self, folder: Folder) -> None:
        """Forget the names of other folders, the one not used for longest first.

        A folder that another thread is at keeps its names: to wait for it, with a folder of
        our own held, could be for ever.
        """
        for other, count in list(self._listed.items()):
            if self._total <= _MOST_NAMES:
                return
            if other is folder or not other.lock.acquire(blocking=False):
                continue
            try:
                other.names = None
            finally:
                other.lock.release()
            del self._listed[other]
            self._total -= count


def _is_here(found: File | None, name: str, parent: Folder) -> bool:
    if found is None or found.get("trashed") or found["mimeType"] != FOLDER:
        return False
    # A child names the real id where we say "root", which drive.file may not look up.
    places = found.get("parents", ())
    here = parent.ids[0] == "root" or not places or places[0] in parent.ids
    return here and normalize("NFC", found["name"]) == name


def _key(name: str) -> int:
    return hash(name)


def _join(folder: str, name: str) -> str:
    return f"{folder}/{name}" if folder else name
