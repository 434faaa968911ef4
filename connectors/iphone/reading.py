"""Reading files whole and exactly: what ``pull`` of most tools leaves to luck.

Every READ must give what was asked for unless the file ends there; at the end the file must
still have the size and the time of change it had in the beginning. Two READs are always under
way. A small file whose size is known costs three operations (open, one READ, close): one READ
cannot be torn.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import threading
from collections import deque
from collections.abc import Coroutine, Iterator
from typing import Any

from connectors.errors import NotFound, OutpourError, Transient, Unreadable
from connectors.iphone.bridge import wait
from connectors.iphone.device import LONGEST_READ, Files, Phone, Stat
from connectors.iphone.errors import Away, Denied, Missing
from connectors.iphone.link import Link

SMALL = 1024 * 1024
_AHEAD = 2
_PATIENCE = 60.0  # seconds, above the connection's own limit
_LONG_PATIENCE = 360.0  # the same for a READ


class Whole:
    """A stream over bytes that are here already."""

    def __init__(self, data: bytes) -> None:
        self.offset = 0
        self.total: int | None = len(data)
        self._data = data

    def __iter__(self) -> Iterator[bytes]:
        if self._data:
            yield self._data

    def close(self) -> None:
        self._data = b""


class FileStream:
    """One open file, read ahead. ``before`` is what the phone said of it when it was opened; of
    one that may be ``growing`` it is read up to there."""

    def __init__(
        self,
        link: Link,
        phone: Phone,
        files: Files,
        handle: int,
        path: str,
        before: Stat,
        *,
        growing: bool,
    ) -> None:
        self.offset = 0
        self.total: int | None = before.size
        self.before = before
        self._link = link
        self._phone = phone
        self._files = files
        self._handle = handle
        self._path = path
        self._growing = growing
        self._closed = False
        self._lock = threading.Lock()

    def seek(self, offset: int) -> None:
        """Begin at ``offset``; before the first chunk. Raises as iterating does."""
        self._run(self._files.seek(self._handle, offset))
        self.offset = offset

    def __iter__(self) -> Iterator[bytes]:
        bridge, size, asked = self._link.bridge, self.before.size, self.offset
        ahead: deque[tuple[int, concurrent.futures.Future[bytes]]] = deque()
        try:
            while asked < size or ahead:
                while asked < size and len(ahead) < _AHEAD:
                    length = min(LONGEST_READ, size - asked)
                    ahead.append((length, bridge.submit(self._files.read(self._handle, length))))
                    asked += length
                length, future = ahead.popleft()
                data = wait(future, _LONG_PATIENCE)
                if len(data) != length:
                    raise Transient(f"{self._path}: a read gave {len(data)} of {length} bytes")
                yield data
            self._check(wait(bridge.submit(self._files.stat(self._path)), _PATIENCE))
        except (Away, Missing, Denied) as error:
            raise understood(self._link, self._phone, self._path, error) from error
        finally:
            for _, future in ahead:
                future.cancel()

    def close(self) -> None:
        with self._lock:
            if self._closed:
                return
            self._closed = True
        try:
            self._link.bridge.submit(_release(self._files, self._handle))
        except Away:
            return  # the link is closed, and its handles with it

    def _check(self, after: Stat) -> None:
        before = self.before
        grown = self._growing and after.size >= before.size
        if not grown and (after.size, after.modified) != (before.size, before.modified):
            raise Transient(f"{self._path} changed while it was read")

    def _run(self, work: Coroutine[Any, Any, None]) -> None:
        try:
            self._link.bridge.run(work, _PATIENCE)
        except (Away, Missing, Denied) as error:
            raise understood(self._link, self._phone, self._path, error) from error


def open_file(link: Link, path: str, *, growing: bool = False) -> FileStream:
    """Open any file, at its beginning. Raises NotFound, Unreadable, Transient, SessionExpired."""
    phone = link.phone()

    async def begin() -> tuple[Files, int, Stat]:
        files = phone.pick()
        try:
            handle = await files.open(path)
        except BaseException:
            files.done()
            raise
        try:
            before = await files.stat(path)
            if before.link:
                raise Denied(f"{path} is a link, which is not followed", passing=False)
            return files, handle, before
        except BaseException:
            await _release(files, handle)
            raise

    try:
        files, handle, before = link.bridge.run(begin(), _PATIENCE)
    except (Away, Missing, Denied) as error:
        raise understood(link, phone, path, error) from error
    return FileStream(link, phone, files, handle, path, before, growing=growing)


async def fetch(files: Files, path: str, size: int) -> bytes:
    """A small file of known ``size`` in one READ. Raises Missing, Denied and Away; Unreadable
    when the file has another size, Transient when it was read short."""
    handle = await files.open(path)
    try:
        data = await files.read(handle, size + 1)  # one more, to see that it ends
    finally:
        # Nothing waits for the answer: operations of one connection are done in order.
        _behind(files.close(handle))
    if len(data) != size:
        found = (await files.stat(path)).size
        if found == size:
            raise Transient(f"{path}: a read gave {len(data)} of {size} bytes")
        raise other_size(path, size, found)
    return data


def other_size(path: str, size: int, found: int) -> Unreadable:
    """The library and the file system of the phone disagree: this may be a stand-in."""
    return Unreadable(
        f"{path} has {found} bytes where the phone's library says {size}",
        hint="Open the photo on the phone once, so that its original is there, then run again.",
    )


def understood(link: Link, phone: Phone, path: str, error: Exception) -> OutpourError:
    """What to raise to the caller for a trouble with one file."""
    if isinstance(error, Away):
        return link.lost(phone, error)
    if isinstance(error, Missing):
        return NotFound(f"{path} is not on the phone any more")
    if isinstance(error, Denied) and error.passing:
        return Transient(str(error))
    return Unreadable(str(error))


_tasks: set[asyncio.Task[None]] = set()


def _behind(work: Coroutine[Any, Any, None]) -> None:
    task = asyncio.get_running_loop().create_task(work)
    _tasks.add(task)  # the loop itself keeps only weak references
    task.add_done_callback(_tasks.discard)


async def _release(files: Files, handle: int) -> None:
    files.done()
    await files.close(handle)
