"""Two-factor codes: sent by the way the person chooses, typed, and sent by another where that
one fails.
"""

from __future__ import annotations

import re
from typing import Any, NamedTuple

from pyicloud.exceptions import (
    PyiCloudAPIResponseException,
    PyiCloudConnectionException,
    PyiCloudNoTrustedNumberAvailable,
)

from connectors.abilities import Prompter
from connectors.errors import OutpourError, SessionExpired
from connectors.icloud.session import Api
from connectors.icloud.signin_errors import signin_error

_TRIES = 3
_SENDINGS = 4  # Apple locks who asks for many more


class _Way(NamedTuple):
    """How a code reaches the person; ``phone`` is None for trusted devices."""

    text: str
    phone: dict[str, Any] | None


def type_code(api: Api, prompter: Prompter) -> None:
    """Have a code sent and typed until Apple accepts one.

    Raises SessionExpired when none is accepted, and what ``Api.validate_2fa_code`` raises.
    """
    _Codes(api, prompter).get_one_accepted()


class _Codes:
    def __init__(self, api: Api, prompter: Prompter) -> None:
        self._api = api
        self._prompter = prompter
        self._ways = _ways(api)
        self._wrong = 0

    def get_one_accepted(self) -> None:
        if not self._ways:
            raise SessionExpired(
                "Apple offers no way to send a code",
                hint="add a trusted device or phone number at https://account.apple.com",
            )
        again: _Way | None = None
        for sending in range(_SENDINGS):
            way = again or self._choice()
            again = None
            if sending:
                self._prompter.tell("Asking Apple for another code.")
            try:
                self._api.ask_for_code(way.phone)
                if self._is_accepted(way):
                    return
                again = way if self._api.code_spent else None
            except PyiCloudConnectionException:
                raise
            except (PyiCloudAPIResponseException, PyiCloudNoTrustedNumberAvailable) as error:
                self._leave(
                    way, signin_error(error, self._api.account_name, self._api.session.busy)
                )
        raise SessionExpired(
            "no code arrived",
            hint="connect again and choose a text message or call where one is offered; before "
            "iOS 26.4, Settings > your name > Sign-In & Security > Get Verification Code shows "
            "one, too",
        )

    def _is_accepted(self, way: _Way) -> bool:
        """Ask for the code until it is right, or another one has to be sent first."""
        while True:
            # Codes do get lost: then by the same way again, or by another.
            question = f"Code ({way.text}); just Enter if none arrives:"
            typed = re.sub(r"\D", "", self._prompter.ask(question))
            if not typed:
                return False
            if self._api.validate_2fa_code(typed):
                return True
            self._wrong += 1
            if self._wrong == _TRIES:
                raise SessionExpired(
                    "no code was accepted",
                    hint="connect again and type the newest code within a minute",
                )
            next_one = " Your devices show a new one." if self._api.code_spent else ""
            self._prompter.tell(f"Apple does not accept this code.{next_one}")
            if self._api.code_spent:
                return False

    def _choice(self) -> _Way:
        if len(self._ways) == 1:
            return self._ways[0]
        texts = [way.text for way in self._ways]
        return self._ways[self._prompter.choose("Where should the code appear?", texts)]

    def _leave(self, way: _Way, failure: OutpourError) -> None:
        """Offer ``way`` no more; raises ``failure`` where it was the last."""
        self._ways = [other for other in self._ways if other is not way]
        if not self._ways:
            raise failure
        self._prompter.tell(f"{failure}.")


def _ways(api: Api) -> list[_Way]:
    ways = [_Way("shown on your trusted devices", None)] if api.has_trusted_devices else []
    for phone in api.phones():
        number = phone.get("numberWithDialCode") or phone.get("obfuscatedNumber") or "your phone"
        kind = "call" if phone.get("pushMode") == "voice" else "text message"
        ways.append(_Way(f"{kind} to {number}", phone))
    return ways
