"""``outpour connect gdrive``: three ways to the same grant.

A browser on this machine (loopback redirect), the same by copy and paste where the browser
runs elsewhere, or a code to type on another device. The first two are protected by PKCE.
Sources: Google's guides "OAuth 2.0 for installed applications" and "for TV and limited-input
devices"; RFC 8252, RFC 7636, RFC 8628.
"""

from __future__ import annotations

import json
import secrets
import time
import webbrowser
from collections.abc import Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import requests
from google_auth_oauthlib.flow import Flow
from oauthlib.oauth2 import OAuth2Error

from connectors.abilities import Prompter
from connectors.certificates import ca_bundle
from connectors.errors import Fatal, Misconfigured, OutpourError, SessionExpired, Transient
from connectors.gdrive.api import Api
from connectors.gdrive.auth import Auth, Client, Grant, load_client, signed_in, store_grant
from connectors.gdrive.channel import Channel
from connectors.gdrive.loopback import Loopback
from connectors.gdrive.settings import DriveSettings
from connectors.gdrive.signin_errors import GUIDE
from connectors.gdrive.transport import Transport
from connectors.network_errors import network_error

DEVICE_URI = "https://oauth2.googleapis.com/device/code"
_DEVICE_GRANT = "urn:ietf:params:oauth:grant-type:device_code"
_FORM = {"content-type": "application/x-www-form-urlencoded"}
_PATIENCE = 300.0  # seconds for a person to sign in
_TV = "TVs and Limited Input devices"
_OTHER_TYPE = f"Connect again in another way, or make a client of the type '{_TV}'."
_WAYS = (
    "in a browser on this machine",
    "in a browser elsewhere, copying its address back here",
    f"with a code typed on another device (for a client of type '{_TV}')",
)


def sign_in(settings: DriveSettings, prompter: Prompter, *, again: bool = False) -> None:
    """Connect with the person's help and say as whom; ``again``: only as the same person.

    Raises Misconfigured without a usable client, SessionExpired where the person refused,
    took too long or is another, Transient, Fatal. What was stored before stays unless all
    went well.
    """
    transport = Transport(1)
    try:
        if settings.service_account is not None:
            _introduce(Auth(settings, transport), settings, transport, prompter)
            return
        client = load_client(settings)
        way = prompter.choose("How do you want to sign in to Google?", _WAYS)
        if way == 2:
            token = _by_device(client, settings, transport, prompter)
        else:
            token = _by_browser(client, settings, prompter, here=way == 0)
        grant = _grant(client, token, settings)
        auth = Auth(settings, transport, grant)
        user = _introduce(auth, settings, transport, prompter)
        if again and signed_in(settings) not in ("", user):
            raise SessionExpired(
                "that is another Google account than before",
                hint="Choose the same account, in a private window if need be.",
            )
        store_grant(settings, replace(grant, user=user))
    finally:
        transport.close()


def _introduce(
    auth: Auth, settings: DriveSettings, transport: Transport, prompter: Prompter
) -> str:
    """Say who is connected; the account's permission id, which proves that all works."""
    channel = Channel(transport, auth, settings.root_url)
    about = Api(channel, settings.root_url, settings.drive).about()
    user, quota = about["user"], about["storageQuota"]
    room = ""
    if "limit" in quota and not settings.drive:
        free = max(0, int(quota["limit"]) - int(quota["usage"]))
        room = f", {free / 1e9:.1f} GB free"
    prompter.tell(f"Connected as {user.get('emailAddress', 'this account')}{room}.")
    return str(user["permissionId"])


def _grant(client: Client, token: Mapping[str, Any], settings: DriveSettings) -> Grant:
    granted = token.get("scope", "")
    scopes = granted.split() if isinstance(granted, str) else list(granted)
    if scopes and not set(settings.scopes) <= set(scopes):
        raise SessionExpired(
            "Google was not allowed to give access to Drive",
            hint="Sign in again and tick the box that allows access to Google Drive.",
        )
    refresh = token.get("refresh_token")
    if not refresh:
        raise SessionExpired(
            "Google gave no lasting sign-in",
            hint="Remove Outpour at myaccount.google.com/permissions, then connect again.",
        )
    return Grant(str(refresh), client.id, client.secret, client.token_uri, "")


# --- with a browser ----------------------------------------------------------------------


def _by_browser(
    client: Client, settings: DriveSettings, prompter: Prompter, *, here: bool
) -> Mapping[str, Any]:
    flow = _flow(client, settings)
    with Loopback() as loopback:
        flow.redirect_uri = loopback.address
        state = secrets.token_urlsafe(24)
        address, _ = flow.authorization_url(prompt="consent", state=state)
        if here:
            prompter.tell(f"Opening your browser. If none opens, visit:\n{address}")
            webbrowser.open(address)
            query = loopback.wait(_PATIENCE)
        else:
            prompter.tell(
                f"Open this address in any browser and sign in:\n{address}\n"
                "It ends on a page that cannot be shown; that is expected."
            )
            query = urlsplit(prompter.ask("Paste that page's whole address:").strip()).query
    return _exchanged(flow, _code(query, state))


def _flow(client: Client, settings: DriveSettings) -> Flow:
    config = {
        "client_id": client.id,
        "client_secret": client.secret,
        "auth_uri": client.auth_uri,
        "token_uri": client.token_uri,
    }
    flow = Flow.from_client_config({"installed": config}, settings.scopes)
    flow.oauth2session.verify = ca_bundle()  # requests does not know SSL_CERT_FILE
    return flow


def _code(query: str, state: str) -> str:
    """The code in the address that Google redirected to."""
    fields = {name: values[-1] for name, values in parse_qs(query).items()}
    if "error" in fields:
        raise _denied(fields["error"])
    if fields.get("state") != state or "code" not in fields:
        raise SessionExpired(
            "that is not the address this sign-in ends on",
            hint="Connect again and copy the whole address of the last page.",
        )
    return fields["code"]


def _exchanged(flow: Flow, code: str) -> Mapping[str, Any]:
    try:
        found: Mapping[str, Any] = flow.fetch_token(code=code)
    except OAuth2Error as error:
        raise _denied(error.error, str(error.description or "")) from error
    except Warning as changed:  # how oauthlib says that other scopes were granted
        raise SessionExpired(
            "Google was not allowed to give access to Drive",
            hint="Sign in again and tick the box that allows access to Google Drive.",
        ) from changed
    except requests.RequestException as error:
        raise network_error(error, "Google's sign-in service") from error
    return found


# --- with a code on another device -------------------------------------------------------


def _by_device(
    client: Client, settings: DriveSettings, transport: Transport, prompter: Prompter
) -> Mapping[str, Any]:
    asked = {"client_id": client.id, "scope": " ".join(settings.scopes)}
    status, offer = _post(transport, DEVICE_URI, asked)
    if status != 200:
        raise _denied(str(offer.get("error", status)), str(offer.get("error_description", "")))
    prompter.tell(f"On any device open {offer['verification_url']} and type {offer['user_code']}")
    form = {
        "client_id": client.id,
        "client_secret": client.secret,
        "device_code": offer["device_code"],
        "grant_type": _DEVICE_GRANT,
    }
    pause = float(offer.get("interval", 5))
    until = time.monotonic() + float(offer.get("expires_in", 1800))
    while time.monotonic() < until:
        time.sleep(pause)
        try:
            status, answer = _post(transport, client.token_uri, form)
        except Transient:  # the code stays valid
            status, answer = 0, {}
        if status == 200:
            return answer
        error = str(answer.get("error", status))
        if error == "slow_down" or not status or status >= 500:
            pause += 5  # RFC 8628, section 3.5
        elif error != "authorization_pending":
            raise _denied(error, str(answer.get("error_description", "")))
    raise _denied("expired_token")


def _post(transport: Transport, url: str, form: Mapping[str, str]) -> tuple[int, Mapping[str, Any]]:
    answer = transport.send("POST", url, _FORM, urlencode(form).encode())
    try:
        found = json.loads(answer.data)
    except ValueError:
        found = {}
    return answer.status, found if isinstance(found, dict) else {}


def _denied(error: str, description: str = "") -> OutpourError:
    """Why Google gave no token, from OAuth's own words."""
    if error == "access_denied":
        return SessionExpired("access was refused", hint="Connect again and allow access.")
    if error in ("expired_token", "invalid_grant"):
        return SessionExpired("the code is no longer valid", hint="Connect again, more quickly.")
    if error in ("invalid_client", "unauthorized_client", "deleted_client"):
        said = f"{error}: {description}" if description else error
        return Misconfigured(
            f"Google does not accept this client for this way to sign in ({said})",
            hint=_OTHER_TYPE if _TV in description else GUIDE,
        )
    return Fatal(f"Google refused the sign-in: {error} {description}".strip())
