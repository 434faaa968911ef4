"""One pass over the bytes, every digest anyone needs.

Apple's fingerprint (``fileChecksum`` in CloudKit photo records) of the first scheme is
``base64(0x01 || SHA1(salt || bytes))``: 21 bytes, 28 base64 characters. Other first bytes
or lengths belong to schemes that cannot be recomputed outside Apple: such values are
*not verifiable*, which is neither good nor bad.

Dropbox's content hash is SHA-256 over the concatenated SHA-256 of each 4 MiB block
(developers' guide "Content hash").
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import hashlib
import os
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from enum import StrEnum

DROPBOX_BLOCK = 4 * 1024 * 1024
_APPLE_SALT = b"com.apple.XattrObjectSalt\0com.apple.DataObjectSalt\0"
_APPLE_SCHEME_1 = 0x01
_LARGE = 256 * 1024  # bytes of a chunk from which a second thread is worth its cost


class Algorithm(StrEnum):
    """Names as they stand before the colon of a written checksum (``sha256:ab12…``)."""

    APPLE = "apple"
    SHA256 = "sha256"
    MD5 = "md5"
    DROPBOX = "dropbox"


STRONG = (Algorithm.SHA256, Algorithm.DROPBOX)
"""Those that alone say that bytes are the same."""


@dataclass(frozen=True, slots=True)
class Checksum:
    """A digest and how it was made. ``value`` is hex, except Apple's, which stays base64."""

    algorithm: Algorithm
    value: str

    def __str__(self) -> str:
        return f"{self.algorithm}:{self.value}"

    @classmethod
    def parse(cls, text: str) -> Checksum:
        """Read ``algo:value``; ValueError when it is not of that form."""
        name, colon, value = text.partition(":")
        if not colon or not value:
            raise ValueError(f"not a checksum: {text!r}")
        return cls(Algorithm(name), value)

    @property
    def verifiable(self) -> bool:
        """Whether this value can be recomputed from the bytes alone."""
        return self.algorithm is not Algorithm.APPLE or is_recomputable(self.value)


def is_recomputable(fingerprint: str) -> bool:
    """True for an Apple fingerprint of the first scheme (21 bytes, leading 0x01)."""
    try:
        raw = base64.b64decode(fingerprint, validate=True)
    except (binascii.Error, ValueError):
        return False
    return len(raw) == 21 and raw[0] == _APPLE_SCHEME_1


@dataclass(frozen=True, slots=True)
class Digests:
    """All digests of one body, and the SHA-256 of each of its 4 MiB blocks (32 bytes each).

    ``blocks`` lets a sink declare the Dropbox hash of any block-aligned part without
    reading the bytes again; it is not kept in the ledger.
    """

    size: int
    values: Mapping[Algorithm, str]
    blocks: bytes = field(default=b"", repr=False)

    def __getitem__(self, algorithm: Algorithm) -> str:
        return self.values[algorithm]

    def agrees(self, checksum: Checksum) -> bool:
        """Whether ``checksum`` names this body; ValueError if it cannot be recomputed."""
        if not checksum.verifiable:
            raise ValueError(f"{checksum.algorithm} value of another scheme")
        return self.values.get(checksum.algorithm) == checksum.value

    def part(self, offset: int, length: int) -> str:
        """Dropbox content hash of a part that starts on a block and ends on one or at the end."""
        if offset % DROPBOX_BLOCK or (length % DROPBOX_BLOCK and offset + length != self.size):
            raise ValueError("a part must be aligned to 4 MiB blocks")
        first, last = offset // DROPBOX_BLOCK, -(-(offset + length) // DROPBOX_BLOCK)
        return hashlib.sha256(self.blocks[first * 32 : last * 32]).hexdigest()


class Hasher:
    """Feeds each chunk to every digest. ``size`` counts the bytes seen so far."""

    __slots__ = ("_apple", "_block", "_block_room", "_blocks", "_md5", "_sha256", "size")

    def __init__(self) -> None:
        self.size = 0
        self._apple = hashlib.sha1(_APPLE_SALT, usedforsecurity=False)
        self._sha256 = hashlib.sha256()
        self._md5 = hashlib.md5(usedforsecurity=False)
        self._blocks = bytearray()
        # Up to its end, the first block's SHA-256 is the whole's: small files pay for it once.
        self._block = self._sha256
        self._block_room = DROPBOX_BLOCK

    def update(self, chunk: bytes | memoryview) -> None:
        """Take the next bytes; returns when every digest has them."""
        if len(chunk) < _LARGE:
            self._md5.update(chunk)
            self._update_others(chunk)
            return
        with _cores.beside(lambda: self._md5.update(chunk)):
            self._update_others(chunk)

    def _update_others(self, chunk: bytes | memoryview) -> None:
        self._apple.update(chunk)
        self.size += len(chunk)
        view = memoryview(chunk)
        while view:
            head = view[: self._block_room]
            self._sha256.update(head)
            if self._block is not self._sha256:
                self._block.update(head)
            self._block_room -= len(head)
            view = view[len(head) :]
            if not self._block_room:
                self._blocks += self._block.digest()
                self._block, self._block_room = hashlib.sha256(), DROPBOX_BLOCK

    def digests(self) -> Digests:
        """The digests of everything seen so far; more may follow."""
        blocks = bytes(self._blocks)
        if self._block_room != DROPBOX_BLOCK:
            blocks += self._block.digest()
        apple = bytes([_APPLE_SCHEME_1]) + self._apple.digest()
        return Digests(
            self.size,
            {
                Algorithm.APPLE: base64.b64encode(apple).decode(),
                Algorithm.SHA256: self._sha256.hexdigest(),
                Algorithm.MD5: self._md5.hexdigest(),
                Algorithm.DROPBOX: hashlib.sha256(blocks).hexdigest(),
            },
            blocks,
        )


class _Cores:
    """MD5, the slowest, on another core where one is idle: hashing is what bounds the speed of a
    single large file, and hashlib lets other threads run meanwhile. With as many files at once
    as there are cores, a second thread for each would only get in the way."""

    def __init__(self) -> None:
        self._count = os.cpu_count() or 1
        self._busy = 0  # threads that hash
        self._lock = threading.Lock()
        self._helpers: ThreadPoolExecutor | None = None

    @contextlib.contextmanager
    def beside(self, work: Callable[[], None]) -> Iterator[None]:
        """Have ``work`` done by the end of this block."""
        with self._lock:
            idle = self._busy + 1 < self._count
            self._busy += 1 + idle
            if idle and self._helpers is None:
                self._helpers = ThreadPoolExecutor(self._count, thread_name_prefix="md5")
        helper = None
        try:
            if idle and self._helpers is not None:
                helper = self._helpers.submit(work)
            yield
            if helper is None:
                work()
        finally:
            if helper is not None:
                helper.result()
            with self._lock:
                self._busy -= 1 + idle


_cores = _Cores()


def digest(chunks: Iterable[bytes]) -> Digests:
    """Digests of a whole body given in chunks."""
    hasher = Hasher()
    for chunk in chunks:
        hasher.update(chunk)
    return hasher.digests()
