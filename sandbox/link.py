"""The line between client and sandbox: as fast as it can, or shared at a given rate."""

from __future__ import annotations

import socket
import threading
import time

_PIECE = 64 * 1024


class Link:
    """Sends for all connections; ``bandwidth`` in bytes per second over all of them."""

    def __init__(self, bandwidth: int | None) -> None:
        self.bandwidth = bandwidth
        self._free_at = 0.0
        self._lock = threading.Lock()

    def send(self, sock: socket.socket, data: bytes) -> None:
        if not self.bandwidth:
            sock.sendall(data)
            return
        view = memoryview(data)
        for start in range(0, len(view), _PIECE):
            piece = view[start : start + _PIECE]
            with self._lock:
                now = time.monotonic()
                begin = max(now, self._free_at)
                self._free_at = begin + len(piece) / self.bandwidth
            time.sleep(max(0.0, begin - now))
            sock.sendall(piece)
