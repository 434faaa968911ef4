"""HTTP/1.1 requests and answers as the doubles see them."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from email.utils import formatdate
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qsl, unquote

_MOST_HEAD = 256 * 1024
_REASONS = {status.value: status.phrase for status in HTTPStatus}


class BadRequest(Exception):
    """The bytes on the wire are not a request."""


class Headers(dict[str, str]):
    """Header fields by lower-case name; lookups take any case, the last of a name wins."""

    def __getitem__(self, name: str) -> str:
        return super().__getitem__(name.lower())

    def get(self, name: str, default: Any = None) -> Any:
        return super().get(name.lower(), default)

    def __contains__(self, name: object) -> bool:
        return super().__contains__(name.lower() if isinstance(name, str) else name)


class Wire:
    """A socket with a read buffer."""

    __slots__ = ("_buffer", "sock")

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self._buffer = b""

    def head(self) -> bytes | None:
        """Everything up to the next empty line; None when the peer has gone."""
        return self._until(b"\r\n\r\n", _MOST_HEAD)

    def line(self) -> bytes:
        found = self._until(b"\r\n", 4096)
        if found is None:
            raise BadRequest("the connection ended in a chunk header")
        return found

    def read(self, limit: int) -> bytes:
        """At least one and at most ``limit`` bytes; none when the peer has gone."""
        if self._buffer:
            data, self._buffer = self._buffer[:limit], self._buffer[limit:]
            return data
        return self.sock.recv(min(limit, 1 << 20))

    @property
    def held(self) -> bool:
        """Whether bytes are read already that nobody has asked for."""
        return bool(self._buffer)

    def _until(self, mark: bytes, most: int) -> bytes | None:
        while (end := self._buffer.find(mark)) < 0:
            if len(self._buffer) > most:
                raise BadRequest("the request head is too long")
            more = self.sock.recv(65536)
            if not more:
                return None
            self._buffer += more
        data, self._buffer = self._buffer[:end], self._buffer[end + len(mark) :]
        return data


class Body:
    """The body of one request, by Content-Length or chunked; never reads beyond it."""

    def __init__(self, wire: Wire, headers: Headers) -> None:
        self._wire = wire
        self._chunked = "chunked" in headers.get("transfer-encoding", "").lower()
        self._left = 0 if self._chunked else int(headers.get("content-length", 0))
        self._last = not self._chunked
        self._expects = headers.get("expect", "").lower() == "100-continue"

    @property
    def done(self) -> bool:
        return self._last and not self._left

    def read(self, size: int = -1) -> bytes:
        """Up to ``size`` bytes, all that is left for a negative size; none at the end.

        Raises ConnectionError when the peer stops before the end.
        """
        if size < 0:
            return b"".join(iter(lambda: self.read(1 << 20), b""))
        if self._expects and not self.done:
            self._wire.sock.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
            self._expects = False
        if not self._left and not self._last:
            self._next_chunk()
        if not self._left:
            return b""
        data = self._wire.read(min(size, self._left))
        if not data:
            raise ConnectionError("the request body ended early")
        self._left -= len(data)
        if self._chunked and not self._left:
            self._wire.line()
        return data

    def fill(self, view: memoryview) -> int:
        """Read until ``view`` is full or the body ends; how many bytes came. As ``read``."""
        at = 0
        while at < len(view):
            if self._chunked or self._wire.held or self._expects:
                data = self.read(len(view) - at)
                view[at : at + len(data)] = data
                came = len(data)
            else:
                came = self._take(view[at : at + self._left])
            if not came:
                break
            at += came
        return at

    def _take(self, view: memoryview) -> int:
        came = self._wire.sock.recv_into(view) if view else 0
        if view and not came:
            raise ConnectionError("the request body ended early")
        self._left -= came
        return came

    def _next_chunk(self) -> None:
        self._left = int(self._wire.line().split(b";")[0], 16)
        if not self._left:
            self._last = True
            while self._wire.line():
                pass  # trailers

    def drain(self, most: int) -> bool:
        """Read and forget the rest if it is at most ``most`` bytes; whether it is now done."""
        while not self.done and most > 0:
            most -= len(self.read(65536))
        return self.done


@dataclass
class Request:
    """One request. ``path`` is decoded; ``query`` holds the last value of each name."""

    method: str
    host: str
    path: str
    query: Mapping[str, str]
    headers: Headers
    body: Body
    port: int = 443

    def read(self, size: int = -1) -> bytes:
        return self.body.read(size)

    def read_all(self) -> bytes:
        return self.body.read()

    def json(self) -> Any:
        """The body as JSON (None for an empty body); ValueError if it is not."""
        return json.loads(self.body.read() or b"null")


def parse(head: bytes, wire: Wire, host: str, port: int) -> Request:
    """A request from its head; ``host`` is where the connection was made to."""
    try:
        first, *lines = head.decode("latin-1").split("\r\n")
        method, target, _version = first.split(" ", 2)
        headers = Headers()
        for line in lines:
            name, _, value = line.partition(":")
            headers[name.lower()] = value.strip()
        if target.startswith(("http://", "https://")):
            authority, _, rest = target.partition("://")[2].partition("/")
            host, target = authority.partition(":")[0], "/" + rest
        path, _, raw = target.partition("?")
        query = dict(parse_qsl(raw, keep_blank_values=True)) if raw else {}
        path = unquote(path) if "%" in path else path
        return Request(method, host, path, query, headers, Body(wire, headers), port)
    except ValueError as error:
        raise BadRequest(str(error)) from None


@dataclass
class Answer:
    """One answer. A body that is an iterator is streamed: as ``Content-Length`` in
    ``headers`` says, chunked where there is none. ``cookies`` become Set-Cookie lines.
    """

    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes | Iterator[bytes] = b""
    cookies: tuple[str, ...] = ()

    def head(self, *, chunked: bool) -> bytes:
        lines = [f"HTTP/1.1 {self.status} {_REASONS.get(self.status, '')}"]
        lines += [f"{name}: {value}" for name, value in self.headers.items()]
        lines += [f"Set-Cookie: {cookie}" for cookie in self.cookies]
        if not _has(self.headers, "date"):
            lines.append(f"Date: {formatdate(usegmt=True)}")
        if chunked:
            lines.append("Transfer-Encoding: chunked")
        elif isinstance(self.body, bytes) and not _has(self.headers, "content-length"):
            lines.append(f"Content-Length: {len(self.body)}")
        return "\r\n".join([*lines, "", ""]).encode("latin-1")

    def length(self) -> int | None:
        """The announced length in bytes, None where the body is chunked."""
        for name, value in self.headers.items():
            if name.lower() == "content-length":
                return int(value)
        return len(self.body) if isinstance(self.body, bytes) else None


def _has(headers: Mapping[str, str], wanted: str) -> bool:
    return any(name.lower() == wanted for name in headers)


def json_answer(
    obj: object,
    status: int = 200,
    headers: Mapping[str, str] | None = None,
    cookies: tuple[str, ...] = (),
) -> Answer:
    body = json.dumps(obj, separators=(",", ":")).encode()
    fields = {"Content-Type": "application/json; charset=UTF-8", **(headers or {})}
    return Answer(status, fields, body, cookies)
