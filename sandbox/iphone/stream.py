"""A device stream: exact reads, whole writes, TLS started and ended in place."""

from __future__ import annotations

import contextlib
import plistlib
import socket
import ssl
import struct
from typing import Any


class Hangup(Exception):
    """The other side, or the cable, is gone."""


class Stream:
    """Wraps one connected socket; ``cut`` may be called from any thread."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        if sock.family != socket.AF_UNIX:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def read(self, size: int) -> bytes:
        """Exactly ``size`` bytes; Hangup if the stream ends before."""
        data = bytearray()
        while len(data) < size:
            try:
                part = self._sock.recv(min(size - len(data), 1 << 20))
            except (OSError, ValueError) as broken:
                raise Hangup from broken
            if not part:
                raise Hangup
            data += part
        return bytes(data)

    def write(self, data: bytes) -> None:
        try:
            self._sock.sendall(data)
        except (OSError, ValueError) as broken:
            raise Hangup from broken

    def read_plist(self) -> dict[str, Any]:
        """One message of lockdownd: its length, big-endian, then a property list."""
        (size,) = struct.unpack(">I", self.read(4))
        if size > 1 << 24:
            raise Hangup
        message: dict[str, Any] = plistlib.loads(self.read(size))
        return message

    def write_plist(self, message: dict[str, Any]) -> None:
        body = plistlib.dumps(message)
        self.write(struct.pack(">I", len(body)) + body)

    def start_tls(self, context: ssl.SSLContext) -> None:
        try:
            self._sock = context.wrap_socket(self._sock, server_side=True)
        except (OSError, ValueError) as broken:
            raise Hangup from broken

    def stop_tls(self) -> None:
        """End TLS and go on in plain text on the same socket."""
        if isinstance(self._sock, ssl.SSLSocket):
            try:
                self._sock = self._sock.unwrap()
            except (OSError, ValueError) as broken:
                raise Hangup from broken

    def cut(self) -> None:
        """Break the stream at once, as a pulled cable does."""
        # The base class's method: SSLSocket.shutdown drops its TLS state under the reader.
        with contextlib.suppress(OSError):
            socket.socket.shutdown(self._sock, socket.SHUT_RDWR)

    def close(self) -> None:
        self.cut()
        with contextlib.suppress(OSError):
            self._sock.close()
