"""The bytes of a file: from any offset, on pooled connections, only when they are the wanted ones.

Content hosts need no cookie, only the signed URL, so this stays clear of pyicloud's
session. What arrives is checked against what was asked for before a byte is passed on: range,
length, and that Apple still means the same file.
"""

from __future__ import annotations

import base64
import contextlib
import re
import threading
from collections.abc import Iterator
from http.client import HTTPException

import urllib3
from urllib3.exceptions import HTTPError

from connectors.base import Resource
from connectors.errors import (
    ItemError,
    NotFound,
    OutpourError,
    Throttled,
    Transient,
    Unreadable,
)
from connectors.headers import retry_after
from connectors.icloud.records import HELD, Handle
from connectors.icloud.session import CONNECTIONS
from connectors.icloud.signed_urls import SignedUrl, SignedUrls
from connectors.network_errors import network_error
from connectors.pools import CONNECT_TIMEOUT, Pools
from connectors.streams import BytesStream

CHUNK = 1 << 20
_READ_TIMEOUT = 30.0  # between two packets of a body
_WORDS = 1024  # bytes
_SHORT = 64 * 1024  # bytes; cheaper to read than a connection is to make
_RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+|\*)")
_RENEW = {400, 401, 403, 404, 410}  # what expired or withdrawn URLs are answered with
FAILURES = (HTTPError, HTTPException, OSError, ValueError)


class Content:
    """Opens files. Every method may be called from any thread."""

    def __init__(self, urls: SignedUrls) -> None:
        self._urls = urls
        self._pools = Pools(CONNECTIONS)

    def open(self, resource: Resource, offset: int = 0) -> ContentStream | BytesStream:
        """The bytes from ``offset`` on, or from 0 where Apple cannot start there.

        Raises NotFound, Unreadable, ItemError (the file was changed since it was listed),
        Throttled, Transient, SessionExpired.
        """
        try:
            handle = Handle.of(resource.handle)
        except ValueError as error:
            raise Unreadable(f"not a file of iCloud: {resource.handle!r}") from error
        signed = self._checked(resource, self._urls.get(handle))
        if signed.url.startswith(HELD):
            return BytesStream(base64.b64decode(signed.url.removeprefix(HELD)), offset)
        answer = self._ask(signed, offset)
        if answer.status in _RENEW or _few_words(answer, resource):
            _spare(answer)
            answer = self._ask(self._checked(resource, self._urls.renew(handle)), offset)
        if answer.status == 416 or (answer.status == 206 and not _fits(answer, resource, offset)):
            _spare(answer)
            offset = 0
            answer = self._ask(self._checked(resource, self._urls.get(handle)), offset)
        return self._stream(answer, resource, offset)

    def close(self) -> None:
        self._pools.close()

    def _checked(self, resource: Resource, signed: SignedUrl) -> SignedUrl:
        known = resource.checksum.value if resource.checksum else None
        if known and signed.checksum and known != signed.checksum:
            raise ItemError(
                f"{resource.filename} was changed in iCloud since it was listed",
                hint="run again: the new version is listed and taken then",
            )
        return signed

    def _ask(self, signed: SignedUrl, offset: int) -> urllib3.BaseHTTPResponse:
        headers = {"Accept-Encoding": "identity"}
        if offset:
            headers["Range"] = f"bytes={offset}-"
        try:
            return self._pools.reaching(signed.url).request(
                "GET",
                signed.url,
                headers=headers,
                preload_content=False,
                decode_content=False,
                redirect=False,
                retries=False,
                timeout=urllib3.Timeout(connect=CONNECT_TIMEOUT, read=_READ_TIMEOUT),
            )
        except FAILURES as error:
            raise network_error(error, "iCloud") from error

    def _stream(
        self, answer: urllib3.BaseHTTPResponse, resource: Resource, offset: int
    ) -> ContentStream:
        try:
            if answer.status not in {200, 206}:
                raise _refusal(answer, resource)
            start = offset if answer.status == 206 else 0
            length = _length(answer)
            total = None if length is None else start + length
            # A record may tell a wrong size: where a fingerprint can decide, the size does not.
            known = resource.checksum is not None and resource.checksum.verifiable
            if resource.size is not None and total not in {None, resource.size} and not known:
                raise Transient(
                    f"iCloud answered {total} bytes for {resource.filename}, "
                    f"which has {resource.size}"
                )
        except OutpourError:
            _spare(answer)
            raise
        return ContentStream(answer, start, resource.size if total is None else total)


class ContentStream:
    """A ``Stream``. Iterate once, from one thread; ``close`` from any."""

    def __init__(self, answer: urllib3.BaseHTTPResponse, offset: int, total: int | None) -> None:
        self.offset = offset
        self.total = total
        self._answer = answer
        self._lock = threading.Lock()
        self._closed = False

    def __iter__(self) -> Iterator[bytes]:
        position = self.offset
        try:
            while chunk := self._answer.read(CHUNK):
                position += len(chunk)
                yield chunk
        except FAILURES as error:
            self.close()
            raise network_error(error, "iCloud") from error
        if self.total is not None and position != self.total:
            self.close()
            raise Transient(f"the connection ended after {position} of {self.total} bytes")
        with self._lock:
            self._closed = True
        self._answer.release_conn()

    def close(self) -> None:
        with self._lock:
            if self._closed:
                return
            self._closed = True
        _drop(self._answer)


def _few_words(answer: urllib3.BaseHTTPResponse, resource: Resource) -> bool:
    """Whether a 200 looks like an error in its body, as of an address that is no longer good
    (17 bytes: facts of kei's about shared libraries). If it stays, the checksum tells."""
    length = _length(answer)
    if answer.status != 200 or length is None or resource.size is None:
        return False
    return length < _WORDS <= resource.size


def _fits(answer: urllib3.BaseHTTPResponse, resource: Resource, offset: int) -> bool:
    """Whether a 206 holds the rest of this file from ``offset`` on, and nothing else."""
    match = _RANGE.fullmatch((answer.headers.get("Content-Range") or "").strip())
    if match is None:
        return False
    first, last = int(match[1]), int(match[2])
    total = resource.size if match[3] == "*" else int(match[3])
    length = _length(answer)
    return (
        first == offset > 0
        and total is not None
        and last == total - 1
        and resource.size in {None, total}
        and length in {None, last - first + 1}
    )


def _length(answer: urllib3.BaseHTTPResponse) -> int | None:
    try:
        return int(answer.headers["Content-Length"])
    except (KeyError, ValueError):
        return None


def _refusal(answer: urllib3.BaseHTTPResponse, resource: Resource) -> OutpourError:
    said = f"iCloud answered {answer.status} for {resource.filename}"
    wait = retry_after(answer.headers)
    if answer.status == 404:
        return NotFound(said)
    if answer.status in {429, 503}:
        return Throttled(said, retry_after=wait)
    return Transient(said, retry_after=wait)


def _spare(answer: urllib3.BaseHTTPResponse) -> None:
    """Done with an unwanted answer: its connection is kept where its body is short."""
    length = _length(answer)
    if length is None or length > _SHORT:
        _drop(answer)
        return
    with contextlib.suppress(*FAILURES):
        answer.drain_conn()
        answer.release_conn()


def _drop(answer: urllib3.BaseHTTPResponse) -> None:
    """End the connection, also under the hands of a thread that waits for its bytes."""
    with contextlib.suppress(*FAILURES, RuntimeError):  # RuntimeError: released already
        answer.shutdown()
    with contextlib.suppress(*FAILURES):
        answer.close()
