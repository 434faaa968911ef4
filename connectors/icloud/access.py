"""Whether the photos are open to this sign-in, which a good sign-in alone does not mean.

The account's owner may have closed iCloud's data to the web, or still have to accept terms.
With Advanced Data Protection on (Apple calls the web's part ICDRS), one of the person's devices
must consent and then upload keys; both take a while and may be refused.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

from connectors.abilities import Prompter
from connectors.errors import SessionExpired
from connectors.icloud.errors import WEB_ACCESS
from connectors.icloud.session import Api
from connectors.icloud.signin_errors import by_apple

Pause = Callable[[float], None]
"""Lets so many seconds go by; Transient where nobody waits any more."""

_PATIENCE = 300.0  # seconds for a person to find their phone
_EVERY = 5.0
_COMING = {
    "Requested the device to upload cookies.",
    "Cookies not available yet on server.",
}


class Closed(SessionExpired):
    """The photos are closed to every sign-in until a person has done something else."""


@by_apple()
def allow(api: Api, prompter: Prompter | None, pause: Pause = time.sleep) -> None:
    """See to it that photos may be read; at once where nothing stands in the way.

    Without a prompter nothing is asked for and little is waited for. Raises Closed when a
    person is needed, pyicloud's exceptions when Apple cannot be asked.
    """
    if _web_is_off(api.data.get("dsInfo")) or not api.has_token:
        raise _closed()
    state = api._check_pcs_consent()
    if _web_is_off(state):
        raise _closed()
    if not state.get("isICDRSDisabled", False):
        return
    deadline = time.monotonic() + (_PATIENCE if prompter else 2 * _EVERY)
    if not state.get("isDeviceConsentedForPCS", True):
        _consent(api, prompter, deadline, pause)
    _fetch_keys(api, prompter, deadline, pause)


def shut(refusal: SessionExpired) -> SessionExpired:
    """The error to raise when a session that is fresh and good is refused the photos.

    So it was with Access iCloud Data on the Web turned off (icloudpd #1255).
    """
    return SessionExpired(
        f"Apple accepts the sign-in, but does not open the photos ({refusal})", hint=WEB_ACCESS
    )


def _web_is_off(told: Mapping[str, Any] | None) -> bool:
    return (told or {}).get("isWebAccessAllowed") is False


def _closed() -> Closed:
    return Closed("Apple keeps this account's iCloud data closed to the web", hint=WEB_ACCESS)


def _fetch_keys(api: Api, prompter: Prompter | None, deadline: float, pause: Pause) -> None:
    first = True
    while True:
        answer = api._send_pcs_request("photos", derived_from_user_action=first)
        if answer.get("status") == "success":
            return
        if answer.get("message") not in _COMING:
            raise _refused("Apple does not give access to the protected photos")
        if prompter and first:
            prompter.tell("Waiting for your device to hand over the keys; keep it unlocked.")
        if time.monotonic() >= deadline:
            raise _refused("no device has handed over the keys to the photos yet")
        first = False
        pause(_EVERY)


def _consent(api: Api, prompter: Prompter | None, deadline: float, pause: Pause) -> None:
    if prompter is None:
        raise _refused("Advanced Data Protection is on and access has to be allowed again")
    sent: dict[str, Any] = api.session.post(
        f"{api._setup_endpoint}/enableDeviceConsentForPCS", params=api.params
    ).json()
    if not sent.get("isDeviceConsentNotificationSent"):
        raise _refused("Apple could not ask your devices for access")
    prompter.tell(
        "Advanced Data Protection is on. Your devices now show a request: choose Allow Access "
        f"there (waiting up to {_PATIENCE / 60:.0f} minutes)."
    )
    while not api._check_pcs_consent().get("isDeviceConsentedForPCS", True):
        if time.monotonic() >= deadline:
            raise _refused("nobody allowed access on a device in time")
        pause(_EVERY)


def _refused(message: str) -> Closed:
    return Closed(
        message,
        hint="unlock your iPhone or Mac, have it at hand, and connect again with: "
        "outpour connect icloud",
    )
