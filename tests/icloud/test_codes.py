"""The second factor: every way Apple sends a code, and what goes wrong on the way."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pyicloud.base
import pyicloud.hsa2_bridge
import pytest
from pyicloud.exceptions import PyiCloudTrustedDeviceVerificationException
from pyicloud.hsa2_bridge import TrustedDeviceBridgeBootstrapper

from connectors.errors import SessionExpired, Throttled
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


def test_a_phone_that_takes_calls_only_is_called(bare: Rig) -> None:
    bare.account.second_factor, bare.account.phone_mode = "device", "voice"
    person = bare.connect(PASSWORD, 1, bare.account.code, 1)
    assert "trusted devices / call to +1 (•••) •••-••81" in person.asked[1]
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
    assert "text message" in error.hint, "since iOS 26.4 there is no such button"
    assert bare.account.codes_sent == 4


def test_devices_that_show_no_code_by_themselves_are_asked_to(bare: Rig) -> None:
    bare.account.second_factor, bare.account.shows_codes = "device", False
    bare.connect(PASSWORD, 0, bare.account.code, 1)
    assert bare.account.codes_shown == 1
    assert works(bare)


def test_a_text_message_that_cannot_be_sent_leaves_the_trusted_devices(bare: Rig) -> None:
    bare.account.second_factor, bare.account.texts = "device", False
    person = bare.connect(PASSWORD, 1, bare.account.code, 1)
    assert "can't be sent to this phone number" in person.told[0]
    assert "trusted devices" in person.asked[2]
    assert works(bare)


def test_a_text_message_that_cannot_be_sent_ends_it_in_apples_words(bare: Rig) -> None:
    bare.account.second_factor, bare.account.texts = "sms", False
    assert "can't be sent to this phone number" in str(refused(bare, PASSWORD))


@pytest.mark.parametrize("second_factor", ["device", "sms"])
def test_codes_that_are_locked_are_not_asked_for_again(bare: Rig, second_factor: str) -> None:
    bare.account.second_factor, bare.account.codes_locked = second_factor, True
    error = refused(bare, PASSWORD, *[0] * (second_factor == "device"), bare.account.code)
    assert isinstance(error, SessionExpired)
    assert "Too many incorrect" in str(error) and "wait some hours" in error.hint


@pytest.mark.parametrize("status", [409, 412])
@pytest.mark.parametrize("second_factor", ["device", "sms"])
def test_a_code_apple_calls_valid_is_accepted_whatever_the_status(
    bare: Rig, second_factor: str, status: int
) -> None:
    bare.account.second_factor, bare.account.accepts_with = second_factor, status
    bare.connect(PASSWORD, *[0] * (second_factor == "device"), bare.account.code, 1)
    assert works(bare)


@pytest.mark.parametrize("second_factor", ["device", "sms"])
def test_a_busy_apple_is_no_wrong_code(bare: Rig, second_factor: str) -> None:
    bare.account.second_factor = second_factor
    bare.faults.add("unavailable", key="!signin/*/securitycode")
    choice = [0] * (second_factor == "device")
    assert isinstance(refused(bare, PASSWORD, *choice, bare.account.code), Throttled)


@pytest.mark.parametrize("second_factor", ["device", "sms"])
def test_a_changed_page_still_lets_a_code_be_chosen(bare: Rig, second_factor: str) -> None:
    """What the page says in script stands as JSON at the same address."""
    bare.account.second_factor = second_factor
    bare.faults.once("foreign_page", "!signin/appleauth/auth")
    person = bare.connect(PASSWORD, *[1] * (second_factor == "device"), bare.account.code, 1)
    assert "+1 (•••) •••-••81" in person.asked[1]
    assert works(bare)


class Bridge:
    """Apple's push channel and the proof it carries: only the channel is replaced."""

    def __init__(self, rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
        self.rig = rig
        self.prompts = 0
        self.closes = False
        rig.account.second_factor = "bridge"
        for name in ("start", "validate_code"):
            monkeypatch.setattr(TrustedDeviceBridgeBootstrapper, name, getattr(self, name))

    def start(self, **_kwargs: Any) -> Any:
        self.prompts += 1
        return SimpleNamespace(uses_legacy_trusted_device_verifier=False, websocket=None)

    def validate_code(self, *, code: str, **_kwargs: Any) -> bool:
        if self.closes:
            raise PyiCloudTrustedDeviceVerificationException("closed")
        right = code == self.rig.account.code
        for login in self.rig.account.logins.values():
            login.verified = right
        return right


def test_after_a_wrong_code_the_devices_show_another(
    bare: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The channel that brought a code ends with it, right or wrong."""
    bridge = Bridge(bare, monkeypatch)
    person = bare.connect(PASSWORD, 0, "111111", bare.account.code, 1)
    assert bridge.prompts == 2
    assert "does not accept this code" in person.told[0] and "new one" in person.told[0]
    assert works(bare)


def test_a_code_that_did_not_arrive_on_the_devices_is_asked_for_again(
    bare: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    bridge = Bridge(bare, monkeypatch)
    bare.connect(PASSWORD, 0, "", 0, bare.account.code, 1)
    assert bridge.prompts == 2


def test_a_channel_that_closes_leaves_the_text_message(
    bare: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    Bridge(bare, monkeypatch).closes = True
    person = bare.connect(PASSWORD, 0, bare.account.code, bare.account.code, 1)
    assert "trusted devices cannot be asked" in person.told[0]
    assert "text message" in person.asked[3] and bare.account.codes_sent == 1
    assert works(bare)


@pytest.mark.parametrize("error", [ConnectionRefusedError, TimeoutError])
def test_where_the_channel_is_blocked_the_devices_are_asked_as_before_it(
    bare: Rig, monkeypatch: pytest.MonkeyPatch, error: type[OSError]
) -> None:
    def blocked(*_args: Any) -> None:
        raise error

    bare.account.second_factor = "bridge"
    monkeypatch.setattr(pyicloud.hsa2_bridge, "_RawWebSocketClient", blocked)
    bare.connect(PASSWORD, 0, bare.account.code, 1)
    assert (bare.account.codes_shown, bare.account.codes_sent) == (1, 0)
    assert works(bare)


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
