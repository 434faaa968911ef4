"""Bytes made on demand: a small real file in front, padding from a seed behind it.

Nothing is held: a 5 GB film costs its 20 KB of real movie and one shared block. Apple's
fingerprint is computed when asked for and remembered for what is slow to compute.
"""

from __future__ import annotations

import base64
import functools
import hashlib
import random
from collections.abc import Callable, Iterator

BLOCK = 1 << 20
_STAMP = 32
_NOISE = random.Random(20260101).randbytes(BLOCK)
_SALT = b"com.apple.XattrObjectSalt\0com.apple.DataObjectSalt\0"


class Content:
    """``size`` bytes: what ``build`` returns (``head`` bytes), then padding drawn from ``tag``.

    ``shared`` says that ``build`` is one object for many contents, which differ in their
    padding alone. Two contents are equal when their tags are equal, and different otherwise.
    """

    __slots__ = ("_build", "_shared", "head", "size", "tag")

    def __init__(
        self,
        tag: str,
        build: Callable[[], bytes],
        head: int,
        padding: int = 0,
        *,
        shared: bool = False,
    ) -> None:
        self.tag = tag
        self.head = head
        self.size = head + padding
        self._build = build
        self._shared = shared

    @classmethod
    def of(cls, data: bytes) -> Content:
        """Given bytes (an upload), held as they are."""
        return cls(hashlib.sha256(data).hexdigest(), lambda: data, len(data))

    def chunks(self, offset: int = 0, end: int | None = None) -> Iterator[bytes]:
        """Bytes from ``offset`` up to ``end`` (exclusive), at most 1 MiB at a time."""
        end = self.size if end is None else min(end, self.size)
        if offset < min(end, self.head):
            data = self._build()
            yield data if (offset, end) == (0, self.head) else data[offset : min(end, self.head)]
            offset = min(end, self.head)
        while offset < end:
            number, skip = divmod(offset - self.head, BLOCK)
            take = min(BLOCK - skip, end - offset)
            if skip < _STAMP:
                block = self._stamp(number) + _NOISE[_STAMP : skip + take]
                yield block[skip : skip + take] if (skip, take) != (0, len(block)) else block
            else:
                yield _NOISE[skip : skip + take]
            offset += take

    def read(self, offset: int = 0, length: int | None = None) -> bytes:
        return b"".join(self.chunks(offset, None if length is None else offset + length))

    def fingerprint(self) -> str:
        """Apple's ``fileChecksum`` of these bytes."""
        return _fingerprint(self.tag, self)

    def _hashed(self) -> str:
        if not self._shared:
            return apple_fingerprint(self.chunks())
        digest = _begun(self._build).copy()
        for chunk in self.chunks(self.head):
            digest.update(chunk)
        return base64.b64encode(b"\x01" + digest.digest()).decode()

    def _stamp(self, number: int) -> bytes:
        return hashlib.blake2b(f"{self.tag}/{number}".encode(), digest_size=_STAMP).digest()

    def __hash__(self) -> int:
        return hash(self.tag)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Content) and (self.tag, self.size) == (other.tag, other.size)


@functools.lru_cache(maxsize=1 << 17)
def _fingerprint(_tag: str, content: Content) -> str:
    return content._hashed()


@functools.cache
def _begun(build: Callable[[], bytes]) -> hashlib._Hash:
    """The digest after a head that many contents share."""
    digest = hashlib.sha1(_SALT, usedforsecurity=False)
    digest.update(build())
    return digest


def apple_fingerprint(chunks: Iterator[bytes]) -> str:
    digest = hashlib.sha1(_SALT, usedforsecurity=False)
    for chunk in chunks:
        digest.update(chunk)
    return base64.b64encode(b"\x01" + digest.digest()).decode()
