"""What an answer of Google's means for the caller.

Drive says why in ``error.errors[].reason``; the HTTP status alone is ambiguous (403 is a
full Drive, a rate limit, a missing right or a daily limit). A 403 whose reason is not known
here is never retried: it is recorded against the item. One that is not in Google's form is not
Drive's, but that of what stands before it: it may take us for too many, and is tried again.
Source: developers.google.com, Drive API guide "Resolve errors", and the reasons that rclone
and Google's own client handle.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from connectors.errors import (
    CapacityExceeded,
    DailyLimit,
    Fatal,
    ItemError,
    LimitReached,
    NotFound,
    OutpourError,
    SessionExpired,
    Throttled,
    Transient,
)
from connectors.headers import retry_after

RECONNECT = "run: outpour connect gdrive"
_UPLOAD_LIMIT = "User rate limit exceeded."  # with the dot and small letters
"""Google's words once 750 GB were sent in a day, by which rclone knows it; now and then they are
about too many requests at once, so that they are no reason to rest for a day."""
_RETRIAL = timedelta(minutes=15)

_RATE = {
    "userRateLimitExceeded",
    "rateLimitExceeded",
    "RATE_LIMIT_EXCEEDED",
    "sharingRateLimitExceeded",
}
_FULL = {
    "storageQuotaExceeded": "Free space in Google storage (mail and the bin count too), or buy it.",
    "quotaExceeded": "Free space in Google storage (mail and the bin count too), or buy it.",
}
_MOST = {
    "teamDriveFileLimitExceeded": "The shared drive has reached its most items: use another.",
    "activeItemCreationLimitExceeded": "The account has reached its most items: remove some.",
}
_ONE_FILE = {
    "numChildrenInNonRootLimitExceeded": "A folder takes 500,000 items: use a layout with dates.",
    "myDriveHierarchyDepthLimitExceeded": "Folders are nested too deep: use a flatter layout.",
    "teamDriveHierarchyTooDeep": "Folders are nested too deep: use a flatter layout.",
    "downloadQuotaExceeded": "Google gives a file out so often in a day: try again tomorrow.",
    "cannotDownloadAbusiveFile": "Google takes it for malware: ask for a review in Drive.",
}
_PROJECT = "Look at your client's project in Google's console: it is suspended, or was deleted."
_RIGHTS = {
    "insufficientFilePermissions": "Ask the owner for the right to add files there.",
    "insufficientParentPermissions": "Ask the owner for the right to add files there.",
    "teamDriveMembershipRequired": "Ask to become a member of the shared drive.",
    "insufficientPermissions": "Set 'scope: drive' or sign in again and allow access.",
    "ACCESS_TOKEN_SCOPE_INSUFFICIENT": "Set 'scope: drive' or sign in again and allow access.",
    "appNotAuthorizedToFile": "That file was made by others: set 'scope: drive'.",
    "domainPolicy": "The organisation forbids this: ask its administrator.",
    "accessNotConfigured": "Enable the Google Drive API for your client's project.",
    "SERVICE_DISABLED": "Enable the Google Drive API for your client's project.",
    "CONSUMER_INVALID": _PROJECT,
    "CONSUMER_SUSPENDED": _PROJECT,
    "dailyLimitExceededUnreg": "Connect with an OAuth client of your own from Google's console.",
}


class IdTaken(OutpourError):
    """409: a file with the id we asked for exists, or once did."""


class IdUnusable(OutpourError):
    """400: the id did not come from Drive's own generator, or is spent."""


class Malformed(ItemError):
    """400: a value in the request is none that Drive takes."""


def error_of(
    status: int, headers: Mapping[str, str], data: bytes, doing: str, *, upload: bool = False
) -> OutpourError:
    """The error for an answer that is no success. ``doing`` reads: 'Drive refused <doing>'.

    ``headers`` have lower-case names. ``upload`` says that the request carried a file.
    """
    reason, message = _reason(data)
    said = f"Google Drive refused {doing}: {message or f'HTTP {status}'}"
    wait = retry_after(headers)
    if status == 401:
        return SessionExpired(said, hint=RECONNECT)
    if status == 404:
        return NotFound(said)
    if status == 409:
        return IdTaken(said)
    if status >= 500 or status == 408:
        return Transient(said, retry_after=wait)
    if status in (403, 429):
        return _forbidden(status, reason, message, said, wait, upload)
    if status == 400 and "file id" in message.lower():
        return IdUnusable(said)
    if status == 400:
        return Malformed(said)
    if status == 413:
        return ItemError(said, hint="A gateway limits requests: set a smaller chunk_mib.")
    return ItemError(said)


def _forbidden(
    status: int, reason: str, message: str, said: str, wait: float | None, upload: bool
) -> OutpourError:
    if reason in _RATE:
        if upload and message == _UPLOAD_LIMIT:
            return DailyLimit(
                "Google Drive takes no more uploads for now (750 GB a day is its limit)",
                resume_at=datetime.now(UTC) + _RETRIAL,
            )
        return Throttled(said, retry_after=wait)
    if reason == "dailyLimitExceeded":
        return DailyLimit(said, resume_at=_pacific_midnight())
    if reason in _FULL:
        if "service account" in message.lower():
            return Fatal(said, hint="A service account owns no storage: use a shared drive.")
        return CapacityExceeded(f"Google Drive is full: {message}", hint=_FULL[reason])
    if reason in _MOST:
        return LimitReached(said, hint=_MOST[reason])
    if reason in _ONE_FILE:
        return ItemError(said, hint=_ONE_FILE[reason])
    if reason in _RIGHTS:
        return Fatal(said, hint=_RIGHTS[reason])
    if status == 429:
        return Throttled(said, retry_after=wait)
    if not (reason or message):
        hint = "This is no answer of Drive's: something on the way to it, or before it, refuses."
        return Transient(said, retry_after=wait, hint=hint)
    return ItemError(said, hint=f"The reason Drive gives is {reason or 'unknown'}.")


def _reason(data: bytes) -> tuple[str, str]:
    """(reason, message) of an error body in any of Google's forms; blank where it is none."""
    try:
        error: Any = json.loads(data)["error"]
    except (ValueError, KeyError, TypeError):
        return "", ""
    if not isinstance(error, dict):
        return str(error), str(error)
    message = str(error.get("message", ""))
    first: Any = next(iter(error.get("errors") or ()), {})
    details = [entry.get("reason") for entry in error.get("details") or () if "reason" in entry]
    reason = first.get("reason") or next(iter(details), "")
    if reason in ("forbidden", "") and details:
        reason = details[0]
    return str(reason), str(first.get("message") or message)


def message_of(data: bytes) -> str:
    """Google's own words in an error body; blank where there are none."""
    return _reason(data)[1]


def _pacific_midnight() -> datetime:
    """When Google's daily quotas start afresh: midnight in California."""
    try:
        zone: ZoneInfo | timezone = ZoneInfo("America/Los_Angeles")
    except ZoneInfoNotFoundError:  # no tz database on this system
        zone = timezone(timedelta(hours=-8))
    tomorrow = datetime.now(zone) + timedelta(days=1)
    return tomorrow.replace(hour=0, minute=0, second=0, microsecond=0)
