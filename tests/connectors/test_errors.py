"""Messages tell a person what to do, and never a secret."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors import errors
from connectors.errors import OutpourError, redact, unexpected

secrets = st.text("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._~-", min_size=12)


@pytest.mark.parametrize(
    "form",
    [
        "GET https://cvws.example.com/B/x?o={}&v=1 failed",
        "Authorization: Bearer {}",
        "authorization: bearer {}",
        'body {{"access_token": "{}", "expires_in": 1}}',
        "password={}",
        "password: {}",
        "{{'refresh_token': '{}'}}",
        "client_secret={}&grant_type=x",
        "session_id={}",
        "upload_id={}&x=1",
        "HTTPSConnectionPool(host='x.example.com', port=443): read failed with url: /B/x?o={}",
        "PUT http://example.com/upload?upload_id={} 403",
        "code={}",
    ],
)
@given(secret=secrets)
def test_secrets_are_blanked(form: str, secret: str) -> None:
    text = "start " + form.format("Zq7" + secret) + " end"
    assert "Zq7" + secret not in redact(text)
    assert redact(text).startswith("start ")
    for kind in (OutpourError, errors.Transient, errors.LimitReached):
        error = kind(text)
        assert "Zq7" + secret not in str(error) + repr(error) + repr(error.args)


def test_what_nobody_raised_on_purpose_is_one_line_without_secrets() -> None:
    error = RuntimeError("Max retries exceeded with url: /B/x?o=Zq7abc&v=1\n[and much more]")
    assert unexpected(error) == "unexpected RuntimeError: Max retries exceeded with url: /B/x?…"


def test_what_is_no_secret_stays() -> None:
    for text in (
        "IMG_1.HEIC: the sink holds 12 bytes, not 13",
        "see https://example.com/docs/naming",
        "2021/08/two folders deep.jpg",
        "cannot read /photos/where was this?.jpg",
        "md5:9e107d9d372bb6826bd81d3542a419d6",
    ):
        assert redact(text) == text


def test_redacting_twice_changes_nothing() -> None:
    text = "https://example.com/a?sig=abcdef Bearer abcdef token=abcdef"
    assert redact(redact(text)) == redact(text)


def test_every_error_has_a_hint_and_stands_in_the_tree() -> None:
    kinds = [
        kind
        for kind in vars(errors).values()
        if isinstance(kind, type) and issubclass(kind, OutpourError)
    ]
    assert len(kinds) > 10
    for kind in kinds:
        more: dict[str, Any] = {"resume_at": datetime.now(UTC)} if kind is errors.DailyLimit else {}
        assert kind("what", hint="do this", **more).hint == "do this"
        assert kind("what", **more).hint.startswith("It goes on ") == bool(more)
        assert more or not kind("what").hint
        assert kind.__doc__ and (errors.__doc__ or "").count(f" {kind.__name__} ") <= 1
        assert kind.__name__ in (errors.__doc__ or ""), f"{kind.__name__} is not in the tree"


def test_advice_is_one_line_with_one_full_stop_after_each_sentence() -> None:
    expired = OutpourError("the sign-in has ended: it was revoked.", hint="run 'outpour connect'.")
    assert expired.advice == "the sign-in has ended: it was revoked. Run 'outpour connect'."
    assert OutpourError("no room", hint="Make some.").advice == "no room. Make some."
    assert OutpourError("no room").advice == "no room"
