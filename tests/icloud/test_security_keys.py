"""Security keys: plugged in, touched, refused, and not at hand."""

from __future__ import annotations

import base64
import sys
import threading
from types import SimpleNamespace
from typing import Any

import pyicloud.base
import pytest

from connectors.errors import SessionExpired, Throttled
from connectors.icloud import signin
from sandbox.icloud.securitykey import SecurityKey
from tests.icloud.rig import PASSWORD, Rig, refused, works


class Touched:
    """A security key plugged in and touched: the hardware, not our code, is replaced."""

    def __init__(self, rig: Rig) -> None:
        self.answer = rig.icloud.signin.key.answer

    def __call__(self, *_args: Any, **_kwargs: Any) -> Touched:
        return self

    def get_assertion(self, options: Any, event: threading.Event) -> Any:
        assert not event.is_set()
        challenge = base64.urlsafe_b64encode(options.challenge).rstrip(b"=").decode()
        answer = self.answer(challenge)
        parts = ("clientData", "signatureData", "authenticatorData", "credentialID")
        made = {part: base64.b64decode(answer[part]) for part in parts}
        response = SimpleNamespace(
            client_data=made["clientData"],
            signature=made["signatureData"],
            authenticator_data=made["authenticatorData"],
            user_handle=None,
        )
        result = SimpleNamespace(response=response, raw_id=made["credentialID"])
        return SimpleNamespace(get_response=lambda _index: result)


@pytest.fixture
def key(bare: Rig, monkeypatch: pytest.MonkeyPatch) -> Touched:
    """The account asks for a security key, which is plugged in and touched."""
    bare.account.second_factor = "key"
    touched = Touched(bare)
    monkeypatch.setattr(pyicloud.base.CtapHidDevice, "list_devices", lambda: [object()])
    monkeypatch.setattr(pyicloud.base, "Fido2Client", touched)
    return touched


@pytest.mark.parametrize("status", [409, 412, 250, 204])
def test_a_security_key_that_is_touched_signs_in(bare: Rig, key: Touched, status: int) -> None:
    bare.account.touch_answer = status
    person = bare.connect(PASSWORD, 1)
    assert "Sandbox key" in person.told[0] and "touch it" in person.told[0]
    assert works(bare)


def test_a_security_key_of_another_account_is_refused_in_one_sentence(
    bare: Rig, key: Touched
) -> None:
    key.answer = SecurityKey().answer
    error = refused(bare, PASSWORD)
    assert isinstance(error, SessionExpired) and "does not accept this security key" in str(error)
    assert "registered for this account" in error.hint


def test_a_refusal_with_the_status_of_an_acceptance_is_one(bare: Rig, key: Touched) -> None:
    key.answer = SecurityKey().answer
    bare.account.touch_refusal = 409
    assert "does not accept this security key" in str(refused(bare, PASSWORD))


def test_who_looks_long_for_the_security_key_signs_what_is_asked_by_then(
    bare: Rig, key: Touched, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What Apple gives to sign is good for a short while and one touch only."""
    plugged: list[object] = []

    def listed() -> list[object]:
        now = list(plugged)
        if not now:
            bare.account.expire_challenges()
            plugged.append(object())
        return now

    monkeypatch.setattr(pyicloud.base.CtapHidDevice, "list_devices", listed)
    bare.connect(PASSWORD, 1)
    assert works(bare)


@pytest.mark.parametrize("address", ["verify/security/key", "2sv/trust"])
def test_a_busy_apple_is_no_refused_security_key(bare: Rig, key: Touched, address: str) -> None:
    bare.faults.add("unavailable", key=f"!signin/appleauth/auth/{address}")
    assert isinstance(refused(bare, PASSWORD), Throttled)


def test_no_security_key_at_hand_does_not_wait_forever(
    bare: Rig, key: Touched, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pyicloud.base.CtapHidDevice, "list_devices", list)
    monkeypatch.setattr(signin, "_KEY_SECONDS", 0.0)
    assert "plug it in" in refused(bare, PASSWORD).hint


@pytest.mark.parametrize(("system", "said"), [("win32", True), ("linux", False)])
def test_on_windows_a_key_is_seen_by_administrators_only_and_who_is_none_is_told(
    bare: Rig, key: Touched, monkeypatch: pytest.MonkeyPatch, system: str, said: bool
) -> None:
    monkeypatch.setattr(pyicloud.base.CtapHidDevice, "list_devices", list)
    monkeypatch.setattr(signin, "_KEY_SECONDS", 0.0)
    monkeypatch.setattr(sys, "platform", system)
    assert ("as an administrator" in refused(bare, PASSWORD).hint) is said
