"""The double of Dropbox: one account, every host, and a hand on the controls."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

from sandbox.damage import Abort
from sandbox.dropbox.browsing import Browsing
from sandbox.dropbox.sessions import Sessions
from sandbox.dropbox.signin import ACCOUNT, SignIn
from sandbox.dropbox.tree import Tree
from sandbox.dropbox.uploads import Uploads
from sandbox.dropbox.wire import (
    Refused,
    Route,
    denied,
    find,
    lacks_scope,
    plain,
    too_many,
    unauthorized,
    unknown,
)
from sandbox.faults import Faults
from sandbox.messages import Answer, Request

FAULTS: Mapping[str, str] = {
    "throttle_text": "429 as plain text with Retry-After",
    "busy_request": "429 too_many_write_operations",
    "busy_write": "a file cannot be written: too_many_write_operations",
    "busy_entry": "an entry of a batch fails: too_many_write_operations",
    "traffic_limit": "a file cannot be written: the month's upload traffic is used up",
    "restricted": "a file cannot be read: its content is restricted",
    "no_write": "a file cannot be written: no_write_permission",
    "access_denied": "403: this account may not",
    "route_denied": "401 route_access_denied: a request is not open to this app",
    "scope_taken": "400: the app does not have the permission any more",
    "part_offset": "a part that a concurrent session has is refused: incorrect_offset",
    "part_place": "the same: concurrent_session_invalid_offset",
    "closed_by_offset": "what repeats the last part of a concurrent session is incorrect_offset",
    "lost_answer": "all is done, and the connection ends without an answer",
    "error_after": "all is done, and the answer is 500",
    "cut_upload": "the connection ends in the middle of an upload's bytes",
    "gone_session": "an upload session has expired",
    "flip_stored": "what is stored differs in one bit from what was sent",
    "token_expired": "the access tokens are no longer accepted",
    "cursor_reset": "a listing cannot be continued",
}
Handler = Callable[[Route, Request, Any], Answer]
_HOSTS = {"api": "api.dropboxapi.com", "content": "content.dropboxapi.com"}


class Dropbox:
    """A service for ``sandbox.server``; its ``faults`` must be the sandbox's.

    ``keep_bytes`` False keeps hashes and sizes only, for benchmarks. ``batch_routes`` says
    whether start_batch and append_batch exist, ``header_limit`` how long a Dropbox-API-Arg
    header may be; longer ones are answered with ``header_refusal``, or not at all if that is 0.
    ``body_limit`` is a gateway's, in bytes, answered with 413. ``team`` is what stands under
    allocation for a team's account, ``team_space`` whether that team has one. ``counts`` counts
    requests by route, ``refusals`` what was refused by (status, reason).
    """

    hosts = ("api.dropboxapi.com", "content.dropboxapi.com", "www.dropbox.com")

    def __init__(self, faults: Faults | None = None, *, keep_bytes: bool = True) -> None:
        self.faults = faults if faults is not None else Faults()
        self.tree = Tree()
        self.signin = SignIn()
        self.sessions = Sessions()
        self.uploads = Uploads(self.tree, self.sessions, self.faults, keep=keep_bytes)
        self.browsing = Browsing(self.tree, self.faults)
        self.batch_routes = True
        self.header_limit: int | None = None
        self.header_refusal = 431
        self.body_limit: int | None = None
        self.team: dict[str, Any] | None = None
        self.team_space = False
        self.counts: Counter[str] = Counter()
        self.refusals: Counter[tuple[int, str]] = Counter()
        self._lock = threading.Lock()
        write, read, list_, account = (
            "files.content.write", "files.content.read", "files.metadata.read", "account_info.read",
        )  # fmt: skip
        self._handlers: dict[str, tuple[str, Handler]] = {
            "files/upload": (write, self.uploads.upload),
            "files/upload_session/start": (write, self.uploads.start),
            "files/upload_session/start_batch": (write, self.uploads.start_batch),
            "files/upload_session/append_v2": (write, self.uploads.append),
            "files/upload_session/append_batch": (write, self.uploads.append_batch),
            "files/upload_session/finish": (write, self.uploads.finish),
            "files/upload_session/finish_batch_v2": (write, self.uploads.finish_batch),
            "files/list_folder": (list_, self.browsing.list_folder),
            "files/list_folder/continue": (list_, self.browsing.list_folder_continue),
            "files/get_metadata": (list_, self.browsing.get_metadata),
            "files/download": (read, self.browsing.download),
            "files/create_folder_v2": (write, self.browsing.create_folder),
            "files/delete_v2": (write, self.browsing.delete),
            "auth/token/revoke": (account, self._revoke),
            "users/get_current_account": (account, self._account),
            "users/get_space_usage": (account, self._space),
        }

    @property
    def received(self) -> int:
        """Bytes of upload bodies so far."""
        return self.uploads.received

    # --- the server's side -------------------------------------------------------------------

    def fault_key(self, request: Request) -> str:
        """A route such as files/upload_session/start; signing in is met only by name."""
        path = request.path.removeprefix("/2/").lstrip("/")
        return f"!{path}" if "oauth2/" in path else path

    def fault_answer(self, name: str, _request: Request) -> Answer | None:
        """Dropbox's own words for what the server core refuses."""
        if name == "unavailable":
            return plain(503, "Service Unavailable", name).answer
        seconds = self.faults.retry_after if name == "throttle" else None
        return too_many("too_many_requests", seconds).answer

    def handle(self, request: Request) -> Answer:
        key = self.fault_key(request)
        with self._lock:
            self.counts[key.lstrip("!")] += 1
        try:
            answer = self._handle(request, key)
        except Refused as refusal:
            with self._lock:
                self.refusals[refusal.answer.status, refusal.reason] += 1
            return refusal.answer
        if self.faults.hit("lost_answer", key):
            raise Abort
        if self.faults.hit("error_after", key):
            return plain(500, "Internal Server Error", "error_after").answer
        return answer

    def _handle(self, request: Request, key: str) -> Answer:
        if request.path == "/oauth2/authorize":
            return self.signin.page(request)
        if request.path in ("/oauth2/token", "/1/oauth2/token"):  # old clients use the latter
            return self.signin.token(request)
        route = self._route(request)
        scope, handler = self._handlers[route.name]
        if self.faults.hit("token_expired", key):
            self.signin.end_access()
        self.signin.check(request, scope)
        self._refuse_on_demand(key)
        return handler(route, request, route.argument(request))

    def _revoke(self, route: Route, request: Request, _argument: None) -> Answer:
        self.signin.end(request)
        return route.answered(None)

    def _route(self, request: Request) -> Route:
        route = find(request.path)
        if request.method != "POST" or route.name not in self._handlers:
            raise unknown(request.path)
        if route.name.endswith(("start_batch", "append_batch")) and not self.batch_routes:
            raise unknown(request.path)
        if request.host.endswith(".dropboxapi.com") and request.host != _HOSTS[route.host]:
            raise unknown(request.path)
        header = request.headers.get("dropbox-api-arg") or ""
        if self.header_limit is not None and len(header) > self.header_limit:
            if not self.header_refusal:
                raise Abort
            raise plain(self.header_refusal, "Request Header Fields Too Large", "header_limit")
        size = int(request.headers.get("content-length") or 0)
        if self.body_limit is not None and size > self.body_limit:
            raise plain(413, "Payload Too Large", "body_limit")
        return route

    def _refuse_on_demand(self, key: str) -> None:
        if self.faults.hit("access_denied", key):
            raise denied()
        if self.faults.hit("route_denied", key):
            raise unauthorized("route_access_denied")
        if self.faults.hit("scope_taken", key):
            raise lacks_scope(key)
        if self.faults.hit("busy_request", key):
            raise too_many("too_many_write_operations", self.faults.retry_after)
        if self.faults.hit("throttle_text", key):
            refusal = plain(429, "Too Many Requests", "throttle_text")
            refusal.answer.headers["Retry-After"] = str(self.faults.retry_after)
            raise refusal

    # --- the account ---------------------------------------------------------------------------

    def _account(self, route: Route, _request: Request, _arg: Any) -> Answer:
        name = {
            "given_name": "Ann",
            "surname": "Example",
            "familiar_name": "Ann",
            "display_name": "Ann Example",
            "abbreviated_name": "AE",
        }
        home = "3235641"
        roots = {".tag": "user", "root_namespace_id": home, "home_namespace_id": home}
        if self.team_space:
            roots |= {".tag": "team", "root_namespace_id": "7788990", "home_path": "/Ann Example"}
        return route.answered(
            {
                "account_id": ACCOUNT,
                "name": name,
                "email": self.signin.email,
                "email_verified": True,
                "disabled": False,
                "locale": "en",
                "referral_link": "https://www.dropbox.com/referrals/sandbox",
                "is_paired": False,
                "account_type": {".tag": "basic"},
                "root_info": roots,
            }
        )

    def _space(self, route: Route, _request: Request, _arg: Any) -> Answer:
        used = self.tree.other + self.tree.used
        allocation = self.team or {".tag": "individual", "allocated": self.tree.limit}
        return route.answered({"used": used, "allocation": allocation})
