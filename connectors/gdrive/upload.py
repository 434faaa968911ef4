"""Bytes to Drive: one request for a small file, a session that outlives us for a large one.

A session's address is a key to it and is made durable before a byte flows. What Drive has
of a session only Drive knows: its Range answer is believed, also where it took less than was
sent. Sources: Drive API guide "Upload file data" (256 KiB rule, 308, ``bytes */N``, 5 MB).
"""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from connectors.base import PIECE, Body, Checkpoint
from connectors.errors import (
    CapacityExceeded,
    OutpourError,
    SessionExpired,
    Transient,
)
from connectors.gdrive.api import Api, File
from connectors.gdrive.errors import IdTaken, Malformed, error_of
from connectors.gdrive.transport import Answer

SMALL = 5_000_000  # "5 MB or less" may go in one request with its metadata
_STUCK = 3  # answers in a row that accept nothing
_ID = re.compile(r"[A-Za-z0-9_-]{12,128}")


@dataclass(frozen=True, slots=True)
class Ticket:
    """An upload's token: the id its file will have, and the address of its session if any, with
    the id of the folder that the session brings it to."""

    id: str
    session: str = ""
    parent: str = ""

    def __repr__(self) -> str:
        return f"Ticket(id={self.id!r})"

    def written(self) -> str:
        if not self.session:
            return self.id
        return json.dumps({"id": self.id, "uri": self.session, "in": self.parent})

    @classmethod
    def read(cls, token: str | None) -> Ticket | None:
        """None for what is no token of ours."""
        if not token:
            return None
        if _ID.fullmatch(token):
            return cls(token)
        try:
            found = json.loads(token)
            ticket = cls(str(found["id"]), str(found["uri"]), str(found.get("in", "")))
        except (ValueError, KeyError, TypeError):
            return None
        https = ticket.session.startswith(("https://", "http://127.0.0.1"))
        return ticket if https and _ID.fullmatch(ticket.id) else None


class Uploader:
    """Thread-safe. ``chunk`` is the most bytes of one request, a multiple of 256 KiB."""

    def __init__(self, api: Api, chunk: int) -> None:
        self._api = api
        self._chunk = chunk

    def whole(self, metadata: File, media_type: str, body: Body) -> File:
        """Create a file in one request; its fields as Drive has them.

        The body is built by hand: the client's own way costs a copy through the email
        package (27 ms of CPU per MB).
        """
        mark = secrets.token_hex(16)
        head = (
            f"--{mark}\r\nContent-Type: application/json; charset=UTF-8\r\n\r\n"
            f"{json.dumps(metadata)}\r\n--{mark}\r\nContent-Type: {media_type}\r\n\r\n"
        ).encode()
        tail = f"\r\n--{mark}--\r\n".encode()
        headers = {
            "content-type": f"multipart/related; boundary={mark}",
            "content-length": str(len(head) + body.size + len(tail)),
        }
        answer = self._api.channel.send(
            "POST",
            self._api.upload_url("multipart"),
            headers,
            lambda: _framed(head, body.pieces(0, body.size), tail),
        )
        return _made(answer, "an upload")

    def session(
        self, ticket: Ticket, metadata: File, media_type: str, body: Body, keep: Checkpoint
    ) -> File:
        """Bring a file through an upload session: the ticket's if it still lives and brings the
        file to where it belongs now, or a new one."""
        (parent,) = metadata["parents"]
        if ticket.session and ticket.parent == parent:
            try:
                state = self._ask(ticket.session, body.size)
                if isinstance(state, dict):
                    return state
                keep(ticket.written(), state)
                return self._send(ticket, body, state, keep)
            except _SessionGone:
                ticket = replace(ticket, session="")
                keep(ticket.written())
        began = self._start(metadata, media_type, body.size)
        ticket = replace(ticket, session=began, parent=parent)
        keep(ticket.written())
        try:
            return self._send(ticket, body, 0, keep)
        except _SessionGone as gone:
            keep(replace(ticket, session="").written())
            raise gone.why from None

    def _start(self, metadata: File, media_type: str, size: int) -> str:
        headers = {
            "content-type": "application/json; charset=UTF-8",
            "x-upload-content-type": media_type,
            "x-upload-content-length": str(size),
        }
        answer = self._api.channel.send(
            "POST", self._api.upload_url("resumable"), headers, json.dumps(metadata).encode()
        )
        if answer.status != 200:
            raise error_of(answer.status, answer.headers, answer.data, "an upload", upload=True)
        if not answer.headers.get("location"):
            raise Transient("Google Drive opened an upload session without an address")
        return answer.headers["location"]

    def _ask(self, session: str, size: int) -> File | int:
        """How many bytes Drive has; the file itself if it has all of them."""
        headers = {"content-range": f"bytes */{size}", "content-length": "0"}
        return _progress(self._api.channel.send("PUT", session, headers, b""))

    def _send(self, ticket: Ticket, body: Body, offset: int, keep: Checkpoint) -> File:
        stuck = 0
        while True:
            if offset < body.size:
                state = self._put(ticket.session, body, offset)
            else:  # Drive has it all, and has not said so yet
                state = self._ask(ticket.session, body.size)
            if isinstance(state, dict):
                return state
            stuck = 0 if state > offset else stuck + 1
            if stuck == _STUCK or state > body.size:
                raise Transient("Google Drive does not accept the upload's bytes")
            offset = state
            keep(ticket.written(), offset)

    def _put(self, session: str, body: Body, offset: int) -> File | int:
        end = min(offset + self._chunk, body.size)
        headers = {
            "content-length": str(end - offset),
            "content-range": f"bytes {offset}-{end - 1}/{body.size}",
        }
        piece = partial(body.pieces, offset, end)
        return _progress(self._api.channel.send("PUT", session, headers, piece))


class _SessionGone(OutpourError):
    """The session cannot be used; ``why`` is what to say if a new one meets the same."""

    def __init__(self, why: OutpourError) -> None:
        super().__init__(str(why))
        self.why = why


def _progress(answer: Answer) -> File | int:
    """What a session's answer says: the finished file, or the bytes Drive has so far."""
    if answer.status == 308:
        covered = re.fullmatch(r"bytes=0-(\d+)", answer.headers.get("range", ""))
        return int(covered[1]) + 1 if covered else 0
    if answer.status in (200, 201):
        return _made(answer, "an upload")
    why = error_of(answer.status, answer.headers, answer.data, "an upload", upload=True)
    if answer.status in (404, 410):
        raise _SessionGone(Transient("Google Drive's upload session has expired"))
    if isinstance(why, (Transient, CapacityExceeded, SessionExpired, IdTaken)):
        raise why
    # "For any 4xx errors, restart the upload". What the file is called or dated was taken already.
    raise _SessionGone(Transient(str(why)) if isinstance(why, Malformed) else why)


def _made(answer: Answer, doing: str) -> File:
    if answer.status not in (200, 201):
        raise error_of(answer.status, answer.headers, answer.data, doing, upload=True)
    try:
        found: Any = json.loads(answer.data)
    except ValueError:
        found = None
    if not isinstance(found, dict) or "id" not in found:
        raise Transient("Google Drive answered an upload without saying what it holds")
    return found


def _framed(head: bytes, pieces: Iterator[bytes], tail: bytes) -> Iterator[bytes]:
    """The three joined, so that a small file leaves in one write."""
    before = head
    for piece in pieces:
        if len(before) >= PIECE:
            yield before
            before = piece
        else:
            before += piece
    yield before + tail
