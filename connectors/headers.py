"""What the headers of any HTTP answer say. Source: RFC 9110, sections 6.6.1 and 10.2.3."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds to wait as the answer says: a number, or a date read against the answer's own
    clock, so that a wrong clock here does no harm. None where it says nothing usable.
    """
    text = _get(headers, "Retry-After")
    try:
        seconds = float(text)
    except ValueError:
        until, now = _date(text), _date(_get(headers, "Date"))
        if until is None:
            return None
        seconds = (until - (now or datetime.now(until.tzinfo))).total_seconds()
    return max(0.0, seconds) if math.isfinite(seconds) else None


def server_time(headers: Mapping[str, str]) -> float | None:
    """The answer's own clock, in epoch seconds."""
    date = _date(_get(headers, "Date"))
    return None if date is None else date.timestamp()


def _get(headers: Mapping[str, str], name: str) -> str:
    """Whether the names are kept as they came, in small letters, or in any."""
    return (headers.get(name) or headers.get(name.lower()) or "").strip()


def _date(text: str) -> datetime | None:
    try:
        found = parsedate_to_datetime(text)
    except ValueError:
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)  # -0000: of no zone in particular
