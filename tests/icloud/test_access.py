"""Photos that are closed to a good sign-in: data protection, web access, worn-out cookies."""

from __future__ import annotations

import pytest

from connectors.errors import SessionExpired, Transient
from connectors.icloud import access
from tests.icloud.rig import PASSWORD, Rig, listing, refused, works


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


def test_a_renewed_session_that_opens_nothing_gives_way_to_the_password(bare: Rig) -> None:
    bare.connect(PASSWORD, 0)
    bare.faults.add("shut_out", times=2)
    made = bare.account.logins_made
    source = bare.source()
    assert listing(source)[0]
    assert bare.account.logins_made == made + 2
    source.close()


def test_an_hour_in_which_nothing_opens_is_over_with_the_next_run(bare: Rig) -> None:
    bare.connect(PASSWORD, 0)
    bare.faults.add("shut_out", times=3)
    with pytest.raises(SessionExpired):
        works(bare)
    assert works(bare)
    bare.icloud.expire_sessions()
    assert works(bare)


@pytest.mark.parametrize("busy", [True, False])
def test_a_session_is_kept_until_there_is_another(bare: Rig, busy: bool) -> None:
    """Apple may be busy when it is asked for one, or want a code that nobody is there to type."""
    bare.account.second_factor = "sms"
    bare.connect(PASSWORD, bare.account.code, 0)
    bare.faults.add("shut_out", times=2)
    bare.account.trusts.clear()
    if busy:
        bare.faults.add("unavailable", key="!signin/*")
    with pytest.raises((Transient, SessionExpired)):
        works(bare)
    bare.faults.clear()
    assert works(bare)


def test_what_is_left_out_is_no_trouble_of_the_account(bare: Rig) -> None:
    """A shared library may be closed to this account, and nobody asked for it."""
    bare.connect(PASSWORD, 0)
    bare.faults.add("shut_out", key="cloudkit/zones/*")
    made = bare.account.logins_made
    source = bare.source()
    *_, last = source.pages()
    assert last.cursor and not last.notices and bare.account.logins_made == made
    source.close()


def test_connect_signs_in_anew_while_apple_says_that_it_is_indexing(bare: Rig) -> None:
    bare.connect(PASSWORD, 0)
    bare.account.indexing = True
    person = bare.connect(1)
    assert "signing in anew" in person.told[0] and "Connected" in person.told[-1]


def test_connect_signs_in_anew_when_the_session_only_looks_good(bare: Rig) -> None:
    bare.connect()
    bare.faults.add("shut_out", times=1)
    person = bare.connect(PASSWORD, 1)
    assert "signing in anew" in person.told[0] and "Connected" in person.told[-1]
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
