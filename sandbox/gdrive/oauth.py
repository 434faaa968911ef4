"""Google's sign-in: consent page, tokens, device codes, service accounts, revocation.

Kept: PKCE (S256), redirects to loopback only, codes that work once, refresh tokens that can
be revoked, access tokens that end, RFC 8628 pacing, signed assertions of at most an hour.
"""

from __future__ import annotations

import base64
import hashlib
import html
import json
import secrets
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, unquote, urlencode, urlsplit

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.hashes import SHA256

from sandbox.gdrive.refusal import unsigned
from sandbox.messages import Answer, Request, json_answer

DRIVE = "https://www.googleapis.com/auth/drive"
DRIVE_FILE = DRIVE + ".file"
_SCOPES = {DRIVE, DRIVE_FILE, DRIVE + ".readonly", DRIVE + ".appdata"}
_JWT = "urn:ietf:params:oauth:grant-type:jwt-bearer"
_DEVICE = "urn:ietf:params:oauth:grant-type:device_code"


@dataclass(frozen=True)
class OAuthClient:
    id: str = "1234567890-sandbox.apps.googleusercontent.com"
    secret: str = "sandbox-client-secret"
    kind: str = "desktop"  # or "tv", which alone may use device codes

    def file(self) -> dict[str, Any]:
        """What Google's console offers for download."""
        return {
            "installed": {
                "client_id": self.id,
                "client_secret": self.secret,
                "auth_uri": "https://accounts.google.com/o/oauth2/auth",
                "token_uri": "https://oauth2.googleapis.com/token",
                "redirect_uris": ["http://localhost"],
            }
        }


@dataclass
class Grant:
    """A person's (or service account's) permission for one client."""

    client: str
    scopes: frozenset[str]
    revoked: bool = False
    person: bool = True


@dataclass
class _Pending:
    client: str
    scopes: frozenset[str]
    redirect: str = ""
    challenge: str = ""
    state: str = ""
    user_code: str = ""
    answer: str = ""
    asked: float = 0.0


class _OAuthError(Exception):
    def __init__(self, error: str, description: str = "", status: int = 400) -> None:
        super().__init__(error)
        self.body = {"error": error, "error_description": description or error}
        self.status = status


@dataclass
class SignIn:
    """The service. ``lifetime`` of access tokens and ``interval`` of devices in seconds.

    ``people`` are those whom a delegated service account may act for. ``refusal`` is what
    anybody who asks for a token by refresh token or assertion is answered with instead.
    """

    client: OAuthClient = field(default_factory=OAuthClient)
    lifetime: float = 3600.0
    interval: int = 5
    service_keys: dict[str, RSAPublicKey] = field(default_factory=dict)
    delegated: set[str] = field(default_factory=set)
    people: frozenset[str] = frozenset({"sam@example.com"})
    refusal: Mapping[str, str] | None = None
    hosts = ("accounts.google.com", "oauth2.googleapis.com", "www.google.com")

    def __post_init__(self) -> None:
        self.refreshes = 0
        self._refresh: dict[str, Grant] = {}
        self._access: dict[str, tuple[Grant, float]] = {}
        self._pending: dict[str, _Pending] = {}
        self._lock = threading.Lock()

    # --- for Drive and for tests -----------------------------------------------------------

    def check(self, authorization: str | None) -> Grant:
        """The grant behind a Bearer token; refused if it is unknown, over or revoked."""
        kind, _, token = (authorization or "").partition(" ")
        grant, until = self._access.get(token, (None, 0.0))
        if kind.lower() != "bearer" or grant is None or grant.revoked or until < time.monotonic():
            raise unsigned()
        return grant

    def issue(self, *scopes: str) -> str:
        """A refresh token as a sign-in would leave it."""
        grant = Grant(self.client.id, frozenset(scopes or (DRIVE_FILE,)))
        token = "1//" + secrets.token_urlsafe(32)
        self._refresh[token] = grant
        return token

    def revoke_all(self) -> None:
        """As a person does at myaccount.google.com."""
        for grant in self._refresh.values():
            grant.revoked = True

    def end_access(self) -> None:
        """Every access token is spent; refresh tokens stay good."""
        with self._lock:
            self._access.clear()

    def access(self, grant: Grant) -> str:
        token = "ya29." + secrets.token_urlsafe(48)
        with self._lock:
            self._access[token] = (grant, time.monotonic() + self.lifetime)
        return token

    # --- the service -----------------------------------------------------------------------

    def fault_key(self, _request: Request) -> str | None:
        return None  # the faults of Drive's rehearsals are Drive's

    def handle(self, request: Request) -> Answer:
        routes = {
            ("GET", "/o/oauth2/auth"): self._page,
            ("GET", "/o/oauth2/v2/auth"): self._page,
            ("GET", "/signin/consent"): self._consent,
            ("GET", "/device"): self._device_page,
            ("POST", "/device/code"): self._device_code,
            ("POST", "/token"): self._token,
            ("POST", "/revoke"): self._revoke,
        }
        route = routes.get((request.method, request.path))
        if route is None:
            return json_answer({"error": "not_found"}, 404)
        form = dict(request.query)
        if request.method == "POST":
            form |= dict(parse_qsl(request.read_all().decode()))
            form |= _basic(request.headers.get("authorization", ""))
        try:
            return route(form)
        except _OAuthError as error:
            return json_answer(error.body, error.status)

    def _page(self, form: Mapping[str, str]) -> Answer:
        """What the person sees: two links, to allow and to deny."""
        scopes = frozenset(form.get("scope", "").split())
        redirect = form.get("redirect_uri", "")
        if form.get("client_id") != self.client.id:
            raise _OAuthError("invalid_client", "The OAuth client was not found.", 401)
        if form.get("response_type") != "code" or not scopes or not scopes <= _SCOPES:
            raise _OAuthError("invalid_request", "response_type or scope")
        if urlsplit(redirect).hostname not in ("127.0.0.1", "localhost", "::1"):
            raise _OAuthError("redirect_uri_mismatch", redirect)
        if form.get("code_challenge_method", "S256") != "S256":
            raise _OAuthError("invalid_request", "code_challenge_method")
        ticket = secrets.token_urlsafe(16)
        self._pending[ticket] = _Pending(
            self.client.id, scopes, redirect, form.get("code_challenge", ""), form.get("state", "")
        )
        links = "".join(
            f'<p><a href="/signin/consent?ticket={ticket}&amp;answer={answer}">{answer}</a></p>'
            for answer in ("allow", "deny")
        )
        page = f"<html><body><h1>{html.escape(self.client.id)} wants access</h1>{links}</body>"
        return Answer(200, {"Content-Type": "text/html"}, page.encode())

    def _consent(self, form: Mapping[str, str]) -> Answer:
        pending = self._pending.pop(form.get("ticket", ""), None)
        if pending is None:
            raise _OAuthError("invalid_request", "no such sign-in")
        answer = {"state": pending.state, "scope": " ".join(sorted(pending.scopes))}
        if form.get("answer") == "allow":
            answer["code"] = "4/" + secrets.token_urlsafe(32)
            self._pending[answer["code"]] = pending
        else:
            answer["error"] = "access_denied"
        return Answer(302, {"Location": f"{pending.redirect}?{urlencode(answer)}"})

    def _device_code(self, form: Mapping[str, str]) -> Answer:
        if form.get("client_id") != self.client.id or self.client.kind != "tv":
            only = "Only clients of type 'TVs and Limited Input devices' can use this flow."
            raise _OAuthError("invalid_client", only, 401)
        scopes = frozenset(form.get("scope", "").split())
        if not scopes or not scopes <= {DRIVE_FILE, DRIVE + ".appdata"}:
            raise _OAuthError("invalid_scope", "not for devices")
        code, user_code = secrets.token_urlsafe(32), secrets.token_hex(4).upper()
        self._pending[code] = _Pending(self.client.id, scopes, user_code=user_code)
        return json_answer(
            {
                "device_code": code,
                "user_code": user_code,
                "expires_in": 1800,
                "interval": self.interval,
                "verification_url": "https://www.google.com/device",
            }
        )

    def _device_page(self, form: Mapping[str, str]) -> Answer:
        for pending in self._pending.values():
            if pending.user_code and pending.user_code == form.get("user_code"):
                pending.answer = form.get("answer", "allow")
                return Answer(200, {"Content-Type": "text/plain"}, b"done")
        return Answer(404, {}, b"no such code")

    def _token(self, form: Mapping[str, str]) -> Answer:
        kind = form.get("grant_type")
        if self.refusal is not None and kind in (_JWT, "refresh_token"):
            return json_answer(dict(self.refusal), 400)
        if kind == _JWT:
            return self._by_assertion(form)
        if (form.get("client_id"), form.get("client_secret")) != (
            self.client.id,
            self.client.secret,
        ):
            raise _OAuthError("invalid_client", "The OAuth client was not found.", 401)
        if kind == "authorization_code":
            return self._by_code(form)
        if kind == "refresh_token":
            return self._by_refresh(form)
        if kind == _DEVICE:
            return self._by_device(form)
        raise _OAuthError("unsupported_grant_type", f"Invalid grant_type: {kind}")

    def _by_code(self, form: Mapping[str, str]) -> Answer:
        pending = self._pending.pop(form.get("code", ""), None)
        if pending is None or pending.redirect != form.get("redirect_uri"):
            raise _OAuthError("invalid_grant", "Bad Request")
        if pending.challenge:
            made = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
            if base64.urlsafe_b64encode(made).decode().rstrip("=") != pending.challenge:
                raise _OAuthError("invalid_grant", "Invalid code verifier.")
        return self._lasting(pending.scopes)

    def _by_device(self, form: Mapping[str, str]) -> Answer:
        pending = self._pending.get(form.get("device_code", ""))
        if pending is None:
            raise _OAuthError("invalid_grant", "Malformed auth code.")
        soon = time.monotonic() - pending.asked < self.interval
        pending.asked = time.monotonic()
        if pending.answer == "deny":
            raise _OAuthError("access_denied", "Forbidden", 403)
        if soon:
            raise _OAuthError("slow_down", "Forbidden", 403)
        if not pending.answer:
            raise _OAuthError("authorization_pending", "Precondition Required", 428)
        del self._pending[form["device_code"]]
        return self._lasting(pending.scopes)

    def _lasting(self, scopes: frozenset[str]) -> Answer:
        token = self.issue(*scopes)
        return self._given(self._refresh[token], {"refresh_token": token})

    def _by_refresh(self, form: Mapping[str, str]) -> Answer:
        self.refreshes += 1
        grant = self._refresh.get(form.get("refresh_token", ""))
        if grant is None or grant.revoked:
            raise _OAuthError("invalid_grant", "Token has been expired or revoked.")
        return self._given(grant, {})

    def _by_assertion(self, form: Mapping[str, str]) -> Answer:
        try:
            head, claims, signature = form.get("assertion", "").split(".")
            told: dict[str, Any] = json.loads(_decoded(claims))
            if told["iss"] not in self.service_keys:
                raise _OAuthError("invalid_grant", "Invalid grant: account not found")
            self.service_keys[told["iss"]].verify(
                _decoded(signature), f"{head}.{claims}".encode(), PKCS1v15(), SHA256()
            )
        except (ValueError, KeyError, InvalidSignature):
            raise _OAuthError("invalid_grant", "Invalid JWT Signature.") from None
        now = time.time()
        if not told["iat"] - 300 <= now <= told["exp"] <= told["iat"] + 3600:
            text = "Invalid JWT: Token must be a short-lived token (60 minutes)"
            raise _OAuthError("invalid_grant", text)
        if told.get("sub") and told["iss"] not in self.delegated:
            raise _OAuthError("unauthorized_client", "Client is unauthorized for delegation", 401)
        if told.get("sub") and told["sub"] not in self.people:
            raise _OAuthError("invalid_grant", "Invalid email or User ID")
        scopes = frozenset(str(told.get("scope", "")).split())
        return self._given(Grant(told["iss"], scopes, person=bool(told.get("sub"))), {})

    def _given(self, grant: Grant, more: Mapping[str, str]) -> Answer:
        return json_answer(
            {
                "access_token": self.access(grant),
                "expires_in": int(self.lifetime),
                "token_type": "Bearer",
                "scope": " ".join(sorted(grant.scopes)),
                **more,
            }
        )

    def _revoke(self, form: Mapping[str, str]) -> Answer:
        grant = self._refresh.get(form.get("token", ""))
        if grant is None:
            raise _OAuthError("invalid_token", "Token expired or revoked")
        grant.revoked = True
        return json_answer({})


def _basic(authorization: str) -> dict[str, str]:
    """Client id and secret, which may come as HTTP Basic too (RFC 6749, section 2.3.1)."""
    kind, _, value = authorization.partition(" ")
    if kind.lower() != "basic":
        return {}
    name, _, secret = base64.b64decode(value).decode().partition(":")
    return {"client_id": unquote(name), "client_secret": unquote(secret)}


def _decoded(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
