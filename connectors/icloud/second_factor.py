"""The second factor as Apple is asked for it: codes sent and given, security keys touched."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable
from typing import Any, cast

import requests
from pyicloud import PyiCloudService
from pyicloud.exceptions import (
    PyiCloud2FARequiredException,
    PyiCloudAPIResponseException,
    PyiCloudConnectionException,
    PyiCloudException,
    PyiCloudNoTrustedNumberAvailable,
    PyiCloudTrustedDevicePromptException,
)

from connectors.icloud.signin_errors import (
    accepted_touch,
    by_apple,
    signin_error,
    valid_code,
    wrong_code,
)

_JSON = {"Accept": "application/json"}


class SecondFactor(PyiCloudService):  # type: ignore[misc]  # pyicloud ships no types
    """pyicloud, asking for second factors only when told to. Its session is a
    ``session.PrivateSession``.

    ``code_spent`` says that the code last asked for has come to its end: pyicloud closes the
    channel that brought it with the first code typed.
    """

    code_spent = False

    @property
    def is_trusted_session(self) -> bool:
        """Whether nothing more is to be proven: an account without a second factor has nothing
        that could earn it trust, and need not have any."""
        plain = self.without_two_factor and not self.data.get("hsaChallengeRequired")
        return plain or cast(bool, super().is_trusted_session)

    @property
    def without_two_factor(self) -> bool:
        """Whether Apple says that the account has no two-factor authentication."""
        person = self.data.get("dsInfo")
        return isinstance(person, dict) and person.get("hsaVersion") in (0, 1)

    # pyicloud asks Apple for a code as part of signing in. Unattended, that would ring the
    # person's phones on every scheduled run; attended, before they could say which phone.
    def request_2fa_code(self) -> bool:
        return False

    def _can_request_sms_2fa_code(self) -> bool:
        return False  # pyicloud would send a text message where something else was asked for

    def ask_for_code(self, phone: dict[str, Any] | None) -> None:
        """Have Apple send a code: to a phone in the way it takes, or (None) to trusted devices.

        Raises pyicloud's exceptions when that is refused.
        """
        self._two_factor_code_requested = False  # else pyicloud waits for one that got lost
        self.code_spent = False
        self.session.busy = None
        if phone is not None:
            self._ask_phone(phone)
        elif not self._ask_over_bridge():
            self._ask_devices()

    def _ask_phone(self, phone: dict[str, Any]) -> None:
        """As pyicloud does, but by a call where the number takes no text messages: pyicloud gives
        the code as one from a call then, and Apple refuses any other (fastlane #17654)."""
        self._auth_data["trustedPhoneNumber"] = phone
        asked = self._trusted_phone_number()
        if asked is None:
            raise PyiCloudNoTrustedNumberAvailable
        self.session.put(
            f"{self._auth_endpoint}/verify/phone",
            json={
                "phoneNumber": asked.as_phone_number_payload(),
                "mode": asked.push_mode or "sms",
            },
            headers=self._get_auth_headers(_JSON),
        )
        self._clear_trusted_device_bridge_state()
        self._set_two_factor_delivery_state("sms")

    def _ask_over_bridge(self) -> bool:
        """Ask the devices as Apple's page does, where it offers that; False when that fails:
        it takes a connection to websocket.push.apple.com, which not every network allows."""
        if not self._supports_trusted_device_bridge():
            return False
        try:
            return cast(bool, super().request_2fa_code())
        except PyiCloudConnectionException:
            raise
        except (PyiCloudAPIResponseException, OSError):
            return False

    def _ask_devices(self) -> None:
        try:
            # Since iOS 26.4 devices show a code only when asked to (icloudpy #138).
            self.session.put(
                f"{self._auth_endpoint}/verify/trusteddevice/securitycode",
                headers=self._get_auth_headers(_JSON),
            )
        except PyiCloudConnectionException:
            raise
        except PyiCloudException:
            pass  # others show one since the password was accepted
        self.use_existing_trusted_device_code()

    @by_apple()
    def validate_2fa_code(self, code: str) -> bool:
        """Whether Apple accepts the code; then the session is a trusted one.

        Raises what ``signin_errors`` makes of anything but a wrong code, pyicloud's exceptions when
        a trusted device cannot be asked, and those of ``authenticate``.
        """
        self.session.busy = None
        bridge = self._trusted_device_bridge_state
        self.code_spent = bridge is not None and not bridge.uses_legacy_trusted_device_verifier
        accepted = cast(bool, super().validate_2fa_code(code))
        if not accepted and self.session.busy is not None:
            raise signin_error(PyiCloudException(), self.account_name, self.session.busy)
        return accepted

    def _validate_trusted_device_code(self, code: str) -> None:
        self._judged(super()._validate_trusted_device_code, code)

    def _validate_sms_code(self, code: str) -> None:
        self._judged(super()._validate_sms_code, code)

    def _judged(self, give: Callable[[str], None], code: str) -> None:
        """To pyicloud every refusal is that of a wrong code."""
        try:
            give(code)
        except (PyiCloudAPIResponseException, PyiCloud2FARequiredException) as error:
            if wrong_code(error):
                raise
            raise signin_error(error, self.account_name, self.session.busy) from error

    @staticmethod
    def _is_accepted_security_code_conflict(response: requests.Response | None) -> bool:
        """Whether Apple accepted the code although the status is a refusal's; pyicloud knows
        that of 409 only, but 412 comes with it, too (icloudpd #1026)."""
        return response is not None and valid_code(response)

    @by_apple()
    def touch_key(self, late: threading.Event) -> None:
        """Wait until the security key that is plugged in is touched; then the session is a
        trusted one if Apple agrees. ``late`` ends the waiting. Raises pyicloud's exceptions."""
        self.session.busy = None
        fresh: dict[str, Any] = {}  # the first challenge may be too old by now: it is short-lived
        self._augment_webauthn_options(fresh)
        self._auth_data.update(fresh)
        self.confirm_security_key(event=late)
        if self.session.busy is not None and self.requires_2fa:
            raise PyiCloudException("Apple is busy")

    def _submit_webauthn_assertion_response(self, data: dict[str, Any]) -> None:
        try:
            super()._submit_webauthn_assertion_response(data)
        except (PyiCloudAPIResponseException, PyiCloud2FARequiredException) as error:
            if not accepted_touch(error):
                raise

    def _get_mfa_auth_options(self) -> dict[str, Any]:
        try:
            return cast(dict[str, Any], super()._get_mfa_auth_options())
        except PyiCloudTrustedDevicePromptException:  # Apple's page is no longer what it was
            return self._options()

    def _options(self) -> dict[str, Any]:
        """What the page of the second factor tells in script, as plain data."""
        headers = self._get_auth_headers(_JSON)
        return cast(dict[str, Any], self.session.get(self._auth_endpoint, headers=headers).json())

    def phones(self) -> list[dict[str, Any]]:
        """The numbers Apple can send a code to, as it describes them."""
        found = _numbers(self._auth_data)
        if not found:  # pyicloud reads only one of the places where the page may name them
            with contextlib.suppress(PyiCloudException, ValueError):
                found = _numbers(self._options())
        return found

    @property
    def has_trusted_devices(self) -> bool:
        told = self._auth_data  # by the page in the one way, as plain data in the other
        return bool(told.get("hasTrustedDevices")) or told.get("noTrustedDevices") is False


def _numbers(told: Any) -> list[dict[str, Any]]:
    known = told.get("phoneNumberVerification") or told if isinstance(told, dict) else {}
    known = known if isinstance(known, dict) else {}
    numbers = known.get("trustedPhoneNumbers") or [known.get("trustedPhoneNumber")]
    return [number for number in numbers if isinstance(number, dict) and "id" in number]
