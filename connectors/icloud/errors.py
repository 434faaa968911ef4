"""Apple's answers and pyicloud's exceptions, turned into errors that say what to do.

CloudKit's own codes (CloudKit Web Services Reference, "Error Codes") come before the HTTP
status, because the status misleads: throttling comes inside a 200, and a conflict or a full
account under the same status as an expired session.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from connectors.errors import (
    CapacityExceeded,
    CursorLost,
    Fatal,
    ItemError,
    NotFound,
    OutpourError,
    SessionExpired,
    Throttled,
    Transient,
    Unreadable,
)
from connectors.headers import retry_after

FULL = "free space in iCloud (empty Recently Deleted too) or buy more; what is waiting goes on then"
WEB_ACCESS = (
    "accept new terms at https://www.icloud.com, if it shows any; on the iPhone, in Settings > "
    "your name > iCloud, turn on Access iCloud Data on the Web; then connect again with: "
    "outpour connect icloud"
)

_SIGN_IN = {"AUTHENTICATION_FAILED", "AUTHENTICATION_REQUIRED"}
_COOKIES = ("pcs cookie", "x-apple-webauth-token cookie")  # missing, or no good any more
_WAIT = {"TRY_AGAIN_LATER", "RETRY_LATER", "CAS_OP_LOCK", "ZONE_BUSY"}
_FAILED = {"INTERNAL_ERROR", "SERVER_ERROR"}
_SLOWER = {"THROTTLED"}
_OTHERS = {"CONFLICT", "EXISTS", "UNIQUE_FIELD_ERROR", "VALIDATING_REFERENCE_ERROR"}
_TOO_LONG = "length is greater than max size"
_TOKENS = ("sync continuation", "synctoken", "sync token", "change token")


class Unservable(Transient):
    """Apple failed over this very request and does not say that it is busy: what stays so is not
    the service but something that was asked for."""


class Unheard(Fatal):
    """A code that stands in no table here."""


class TooMany(Fatal):
    """More was asked for at once than Apple takes."""


class Refused(Fatal):
    """Apple takes what was asked for a mistake."""


class NoZone(Refused):
    """Apple knows no library of the name that it was asked for."""


class Denied(SessionExpired):
    """What was asked for is closed: one library, or the account's iCloud data as a whole."""


class Closed(ItemError):
    """A library that is shared with others cannot be read, and the account's data can."""


def of_code(code: str, reason: str, *, wait: float | None = None) -> OutpourError:
    """The error for a CloudKit ``serverErrorCode``, of a whole answer or of one record."""
    said = f"iCloud says {code}" + (f": {reason}" if reason else "")
    if code in _SIGN_IN or _of_cookies(reason):
        return SessionExpired(said)
    if code == "ACCESS_DENIED":
        return Denied(said, hint=WEB_ACCESS)
    if code in _SLOWER:
        return Throttled(said, retry_after=wait)
    if code in _WAIT:
        return Transient(said, retry_after=wait)
    if code in _FAILED:
        return Unservable(said, retry_after=wait)
    if code == "QUOTA_EXCEEDED":
        return CapacityExceeded(said, hint=FULL)
    if code in {"NOT_FOUND", "UNKNOWN_ITEM"}:
        return NotFound(said)
    if code == "CHANGE_TOKEN_EXPIRED" or any(word in reason.lower() for word in _TOKENS):
        return CursorLost(said)
    if _TOO_LONG in reason:
        return TooMany(said)
    if code in _OTHERS:
        return ItemError(said)
    if code == "ZONE_NOT_FOUND":
        return NoZone(
            said, hint="turn on iCloud Photos for this account, or choose another library"
        )
    kind = Refused if code == "BAD_REQUEST" else Unheard
    return kind(said, hint="run again later; if it stays, report it with this message")


def of_answer(status: int, headers: Mapping[str, str], body: bytes) -> OutpourError:
    """The error for an answer that is none of the wanted ones."""
    wait = retry_after(headers)
    code, reason = _code(body)
    if code:
        named = of_code(code, reason, wait=wait)
        # 503 and 429 mean "later" whatever else the body says of itself; and a 5xx is Apple's
        # trouble as long as nothing is known of what the body says.
        later = status in {429, 503} and not isinstance(named, Transient | SessionExpired)
        if not (later or (status >= 500 and isinstance(named, Unheard))):
            return named
    said = f"iCloud answered {status}" + (f" ({code})" if code else "")
    if status in {429, 503}:
        return Throttled(said, retry_after=wait)
    if status in {401, 403, 421, 450} or _of_cookies(reason):
        return SessionExpired(f"{said}: the sign-in is no longer accepted")
    if status == 404:
        return NotFound(said)
    if status == 413:
        return CapacityExceeded(f"{said}: no room", hint=FULL)
    if status == 409:
        return ItemError(f"{said}: it was changed meanwhile")
    if status >= 500:
        return Unservable(said, retry_after=wait)
    return Transient(said, retry_after=wait)


def of_record(item: Mapping[str, Any]) -> OutpourError:
    """The error of one record inside an answer that is otherwise good."""
    wait = item.get("retryAfter")
    error = of_code(
        str(item.get("serverErrorCode")),
        str(item.get("reason") or ""),
        wait=float(wait) if isinstance(wait, int | float) else None,
    )
    return Unreadable(str(error)) if isinstance(error, Fatal) else error


def _of_cookies(reason: str) -> bool:
    """Only signing in anew brings other cookies."""
    return any(words in reason.lower() for words in _COOKIES)


def _code(body: bytes) -> tuple[str, str]:
    try:
        data = json.loads(body)
    except ValueError:
        return "", ""
    if not isinstance(data, dict):
        return "", ""
    code = data.get("serverErrorCode")
    reason = data.get("reason") or data.get("errorReason") or data.get("error") or ""
    return (code if isinstance(code, str) else ""), (reason if isinstance(reason, str) else "")
