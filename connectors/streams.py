"""Bytes at hand, as a stream."""

from __future__ import annotations

from collections.abc import Iterator

_CHUNK = 1 << 20


class BytesStream:
    """A ``Stream`` of ``data`` from ``offset`` on."""

    def __init__(self, data: bytes, offset: int) -> None:
        self.offset = offset
        self.total: int | None = len(data)
        self._data = data

    def __iter__(self) -> Iterator[bytes]:
        for at in range(self.offset, len(self._data), _CHUNK):
            yield self._data[at : at + _CHUNK]

    def close(self) -> None:
        """Nothing to release."""
