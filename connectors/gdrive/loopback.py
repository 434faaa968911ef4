"""Receives the browser's redirect at the end of a sign-in (RFC 8252, section 7.3)."""

from __future__ import annotations

import socket
import time
from types import TracebackType

from connectors.errors import SessionExpired

_PAGE = b"Outpour: you can close this window and go back to the terminal.\n"
_ANSWER = (
    b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: %d\r\n"
    b"Connection: close\r\n\r\n%b" % (len(_PAGE), _PAGE)
)
_MOST = 64 * 1024


class Loopback:
    """A port of 127.0.0.1 that waits for one redirect."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"http://127.0.0.1:{self._listener.getsockname()[1]}/"

    def __enter__(self) -> Loopback:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._listener.close()

    def wait(self, seconds: float) -> str:
        """The query of the redirect; SessionExpired when none comes in time.

        Other requests (a browser asks for an icon too) are answered and passed over.
        """
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            self._listener.settimeout(left)
            try:
                connection, _ = self._listener.accept()
            except TimeoutError:
                break
            with connection:
                query = self._asked(connection)
            if "state=" in query:
                return query
        raise SessionExpired(
            f"nobody signed in within {seconds / 60:.0f} minutes",
            hint="run again: outpour connect gdrive",
        )

    @staticmethod
    def _asked(connection: socket.socket) -> str:
        """The query of one request; blank if it is none."""
        connection.settimeout(5)
        head = b""
        try:
            while b"\r\n\r\n" not in head and len(head) < _MOST:
                data = connection.recv(4096)
                if not data:
                    break
                head += data
            connection.sendall(_ANSWER)
        except OSError:
            return ""
        words = head.partition(b"\r\n")[0].decode("latin-1").split(" ")
        return words[1].partition("?")[2] if len(words) == 3 else ""
