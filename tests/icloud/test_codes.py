"""The second factor: every way Apple sends a code, and what goes wrong on the way."""

from __future__ import annotations

import base64
import threading
from types import SimpleNamespace
from typing import Any

import pyicloud.base
import pytest

from connectors.errors import SessionExpired
from connectors.icloud import signin
from tests.icloud.rig import PASSWORD, Rig, refused, works


def test_a_code_on_trusted_devices(bare: Rig) -> None:
    bare.account.second_factor = "device"
    person = bare.connect(PASSWORD, 0, bare.account.code, 1)
    assert "trusted devices / text message to +1 (•••) •••-••81" in person.asked[1]
    assert bare.account.codes_sent == 0, "no text message was sent"
    assert works(bare)


def test_a_code_by_text_message_instead(bare: Rig) -> None:
    bare.account.second_factor = "device"
    bare.connect(PASSWORD, 1, bare.account.code, 1)
    assert bare.account.codes_sent == 1
    assert works(bare)


def test_who_has_only_a_phone_is_not_asked_where(bare: Rig) -> None:
    bare.account.second_factor = "sms"
    person = bare.connect(
        PASSWORD, "123 456", f"{bare.account.code[:3]} {bare.account.code[3:]}", 1
    )
    assert "does not accept this code" in person.told[0]
    assert bare.account.codes_sent == 1
    assert works(bare)


def test_three_wrong_codes_end_it(bare: Rig) -> None:
    bare.account.second_factor = "sms"
    error = refused(bare, PASSWORD, "1", "2", "3")
    assert isinstance(error, SessionExpired) and "newest code" in error.hint


def test_a_code_that_does_not_arrive_is_sent_again_or_another_way(bare: Rig) -> None:
    bare.account.second_factor = "device"
    person = bare.connect(PASSWORD, 0, "", 1, "", 1, bare.account.code, 1)
    assert [question[:5] for question in person.asked[1:7]] == ["Where", "Code "] * 3
    assert bare.account.codes_sent == 2
    assert works(bare)


def test_codes_that_never_arrive_end_with_where_else_to_find_one(bare: Rig) -> None:
    bare.account.second_factor = "sms"
    error = refused(bare, PASSWORD, *[""] * 4)
    assert isinstance(error, SessionExpired) and "Get Verification Code" in error.hint
    assert bare.account.codes_sent == 4


def test_trust_spares_the_code_the_next_time(bare: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    bare.account.second_factor = "sms"
    bare.connect(PASSWORD, bare.account.code, 0)
    bare.icloud.expire_sessions()
    assert works(bare)
    assert bare.account.codes_sent == 1


def test_unattended_no_code_is_asked_for(bare: Rig) -> None:
    """Else every scheduled run would ring the person's phones."""
    bare.account.second_factor = "sms"
    bare.connect(PASSWORD, bare.account.code, 0)
    bare.icloud.expire_sessions(forget_trust=True)
    with pytest.raises(SessionExpired, match="two-factor") as caught:
        works(bare)
    assert bare.account.codes_sent == 1
    assert "outpour connect icloud" in caught.value.hint


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


def test_a_security_key(bare: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    bare.account.second_factor = "key"
    monkeypatch.setattr(pyicloud.base.CtapHidDevice, "list_devices", lambda: [object()])
    monkeypatch.setattr(pyicloud.base, "Fido2Client", Touched(bare))
    person = bare.connect(PASSWORD, 1)
    assert "Sandbox key" in person.told[0] and "touch it" in person.told[0]
    assert works(bare)


def test_no_security_key_at_hand_does_not_wait_forever(
    bare: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    bare.account.second_factor = "key"
    monkeypatch.setattr(pyicloud.base.CtapHidDevice, "list_devices", list)
    monkeypatch.setattr(signin, "_KEY_SECONDS", 0.0)
    assert "plug it in" in refused(bare, PASSWORD).hint
