"""A file's bytes on their way into requests: read once, bounded in memory."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from connectors.base import Body
from connectors.checksums import DROPBOX_BLOCK
from connectors.errors import ItemError, Unreadable


class Budget:
    """At most ``size`` bytes of request bodies at a time, over all threads; a single larger
    body passes alone. The SDK takes bodies only as bytes, so each is whole in memory."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._used = 0
        self._changed = threading.Condition()

    @contextmanager
    def room(self, size: int) -> Iterator[None]:
        with self._changed:
            while self._used and self._used + size > self._size:
                self._changed.wait()
            self._used += size
        try:
            yield
        finally:
            with self._changed:
                self._used -= size
                self._changed.notify_all()


def read(body: Body, start: int, end: int) -> bytes:
    """A part of a file, about to be sent; Unreadable if the file is shorter than it was."""
    try:
        with body.path.open("rb", buffering=0) as file:
            file.seek(start)
            data = file.read(end - start) or b""
            while len(data) < end - start and (more := file.read(end - start - len(data))):
                data += more  # a read may bring less than asked for, of 2 GiB at most
    except OSError as error:
        raise Unreadable(f"the file cannot be read: {error.strerror}") from error
    if len(data) != end - start:
        raise Unreadable(f"the file {body.path.name} is shorter than it was")
    body.spend(len(data))
    return data


def check(data: bytes, expected: str) -> None:
    """Refuse bytes that are not those the hash was made of: ItemError."""
    if content_hash(data) != expected:
        raise ItemError("the file changed since it was read first", hint="Run again to take it.")


def content_hash(data: bytes) -> str:
    """Dropbox's hash of bytes that are in memory, from the start of a block on."""
    view = memoryview(data)
    blocks = (view[at : at + DROPBOX_BLOCK] for at in range(0, len(data), DROPBOX_BLOCK))
    return hashlib.sha256(b"".join(hashlib.sha256(block).digest() for block in blocks)).hexdigest()
