"""``outpour disconnect dropbox``: the refresh token is given back and forgotten.

Source: Dropbox's HTTP documentation, /auth/token/revoke: with the access token that asks, the
refresh token that it came from ends, and every other access token of that.
"""

from __future__ import annotations

from dropbox.exceptions import ApiError

from connectors.dropbox.auth import Grant, forget_grant, load_grant
from connectors.dropbox.client import Client, speaking
from connectors.dropbox.settings import DropboxSettings
from connectors.errors import OutpourError, SessionExpired
from connectors.private import left_to_do

_BY_HAND = "Dropbox could not be told: remove the app at www.dropbox.com/account/connected_apps"


def sign_out(settings: DropboxSettings) -> str:
    """Forget the sign-in, and have Dropbox end it; what is left to do by hand, empty for nothing.

    Raises SessionExpired where nobody signed in, Misconfigured where another app was.
    """
    try:
        grant = load_grant(settings)
    except (ValueError, TypeError):  # whatever is kept there opens nothing
        grant = None
    gone = forget_grant(settings)
    told = grant is not None and _revoked(settings, grant)
    return left_to_do(told=told, by_hand=_BY_HAND, gone=gone)


def _revoked(settings: DropboxSettings, grant: Grant) -> bool:
    """Whether the grant is none any more for Dropbox."""
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
