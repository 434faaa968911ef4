"""Connections that send bodies over lines of any speed.

urllib3 gives each piece of a body that it is handed, however large, no longer than a connection
may take to come about (its issue 857): over an ordinary home line several uploads at once would
never get through. Here only a line that all but stands still ends an upload.
"""

from __future__ import annotations

import contextlib
import socket
from typing import Any

from urllib3 import HTTPConnectionPool, HTTPSConnectionPool, PoolManager
from urllib3.connection import HTTPConnection, HTTPSConnection

STALLED = 120.0  # seconds for one slice to leave
_SLICE = 256 * 1024  # bytes; a line of 0.6 Mbit/s takes one of each of 32 uploads in time
_UNSENT = 256 * 1024  # bytes


def _options() -> list[tuple[int, int, int]]:
    # Without Nagle: 40 ms for each request with a body.
    options = list(HTTPConnection.default_socket_options)
    # What waits in this machine is not on its way: else the answer may be waited for long before
    # the last of the body has left. Not every system, nor every kernel of one, knows of it.
    with contextlib.suppress(AttributeError, OSError), socket.socket() as trial:
        unsent = (socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, _UNSENT)
        trial.setsockopt(*unsent)
        options.append(unsent)
    return options


SOCKET_OPTIONS = _options()
"""For every connection; behind a proxy urllib3 sets none by itself."""


class _Steady(HTTPConnection):
    def send(self, data: Any) -> None:
        if self.sock is None or not isinstance(data, bytes | bytearray | memoryview):
            super().send(data)
            return
        before = self.sock.gettimeout()
        self.sock.settimeout(STALLED)
        whole = memoryview(data)
        for start in range(0, len(whole), _SLICE):
            super().send(whole[start : start + _SLICE])
        self.sock.settimeout(before)  # a proxy that is to connect us is still being waited for


class _SteadyTls(_Steady, HTTPSConnection):
    pass


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Steady


class _TlsPool(HTTPSConnectionPool):
    ConnectionCls = _SteadyTls


def steady(manager: PoolManager) -> None:
    """Have ``manager`` make such connections, of those that it has not made yet."""
    manager.pool_classes_by_scheme = {"http": _Pool, "https": _TlsPool}
