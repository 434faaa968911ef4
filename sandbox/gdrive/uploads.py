"""How bytes come in: multipart bodies and resumable sessions.

Rules kept: multipart/related of one JSON part and one media part, with CRLF or bare LF line
ends (Google's own Python client writes LF); chunks of a session are multiples of 256 KiB
except the last; a broken chunk leaves what filled whole units of 256 KiB; 308 says what is
there in ``Range``, nothing for nothing; ``bytes */N`` asks; a finished session answers with
its file again; a session lives a week.
"""

from __future__ import annotations

import json
import re
import secrets
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from sandbox.gdrive.discovery import Method
from sandbox.gdrive.oauth import Grant
from sandbox.gdrive.refusal import Refused, bad
from sandbox.gdrive.store import Content, Node
from sandbox.messages import Body, Request

UNIT = 256 * 1024
WEEK = 7 * 24 * 3600.0
_EMPTY = re.compile(rb"\r?\n\r?\n")
_HEAD = 256 * 1024  # metadata longer than this is no metadata


def units(body: Body) -> Iterator[memoryview]:
    """The body in units of 256 KiB, the last one shorter; whole units even if it breaks off."""
    while True:
        unit = memoryview(bytearray(UNIT))
        came = body.fill(unit)
        if came:
            yield unit[:came]
        if came < UNIT:
            return


# --- multipart ---------------------------------------------------------------------------


def multipart(request: Request, content: Content) -> tuple[Any, str]:
    """Metadata and media type of a multipart upload; its bytes go to ``content``."""
    found = re.match(
        r'multipart/related;.*boundary="?([^";]+)"?', request.headers.get("content-type", "")
    )
    if not found:
        raise bad("Multipart must be multipart/related with a boundary", "badContent")
    mark = b"--" + found[1].encode()
    buffer = bytearray()
    parts = units(request.body)
    while (start := _media(buffer, mark)) is None:
        unit = next(parts, None)
        if unit is None or len(buffer) > _HEAD + UNIT:
            raise bad("Missing end of multipart part", "badContent")
        buffer += unit
    first = buffer.index(mark) + len(mark)
    second = buffer.index(mark, first)
    kind, metadata = _part(bytes(buffer[first:second]))
    if not kind.startswith("application/json"):
        raise bad("The first part must be JSON", "badContent")
    media_type = _fields(bytes(buffer[second + len(mark) : start])).get("content-type", "")
    tail = _Tail(content, mark)
    tail.add(memoryview(bytes(buffer[start:])))
    for unit in parts:
        tail.add(unit)
    tail.close()
    return parse_json(metadata), media_type or "application/octet-stream"


class _Tail:
    """Passes bytes on, except the closing delimiter, which may span two reads."""

    def __init__(self, content: Content, mark: bytes) -> None:
        self._content = content
        self._mark = mark
        self._kept = b""
        self._hold = len(mark) + 8

    def add(self, data: memoryview) -> None:
        if len(data) <= self._hold:
            self._kept += data
            return
        if self._kept:
            self._content.add(self._kept)
        self._content.add(data[: -self._hold])
        self._kept = bytes(data[-self._hold :])

    def close(self) -> None:
        found = re.search(rb"\r?\n" + re.escape(self._mark) + rb"--[\r\n]*\Z", self._kept)
        if not found:
            raise bad("Missing closing delimiter", "badContent")
        self._content.add(self._kept[: found.start()])


def _media(buffer: bytearray, mark: bytes) -> int | None:
    """Where the second part's bytes begin; None while that has not arrived."""
    first = buffer.find(mark)
    second = buffer.find(mark, first + len(mark)) if first >= 0 else -1
    found = _EMPTY.search(buffer, second) if second >= 0 else None
    return found.end() if found else None


def _part(part: bytes) -> tuple[str, bytes]:
    found = _EMPTY.search(part)
    if not found:
        raise bad("A part without headers", "badContent")
    return _fields(part[: found.start()]).get("content-type", ""), part[found.end() :].strip()


def _fields(head: bytes) -> dict[str, str]:
    lines = head.decode("latin-1").replace("\r", "").split("\n")
    pairs = (line.partition(":") for line in lines if ":" in line)
    return {name.strip().lower(): value.strip() for name, _, value in pairs}


def parse_json(data: bytes) -> Any:
    try:
        return json.loads(data or b"{}")
    except ValueError:
        raise bad("Parse Error", "parseError") from None


# --- sessions ----------------------------------------------------------------------------


@dataclass
class Session:
    """An upload that may take several requests. ``total`` is None until the client says."""

    key: str
    metadata: dict[str, Any]
    method: Method
    grant: Grant
    query: Mapping[str, str]
    content: Content
    total: int | None
    expires: float
    node: Node | None = None
    lock: threading.Lock = field(default_factory=threading.Lock)


class Sessions:
    def __init__(self) -> None:
        self._open: dict[str, Session] = {}
        self._lock = threading.Lock()

    def begin(
        self,
        metadata: dict[str, Any],
        method: Method,
        grant: Grant,
        query: Mapping[str, str],
        content: Content,
        total: int | None,
    ) -> Session:
        key = secrets.token_urlsafe(48)
        expires = time.monotonic() + WEEK
        session = Session(key, metadata, method, grant, query, content, total, expires)
        with self._lock:
            self._open[key] = session
        return session

    def get(self, key: str) -> Session:
        session = self._open.get(key)
        if session is None or session.expires < time.monotonic():
            self.expire(key)
            raise Refused(404, "notFound", "Upload session not found or expired")
        return session

    def expire(self, key: str | None = None) -> None:
        """End one session, or all, as time does."""
        with self._lock:
            for ended in [key] if key else list(self._open):
                session = self._open.pop(ended, None)
                if session and session.node is None:
                    session.content.discard()


@dataclass(frozen=True)
class Span:
    """A Content-Range: ``start`` is None for a question, ``total`` None for ``*``."""

    start: int | None
    end: int
    total: int | None


def span(request: Request, have: int) -> Span:
    """What a PUT to a session carries; without Content-Range everything that is left."""
    length = int(request.headers.get("content-length", 0))
    text = request.headers.get("content-range")
    if text is None:
        return Span(have, have + length, have + length)
    if found := re.fullmatch(r"bytes \*/(\d+|\*)", text):
        if length:
            raise bad("A status request has no body", "badRequest")
        return Span(None, 0, None if found[1] == "*" else int(found[1]))
    found = re.fullmatch(r"bytes (\d+)-(\d+)/(\d+|\*)", text)
    if not found:
        raise bad(f"Invalid Content-Range {text}", "badRequest")
    start, end = int(found[1]), int(found[2]) + 1
    total = None if found[3] == "*" else int(found[3])
    chunked = "content-length" not in request.headers
    fits = chunked or end - start == length
    if end <= start or not fits or (total is not None and end > total):
        raise bad(f"Content-Range {text} does not fit {length} bytes", "badRequest")
    return Span(start, end, total)


def take(session: Session, request: Request, part: Span, *, most: int | None = None) -> bool:
    """Add a chunk to the session; whether the file is complete now.

    ``most`` is how much of it to accept, where not all. Raises ConnectionError when the
    client breaks off: whole units of 256 KiB have been kept.
    """
    content = session.content
    if session.total is None:
        session.total = part.total
    if part.total is not None and session.total != part.total:
        raise bad("The total size differs from what was announced", "badRequest")
    if part.start is None:
        return content.size == session.total
    if part.start != content.size:
        raise bad(f"Have {content.size} bytes, the chunk starts at {part.start}", "badRequest")
    last = part.end == session.total
    if not last and (part.end - part.start) % UNIT:
        raise bad("Chunks must be multiples of 256 KiB, the last one excepted", "badRequest")
    limit = part.end if most is None else min(part.end, part.start + most)
    for unit in units(request.body):
        if len(unit) == UNIT or content.size + len(unit) == part.end:
            content.add(unit[: max(0, limit - content.size)])
    return content.size == session.total
