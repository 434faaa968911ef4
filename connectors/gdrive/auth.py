"""Who we are to Google: the client, the grant a person gave, the access token of the hour.

Only the refresh token is kept, never an access token, so a wrong clock can spoil nothing
that is stored. Sources: Google's "OAuth 2.0 for installed applications" and "for service
accounts" guides, google-auth.
"""

from __future__ import annotations

import contextlib
import json
import os
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from google.auth.exceptions import GoogleAuthError, RefreshError
from google.oauth2.credentials import Credentials
from google.oauth2.service_account import Credentials as ServiceCredentials

from connectors.errors import Misconfigured, SessionExpired, Transient
from connectors.gdrive.errors import RECONNECT
from connectors.gdrive.settings import SCOPE, DriveSettings
from connectors.gdrive.signin_errors import GUIDE, refused_person, refused_service_account
from connectors.gdrive.transport import Answer, Transport
from connectors.grants import Grants
from connectors.headers import retry_after

AUTH_URI = "https://accounts.google.com/o/oauth2/auth"
TOKEN_URI = "https://oauth2.googleapis.com/token"  # noqa: S105  (an address)
_FILE, _ID, _SECRET = (f"OUTPOUR_GDRIVE_CLIENT{end}" for end in ("", "_ID", "_SECRET"))


@dataclass(frozen=True, slots=True)
class Client:
    """An OAuth client of the person's own, from Google's console."""

    id: str
    secret: str
    auth_uri: str = AUTH_URI
    token_uri: str = TOKEN_URI


@dataclass(frozen=True, slots=True)
class Grant:
    """What a sign-in left. ``user`` is Drive's permission id: stable, and no address."""

    refresh_token: str
    client_id: str
    client_secret: str = ""
    token_uri: str = TOKEN_URI
    user: str = ""

    def __repr__(self) -> str:
        return f"Grant(user={self.user!r})"


def load_client(settings: DriveSettings) -> Client:
    """The client from ``client``, else the environment; Misconfigured where there is none."""
    path = settings.client or (Path(os.environ[_FILE]) if os.environ.get(_FILE) else None)
    if path is not None:
        return _client_file(path.expanduser())
    if os.environ.get(_ID):
        return Client(os.environ[_ID], os.environ.get(_SECRET, ""))
    raise Misconfigured(
        f"Google Drive needs a client id: set 'client' to a client file, or {_FILE}, or {_ID}",
        hint=GUIDE,
    )


def _client_file(path: Path) -> Client:
    try:
        found = json.loads(path.read_text("utf-8-sig"))
    except OSError as error:
        raise Misconfigured(f"client file {path}: {error.strerror}", hint=GUIDE) from error
    except ValueError as error:
        raise Misconfigured(f"client file {path} is not JSON", hint=GUIDE) from error
    kind = found if isinstance(found, dict) else {}
    if "web" in kind:
        raise Misconfigured(
            f"client file {path} is of type 'Web application'",
            hint="Create a client of type 'Desktop app' and download its file.",
        )
    inner = kind.get("installed")
    if not isinstance(inner, dict) or not inner.get("client_id"):
        raise Misconfigured(f"client file {path} holds no installed-app client", hint=GUIDE)
    return Client(
        inner["client_id"],
        inner.get("client_secret", ""),
        inner.get("auth_uri", AUTH_URI),
        inner.get("token_uri", TOKEN_URI),
    )


grants = Grants("gdrive", "Google Drive", Grant)
store_grant, load_grant = grants.store, grants.load


def signed_in(settings: DriveSettings) -> str:
    """Who signed in before; empty where that is not known."""
    with contextlib.suppress(SessionExpired):
        return load_grant(settings).user
    return ""


class Auth:
    """The access token, renewed by one thread for all. Thread-safe."""

    def __init__(
        self, settings: DriveSettings, transport: Transport, grant: Grant | None = None
    ) -> None:
        self._settings = settings
        self._transport = transport
        self._grant = grant  # just given, otherwise the stored one
        self._credentials: Any = None
        self._who = ""
        self._token: str | None = None  # one that was looked at
        self._granted: frozenset[str] = frozenset()  # by the last token
        self._lock = threading.Lock()

    @property
    def who(self) -> str:
        """A name for the account that stays the same over sign-ins."""
        self._loaded()
        return self._who

    def token(self) -> str:
        """An access token that Google should accept now.

        Raises SessionExpired, Transient, Misconfigured, Fatal.
        """
        credentials = self._loaded()
        token = self._token if credentials.valid else None
        if token is None:
            with self._lock:
                if self._token is None or not credentials.valid:
                    self._refresh(credentials)
                token = self._token
        return str(token)

    def renew(self, spent: str) -> None:
        """Get a fresh token, unless ``spent`` is no longer the one in use."""
        credentials = self._loaded()
        with self._lock:
            if self._token == spent:
                self._refresh(credentials)

    def reload(self) -> None:
        """Use what a new sign-in has stored."""
        with self._lock:
            self._credentials = self._token = None

    def _loaded(self) -> Any:
        credentials = self._credentials
        if credentials is None:
            with self._lock:
                if self._credentials is None:
                    self._credentials, self._who = self._load()
                credentials = self._credentials
        return credentials

    def _load(self) -> tuple[Any, str]:
        settings = self._settings
        if settings.service_account:
            found = service_credentials(settings, settings.service_account.expanduser())
            return found, f"{found.service_account_email} {settings.impersonate or ''}"
        grant = self._grant or load_grant(settings)
        return credentials_of(grant), grant.user

    def _refresh(self, credentials: Any) -> None:
        self._token = None
        try:
            credentials.refresh(self._ask)
        except RefreshError as error:
            service = self._settings.service_account is not None
            why = refused_service_account(error) if service else refused_person(error)
            raise why from error
        except GoogleAuthError as error:
            raise Transient(f"Google's sign-in service failed: {type(error).__name__}") from error
        if self._settings.scope not in self._granted:
            raise SessionExpired(
                f"the sign-in to Google Drive does not cover 'scope: {self._settings.scope}'",
                hint=RECONNECT,
            )
        self._token = str(credentials.token)

    def _ask(
        self,
        url: str,
        method: str = "GET",
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        **_: Any,
    ) -> Answer:
        """The transport in the form google-auth wants it."""
        answer = self._transport.send(method, url, headers or {}, body)
        told = _json(answer.data)
        # google-auth takes all but a few of these for the end of the sign-in.
        passing = answer.status in {408, 429} or answer.status >= 500
        if told is None or passing or (answer.status == 200 and not told.get("access_token")):
            raise Transient(
                f"Google's sign-in service failed (HTTP {answer.status})",
                retry_after=retry_after(answer.headers),
            )
        self._granted = _granted(told)
        return answer


def _json(data: bytes) -> dict[str, Any] | None:
    """None where it is something else, as the page of a gateway."""
    try:
        found = json.loads(data)
    except ValueError:
        return None
    return found if isinstance(found, dict) else None


def _granted(told: Mapping[str, Any]) -> frozenset[str]:
    """The values of ``scope`` that an answer with a token covers; all where it does not say."""
    names = frozenset(str(told.get("scope") or f"{SCOPE}drive").replace(SCOPE, "").split())
    return names | {"drive.file"} if "drive" in names else names


def credentials_of(grant: Grant) -> Any:
    return Credentials(  # type: ignore[no-untyped-call]
        token=None,
        refresh_token=grant.refresh_token,
        token_uri=grant.token_uri,
        client_id=grant.client_id,
        client_secret=grant.client_secret,
    )


def service_credentials(settings: DriveSettings, path: Path) -> Any:
    """Credentials from a service account's key file; Misconfigured if it is none."""
    try:
        return ServiceCredentials.from_service_account_file(  # type: ignore[no-untyped-call]
            str(path), scopes=settings.scopes, subject=settings.impersonate
        )
    except OSError as error:
        raise Misconfigured(f"service account file {path}: {error.strerror}") from error
    except (ValueError, KeyError, GoogleAuthError) as error:
        raise Misconfigured(f"{path} is not the key file of a service account") from error
