"""OAuth as Dropbox does it: a page to allow an app on, PKCE, refresh tokens, scopes.

Source: Dropbox's OAuth guide. The page allows at once and shows the code, as a person's
browser would after two clicks.
"""

from __future__ import annotations

import base64
import hashlib
import html
import secrets
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from urllib.parse import parse_qs, urlsplit

from sandbox.dropbox.wire import JSON, dumped, plain, unauthorized
from sandbox.messages import Answer, Request

SCOPES = (
    "account_info.read",
    "files.metadata.read",
    "files.content.write",
    "files.content.read",
)
TEAM_SCOPES = ("members.read", "team_data.member")
ACCOUNT = "dbid:" + "sandbox" * 5
TEAM = "dbtid:" + "sandbox" * 5


@dataclass
class _Code:
    client: str
    challenge: str
    offline: bool
    scopes: frozenset[str]


@dataclass
class _Access:
    scopes: frozenset[str]
    ends: float
    refresh: str


@dataclass
class SignIn:
    """``app_key`` is the one app there is, ``scopes`` what its console allows it.

    ``lifetime`` of access tokens is in seconds.
    """

    app_key: str = "sandboxappkey00"
    scopes: frozenset[str] = frozenset(SCOPES)
    lifetime: int = 14400
    email: str = "ann@example.com"
    clock: Callable[[], float] = time.time
    refreshes: int = 0
    _codes: dict[str, _Code] = field(default_factory=dict)
    _access: dict[str, _Access] = field(default_factory=dict)
    _refresh: dict[str, frozenset[str]] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    # --- the hand on the controls ----------------------------------------------------------

    def issue(self, lifetime: float | None = None) -> str:
        """An access token, as from an earlier sign-in."""
        return self._issued("", self.scopes, lifetime)

    def refresh_token(self, scopes: Iterable[str] | None = None) -> str:
        """A refresh token, as from an earlier sign-in."""
        token = secrets.token_urlsafe(48)
        self._refresh[token] = self.scopes if scopes is None else frozenset(scopes)
        return token

    def allow(self, address: str) -> str:
        """What a person does who opens the address and allows access: the code shown."""
        return self._code({name: v[-1] for name, v in parse_qs(urlsplit(address).query).items()})

    def revoke(self) -> None:
        """The person throws the app out."""
        with self._lock:
            self._access.clear()
            self._refresh.clear()

    def end_access(self) -> None:
        """Every access token given so far has expired."""
        with self._lock:
            for access in self._access.values():
                access.ends = 0.0

    # --- requests --------------------------------------------------------------------------

    def check(self, request: Request, scope: str) -> None:
        """Let a request pass that carries a good token with the scope."""
        kind, _, token = (request.headers.get("authorization") or "").partition(" ")
        if kind != "Bearer":
            raise plain(400, 'Must provide HTTP header "Authorization"', "no_authorization")
        access = self._access.get(token)
        if access is None:
            raise unauthorized("invalid_access_token")
        if access.ends <= self.clock():
            raise unauthorized("expired_access_token")
        if scope not in access.scopes:
            raise unauthorized("missing_scope", required_scope=scope)

    def of_team(self, request: Request) -> bool:
        """Whether a request's token is a team's: of an administrator who let the app act for all
        members. The scopes of teams make it one."""
        token = (request.headers.get("authorization") or "").partition(" ")[2]
        return _of_team(self._access[token].scopes)

    def end(self, request: Request) -> None:
        """The refresh token that the request's access token came from ends, with all of it."""
        token = (request.headers.get("authorization") or "").partition(" ")[2]
        with self._lock:
            refresh = self._access[token].refresh
            self._refresh.pop(refresh, None)
            self._access = {
                key: access for key, access in self._access.items()
                if key != token and not (refresh and access.refresh == refresh)
            }  # fmt: skip

    def page(self, request: Request) -> Answer:
        """GET /oauth2/authorize on the web host."""
        code = html.escape(self._code(dict(request.query)))
        body = f"<!doctype html><title>Dropbox</title><p>Access code: <code>{code}</code>"
        return Answer(200, {"Content-Type": "text/html; charset=utf-8"}, body.encode())

    def token(self, request: Request) -> Answer:
        """POST /oauth2/token on the API host."""
        form = {name: values[-1] for name, values in parse_qs(request.read_all().decode()).items()}
        if "client_id" not in form:
            form["client_id"] = _basic(request)
        if form["client_id"] != self.app_key:
            return _oauth("invalid_client", f"Invalid client_id: {form['client_id']}")
        match form.get("grant_type"):
            case "authorization_code":
                return self._by_code(form)
            case "refresh_token":
                return self._by_refresh(form)
        return _oauth("unsupported_grant_type", "grant_type is not supported")

    def _code(self, query: dict[str, str]) -> str:
        if query.get("client_id") != self.app_key:
            raise plain(400, "Invalid client_id", "invalid_client")
        if query.get("response_type") != "code" or query.get("code_challenge_method") != "S256":
            raise plain(400, "This app signs in with a code and PKCE", "invalid_request")
        asked = frozenset(query["scope"].split()) if "scope" in query else self.scopes
        offline = query.get("token_access_type") == "offline"
        code = secrets.token_urlsafe(32)
        granted = asked & self.scopes
        self._codes[code] = _Code(query["client_id"], query["code_challenge"], offline, granted)
        return code

    def _by_code(self, form: dict[str, str]) -> Answer:
        with self._lock:
            known = self._codes.pop(form.get("code", ""), None)  # a code works once
        if known is None:
            return _oauth("invalid_grant", "code doesn't exist or has expired")
        digest = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
        if base64.urlsafe_b64encode(digest).decode().rstrip("=") != known.challenge:
            return _oauth("invalid_grant", "invalid code verifier")
        refresh = ""
        if known.offline:
            refresh = secrets.token_urlsafe(48)
            self._refresh[refresh] = known.scopes
        return self._granted(refresh, known.scopes, tell=True)

    def _by_refresh(self, form: dict[str, str]) -> Answer:
        scopes = self._refresh.get(form.get("refresh_token", ""))
        if scopes is None:
            return _oauth("invalid_grant", "refresh token is invalid or revoked")
        with self._lock:
            self.refreshes += 1
        return self._granted(form["refresh_token"], scopes, tell=False)

    def _granted(self, refresh: str, scopes: frozenset[str], *, tell: bool) -> Answer:
        found: dict[str, object] = {
            "access_token": self._issued(refresh, scopes, None),
            "token_type": "bearer",
            "expires_in": self.lifetime,
        }
        if tell:
            team = _of_team(scopes)
            found |= {
                "scope": " ".join(sorted(scopes)),
                "uid": "" if team else "12345",
                **({"team_id": TEAM} if team else {"account_id": ACCOUNT}),
            }
            if refresh:
                found["refresh_token"] = refresh
        return Answer(200, {"Content-Type": JSON}, dumped(found))

    def _issued(self, refresh: str, scopes: frozenset[str], lifetime: float | None) -> str:
        token = f"sl.{secrets.token_urlsafe(64)}"
        ends = self.clock() + (self.lifetime if lifetime is None else lifetime)
        with self._lock:
            self._access[token] = _Access(scopes, ends, refresh)
        return token


def _of_team(scopes: frozenset[str]) -> bool:
    return not scopes.isdisjoint(TEAM_SCOPES)


def _basic(request: Request) -> str:
    """The client's name in HTTP basic authentication, the other way to give it."""
    kind, _, value = (request.headers.get("authorization") or "").partition(" ")
    return base64.b64decode(value).decode().partition(":")[0] if kind == "Basic" else ""


def _oauth(error: str, description: str) -> Answer:
    body = {"error": error, "error_description": description}
    return Answer(400, {"Content-Type": JSON}, dumped(body))
