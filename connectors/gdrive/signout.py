"""``outpour disconnect gdrive``: the grant is given back and forgotten.

Source: Google's guide "OAuth 2.0 for installed applications", section "Revoking a token".
"""

from __future__ import annotations

from urllib.parse import urlencode, urljoin

from connectors.errors import Misconfigured, OutpourError
from connectors.gdrive.auth import Grant, grants
from connectors.gdrive.settings import DriveSettings
from connectors.gdrive.transport import Transport

_FORM = {"content-type": "application/x-www-form-urlencoded"}
_BY_HAND = "Google could not be told: remove Outpour at myaccount.google.com/permissions"


def sign_out(settings: DriveSettings) -> str:
    """Forget the sign-in, and have Google end it; what is left to do by hand, empty for nothing.

    Raises SessionExpired where nobody signed in, Misconfigured for a service account.
    """
    if settings.service_account is not None:
        raise Misconfigured(
            "a service account is not signed in: its key file is all there is",
            hint="Delete the key in Google's console, and the file.",
        )
    return grants.sign_out(settings, _revoked, _BY_HAND)


def _revoked(grant: Grant) -> bool:
    """Whether the grant is none any more for Google."""
    try:
        transport = Transport(1)
        try:
            body = urlencode({"token": grant.refresh_token}).encode()
            # Google's address for this is next to the one that gives tokens.
            answer = transport.send("POST", urljoin(grant.token_uri, "revoke"), _FORM, body)
        finally:
            transport.close()
    except OutpourError:
        return False
    return answer.status in (200, 400)  # 400: it had ended before
