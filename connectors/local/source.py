"""A folder as a source: its pictures and videos, one folder at a time."""

from __future__ import annotations

import hashlib
import mimetypes
import os
import stat
import threading
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path, PurePosixPath

from connectors.abilities import Capacity
from connectors.base import Asset, Page, Problem, Resource
from connectors.errors import ItemError, NotFound, Transient
from connectors.local import disk
from connectors.local.grouping import Group, groups, is_media
from connectors.local.root import check_reading, check_same
from connectors.private import may

_PAGE = 500
_TYPES = {".heic": "image/heic", ".heif": "image/heif", ".dng": "image/x-adobe-dng"}
# Not people's.
_SKIPPED = {
    "@eadir", "$recycle.bin", "system volume information", "lost+found", "thumbs.db",
    "desktop.ini",
}  # fmt: skip
_LONGEST = 10  # characters of an ending that tells what a file is


def is_skipped(name: str) -> bool:
    """Whether a file or folder of this name is hidden, or not people's: it is not listed."""
    return name.startswith(".") or name.casefold() in _SKIPPED


class LocalSource:
    """Lists pictures, videos and their sidecars below ``root``; other files are no assets,
    and counted.

    An asset's id is the relative path of the file that names it, its time that file's.
    Hidden files and folders are left out; links are not followed, and one that leads out of
    the folder is named as a problem. There is no change token: each listing walks the folder,
    with the names of one folder in memory, and leaves out what goes meanwhile. Raises
    Misconfigured if there is nothing to read, also when the folder itself goes.
    """

    def __init__(self, name: str, root: Path) -> None:
        self.name = name
        self._root = root
        self._device = disk.device(root)

    def check(self, *, writing: bool = False) -> None:
        del writing  # nothing is ever written
        check_reading(self._root)

    def pages(self, since: str | None = None) -> Iterator[Page]:
        del since  # no page ever gave one
        self.check()
        ignored: Counter[str] = Counter()
        found = self._walk(PurePosixPath(), ignored)
        while part := list(islice(found, _PAGE)):
            assets = tuple(item for item in part if isinstance(item, Asset))
            problems = tuple(item for item in part if isinstance(item, Problem))
            yield Page(assets, problems=problems, albums_changed=False)
        yield Page(albums_changed=False, ignored=ignored)

    def open(self, asset_id: str, resource: Resource, offset: int = 0) -> FileStream:
        try:
            stream = FileStream(self._path(asset_id, resource), offset)
        except NotFound:
            self._check_root()
            raise
        if resource.handle != stream.identity:
            stream.close()
            raise ItemError(
                f"{resource.id} changed since it was listed", hint="Run again to take it."
            )
        return stream

    def lend(self, asset_id: str, resource: Resource) -> Path:
        self.open(asset_id, resource).close()
        return self._path(asset_id, resource)

    def close(self) -> None:
        """Nothing to release."""

    def whereabouts(self) -> str:
        return disk.whereabouts(self._root)

    def capacity(self) -> Capacity:
        """Of the disk, for what this user may still write."""
        self.check()
        return disk.room(self._root)

    def _path(self, asset_id: str, resource: Resource) -> Path:
        place = PurePosixPath(asset_id)
        if place.is_absolute() or ".." in place.parts or "/" in resource.id:
            raise NotFound(f"no file {resource.id!r} of {asset_id!r} in this folder")
        return self._root / place.parent / resource.id

    # --- listing ---

    def _walk(self, folder: PurePosixPath, ignored: Counter[str]) -> Iterator[Asset | Problem]:
        held = _Entries(ignored)
        try:
            with os.scandir(self._root / folder) as entries:
                for entry in entries:
                    problem = self._sort(entry, held)
                    if problem:
                        yield Problem(_text(folder / entry.name), problem)
        except FileNotFoundError:
            self._check_root()
        except OSError as error:
            yield Problem(_text(folder), f"cannot be read: {error.strerror or error}")
        alone = set(held.files)
        for group in groups(held.files):
            alone.difference_update(name for name, _ in group.files)
            yield from self._assets(folder, group)
        for name in alone:  # a sidecar of nothing that is here
            held.ignore(name)
        for name in sorted(held.folders):
            yield from self._walk(folder / name, ignored)

    def _sort(self, entry: os.DirEntry[str], held: _Entries) -> str:
        """Puts an entry where it belongs; says why if it belongs nowhere and should."""
        if is_skipped(entry.name):
            return ""
        if entry.is_symlink():
            return self._link(Path(entry.path))
        if entry.is_dir():
            if _text(PurePosixPath(entry.name)) != entry.name:
                return "its name is not valid text; rename it"
            held.folders.append(entry.name)
        elif entry.is_file() and is_media(entry.name):
            if _text(PurePosixPath(entry.name)) != entry.name:
                return "its name is not valid text; rename it"
            if not may(entry.path, os.R_OK):
                return "cannot be read: no permission" if self._is_there(entry.path) else ""
            held.files.append(entry.name)
        elif entry.is_file():
            held.ignore(entry.name)
        return ""

    def _link(self, link: Path) -> str:
        try:
            target = link.resolve(strict=True)
        except (OSError, RuntimeError):
            named = is_media(link.name) and self._is_there(link)
            return "a link that leads nowhere" if named else ""
        inside = target.is_relative_to(self._root.resolve())
        if inside or not (target.is_dir() or is_media(link.name)):
            return ""  # what it leads to is listed under its own name
        return "a link that leads out of the folder; add its target as a source"

    def _is_there(self, path: Path | str) -> bool:
        """False for what went while we looked; Misconfigured if everything did."""
        there = os.path.lexists(path)
        if not there:
            self._check_root()
        return there

    def _check_root(self) -> None:
        """A disk that was pulled must not look like a library that was emptied."""
        check_same(self._root, self._device)

    def _assets(self, folder: PurePosixPath, group: Group) -> Iterator[Asset | Problem]:
        """The asset, or those that are left of it where some of its files are gone."""
        found: dict[str, os.stat_result] = {}
        for name, _ in group.files:
            try:
                found[name] = (self._root / folder / name).lstat()
            except FileNotFoundError:
                self._check_root()
            except OSError as error:
                yield Problem(str(folder / name), f"cannot be read: {error.strerror or error}")
                return
        if len(found) == len(group.files):
            yield self._asset(folder, group, found)
            return
        for rest in groups(found):
            yield from self._assets(folder, rest)

    def _asset(
        self, folder: PurePosixPath, group: Group, found: Mapping[str, os.stat_result]
    ) -> Asset:
        lead = group.files[0][0]
        resources: list[Resource] = []
        identities: list[str] = []
        created = None
        for name, role in group.files:
            status = found[name]
            created = created or disk.time_of(status)
            identity = _identity(status)
            identities.append(f"{name}/{identity}")
            media_type = _TYPES.get(Path(name).suffix.lower()) or mimetypes.guess_type(name)[0]
            resources.append(
                Resource(
                    id=name, role=role, filename=name, size=status.st_size, media_type=media_type,
                    handle=identity, revisions=(identity,),
                )
            )  # fmt: skip
        return Asset(
            str(folder / lead), group.kind, created, tuple(resources), revision=_short(identities)
        )


@dataclass
class _Entries:
    """What one folder holds: files that can be of assets, and folders. ``ignored`` counts the other
    files of all folders, by the ending of their names."""

    ignored: Counter[str]
    files: list[str] = field(default_factory=list)
    folders: list[str] = field(default_factory=list)

    def ignore(self, name: str) -> None:
        ending = PurePosixPath(_text(PurePosixPath(name))).suffix.casefold()
        self.ignored[ending if len(ending) <= _LONGEST else ""] += 1


class FileStream:
    """A file from ``offset`` on. Transient if it changes or ends early while it is read."""

    def __init__(self, path: Path, offset: int) -> None:
        self.offset = offset
        self._path = path
        self._lock = threading.Lock()  # a closed number may be another file's at once
        try:
            self._handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        except (OSError, ValueError) as error:  # ValueError: a NUL in the name
            raise (
                disk.error_of(error, path.name)
                if isinstance(error, OSError)
                else NotFound("no file has such a name")
            ) from error
        self._status = os.fstat(self._handle)
        if not stat.S_ISREG(self._status.st_mode):
            self.close()
            raise ItemError(f"{path.name} is no file")
        self.total: int | None = self._status.st_size
        self.identity = _identity(self._status)

    def __iter__(self) -> Iterator[bytes]:
        at = self.offset
        while chunk := self._read(at):
            at += len(chunk)
            yield chunk
        with self._lock:
            now = self._status if self._handle < 0 else os.fstat(self._handle)
        if _identity(now) != self.identity or at < now.st_size:
            raise Transient(f"{self._path.name} changed while it was read")

    def close(self) -> None:
        with self._lock:
            if self._handle >= 0:
                os.close(self._handle)
            self._handle = -1

    def _read(self, at: int) -> bytes:
        with self._lock:
            if self._handle < 0:
                raise Transient(f"{self._path.name} was closed while it was read")
            try:
                return os.pread(self._handle, disk.CHUNK, at)
            except OSError as error:
                raise disk.error_of(error, self._path.name) from error


def _identity(status: os.stat_result) -> str:
    """Changes whenever the content does, as far as a file system can tell."""
    return f"{status.st_size}-{status.st_mtime_ns}"


def _short(parts: Iterable[str]) -> str:
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]


def _text(path: PurePosixPath) -> str:
    """A path that can be shown and stored, whatever bytes its names are made of."""
    return os.fsencode(path).decode("utf-8", "replace")
