"""Accounts without two-factor authentication, and what Apple wants of them first."""

from __future__ import annotations

import pytest

from connectors.errors import Throttled
from tests.icloud.rig import PASSWORD, Rig, refused, works


def test_something_to_confirm_at_apple(bare: Rig) -> None:
    bare.account.repair = "demanded"
    assert "account.apple.com" in refused(bare, PASSWORD).hint
    assert declined(bare) == 1


def declined(bare: Rig) -> int:
    """How often Apple was told to go on without what it wants to be looked at."""
    return sum(line.endswith("/auth/repair/complete") for _, line in bare.icloud.log)


def test_the_offer_of_two_factor_authentication_is_declined_each_time(bare: Rig) -> None:
    bare.account.repair = "offered"
    bare.connect(PASSWORD, 0)
    assert declined(bare) == 1
    bare.icloud.expire_sessions()
    assert works(bare) and declined(bare) == 2


def test_who_puts_off_what_apple_wants_still_gives_the_second_factor(bare: Rig) -> None:
    bare.account.repair, bare.account.second_factor = "offered", "sms"
    bare.connect(PASSWORD, bare.account.code, 1)
    assert works(bare)


def test_a_busy_apple_is_nothing_to_confirm(bare: Rig) -> None:
    bare.account.repair = "offered"
    bare.faults.add("unavailable", key="!signin/*/repair/complete")
    assert isinstance(refused(bare, PASSWORD), Throttled)


@pytest.mark.parametrize("version", [0, 1])
def test_who_has_no_second_factor_is_asked_for_none(bare: Rig, version: int) -> None:
    bare.account.hsa_version, bare.account.trusts_browser = version, False
    person = bare.connect(PASSWORD, 0)
    assert len(person.asked) == 2, "the password, and whether to keep it"
    bare.icloud.expire_sessions()
    assert works(bare) and not bare.connect(0).asked


def test_the_old_two_step_verification_is_named(bare: Rig) -> None:
    bare.account.second_factor = "two_step"
    error = refused(bare, PASSWORD)
    assert "old two-step verification" in str(error) and "turn on two-factor" in error.hint
