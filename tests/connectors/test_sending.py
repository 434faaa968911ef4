"""A line may be slow, as most lines from a home are; one that stands still ends an upload."""

from __future__ import annotations

import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import requests
from urllib3 import Timeout
from urllib3.connection import HTTPConnection

from connectors import sending
from connectors.adapter import Adapter
from connectors.pools import Pools
from sandbox.ca import Authority
from tests.cases import wide_after

CONNECT = 2.0  # seconds
BODY = bytes(16_000_000)  # more than the buffers of this machine take at once
_READ = 16 * 1024
Post = Callable[[str, bytes], int]


class Line:
    """A server that reads ``pace`` bytes a second, and answers one request with 200."""

    def __init__(self, context: ssl.SSLContext, pace: float) -> None:
        self._context = context
        self._pace = pace
        self._socket = socket.socket()
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 64 * 1024)
        self._socket.bind(("127.0.0.1", 0))
        self._socket.listen()
        self.url = f"https://127.0.0.1:{self._socket.getsockname()[1]}/"
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def close(self) -> None:
        self._ended.set()
        self._socket.close()
        self._thread.join()

    def _serve(self) -> None:
        plain, _ = self._socket.accept()
        with self._context.wrap_socket(plain, server_side=True) as stream:
            while b"\r\n\r\n" not in (head := stream.recv(_READ)):
                pass
            left = len(BODY) - len(head.partition(b"\r\n\r\n")[2])
            while left and not self._ended.is_set():
                got = len(stream.recv(_READ)) if self._pace else 0
                left -= got
                self._ended.wait(got / self._pace if self._pace else 1)
            if not left:
                stream.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")


def through_pools(url: str, body: bytes) -> int:
    pools = Pools(1)
    timeout = Timeout(connect=CONNECT, read=30)
    manager = pools.reaching(url)
    answer = manager.request("POST", url, body=body, retries=False, timeout=timeout)
    pools.close()
    return answer.status


def through_requests(url: str, body: bytes) -> int:
    with requests.Session() as session:
        session.mount("https://", Adapter(1))
        return session.post(url, data=body, timeout=(CONNECT, 30)).status_code


@pytest.fixture
def line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[float], Line]]:
    authority = Authority()
    authority.write(tmp_path / "ca.pem")
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "ca.pem"))
    made: list[Line] = []

    def line(pace: float) -> Line:
        made.append(Line(authority.context("127.0.0.1"), pace))
        return made[-1]

    yield line
    for one in made:
        one.close()


@pytest.mark.parametrize("post", wide_after(1, [through_pools, through_requests]))
def test_a_body_may_take_longer_than_a_connection(
    post: Post, line: Callable[[float], Line]
) -> None:
    began = time.monotonic()
    assert post(line(4_000_000).url, BODY) == 200
    assert time.monotonic() - began > CONNECT  # or the line was not slow


@pytest.mark.parametrize("post", [through_pools, through_requests])
def test_a_line_that_stands_still_ends_it(
    post: Post, line: Callable[[float], Line], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sending, "STALLED", 0.5)
    with pytest.raises(Exception, match=r"(?i)timed out|time ?out|aborted"):
        post(line(0).url, BODY)


def test_what_is_waited_for_next_has_its_own_time() -> None:
    """The answer of a proxy to CONNECT: it is part of connecting."""
    made = Pools(1).reaching("http://127.0.0.1/").connection_from_host("127.0.0.1", scheme="http")
    connection = made.ConnectionCls("127.0.0.1")
    assert isinstance(connection, HTTPConnection)
    here, there = socket.socketpair()
    here.settimeout(CONNECT)
    connection.sock = here
    connection.send(b"CONNECT www.example.com:443 HTTP/1.1\r\n\r\n")
    assert here.gettimeout() == CONNECT and there.recv(7) == b"CONNECT"
    here.close()
    there.close()


def test_a_kernel_that_lacks_an_option_connects_without(monkeypatch: pytest.MonkeyPatch) -> None:
    """Python may be built for a newer one, as in a container on an old machine."""
    monkeypatch.setattr(socket, "TCP_NOTSENT_LOWAT", 9999, raising=False)
    assert sending._options() == list(HTTPConnection.default_socket_options)
