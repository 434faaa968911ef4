"""Apple's refusals by their own codes: what each means for the caller."""

from __future__ import annotations

import json

import pytest

from connectors.errors import (
    CapacityExceeded,
    CursorLost,
    ItemError,
    NotFound,
    OutpourError,
    SessionExpired,
    Throttled,
    Transient,
    Unreadable,
)
from connectors.icloud.errors import (
    Denied,
    NoZone,
    Refused,
    TooMany,
    Unheard,
    Unservable,
    of_answer,
    of_record,
)


def body(code: str, reason: str = "because") -> bytes:
    return json.dumps({"serverErrorCode": code, "reason": reason}).encode()


@pytest.mark.parametrize(
    ("status", "content", "error"),
    [
        (200, body("THROTTLED"), Throttled),
        (200, body("AUTHENTICATION_REQUIRED"), SessionExpired),
        (200, body("BAD_REQUEST", "Unknown sync continuation type"), CursorLost),
        (200, body("BAD_REQUEST", "no such field"), Refused),
        (400, body("BAD_REQUEST", "array 'records' length is greater than max size"), TooMany),
        (400, b"{}", Transient),
        (401, b"", SessionExpired),
        (403, body("ACCESS_DENIED"), Denied),
        (404, body("ZONE_NOT_FOUND"), NoZone),
        (404, b"", NotFound),
        (409, body("CONFLICT"), ItemError),
        (409, body("QUOTA_EXCEEDED"), CapacityExceeded),
        (409, b"<html>", ItemError),
        (413, b"", CapacityExceeded),
        (413, body("QUOTA_EXCEEDED"), CapacityExceeded),
        (421, b"", SessionExpired),
        (421, body("QUOTA_EXCEEDED"), CapacityExceeded),
        (429, b"", Throttled),
        (450, b"", SessionExpired),
        (500, b"", Unservable),
        (
            423,
            b'{"errorReason":"Missing PCS cookies from the request","errorCode":423}',
            SessionExpired,
        ),
        (500, body("INTERNAL_ERROR"), Unservable),
        (500, body("INTERNAL_ERROR", "could not decrypt pcs cookie"), SessionExpired),
        (500, b'{"success":false,"error":"Missing X-APPLE-WEBAUTH-TOKEN cookie"}', SessionExpired),
        (500, body("CONFLICT"), ItemError),
        (500, body("SOMETHING_NEW"), Unservable),
        (500, body("BAD_REQUEST"), Refused),
        (200, body("SOMETHING_NEW"), Unheard),
        (200, body("CAS_OP_LOCK"), Transient),
        (502, b"<html>bad gateway</html>", Unservable),
        (503, body("TRY_AGAIN_LATER"), Transient),
        (503, body("SOMETHING_NEW"), Throttled),
        (503, b"[1]", Throttled),
    ],
)
def test_the_body_comes_before_the_status(
    status: int, content: bytes, error: type[OutpourError]
) -> None:
    assert type(of_answer(status, {}, content)) is error


def test_how_long_to_wait_is_passed_on() -> None:
    waits = [
        of_answer(429, {"Retry-After": "12"}, b""),
        of_answer(503, {"Retry-After": "12"}, body("THROTTLED")),
        of_record({"recordName": "x", "serverErrorCode": "THROTTLED", "retryAfter": 12}),
    ]
    assert all(isinstance(error, Transient) and error.retry_after == 12 for error in waits)


def test_what_a_person_must_do_is_said() -> None:
    for error in (
        of_answer(413, {}, body("QUOTA_EXCEEDED")),
        of_answer(403, {}, body("ACCESS_DENIED")),
        of_answer(404, {}, body("ZONE_NOT_FOUND")),
        of_answer(400, {}, body("BAD_REQUEST")),
    ):
        assert error.hint


def test_an_odd_error_of_one_record_stops_only_that_record() -> None:
    assert type(of_record({"recordName": "x", "serverErrorCode": "SOMETHING"})) is Unreadable
    assert type(of_record({"recordName": "x", "serverErrorCode": "NOT_FOUND"})) is NotFound
