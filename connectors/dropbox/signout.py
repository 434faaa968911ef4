"""``outpour disconnect dropbox``: the refresh token is given back and forgotten.

Source: Dropbox's HTTP documentation, /auth/token/revoke: with the access token that asks, the
refresh token that it came from ends, and every other access token of that. It is a route of single
accounts: with a whole team's token Dropbox answers that it takes none.
"""

from __future__ import annotations

from functools import partial

from dropbox.exceptions import ApiError

from connectors.dropbox.auth import Grant, grants
from connectors.dropbox.client import Client, speaking
from connectors.dropbox.settings import DropboxSettings
from connectors.errors import OutpourError, SessionExpired

_BY_HAND = (
    "Dropbox could not be told: remove the app at www.dropbox.com/account/connected_apps, or a "
    "whole team's in the team's admin console"
)


def sign_out(settings: DropboxSettings) -> str:
    """Forget the sign-in, and have Dropbox end it; what is left to do by hand, empty for nothing.

    Raises SessionExpired where nobody signed in.
    """
    return grants.sign_out(settings, partial(_revoked, settings), _BY_HAND)


def _revoked(settings: DropboxSettings, grant: Grant) -> bool:
    """Whether the grant is none any more for Dropbox."""
    if grant.team:
        return False
    try:
        client = Client(settings, grant, 1)
        try:
            with speaking("the end of the sign-in"):
                client.auth_token_revoke()
        finally:
            client.close()
    except SessionExpired:
        return True  # it had ended before
    except (OutpourError, ApiError):
        return False
    return True
