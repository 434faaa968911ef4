"""``outpour connect dropbox``: a page to allow access on, and a code to paste back.

OAuth with PKCE: no app secret exists on this side, and what is kept is a refresh token
(``token_access_type=offline``). Works wherever a browser is, on this machine or another.
Source: Dropbox's OAuth guide; RFC 7636.
"""

from __future__ import annotations

import json
import webbrowser
from dataclasses import replace
from typing import Any

import requests
from dropbox.oauth import DropboxOAuth2FlowNoRedirect
from dropbox.session import WEB_HOST

from connectors.abilities import Prompter
from connectors.dropbox.account import person, settle
from connectors.dropbox.auth import Grant, kind_changes, scopes, signed_in, store_grant
from connectors.dropbox.client import Client, short
from connectors.dropbox.network import TIMEOUT, session
from connectors.dropbox.settings import GUIDE, DropboxSettings, app_key
from connectors.dropbox.space import capacity
from connectors.errors import Misconfigured, OutpourError, SessionExpired, Transient
from connectors.headers import retry_after
from connectors.network_errors import network_error

_ADMINISTRATOR = "It takes an administrator of the team, who lets the app act for its members. "
_INSTEAD = (
    "This takes the place of a sign-in of the other kind (as one person, or for a whole team). To "
    "keep both, stop here, and give one of them a name: 'account: team'."
)
_MEMBER = (
    "This is a team with a team space: what 'folder' names lies in the member folder of {email}, "
    "where the others of the team do not see it. With 'team_space: true' it lies in the team's."
)


class _Flow(DropboxOAuth2FlowNoRedirect):  # type: ignore[misc]  # the SDK is not typed
    def __init__(self, settings: DropboxSettings, key: str) -> None:
        super().__init__(
            key,
            use_pkce=True,
            token_access_type="offline",  # noqa: S106  (a kind of token)
            scope=list(scopes(settings)),
            timeout=TIMEOUT,
        )
        self._settings = settings
        self.requests_session = session(1)

    def build_url(self, target: str, params: Any = None, host: str = "") -> str:
        ours = self._settings.web_host if host == WEB_HOST else self._settings.api_host
        return str(super().build_url(target, params, ours))


def sign_in(settings: DropboxSettings, prompter: Prompter, *, again: bool = False) -> None:
    """Connect with the person's help and say as whom; ``again``: only as the same person, or for
    the same team.

    Raises Misconfigured without a usable app key, SessionExpired where the code is refused or
    somebody else's, Transient. What was stored before stays unless all went well.
    """
    key = app_key(settings)
    flow = _Flow(settings, key)
    address = flow.start()
    webbrowser.open(address)
    if kind_changes(settings):
        prompter.tell(_INSTEAD)
    who = _ADMINISTRATOR if settings.impersonate else ""
    prompter.tell(
        f"{who}Opening your browser. If none opens, visit this address on any device and allow "
        f"access:\n{address}"
    )
    code = prompter.ask("Paste the code that Dropbox shows at the end:", secret=True).strip()
    grant = _granted(flow, settings, code, key)
    account = _introduce(settings, grant, prompter)
    if again and signed_in(settings) not in ("", grant.team or account):
        raise SessionExpired(
            "that is another Dropbox account than before",
            hint="Sign out in the browser first, or use its private window.",
        )
    store_grant(settings, grant if grant.team else replace(grant, account=account))


def _granted(flow: _Flow, settings: DropboxSettings, code: str, key: str) -> Grant:
    asked = scopes(settings)
    try:
        found = flow.finish(code)
    except requests.HTTPError as error:
        raise _denied(error.response) from error
    except requests.RequestException as error:
        raise network_error(error, "Dropbox") from error
    except (KeyError, ValueError) as error:
        raise Transient("Dropbox's answer to the sign-in makes no sense") from error
    missing = set(asked) - set((found.scope or " ".join(asked)).split())
    if missing:
        raise SessionExpired(
            f"the app lacks the permission {', '.join(sorted(missing))}",
            hint="Tick it under Permissions in the app console, submit, then connect again.",
        )
    if not found.refresh_token:
        raise SessionExpired("Dropbox gave no lasting sign-in", hint="Connect again.")
    team = str(found.account_id) if settings.impersonate else ""  # the SDK has one name for both
    return Grant(str(found.refresh_token), key, team=team)


def _denied(response: requests.Response) -> OutpourError:
    """Why Dropbox gave no token, from OAuth's own words."""
    if response.status_code == 429 or response.status_code >= 500:
        return Transient(
            f"Dropbox failed (HTTP {response.status_code})",
            retry_after=retry_after(response.headers),
        )
    try:
        said = json.loads(response.text)
        error, why = str(said["error"]), str(said.get("error_description", ""))
    except (ValueError, KeyError, TypeError):
        error, why = f"HTTP {response.status_code}", short(response.text)
    if error == "invalid_grant":
        return SessionExpired(
            "Dropbox does not accept that code",
            hint="Connect again and paste the new code at once: it works for minutes, and once.",
        )
    return Misconfigured(f"Dropbox does not accept this app: {why or error}", hint=GUIDE)


def _introduce(settings: DropboxSettings, grant: Grant, prompter: Prompter) -> str:
    """Say who is connected; the account's id, which proves that all works."""
    client = Client(settings, grant, 1)
    try:
        settle(client, settings, grant)
        account = person(client)
        found = capacity(client)
    finally:
        client.close()
    room = "" if found.free is None else f", {found.free / 1e9:.1f} GB free"
    whose = "for the team; acting for" if grant.team else "as"
    prompter.tell(f"Connected {whose} {account.email}{room}.")
    roots = account.root_info
    if roots.root_namespace_id != roots.home_namespace_id and not settings.team_space:
        prompter.tell(_MEMBER.format(email=account.email))
    return str(account.account_id)
