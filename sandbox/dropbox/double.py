"""The double of Dropbox: an account and its team, every host, and a hand on the controls."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Mapping
from typing import Any

from sandbox.damage import Abort
from sandbox.dropbox.signin import SignIn
from sandbox.dropbox.space import SCOPES, Handler, Space
from sandbox.dropbox.team import Member, Team
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
    "transport_limit": "403: the team has used up its uploads of the month",
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
_SCOPES = {
    **SCOPES,
    "auth/token/revoke": "account_info.read",
    "team/members/get_info": "members.read",
    "team/members/get_info_v2": "members.read",
    "users/get_current_account": "account_info.read",
    "users/get_space_usage": "account_info.read",
}
_TRANSPORT = (  # what comes first of Dropbox's own words
    "Your team has used all of its data transport API calls for the month."
)
_HOSTS = {"api": "api.dropboxapi.com", "content": "content.dropboxapi.com"}


class Dropbox:
    """A service for ``sandbox.server``; its ``faults`` must be the sandbox's.

    ``keep_bytes`` False keeps hashes and sizes only, for benchmarks. ``batch_routes`` says
    whether start_batch and append_batch exist, ``header_limit`` how long a Dropbox-API-Arg
    header may be; longer ones are answered with ``header_refusal``, or not at all if that is 0.
    ``body_limit`` is a gateway's, in bytes, answered with 413. ``allocation`` is what stands under
    that name for a team's account. ``owner`` is whose account it is, and ``tree``, ``sessions``,
    ``uploads`` and ``browsing`` are of their own folder. ``counts`` counts requests by route,
    ``refusals`` what was refused by (status, reason).
    """

    hosts = ("api.dropboxapi.com", "content.dropboxapi.com", "www.dropbox.com")

    def __init__(self, faults: Faults | None = None, *, keep_bytes: bool = True) -> None:
        self.faults = faults if faults is not None else Faults()
        self.signin = SignIn()
        self.team = Team()
        self.owner = Member("ann@example.com")
        self._keep = keep_bytes
        self._spaces: dict[str, Space] = {}
        self._lock = threading.Lock()
        own = self.space(self.owner.home)
        self.tree, self.uploads, self.browsing = own.tree, own.uploads, own.browsing
        self.sessions = own.sessions
        self.batch_routes = True
        self.header_limit: int | None = None
        self.header_refusal = 431
        self.body_limit: int | None = None
        self.allocation: dict[str, Any] | None = None
        self.counts: Counter[str] = Counter()
        self.refusals: Counter[tuple[int, str]] = Counter()
        self._handlers: dict[str, Handler] = {
            "auth/token/revoke": self._revoke,
            "team/members/get_info": self._members,
            "team/members/get_info_v2": self._members,
            "users/get_current_account": self._account,
            "users/get_space_usage": self._room,
        }

    def space(self, namespace: str) -> Space:
        """What a namespace holds: a member's own folder, or the team's space."""
        with self._lock:
            if namespace not in self._spaces:
                self._spaces[namespace] = Space(self.faults, keep=self._keep)
            return self._spaces[namespace]

    @property
    def received(self) -> int:
        """Bytes of upload bodies so far."""
        return sum(space.uploads.received for space in list(self._spaces.values()))

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
        if self.faults.hit("token_expired", key):
            self.signin.end_access()
        self.signin.check(request, _SCOPES[route.name])
        self._refuse_on_demand(key)
        return self._handler(route, request)(route, request, route.argument(request))

    def _handler(self, route: Route, request: Request) -> Handler:
        handler = self._handlers.get(route.name)
        if handler is not None:
            return handler
        return self.space(self.team.root(request, self._member(request))).handlers[route.name]

    def _revoke(self, route: Route, request: Request, _argument: None) -> Answer:
        self._member(request)  # a route of single accounts
        self.signin.end(request)
        return route.answered(None)

    def _route(self, request: Request) -> Route:
        route = find(request.path)
        if request.method != "POST" or route.name not in _SCOPES:
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
        if key.startswith("files/upload") and self.faults.hit("transport_limit", key):
            raise denied("feature", _TRANSPORT)
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

    # --- the account and its team --------------------------------------------------------------

    def _members(self, route: Route, _request: Request, arg: Any) -> Answer:
        first = not route.name.endswith("_v2")
        found = self.team.look_up(arg.members, self.owner, first=first)
        return route.answered(found if first else {"members_info": found})

    def _account(self, route: Route, request: Request, _arg: Any) -> Answer:
        member = self._member(request)
        in_team = {"team_member_id": member.id} if self.team.is_one else {}
        return route.answered(
            {
                "account_id": member.account,
                "name": member.name,
                "email": member.email,
                "email_verified": True,
                "disabled": False,
                "locale": "en",
                "referral_link": "https://www.dropbox.com/referrals/sandbox",
                "is_paired": False,
                "account_type": {".tag": "business" if in_team else "basic"},
                "root_info": self.team.roots(member),
                **in_team,
            }
        )

    def _room(self, route: Route, request: Request, _arg: Any) -> Answer:
        tree = self.space(self._member(request).home).tree
        allocation = self.allocation or {".tag": "individual", "allocated": tree.limit}
        return route.answered({"used": tree.other + tree.used, "allocation": allocation})

    def _member(self, request: Request) -> Member:
        """Whose Dropbox a request is about."""
        return self.team.acting(request, self.owner, of_team=self.signin.of_team(request))
