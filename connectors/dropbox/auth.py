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

_SCOPES = (
    "account_info.read",
    "files.metadata.read",
    "files.content.write",
    "files.content.read",
)
_OF_TEAMS = ("members.read", "team_data.member")


@dataclass(frozen=True, slots=True)
class Grant:
    """``app_key`` is the app that was let in; a refresh token works with no other. ``account``
    is Dropbox's own id of the person's, empty in a grant of an earlier version; or ``team`` is
    that of the team whose administrator let the app act for its members."""

    refresh_token: str
    app_key: str
    account: str = ""
    team: str = ""

    def __repr__(self) -> str:
        return f"Grant(app_key={self.app_key!r}, account={self.account!r}, team={self.team!r})"


grants = Grants("dropbox", "Dropbox", Grant)
store_grant = grants.store


def scopes(settings: DropboxSettings) -> tuple[str, ...]:
    """What the app has to be allowed. Source: Dropbox's guide on authentication types."""
    return (*_SCOPES, *_OF_TEAMS) if settings.impersonate else _SCOPES


def load_grant(settings: DropboxSettings) -> Grant:
    """The grant of the settings' account; Misconfigured where it is of another app than theirs, or
    of a team though nobody is named to act for, or of a person though somebody is.

    Raises what ``Grants.load`` raises.
    """
    grant = grants.load(settings)
    if settings.app_key and settings.app_key != grant.app_key:
        raise Misconfigured(
            f"app_key is {settings.app_key}, but the sign-in was for {grant.app_key}",
            hint="remove app_key, or for this app run: outpour connect dropbox",
        )
    if settings.impersonate and not grant.team:
        raise Misconfigured(
            "impersonate needs a sign-in of the whole team, and Dropbox is connected as one person",
            hint="with 'impersonate' set, have an administrator of the team run: "
            "outpour connect dropbox; to keep the person's too, set 'account: team' beside it",
        )
    if grant.team and not settings.impersonate:
        raise Misconfigured(
            "Dropbox is connected for a whole team: say which member to act for",
            hint="set 'impersonate' to the member's address; or to sign in as one person too, set "
            "'account: own' and run: outpour connect dropbox",
        )
    return grant


def kind_changes(settings: DropboxSettings) -> bool:
    """Whether a sign-in for a team is kept where one as a person is to be, or the reverse."""
    with contextlib.suppress(SessionExpired):
        return bool(grants.load(settings).team) is not bool(settings.impersonate)
    return False


def signed_in(settings: DropboxSettings) -> str:
    """The account, or the team, of the sign-in before; empty where that is not known."""
    with contextlib.suppress(SessionExpired):
        grant = grants.load(settings)
        return grant.account or grant.team
    return ""
