"""Content, files and requests for the suites."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

from connectors.abilities import ReadBack
from connectors.base import Body, Checkpoint, Put, Receipt, Sink, Transferred
from connectors.checksums import digest
from connectors.errors import OutpourError

TAKEN = datetime(2021, 8, 14, 17, 30, 5, tzinfo=UTC)
BLOCK = 4 * 1024 * 1024
BOUNDARIES = (0, 1, 65535, 65536, 65537, 256 * 1024 - 1, 256 * 1024, 256 * 1024 + 1)
LARGE_BOUNDARIES = (1024 * 1024 - 1, 1024 * 1024 + 1, BLOCK - 1, BLOCK, BLOCK + 1)


def content(size: int, seed: int = 0) -> bytes:
    """Bytes that look like nothing and are the same every time."""
    return hashlib.shake_128(f"{seed}/{size}".encode()).digest(size)


class Bench:
    """Stages content below ``folder`` as the engine would, and remembers tokens."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._count = 0
        self.tokens: list[str] = []

    def stage(self, path: str, data: bytes, *, sole: bool = False) -> tuple[Put, Body]:
        self._count += 1
        file = self._folder / f"staged-{self._count}"
        file.write_bytes(data)
        put = Put(path, digest([data]), modified=TAKEN, media_type="image/jpeg")
        return put, Body(file, len(data), sole)

    def keep(self, token: str, _held: int = 0) -> None:
        self.tokens.append(token)

    def transfer(self, sink: Sink, staged: tuple[Put, Body]) -> Transferred:
        return sink.transfer(*staged, None, self.keep)

    def send(self, sink: Sink, path: str, data: bytes) -> Transferred:
        return self.transfer(sink, self.stage(path, data))

    def place(self, sink: Sink, path: str, data: bytes) -> Receipt:
        """Transfer and commit; raises the error if commit answers one."""
        return only(sink.commit([self.send(sink, path, data)]))


def only(answers: Iterable[Receipt | OutpourError]) -> Receipt:
    """The single answer of a commit, raised if it is an error."""
    (answer,) = answers
    if isinstance(answer, OutpourError):
        raise answer
    return answer


class Crash(BaseException):
    """What a test raises where a process would have died."""


def crash_at(call: int, keep: Checkpoint) -> Checkpoint:
    """A checkpoint that makes the token durable and then dies at its ``call``-th call."""
    calls = 0

    def checkpoint(token: str, held: int = 0) -> None:
        nonlocal calls
        calls += 1
        keep(token, held)
        if calls == call:
            raise Crash

    return checkpoint


def agree(sink: Sink, receipt: Receipt, data: bytes) -> None:
    """What was answered, what stat says and what can be read back are one."""
    assert receipt.size == len(data)
    assert_same(sink.stat(receipt.path), receipt)
    if isinstance(sink, ReadBack):
        assert b"".join(sink.read(receipt)) == data


def assert_same(one: Receipt | None, other: Receipt | None) -> None:
    """The same object; a checksum may be missing on one side but not differ."""
    assert one and other
    assert (one.path, one.size, one.id) == (other.path, other.size, other.id)
    mine = {checksum.algorithm: checksum.value for checksum in one.checksums}
    for checksum in other.checksums:
        assert mine.get(checksum.algorithm, checksum.value) == checksum.value
