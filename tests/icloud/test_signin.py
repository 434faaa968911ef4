"""Signing in: every way Apple asks, every way it refuses, in words a person can act on."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pyicloud.base
import pytest

from connectors.errors import Misconfigured, OutpourError, SessionExpired, Throttled, Transient
from connectors.icloud import access, connector, signin
from connectors.icloud.account import password_key
from connectors.icloud.settings import ICloudSettings
from connectors.private import load_secret, store_secret
from sandbox.library import Library
from tests.icloud.rig import ACCOUNT, PASSWORD, Person, Rig, listing, rig


def works(rig: Rig, **settings: Any) -> bool:
    return len(listing(rig.source(**settings))[0]) == len(rig.ids("shown", "hidden"))


def refused(rig: Rig, *answers: Any) -> OutpourError:
    with pytest.raises(OutpourError) as caught:
        rig.connect(*answers)
    error = caught.value
    assert error.hint, "a refusal says what to do"
    assert PASSWORD not in str(error) + error.hint
    return error


# --- the password ------------------------------------------------------------------------


def test_with_a_password_typed(bare: Rig) -> None:
    person = bare.connect(PASSWORD, 1)
    assert person.secret == [True]
    assert "Connected to iCloud as demo@example.com" in person.told[-1]
    assert "trusts this computer until" in person.told[-1]
    assert load_secret(password_key(ACCOUNT)) is None
    assert works(bare)


def test_a_wrong_password_may_be_typed_again(bare: Rig) -> None:
    person = bare.connect("wrong", "wrong again", PASSWORD, 1)
    assert [line for line in person.told if "does not accept" in line]
    assert works(bare)


def test_three_wrong_passwords_are_enough(bare: Rig) -> None:
    """Apple would lock the account."""
    error = refused(bare, "wrong", "wrong", "wrong", "wrong")
    assert isinstance(error, SessionExpired) and bare.account.tries <= 3


def test_the_password_is_kept_only_when_wanted(bare: Rig) -> None:
    bare.connect(PASSWORD, 0)
    assert load_secret(password_key(ACCOUNT)) == PASSWORD
    bare.icloud.expire_sessions(forget_trust=True)
    assert works(bare), "the session is renewed without a person"


def test_the_environment_comes_before_the_keyring(
    bare: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    store_secret(password_key(ACCOUNT), "an older one")
    monkeypatch.setenv("OUTPOUR_ICLOUD_PASSWORD", PASSWORD)
    assert not bare.connect(1).asked


def test_a_password_in_the_settings_is_refused() -> None:
    with pytest.raises(ValueError, match="password"):
        ICloudSettings.model_validate({"account": ACCOUNT, "password": "x"})


def test_connecting_again_asks_nothing(bare: Rig) -> None:
    bare.connect()
    assert not bare.connect(1).asked


# --- which account -----------------------------------------------------------------------


def test_the_only_connected_account_is_meant(bare: Rig) -> None:
    bare.connect()
    assert works(bare, account="")


def test_no_account_at_all_is_a_clear_line(bare: Rig) -> None:
    with pytest.raises(SessionExpired) as caught:
        next(iter(bare.source(account="").pages()))
    assert caught.value.hint == "run: outpour connect icloud"


def test_several_accounts_must_be_told_apart(bare: Rig) -> None:
    bare.connect()
    signin.remember_account("other@example.com")
    with pytest.raises(Misconfigured, match=r"demo@example\.com, other@example\.com"):
        next(iter(bare.source(account="").pages()))


def test_connect_asks_for_the_account(bare: Rig) -> None:
    person = Person(ACCOUNT, PASSWORD, 1)
    assert connector.connect
    connector.connect(ICloudSettings(), person)
    assert "Apple Account" in person.asked[0]


# --- the second factor -------------------------------------------------------------------


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


# --- Advanced Data Protection ------------------------------------------------------------


def test_protected_photos_after_consent_on_a_device(
    bare: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(access, "_EVERY", 0.01)
    bare.account.protected, bare.account.consent = True, "ask"
    person = bare.connect()
    assert any("Allow Access" in line for line in person.told)
    assert works(bare)


def test_refused_consent_does_not_wait_forever(bare: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(access, "_EVERY", 0.01)
    monkeypatch.setattr(access, "_PATIENCE", 0.05)
    bare.account.protected, bare.account.consent = True, "refused"
    assert "unlock your iPhone" in refused(bare, PASSWORD).hint


def test_keys_that_lapse_are_fetched_again_without_a_person(bare: Rig) -> None:
    bare.account.protected = True
    bare.connect()
    bare.account.pcs = False
    assert works(bare)


def test_consent_that_lapses_needs_a_person(bare: Rig) -> None:
    bare.account.protected = True
    bare.connect()
    bare.account.pcs, bare.account.consent = False, "ask"
    with pytest.raises(SessionExpired) as caught:
        works(bare)
    assert "outpour connect icloud" in caught.value.hint


def test_web_access_turned_off_says_where_to_turn_it_on(bare: Rig) -> None:
    bare.connect()
    bare.account.web_access = False
    with pytest.raises(SessionExpired) as caught:
        works(bare)
    assert "Access iCloud Data on the Web" in caught.value.hint


@pytest.mark.parametrize("before", [True, False])
def test_connect_refuses_while_web_access_is_off(bare: Rig, before: bool) -> None:
    """Signing in works then, so that only connect can tell; and no password helps."""
    if before:
        bare.connect()
    bare.account.web_access = False
    error = refused(bare, PASSWORD)
    assert isinstance(error, SessionExpired)
    assert "Access iCloud Data on the Web" in error.hint
    assert "new terms at https://www.icloud.com" in error.hint


def test_connect_says_connected_only_when_the_photos_answer(bare: Rig) -> None:
    bare.faults.add("shut_out")
    error = refused(bare, PASSWORD)
    assert isinstance(error, SessionExpired)
    assert "Access iCloud Data on the Web" in error.hint


def test_photos_that_stay_shut_after_a_renewal_say_what_else_it_may_be(bare: Rig) -> None:
    bare.connect(PASSWORD, 0)
    bare.faults.add("shut_out")
    source = bare.source()
    for _ in range(2):  # what is known is said again without asking Apple
        with pytest.raises(SessionExpired) as caught:
            listing(source)
        assert "Access iCloud Data on the Web" in caught.value.hint
    source.close()


def test_connect_signs_in_anew_when_the_session_only_looks_good(bare: Rig) -> None:
    bare.connect()
    bare.faults.add("shut_out", times=1)
    person = bare.connect(PASSWORD, 1)
    assert "Connected" in person.told[-1]
    assert works(bare)


def test_connect_keeps_the_trust_when_it_signs_in_anew(bare: Rig) -> None:
    bare.account.second_factor = "sms"
    bare.connect(PASSWORD, bare.account.code, 1)
    bare.faults.add("shut_out", times=1)
    bare.connect(PASSWORD, 1)
    assert bare.account.codes_sent == 1


def test_a_busy_photo_service_does_not_waste_a_sign_in(bare: Rig) -> None:
    bare.faults.add("unavailable", key="query/*", times=1)
    assert "Connected" in bare.connect().told[-1]


def test_unreadable_pcs_cookies_are_renewed_without_a_person(bare: Rig) -> None:
    bare.connect()
    bare.faults.once("bad_pcs")
    assert works(bare)
    source = bare.source()
    source.capacity()
    source.close()


def test_connect_renews_unreadable_pcs_cookies(bare: Rig) -> None:
    bare.connect(PASSWORD, 0)
    bare.faults.once("bad_pcs")
    assert "Connected" in bare.connect(1).told[-1]
    assert works(bare)


# --- refusals ----------------------------------------------------------------------------


def test_a_locked_account(bare: Rig) -> None:
    bare.account.locked = True
    assert "iforgot.apple.com" in refused(bare, PASSWORD).hint


def test_something_to_confirm_at_apple(bare: Rig) -> None:
    bare.account.repair = True
    assert "account.apple.com" in refused(bare, PASSWORD).hint


def test_new_terms_are_the_persons_to_accept(bare: Rig) -> None:
    bare.account.terms = True
    assert "terms" in str(refused(bare, PASSWORD, 1))
    assert bare.account.terms
    bare.connect(0)
    assert not bare.account.terms and works(bare)


@pytest.mark.parametrize("second_factor", ["none", "sms"])
def test_new_terms_are_asked_about_at_the_first_sign_in_too(bare: Rig, second_factor: str) -> None:
    bare.account.terms, bare.account.second_factor = True, second_factor
    code = [bare.account.code] if second_factor == "sms" else []
    person = bare.connect(PASSWORD, *code, 0, 1)
    assert [question for question in person.asked if "terms have changed" in question]
    assert bare.account.codes_sent == len(code)
    assert not bare.account.terms and works(bare)


def test_terms_that_cannot_be_accepted_from_here_are_accepted_at_icloud_com(bare: Rig) -> None:
    bare.account.terms, bare.account.terms_by_client = True, False
    assert "accept them there" in refused(bare, PASSWORD, 0).hint


def test_a_busy_apple_is_no_refused_acceptance_of_terms(bare: Rig) -> None:
    bare.account.terms = True
    bare.faults.add("unavailable", key="!setup/setup/ws/1/repairDone")
    assert isinstance(refused(bare, PASSWORD, 0), Throttled)


@pytest.mark.parametrize("fault", ["unavailable", "throttle"])
def test_a_busy_apple_is_no_wrong_password(bare: Rig, fault: str) -> None:
    bare.faults.add(fault, key="!*")
    error = refused(bare, PASSWORD)
    assert isinstance(error, Throttled)
    assert bare.account.tries == 0


def test_no_network_is_no_wrong_password(bare: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    bare.connect()
    for name in ("HTTPS_PROXY", "https_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    with pytest.raises(Transient, match="cannot be reached") as caught:
        bare.source().capacity()
    assert "network" in caught.value.hint


def test_a_missing_certificate_file_is_named(bare: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/nowhere/ca.pem")
    error = refused(bare, PASSWORD)
    assert isinstance(error, Misconfigured) and "REQUESTS_CA_BUNDLE" in str(error)


def test_accounts_of_china(use_sandbox: Callable[[Any], None]) -> None:
    with rig(use_sandbox, Library(3, plain=True), china=True) as made:
        made.connect(china=True)
        assert works(made, china=True)


@pytest.mark.parametrize("second_factor", ["none", "sms"])
def test_an_account_of_china_without_the_setting_says_so(
    use_sandbox: Callable[[Any], None], second_factor: str
) -> None:
    with rig(use_sandbox, Library(3), china=True, second_factor=second_factor) as made:
        error = refused(made, PASSWORD, *[made.account.code] * (second_factor == "sms"))
        assert isinstance(error, Misconfigured) and "china: true" in error.hint


def test_the_setting_for_china_with_an_account_of_elsewhere_says_so(bare: Rig) -> None:
    with pytest.raises(Misconfigured, match="not in China") as caught:
        bare.connect(china=True)
    assert "leave china out" in caught.value.hint


# --- in the middle of a run --------------------------------------------------------------


def test_a_person_renews_the_session_of_a_running_source(bare: Rig) -> None:
    bare.account.second_factor = "sms"
    bare.connect(PASSWORD, bare.account.code, 1)
    source = bare.source()
    assert len(listing(source)[0]) == len(bare.ids("shown", "hidden"))
    bare.icloud.expire_sessions(forget_trust=True)
    with pytest.raises(SessionExpired):
        listing(source)
    before = bare.icloud.counts.total()
    with pytest.raises(SessionExpired):
        source.capacity()
    assert bare.icloud.counts.total() == before, "nothing more is asked of Apple meanwhile"
    source.reconnect(Person(PASSWORD, bare.account.code, 1))
    assert len(listing(source)[0]) == len(bare.ids("shown", "hidden"))
    source.close()
    assert works(bare), "the renewed session was saved"


def test_one_renewal_serves_all_threads(bare: Rig) -> None:
    bare.connect(PASSWORD, 0)
    source = bare.source()
    source.capacity()
    bare.icloud.expire_sessions(forget_trust=True)
    made = bare.account.logins_made
    failed: list[BaseException] = []

    def ask() -> None:
        try:
            source.capacity()
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=ask) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failed
    assert bare.account.logins_made == made + 1


def test_nothing_of_the_password_is_kept_in_the_session(bare: Rig) -> None:
    bare.connect()
    for path in signin.known_accounts() and session_files():
        assert PASSWORD.encode() not in path.read_bytes()
        assert json.dumps(PASSWORD).encode() not in path.read_bytes()


def session_files() -> list[Any]:
    from connectors.icloud.session import folder

    return [path for path in folder(ACCOUNT).iterdir() if path.is_file()]
