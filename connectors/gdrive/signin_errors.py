"""Why Google's sign-in gave no access token, by google-auth's error.

Sources: Google's guides "Using OAuth 2.0 for Server to Server Applications" (the error codes of
assertions) and "OAuth 2.0 for installed applications", google-auth.
"""

from __future__ import annotations

from google.auth.exceptions import RefreshError

from connectors.errors import Fatal, OutpourError, SessionExpired, Transient
from connectors.gdrive.errors import RECONNECT

GUIDE = (
    "Make one in Google's console, for free: enable the Drive API, publish the consent screen, "
    "create an OAuth client of the type Desktop app and download its file."
)
_CLIENT = ("invalid_client", "deleted_client", "unauthorized_client", "disabled_client")
_ADMINISTRATOR = "Ask the Workspace's administrator to allow this client."

# The first words that are found decide.
_SERVICE_ACCOUNT = {
    "account not found": "The service account was deleted: make another, and a key file for it.",
    "invalid email or user id": "Check 'impersonate': nobody in the Workspace has that address.",
    "invalid jwt signature": "The key is not the account's any more: make a new key file.",
    "jwt": "Check the clock.",
    "invalid_scope": "Check which scope the administrator delegated to the service account.",
    "unauthorized_client": "Check the service account's client id, its delegation and scope.",
    "admin_policy_enforced": _ADMINISTRATOR,
    "": "Check the service account: its key file, its rights and 'impersonate'.",
}


def refused_service_account(error: RefreshError) -> OutpourError:
    """For an assertion: nobody signed in, so nobody can sign in again."""
    said = _said(error)
    if error.retryable:
        return _stumbled(said)
    hint = next(hint for words, hint in _SERVICE_ACCOUNT.items() if words in said.lower())
    return Fatal(f"Google refused the service account: {said}", hint=hint)


def refused_person(error: RefreshError) -> OutpourError:
    """For a refresh token."""
    said = _said(error)
    code = said.partition(":")[0]
    if error.retryable:
        return _stumbled(said)
    if code in _CLIENT:
        return Fatal(f"Google does not accept the client: {said}", hint=f"Check it. {GUIDE}")
    if code == "admin_policy_enforced":
        return Fatal(f"the organisation forbids it: {said}", hint=_ADMINISTRATOR)
    if code == "invalid_scope":
        return Fatal(f"Google does not accept 'scope': {said}", hint=f"Check the client. {GUIDE}")
    if "reauth" in said.lower():  # google-auth's own words tell to use another program
        return SessionExpired("the organisation wants the sign-in renewed", hint=RECONNECT)
    return SessionExpired(
        f"the sign-in to Google Drive has ended: {said}",
        hint="a client still 'in testing' signs people out after 7 days: publish it. Then "
        f"{RECONNECT}",
    )


def _said(error: RefreshError) -> str:
    return str(error.args[0]) if error.args else "no reason given"


def _stumbled(said: str) -> Transient:
    return Transient(f"Google's sign-in service failed: {said}")
