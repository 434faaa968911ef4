"""``outpour disconnect dropbox``: the refresh token is given back and forgotten.

Source: Dropbox's HTTP documentation, /auth/token/revoke: with the access token that asks, the
refresh token that it came from ends, and every other access token of that.
"""

from __future__ import annotations

from dropbox.exceptions import ApiError

from connectors.dropbox.auth import forget_grant, load_grant
from connectors.dropbox.client import Client, speaking
from connectors.dropbox.settings import DropboxSettings
from connectors.errors import OutpourError, SessionExpired

_BY_HAND = "Dropbox could not be told: remove the app at www.dropbox.com/account/connected_apps"


def sign_out(settings: DropboxSettings) -> str:
    """Forget the sign-in, and have Dropbox end it; what is left to do by hand, empty for nothing.

    Raises SessionExpired where nobody signed in, Misconfigured where another app was.
    """
    grant = load_grant(settings)
    forget_grant(settings)
    client = Client(settings, grant, 1)
    try:
        with speaking("the end of the sign-in"):
            client.auth_token_revoke()
    except SessionExpired:
        return ""  # it had ended before
    except (OutpourError, ApiError):
        return _BY_HAND
    finally:
        client.close()
    return ""
