"""A sink in memory: what is visible, what is on its way, and a limit on both together."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from connectors.abilities import Capacity, Identity
from connectors.base import Body, Checkpoint, Put, Receipt, Traits, Transferred
from connectors.checksums import Algorithm, Checksum, digest
from connectors.errors import (
    CapacityExceeded,
    ItemError,
    NotFound,
    OutpourError,
    PathConflict,
    Transient,
)

_CHUNK = 1024 * 1024


@dataclass
class _Incoming:
    """An upload that is not committed. ``size`` is what it will have, and has reserved."""

    size: int
    data: bytearray = field(default_factory=bytearray)
    busy: threading.Lock = field(default_factory=threading.Lock)


@dataclass
class Shelf:
    """What a memory sink holds. Outlives the sinks over it; every access is under ``lock``."""

    limit: int | None = None
    visible: dict[str, tuple[Receipt, bytes]] = field(default_factory=dict)
    incoming: dict[str, _Incoming] = field(default_factory=dict)
    used: int = 0  # bytes visible and reserved
    lock: threading.Lock = field(default_factory=threading.Lock)


class MemorySink:
    """Keeps copies in a ``Shelf``; its receipts carry the SHA-256 of what it holds."""

    traits = Traits(
        algorithm=Algorithm.SHA256,
        commit_batch=100,
        batch_files=20,
        batch_bytes=100_000,
        batch_below=1000,
        replaces=True,
    )

    def __init__(self, name: str, shelf: Shelf) -> None:
        self.name = name
        self._shelf = shelf

    def stat(self, path: str) -> Receipt | None:
        with self._shelf.lock:
            held = self._shelf.visible.get(path)
        return held[0] if held else None

    def transfer(self, put: Put, body: Body, token: str | None, keep: Checkpoint) -> Transferred:
        there = self.stat(put.path)
        if there and not _outdated(there, put):
            return Transferred(put, token or "", _same(there, put))
        body.check(put)
        token = token or uuid.uuid4().hex
        incoming = self._begin(token, put.size)
        keep(token)
        try:
            with incoming.busy:
                _receive(incoming, body)
        except OutpourError:
            self._drop(token)
            raise
        return Transferred(put, token)

    def transfer_many(
        self, items: Sequence[tuple[Put, Body, str | None]]
    ) -> list[Transferred | OutpourError]:
        return [self._answer(*item) for item in items]

    def commit(self, items: Sequence[Transferred]) -> list[Receipt | OutpourError]:
        return [item.receipt or self._commit(item) for item in items]

    def close(self) -> None:
        """Nothing to release."""

    def capacity(self) -> Capacity:
        with self._shelf.lock:
            used, limit = self._shelf.used, self._shelf.limit
        if limit is None:
            return Capacity(used)
        free = max(0, limit - used)
        return Capacity(used, limit, free, full=free == 0)

    def reserve(self, count: int) -> list[str]:
        return [uuid.uuid4().hex for _ in range(count)]

    def inventory(self) -> Iterator[Receipt]:
        with self._shelf.lock:
            receipts = [receipt for receipt, _ in self._shelf.visible.values()]
        yield from receipts

    def read(self, receipt: Receipt) -> Iterator[bytes]:
        with self._shelf.lock:
            held = self._shelf.visible.get(receipt.path)
        if held is None:
            raise NotFound(f"{receipt.path} is not held")
        yield from (held[1][at : at + _CHUNK] for at in range(0, len(held[1]), _CHUNK))

    def whereabouts(self) -> str:
        return self.medium()

    def medium(self) -> str:
        return f"memory:{id(self._shelf)}"

    def identity(self, path: str) -> Identity:
        if self.stat(path) is None:
            raise NotFound(f"{path} is not held")
        return Identity(f"{self.medium()}/{path}", self.medium())

    def _answer(self, put: Put, body: Body, token: str | None) -> Transferred | OutpourError:
        try:
            return self.transfer(put, body, token, lambda *_: None)
        except OutpourError as error:
            return error

    def _begin(self, token: str, size: int) -> _Incoming:
        shelf = self._shelf
        with shelf.lock:
            known = shelf.incoming.get(token)
            if known and known.size == size:
                return known
            used = shelf.used - (known.size if known else 0) + size
            if shelf.limit is not None and used > shelf.limit:
                raise CapacityExceeded(
                    f"no room for {size} bytes", hint="Raise the limit of this memory place."
                )
            shelf.used, shelf.incoming[token] = used, _Incoming(size)
            return shelf.incoming[token]

    def _drop(self, token: str) -> None:
        with self._shelf.lock:
            gone = self._shelf.incoming.pop(token, None)
            self._shelf.used -= gone.size if gone else 0

    def _commit(self, item: Transferred) -> Receipt | OutpourError:
        put, shelf = item.put, self._shelf
        with shelf.lock:
            incoming = shelf.incoming.get(item.token)
            held = shelf.visible.get(put.path)
        try:
            # A commit that was repeated, or content that came another way:
            if held and not _outdated(held[0], put):
                receipt = _same(held[0], put)
                self._drop(item.token)
                return receipt
            if incoming is None or len(incoming.data) != put.size:
                raise NotFound(f"the bytes for {put.path} are not here", hint="Send them again.")
            return self._publish(item, bytes(incoming.data))
        except OutpourError as error:
            return error

    def _publish(self, item: Transferred, data: bytes) -> Receipt:
        put, shelf = item.put, self._shelf
        # Computed from what is held, not copied from the request: a receipt is evidence.
        own = Checksum(Algorithm.SHA256, digest([data])[Algorithm.SHA256])
        if not put.digests.agrees(own):
            self._drop(item.token)
            raise Transient(f"{put.path}: other bytes came than were sent")
        receipt = Receipt(
            put.path, len(data), (own,), modified=put.modified, properties=dict(put.properties)
        )
        with shelf.lock:
            old = shelf.visible.get(put.path)
            if old and _outdated(old[0], put):
                shelf.used -= old[0].size
                del shelf.visible[put.path]
            winner = shelf.visible.setdefault(put.path, (receipt, data))
            if winner[0] is receipt:
                shelf.incoming.pop(item.token, None)  # its reservation goes over to the file
                return receipt
        return _same(winner[0], put)


def _same(held: Receipt, put: Put) -> Receipt:
    """The receipt of content that is already there; PathConflict if it is other content."""
    if held.size != put.size or held.checksums[0].value != put.digests[Algorithm.SHA256]:
        raise PathConflict(f"{put.path} holds other content")
    return held


def _outdated(held: Receipt, put: Put) -> bool:
    """Whether what is held is to make room for the new content."""
    sums = (held.checksums[0].value, put.digests[Algorithm.SHA256])
    return sums[0] in put.replaces and sums[0] != sums[1]


def _receive(incoming: _Incoming, body: Body) -> None:
    for piece in body.pieces(len(incoming.data), body.size):
        incoming.data += piece
    if len(incoming.data) != incoming.size:
        raise ItemError(f"{body.path.name} does not have the {incoming.size} bytes it should have")
