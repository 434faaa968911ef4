"""The routes that take bytes and make files of them."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

from sandbox.damage import Abort
from sandbox.dropbox.content import STEP, Content, receive
from sandbox.dropbox.sessions import SessionRefused, Sessions
from sandbox.dropbox.tree import Commit, File, Tree, WriteRefused, key_of, metadata
from sandbox.dropbox.wire import Route
from sandbox.faults import Faults
from sandbox.messages import Answer, Request

_LARGEST_BODY = 150 * 1024 * 1024
_BUSY = {".tag": "too_many_write_operations"}


class Uploads:
    """``keep`` says whether bytes are kept; ``received`` counts those of request bodies.

    ``forget`` says whether a session is gone once it was committed: whether a second finish of
    it is answered not_found or as the first was. Dropbox's docs leave that open.
    """

    def __init__(self, tree: Tree, sessions: Sessions, faults: Faults, *, keep: bool) -> None:
        self.tree = tree
        self.sessions = sessions
        self.faults = faults
        self.keep = keep
        self.forget = True
        self.received = 0
        self._counting = threading.Lock()
        self._committing = threading.Lock()

    # --- bytes -------------------------------------------------------------------------------

    def upload(self, route: Route, request: Request, arg: Any) -> Answer:
        content = self._body(route, request, arg)
        try:
            file = self._write(arg, content)
        except WriteRefused as refusal:
            session, made = self.sessions.start()
            made.add(0, content, close=True)
            failed = {"reason": refusal.error, "upload_session_id": session}
            raise route.failed({".tag": "path", **failed}) from None
        return route.answered(metadata(key_of(file.display), file))

    def start(self, route: Route, request: Request, arg: Any) -> Answer:
        content = self._body(route, request, arg)
        concurrent = arg.session_type is not None and arg.session_type.is_concurrent()
        if concurrent and content.size:
            raise route.failed({".tag": "concurrent_session_data_not_allowed"})
        if concurrent and arg.close:
            raise route.failed({".tag": "concurrent_session_close_not_allowed"})
        identity, session = self.sessions.start(concurrent=concurrent)
        if not concurrent:
            session.add(0, content, close=arg.close)
        return route.answered({"session_id": identity})

    def start_batch(self, route: Route, _request: Request, arg: Any) -> Answer:
        concurrent = arg.session_type is not None and arg.session_type.is_concurrent()
        made = [self.sessions.start(concurrent=concurrent)[0] for _ in range(arg.num_sessions)]
        return route.answered({"session_ids": made})

    def append(self, route: Route, request: Request, arg: Any) -> Answer:
        content = self._body(route, request, arg)
        try:
            self._add(arg, content)
        except SessionRefused as refusal:
            raise route.failed(refusal.error) from None
        return route.answered(None)

    def _add(self, arg: Any, content: Content) -> None:
        session = self._session(arg.cursor)
        ended = session.end if session.closed and session.concurrent else None
        if ended is not None and self.faults.hit("closed_by_offset"):
            raise SessionRefused("incorrect_offset", correct_offset=ended)
        if session.concurrent and arg.cursor.offset in session.parts:
            if self.faults.hit("part_offset"):
                raise SessionRefused("incorrect_offset", correct_offset=0)
            if self.faults.hit("part_place"):
                raise SessionRefused("concurrent_session_invalid_offset")
        session.add(arg.cursor.offset, content, close=arg.close)

    def append_batch(self, route: Route, request: Request, arg: Any) -> Answer:
        self._too_large(route, request)
        data = b"".join(self._pieces(request))
        if arg.content_hash is not None:
            whole = Content.of(data, keep=False)
            if whole.blocks.hexdigest() != arg.content_hash:
                raise route.failed({".tag": "content_hash_mismatch"})
        if sum(entry.length for entry in arg.entries) != len(data):
            raise route.failed({".tag": "length_mismatch"})
        answers: list[dict[str, Any]] = []
        view, at = memoryview(data), 0
        for entry in arg.entries:
            part = Content.of(view[at : at + entry.length], keep=self.keep)
            at += entry.length
            try:
                self._session(entry.cursor).add(entry.cursor.offset, part, close=entry.close)
                answers.append({".tag": "success"})
            except SessionRefused as refusal:
                answers.append({".tag": "failure", "failure": refusal.error})
        return route.answered({"entries": answers})

    # --- files -------------------------------------------------------------------------------

    def finish(self, route: Route, request: Request, arg: Any) -> Answer:
        content = self._body(route, request, arg)
        try:
            session = self._session(arg.cursor)
            if content.size:
                if session.concurrent:
                    raise route.failed({".tag": "concurrent_session_data_not_allowed"})
                session.add(arg.cursor.offset, content, close=True)
                arg.cursor.offset += content.size
            elif not session.concurrent:
                session.closed = True
        except SessionRefused as refusal:
            failed = {".tag": "lookup_failed", "lookup_failed": refusal.error}
            raise route.failed(failed) from None
        found = self._finished(arg)
        if found[".tag"] == "failure":
            raise route.failed(found["failure"])
        return route.answered({name: value for name, value in found.items() if name != ".tag"})

    def finish_batch(self, route: Route, _request: Request, arg: Any) -> Answer:
        if not self._committing.acquire(blocking=False):
            # Two batches at once on one account: Dropbox fails entries of both.
            entries = [{".tag": "failure", "failure": _BUSY} for _ in arg.entries]
            return route.answered({"entries": entries})
        try:
            return route.answered({"entries": [self._finished(entry) for entry in arg.entries]})
        finally:
            self._committing.release()

    def _finished(self, arg: Any) -> dict[str, Any]:
        """JSON of one UploadSessionFinishBatchResultEntry."""
        try:
            file = self._commit(arg)
        except SessionRefused as refusal:
            if refusal.tag.startswith("concurrent_session"):
                return {".tag": "failure", "failure": refusal.error}
            failed = {".tag": "lookup_failed", "lookup_failed": refusal.error}
            return {".tag": "failure", "failure": failed}
        except WriteRefused as refusal:
            return {".tag": "failure", "failure": {".tag": "path", "path": refusal.error}}
        if file is None:
            return {".tag": "failure", "failure": _BUSY}
        return {".tag": "success", **metadata(key_of(file.display), file)}

    def _commit(self, arg: Any) -> File | None:
        """The file made; None where the account is too busy."""
        path = arg.commit.path
        if self.faults.hit("busy_entry", path):
            return None
        if self.faults.hit("busy_write", path):
            raise WriteRefused("too_many_write_operations")
        if self.faults.hit("traffic_limit", path):
            raise WriteRefused("upload_traffic_limit_reached")
        if self.faults.hit("no_write", path):
            raise WriteRefused("no_write_permission")
        session = self._session(arg.cursor)
        if not session.closed:
            raise SessionRefused(
                "concurrent_session_not_closed" if session.concurrent else "not_closed"
            )
        content = session.whole()
        if content is None:
            raise SessionRefused("concurrent_session_missing_data")
        if arg.cursor.offset != content.size:
            raise SessionRefused("incorrect_offset", correct_offset=content.size)
        file = self._write(arg.commit, content)
        if self.forget:
            self.sessions.forget(arg.cursor.session_id)
        return file

    def _write(self, info: Any, content: Content) -> File:
        if info.mode.is_update():
            mode = str(info.mode.get_update())
        else:
            mode = "overwrite" if info.mode.is_overwrite() else "add"
        if self.faults.hit("flip_stored", info.path):
            content = content.flipped()
        return self.tree.write(
            Commit(info.path, mode, info.autorename, info.strict_conflict, info.client_modified),
            content,
        )

    # --- inner -------------------------------------------------------------------------------

    def _session(self, cursor: Any) -> Any:
        if self.faults.hit("gone_session", cursor.session_id):
            self.sessions.forget(cursor.session_id)
        return self.sessions.get(cursor.session_id)

    def _body(self, route: Route, request: Request, arg: Any) -> Content:
        """The body, held against its hash."""
        self._too_large(route, request)
        content = receive(self._pieces(request), keep=self.keep)
        if arg.content_hash is not None and content.blocks.hexdigest() != arg.content_hash:
            raise route.failed({".tag": "content_hash_mismatch"})
        return content

    def _too_large(self, route: Route, request: Request) -> None:
        if int(request.headers.get("content-length") or 0) > _LARGEST_BODY:
            raise route.failed({".tag": "payload_too_large"})

    def _pieces(self, request: Request) -> Iterator[memoryview]:
        """The body; each piece is hashed as a whole, as TLS hands out no more than 16 kB."""
        length = int(request.headers.get("content-length") or 0)
        left = length // 2 if self.faults.hit("cut_upload", request.path) else None
        step = min(STEP, length or STEP)
        while left is None or left > 0:
            piece = memoryview(bytearray(step if left is None else min(step, left)))
            came = request.body.fill(piece)
            with self._counting:
                self.received += came
            if left is not None:
                left -= came
            if came:
                yield piece[:came]
            if came < len(piece) or request.body.done:
                return
        raise Abort
