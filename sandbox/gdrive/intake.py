"""The upload endpoints: one request with everything, or a session of chunks."""

from __future__ import annotations

from dataclasses import replace

from sandbox.damage import Abort
from sandbox.faults import Faults
from sandbox.gdrive.discovery import Method
from sandbox.gdrive.files import Files
from sandbox.gdrive.oauth import Grant
from sandbox.gdrive.refusal import Refused, bad
from sandbox.gdrive.store import Node, Store
from sandbox.gdrive.uploads import UNIT, Session, Sessions, multipart, span, take
from sandbox.messages import Answer, Body, Request


class Intake:
    """``received`` counts the bytes of files that arrived, kept or not."""

    def __init__(self, store: Store, files: Files, sessions: Sessions, faults: Faults) -> None:
        self._store = store
        self._files = files
        self._sessions = sessions
        self._faults = faults
        self.received = 0

    def multipart(self, method: Method, request: Request, grant: Grant) -> tuple[Node, Answer]:
        request = self._breaking(request, "upload.multipart")
        content = self._store.content(flip=self._faults.hit("stored_flip", "upload.multipart"))
        try:
            metadata, media_type = multipart(request, content)
            self._count(content.size)
            body = {"mimeType": media_type, **self._files.checked(method, metadata)}
            node = self._files.made(body, grant, request.query)
            self._files.add(node, content, grant)
        except BaseException:
            content.discard()
            raise
        return node, self._files.answer(method, request.query, node, grant)

    def begin(self, method: Method, request: Request, grant: Grant) -> Answer:
        media_type = request.headers.get("x-upload-content-type", "application/octet-stream")
        metadata = {"mimeType": media_type, **self._files.body(method, request)}
        length = request.headers.get("x-upload-content-length")
        node = self._files.made(metadata, grant, request.query)  # refuses what it would refuse
        if length and node.drive is None:
            self._store.make_room(int(length))
        content = self._store.content(flip=self._faults.hit("stored_flip", "upload.resumable"))
        total = int(length) if length else None
        session = self._sessions.begin(metadata, method, grant, request.query, content, total)
        host = request.headers.get("host", request.host)
        address = f"https://{host}{request.path}?uploadType=resumable&upload_id={session.key}"
        return Answer(200, {"Location": address, "X-GUploader-UploadID": session.key})

    def chunk(self, request: Request) -> tuple[Node | None, Answer]:
        """A PUT to a session: the node it finished, if it just did, and the answer."""
        key = request.query["upload_id"]
        if self._faults.hit("session_expired", "upload.session"):
            self._sessions.expire(key)
        session = self._sessions.get(key)
        with session.lock:
            return self._chunk(session, request)

    def _chunk(self, session: Session, request: Request) -> tuple[Node | None, Answer]:
        if session.node is not None:
            return None, self._finished(session, session.node)
        before = session.content.size
        part = span(request, before)
        most = None
        if part.start is not None and self._faults.hit("partial_chunk", "upload.session"):
            most = (part.end - part.start) // 2 // UNIT * UNIT
        if part.start is not None:
            if self._faults.hit("session_refused", "upload.session"):
                raise bad("Failed to parse Content-Range header.", "invalid")
            request = self._breaking(request, "upload.session")
        try:
            complete = take(session, request, part, most=most)
        finally:
            self._count(session.content.size - before)
        sent = complete and part.start is not None
        if not complete or (sent and self._faults.hit("late_seal", "upload.session")):
            have = session.content.size
            headers = {"Range": f"bytes=0-{have - 1}"} if have else {}
            return None, Answer(308, {**headers, "X-GUploader-UploadID": session.key})
        try:
            node = self._files.made(session.metadata, session.grant, session.query)
            self._files.add(node, session.content, session.grant)
        except Refused:
            self._sessions.expire(session.key)
            raise
        session.node = node
        return node, self._finished(session, node)

    def _finished(self, session: Session, node: Node) -> Answer:
        return self._files.answer(session.method, session.query, node, session.grant)

    def _breaking(self, request: Request, key: str) -> Request:
        if not self._faults.hit("cut_upload", key):
            return request
        length = int(request.headers.get("content-length", UNIT))
        return replace(request, body=_Breaking(request.body, length // 2))

    def _count(self, size: int) -> None:
        with self._store.lock:
            self.received += size


class _Breaking(Body):
    """A body whose connection ends after some bytes."""

    def __init__(self, inner: Body, left: int) -> None:
        self._inner = inner
        self._rest = left

    def fill(self, view: memoryview) -> int:
        came = self._inner.fill(view[: self._rest])
        self._rest -= came
        if came < len(view):
            raise Abort
        return came
