"""Signing in: every way Apple asks, every way it refuses, in words a person can act on."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import Any

import pytest

from connectors.errors import Misconfigured, SessionExpired, Throttled, Transient
from connectors.icloud import connector
from connectors.icloud.account import password_key
from connectors.icloud.session import (
    PrivateSession,
    folder,
    known_accounts,
    remember_account,
)
from connectors.icloud.settings import ICloudSettings
from connectors.private import load_secret, store_secret
from sandbox.library import Library
from tests.icloud.rig import ACCOUNT, PASSWORD, Person, Rig, listing, refused, rig, works
from tests.pointing import Point

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


def test_who_names_no_account_is_told_how_to(bare: Rig) -> None:
    assert connector.connect is not None
    with pytest.raises(Misconfigured) as caught:
        connector.connect(ICloudSettings(), Person(" "))
    assert caught.value.hint == "run: outpour connect icloud:you@example.com"


def test_no_account_at_all_is_a_clear_line(bare: Rig) -> None:
    with pytest.raises(SessionExpired) as caught:
        next(iter(bare.source(account="").pages()))
    assert caught.value.hint == "run: outpour connect icloud"


def test_several_accounts_must_be_told_apart(bare: Rig) -> None:
    bare.connect()
    remember_account("other@example.com")
    with pytest.raises(Misconfigured, match=r"demo@example\.com, other@example\.com"):
        next(iter(bare.source(account="").pages()))


def test_connect_asks_for_the_account(bare: Rig) -> None:
    person = Person(ACCOUNT, PASSWORD, 1)
    assert connector.connect
    connector.connect(ICloudSettings(), person)
    assert "Apple Account" in person.asked[0]


# --- refusals ----------------------------------------------------------------------------


def test_a_locked_account(bare: Rig) -> None:
    bare.account.locked = True
    assert "iforgot.apple.com" in refused(bare, PASSWORD).hint


def test_new_terms_are_the_persons_to_accept(bare: Rig) -> None:
    bare.account.terms = True
    assert "terms" in str(refused(bare, PASSWORD, 1))
    assert terms_stand(bare)
    bare.connect(0)
    assert not terms_stand(bare) and works(bare)


def terms_stand(bare: Rig) -> bool:
    """Whether there are terms that nobody has accepted."""
    return bare.account.terms


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


@pytest.mark.parametrize(
    "address",
    [
        "signin/appleauth/auth/signin/init",
        "setup/setup/ws/1/accountLogin",
        "setup/setup/ws/1/requestWebAccessState",
    ],
)
def test_a_page_that_is_not_apples_is_said_to_be_none(bare: Rig, address: str) -> None:
    """The login page of a hotel, what a filter puts there."""
    bare.faults.add("foreign_page", key=f"!{address}")
    error = refused(bare, PASSWORD)
    assert isinstance(error, Transient) and "instead of Apple" in str(error)


def test_a_page_that_is_not_apples_ends_no_session(bare: Rig) -> None:
    bare.connect()
    bare.faults.once("foreign_page", "!setup/setup/ws/1/validate")
    with pytest.raises(Transient, match="instead of Apple"):
        works(bare)
    assert works(bare)


def test_no_network_is_no_wrong_password(bare: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    bare.connect()
    for name in ("HTTPS_PROXY", "https_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    with pytest.raises(Transient, match="cannot be reached through the proxy") as caught:
        bare.source().capacity()
    assert "HTTPS_PROXY" in caught.value.hint


@pytest.mark.parametrize("scheme", ["socks5", "nonsense"])
def test_a_proxy_of_another_kind_is_no_sign_in_that_ended(
    bare: Rig, monkeypatch: pytest.MonkeyPatch, scheme: str
) -> None:
    bare.connect()
    for name in ("HTTPS_PROXY", "https_proxy"):
        monkeypatch.setenv(name, f"{scheme}://127.0.0.1:9")
    with pytest.raises(Misconfigured, match=f"a {scheme} proxy is not supported"):
        bare.source().capacity()


def test_nor_is_one_whose_address_makes_no_sense(
    bare: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    bare.connect()
    for name in ("https_proxy", "HTTPS_PROXY"):
        monkeypatch.setenv(name, "http://me:Zq7@127.0.0.1:notaport")
    with pytest.raises(Misconfigured, match="notaport is no address") as caught:
        bare.source().capacity()
    assert "Zq7" not in str(caught.value)


def test_a_certificate_file_that_cannot_be_read_is_named(
    bare: Rig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "ca.pem").write_text("no certificate")
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "ca.pem"))
    error = refused(bare, PASSWORD)
    assert isinstance(error, Misconfigured) and "ca.pem cannot be read" in str(error)


def test_a_missing_certificate_file_is_named(bare: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/nowhere/ca.pem")
    error = refused(bare, PASSWORD)
    assert isinstance(error, Misconfigured) and "REQUESTS_CA_BUNDLE" in str(error)


def test_accounts_of_china(use_sandbox: Point) -> None:
    with rig(use_sandbox, Library(3, plain=True), china=True) as made:
        made.connect(china=True)
        assert works(made, china=True)


@pytest.mark.parametrize("second_factor", ["none", "sms"])
def test_an_account_of_china_without_the_setting_says_so(
    use_sandbox: Point, second_factor: str
) -> None:
    with rig(use_sandbox, Library(3), china=True, second_factor=second_factor) as made:
        error = refused(made, PASSWORD, *[made.account.code] * (second_factor == "sms"))
        assert isinstance(error, Misconfigured) and "china: true" in error.hint


def test_the_setting_for_china_with_an_account_of_elsewhere_says_so(bare: Rig) -> None:
    with pytest.raises(Misconfigured, match="not in China") as caught:
        bare.connect(china=True)
    assert "leave china out" in caught.value.hint


# --- what does not become a session ------------------------------------------------------


@pytest.fixture
def unclosed(monkeypatch: pytest.MonkeyPatch) -> list[PrivateSession]:
    """Sessions that hold connections at the moment."""
    found: list[PrivateSession] = []
    make, close = PrivateSession.__init__, PrivateSession.close

    def made(self: PrivateSession, *args: Any, **kwargs: Any) -> None:
        make(self, *args, **kwargs)
        found.append(self)

    def closed(self: PrivateSession) -> None:
        close(self)
        if self in found:
            found.remove(self)

    monkeypatch.setattr(PrivateSession, "__init__", made)
    monkeypatch.setattr(PrivateSession, "close", closed)
    return found


def test_connecting_leaves_no_connection_open(bare: Rig, unclosed: list[PrivateSession]) -> None:
    bare.connect("wrong", PASSWORD, 1)
    assert not unclosed


def test_a_refused_password_leaves_no_connection_open(
    bare: Rig, unclosed: list[PrivateSession]
) -> None:
    refused(bare, "wrong", "wrong", "wrong")
    assert not unclosed


def test_photos_that_stay_shut_leave_no_connection_open(
    bare: Rig, unclosed: list[PrivateSession]
) -> None:
    bare.account.web_access = False
    refused(bare, PASSWORD)
    assert not unclosed


def test_a_run_that_nobody_signed_in_for_leaves_no_connection_open(
    bare: Rig, unclosed: list[PrivateSession]
) -> None:
    remember_account(ACCOUNT)
    source = bare.source()
    with pytest.raises(SessionExpired):
        source.capacity()
    assert not unclosed


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
    assert known_accounts()
    for path in session_files():
        assert PASSWORD.encode() not in path.read_bytes()
        assert json.dumps(PASSWORD).encode() not in path.read_bytes()


def session_files() -> list[Path]:
    return [path for path in folder(ACCOUNT).iterdir() if path.is_file()]
