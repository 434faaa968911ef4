"""What a sign-in leaves: a refresh token that works with the app's public key alone.

It came by PKCE, so no app secret exists that could leak. Only this token is kept, never an
access token, so a wrong clock can spoil nothing that is stored.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass

from connectors.dropbox.settings import DropboxSettings
from connectors.errors import Misconfigured, SessionExpired
from connectors.grants import Grants

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


grants = Grants("dropbox", "Dropbox", Grant)
store_grant = grants.store


def load_grant(settings: DropboxSettings) -> Grant:
    """The grant of the settings' account; Misconfigured where it is of another app than theirs.

    Raises what ``Grants.load`` raises.
    """
    grant = grants.load(settings)
    if settings.app_key and settings.app_key != grant.app_key:
        raise Misconfigured(
            f"app_key is {settings.app_key}, but the sign-in was for {grant.app_key}",
            hint="remove app_key, or for this app run: outpour connect dropbox",
        )
    return grant


def signed_in(settings: DropboxSettings) -> str:
    """Who signed in before; empty where that is not known."""
    with contextlib.suppress(SessionExpired):
        return grants.load(settings).account
    return ""
