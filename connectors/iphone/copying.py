"""A private copy of the phone's Photos.sqlite.

Newest rows live only in the write-ahead log, so main file and log are copied together, in this
order. That is no snapshot: both are looked at before and after, and copied again when the main file
changed or the log began anew. A log that only grew is one that was copied earlier: SQLite reads it
up to its last whole transaction (its file format, 4.3). The shared-memory file is left behind;
SQLite makes its own.
"""

from __future__ import annotations

import contextlib
import sqlite3
import tempfile
import time
from datetime import UTC
from pathlib import Path

from connectors.errors import Fatal, NotFound, Transient
from connectors.iphone.device import Files
from connectors.iphone.errors import Denied, Missing
from connectors.iphone.library import Library
from connectors.iphone.link import Link
from connectors.iphone.reading import open_file
from connectors.iphone.schema import UnknownLibrary

MAIN = "PhotoData/Photos.sqlite"
LOG = f"{MAIN}-wal"
_ATTEMPTS = 5
_PAUSE = 0.5  # seconds
_HEADER = 32  # bytes of a log; another one where it began anew

State = tuple[tuple[int, str] | None, ...]
_REFUSED = (-1, "")


def state(link: Link) -> State:
    """Size and time of change of main file and log; None for one that is not there, -1 for one
    that the phone does not show, or lists and cannot look at."""

    async def look(files: Files) -> State:
        return tuple([await _mark(files, path) for path in (MAIN, LOG)])

    return link.call(look)


async def _mark(files: Files, path: str) -> tuple[int, str] | None:
    try:
        found = await files.stat(path)
    except Missing:  # or an error of the phone's file system
        folder, _, name = path.rpartition("/")
        with contextlib.suppress(Missing, Denied):
            return _REFUSED if name in await files.names(folder) else None
        return None
    except Denied:
        return _REFUSED
    return found.size, found.modified.astimezone(UTC).isoformat()


class Copy:
    """A copied and opened ``library``, as the phone's was in ``state``. ``close`` removes it."""

    def __init__(self, folder: tempfile.TemporaryDirectory[str], taken: State) -> None:
        self._folder = folder
        self.state = taken
        self.library = Library(Path(folder.name, "Photos.sqlite"))

    @classmethod
    def take(cls, link: Link) -> Copy:
        """Copy and open the database. Raises UnknownLibrary when it is not there, damaged or
        not understood; Transient when it changes faster than it can be copied; as the link."""
        damage = ""
        for _ in range(_ATTEMPTS):
            before = state(link)
            if before[0] is None or _REFUSED in before:  # without its log it is an old one
                raise UnknownLibrary("the phone does not show it")
            folder = tempfile.TemporaryDirectory(prefix="outpour-iphone-")
            try:
                if _copied(link, Path(folder.name), before) and _as_before(
                    link, Path(folder.name), before
                ):
                    return cls(folder, before)
            except sqlite3.DatabaseError as error:
                damage = str(error)
                folder.cleanup()
            except BaseException:
                folder.cleanup()
                raise
            else:
                folder.cleanup()
            time.sleep(_PAUSE)
        if damage:
            raise UnknownLibrary(f"it is damaged ({damage})")
        raise Transient(
            "the phone writes to its photo library all the time",
            retry_after=10,
            hint="Close Photos and Camera on the phone, then run again.",
        )

    def close(self) -> None:
        self.library.close()
        self._folder.cleanup()


def _as_before(link: Link, folder: Path, before: State) -> bool:
    """Whether main file and log are those that were copied, if the log grew since."""
    after = state(link)
    if after == before:
        return True
    main, log = zip(before, after, strict=True)
    if main[0] != main[1] or None in log or _REFUSED in log:
        return False
    with Path(folder, Path(LOG).name).open("rb") as copied:
        begun = copied.read(_HEADER)
    return len(begun) == _HEADER and _beginning(link, LOG) == begun


def _beginning(link: Link, path: str) -> bytes:
    """Empty where the file went away, or could not be read just now."""
    try:
        stream = open_file(link, path, growing=True)
    except NotFound:
        return b""
    try:
        return next(iter(stream), b"")[:_HEADER]
    except Transient:
        if link.connected:
            return b""
        raise
    finally:
        stream.close()


def _copied(link: Link, folder: Path, before: State) -> bool:
    """Copy what is there; False if a file changed or went away meanwhile."""
    for path, mark in zip((MAIN, LOG), before, strict=True):
        if mark is None:
            continue
        try:
            stream = open_file(link, path, growing=path == LOG)
        except NotFound:
            return False
        try:
            with Path(folder, Path(path).name).open("wb") as out:
                for chunk in stream:
                    out.write(chunk)
        except Transient:
            if link.connected:
                return False  # changed while it was read
            raise
        except OSError as error:
            raise Fatal(
                f"the phone's library cannot be copied to {folder.parent}: {error.strerror}",
                hint="Make room there, or set TMPDIR to a folder with room, then run again.",
            ) from error
        finally:
            stream.close()
    return True
