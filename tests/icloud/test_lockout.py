"""What Apple refused once is not tried again by every scheduled run: it locks accounts."""

from __future__ import annotations

import stat

import pytest

from connectors.abilities import HasCapacity
from connectors.errors import SessionExpired, Transient
from connectors.icloud.session import folder
from connectors.icloud.settings import PASSWORD_VARIABLE
from tests.icloud.rig import ACCOUNT, PASSWORD, Person, Rig, works

pytestmark = pytest.mark.wide


@pytest.fixture
def kept(bare: Rig) -> Rig:
    """Connected with the password kept; later the session, the trust and all end."""
    bare.connect(PASSWORD, 0)
    bare.icloud.expire_sessions(forget_trust=True)
    bare.icloud.reset_counts()
    return bare


def runs(rig: Rig, times: int) -> SessionExpired:
    """Scheduled runs that all need a person; how the last one says so."""
    for _ in range(times):
        with pytest.raises(SessionExpired) as caught:
            works(rig)
    assert "outpour connect icloud" in caught.value.hint
    return caught.value


def passwords_tried(rig: Rig) -> int:
    return sum(line.endswith("/signin/complete") for _, line in rig.icloud.log)


def test_an_outdated_password_is_tried_once(kept: Rig) -> None:
    kept.account.password = "another"
    assert "the saved password is no longer right" in str(runs(kept, 8))
    assert kept.account.tries == 1 and not kept.account.locked


def test_an_outdated_password_in_the_environment_is_named(
    kept: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(PASSWORD_VARIABLE, "outdated")
    assert PASSWORD_VARIABLE in runs(kept, 2).hint
    assert kept.account.tries == 1


def test_another_password_is_tried_at_once(kept: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    kept.account.password = "another"
    runs(kept, 2)
    monkeypatch.setenv(PASSWORD_VARIABLE, "another")
    assert works(kept)


def test_connecting_lets_the_password_be_used_again(kept: Rig) -> None:
    kept.account.locked = True
    with pytest.raises(SessionExpired):
        works(kept)
    kept.account.locked = False
    kept.connect()
    kept.icloud.expire_sessions(forget_trust=True)
    assert works(kept)


def test_where_a_code_is_wanted_the_password_is_not_sent_again(kept: Rig) -> None:
    kept.account.second_factor = "sms"
    assert "two-factor" in str(runs(kept, 4))
    assert passwords_tried(kept) == 1
    kept.connect(kept.account.code, 1)
    assert works(kept)


def test_a_locked_account_is_left_alone(kept: Rig) -> None:
    kept.account.locked = True
    for _ in range(3):
        with pytest.raises(SessionExpired, match="locked") as caught:
            works(kept)
        assert "iforgot.apple.com" in caught.value.hint
    assert passwords_tried(kept) == 1


def test_all_places_of_one_run_share_one_try(kept: Rig) -> None:
    kept.account.password = "another"
    places: tuple[HasCapacity, ...] = (kept.source(), kept.sink())
    for place in places:
        with pytest.raises(SessionExpired):
            place.capacity()
    assert kept.account.tries == 1


def test_a_run_that_a_person_helped_does_not_try_it_again_either(kept: Rig) -> None:
    source = kept.source()
    source.reconnect(Person())
    kept.account.password = "another"
    kept.icloud.expire_sessions(forget_trust=True)
    runs(kept, 1)
    with pytest.raises(SessionExpired):
        source.capacity()
    assert kept.account.tries == 1


def test_a_session_that_is_still_good_is_used_whatever_was_refused(kept: Rig) -> None:
    kept.account.second_factor = "sms"
    runs(kept, 1)
    kept.connect(kept.account.code, 1)
    kept.account.password = "another"
    assert works(kept) and works(kept)


@pytest.mark.parametrize("fault", ["unavailable", "throttle", "reset"])
def test_trouble_at_apple_is_no_refusal(kept: Rig, fault: str) -> None:
    kept.faults.add(fault, key="!signin/*")
    with pytest.raises(Transient):
        works(kept)
    kept.faults.clear()
    assert works(kept)


def test_what_an_earlier_sign_in_left_behind_is_no_wrong_password(kept: Rig) -> None:
    kept.account.turns_away = "stale"
    assert works(kept)


def test_apple_not_beginning_a_sign_in_is_no_refusal(kept: Rig) -> None:
    kept.account.turns_away = "all"
    with pytest.raises(Transient, match="does not begin"):
        works(kept)
    kept.account.turns_away = ""
    assert works(kept)


def test_what_is_remembered_is_private_and_does_not_tell_the_password(kept: Rig) -> None:
    kept.account.second_factor = "sms"
    runs(kept, 1)
    note = folder(ACCOUNT) / "refused.json"
    assert stat.S_IMODE(note.stat().st_mode) == 0o600
    assert PASSWORD.encode() not in note.read_bytes()


@pytest.mark.parametrize("content", [b"", b"[]", b'{"salt": 1}', b'{"half'])
def test_a_broken_note_is_no_crash(kept: Rig, content: bytes) -> None:
    (folder(ACCOUNT) / "refused.json").write_bytes(content)
    assert works(kept)
