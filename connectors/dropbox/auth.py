"""What a sign-in leaves: a refresh token that works with the app's public key alone.

It came by PKCE, so no app secret exists that could leak. Only this token is kept, never an
access token, so a wrong clock can spoil nothing that is stored.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass

from connectors.dropbox.settings import DropboxSettings
from connectors.errors import Misconfigured, SessionExpired
from connectors.private import forget_secret, load_secret, store_secret

SCOPES = (
    "account_info.read",
    "files.metadata.read",
    "files.content.write",
    "files.content.read",
)


@dataclass(frozen=True, slots=True)
class Grant:
    """``app_key`` is the app that was let in; a refresh token works with no other. ``account``
    is Dropbox's own id of the person's, empty in a grant of an earlier version."""

    refresh_token: str
    app_key: str
    account: str = ""

    def __repr__(self) -> str:
        return f"Grant(app_key={self.app_key!r}, account={self.account!r})"


def store_grant(settings: DropboxSettings, grant: Grant) -> None:
    store_secret(_key(settings), json.dumps(asdict(grant)))


def load_grant(settings: DropboxSettings) -> Grant:
    """The grant of the settings' account.

    Raises SessionExpired where nobody signed in, Misconfigured where another app did.
    """
    stored = load_secret(_key(settings))
    if stored is None:
        raise SessionExpired("Dropbox is not connected", hint="run: outpour connect dropbox")
    grant = Grant(**json.loads(stored))
    if settings.app_key and settings.app_key != grant.app_key:
        raise Misconfigured(
            f"app_key is {settings.app_key}, but the sign-in was for {grant.app_key}",
            hint="remove app_key, or for this app run: outpour connect dropbox",
        )
    return grant


def forget_grant(settings: DropboxSettings) -> bool:
    """Whether nothing of it is left here."""
    return forget_secret(_key(settings))


def signed_in(settings: DropboxSettings) -> str:
    """Who signed in before; empty where nobody did, or an earlier version did not ask."""
    stored = load_secret(_key(settings))
    return Grant(**json.loads(stored)).account if stored else ""


def _key(settings: DropboxSettings) -> str:
    return f"dropbox:{settings.account}"
