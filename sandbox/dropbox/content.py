"""File content: its bytes if they are kept, its size and Dropbox's hash in any case."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

BLOCK = 4 * 1024 * 1024
STEP = 1024 * 1024


class Blocks:
    """SHA-256 of each 4 MiB block of what is fed; from them the content hash."""

    def __init__(self) -> None:
        self.size = 0
        self._digests: list[bytes] = []
        self._current = hashlib.sha256()

    @property
    def aligned(self) -> bool:
        return self.size % BLOCK == 0

    def update(self, data: bytes | bytearray | memoryview) -> None:
        view = memoryview(data)
        while view:
            head = view[: BLOCK - self.size % BLOCK]
            self._current.update(head)
            self.size += len(head)
            view = view[len(head) :]
            if self.aligned:
                self._digests.append(self._current.digest())
                self._current = hashlib.sha256()

    def join(self, other: Blocks) -> None:
        """Add all of ``other`` behind; this one must end on a block."""
        assert self.aligned
        self._digests += other._digests
        self._current = other._current.copy()
        self.size += other.size

    def copy(self) -> Blocks:
        made = Blocks()
        made.size, made._digests = self.size, list(self._digests)
        made._current = self._current.copy()
        return made

    def hexdigest(self) -> str:
        rest = b"" if self.aligned else self._current.digest()
        return hashlib.sha256(b"".join(self._digests) + rest).hexdigest()


@dataclass
class Content:
    """``chunks`` is empty where bytes are not kept."""

    blocks: Blocks = field(default_factory=Blocks)
    chunks: list[bytes] = field(default_factory=list)

    @property
    def size(self) -> int:
        return self.blocks.size

    @classmethod
    def of(cls, data: bytes | memoryview, *, keep: bool) -> Content:
        made = cls()
        made.blocks.update(data)
        if keep:
            made.chunks.append(bytes(data))
        return made

    def plus(self, other: Content) -> Content:
        """Both, one behind the other; hashed again only where a block is shared."""
        made = Content(self.blocks.copy(), self.chunks + other.chunks)
        if self.blocks.aligned:
            made.blocks.join(other.blocks)
        else:
            for chunk in other.chunks:
                made.blocks.update(chunk)
        return made

    def read(self, start: int = 0, end: int | None = None) -> Iterator[bytes]:
        """A part of the bytes, in steps."""
        end = self.size if end is None else end
        at = 0
        for chunk in self.chunks:
            low, high = max(start - at, 0), min(end - at, len(chunk))
            for step in range(low, high, STEP):
                yield chunk[step : min(step + STEP, high)]
            at += len(chunk)

    def flipped(self) -> Content:
        """The same with one bit the other way round."""
        data = bytearray(b"".join(self.chunks) or bytes(self.size))
        if data:
            data[len(data) // 2] ^= 0x10
        return Content.of(bytes(data), keep=bool(self.chunks))


def receive(pieces: Iterable[memoryview], *, keep: bool) -> Content:
    """All of a request body; a piece of it at a time in memory if it is not kept."""
    made = Content()
    for piece in pieces:
        made.blocks.update(piece)
        if keep:
            made.chunks.append(bytes(piece))
    return made
