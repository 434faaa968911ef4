"""Reading one field of a raw record: a value, or None where it is missing or makes no sense.

No field can make another one unreadable.
"""

from __future__ import annotations

import base64
import binascii
import plistlib
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_ENCRYPTED = "ENCRYPTED_BYTES"
_DIGITS = re.compile(r"-?\d{1,15}")
_MOST_OFFSET = 18 * 3600  # seconds; real zones end at 14 hours


def value(record: Mapping[str, Any], name: str) -> Any:
    fields = record.get("fields")
    item = fields.get(name) if isinstance(fields, dict) else None
    return item.get("value") if isinstance(item, dict) else None


def current(record: Mapping[str, Any], name: str) -> Any:
    """A value that newer records keep encrypted, beside a plain one that is missing or vague on
    purpose: what ``{name}Enc`` says, else ``name`` (Apple's own client does so since iOS 26).

    That may be as it is, or the base64 of a text (a number in digits) or a property list.
    """
    found = value(record, name + "Enc")
    if isinstance(found, str) and record["fields"][name + "Enc"].get("type") == _ENCRYPTED:
        found = _opened(found)
    return value(record, name) if found is None else found


def _opened(encoded: str) -> Any:
    raw = _decoded(encoded)
    if not raw:
        return None
    if raw.startswith(b"bplist"):
        return _loaded(raw)
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        return None


def _in_digits(found: Any) -> Any:
    return int(found) if isinstance(found, str) and _DIGITS.fullmatch(found) else found


def text(record: Mapping[str, Any], name: str) -> str | None:
    """A text that is plain or, as ENCRYPTED_BYTES, the base64 of its UTF-8."""
    found = value(record, name)
    if not isinstance(found, str):
        return None
    if record["fields"][name].get("type") == "STRING":
        return found
    raw = _decoded(found)
    if raw is None:
        return None
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        return None


def plain(record: Mapping[str, Any], name: str) -> str | None:
    found = value(record, name)
    return found if isinstance(found, str) and found else None


def word(record: Mapping[str, Any], name: str) -> str | None:
    """A text that may be ``current``."""
    found = current(record, name)
    return found if isinstance(found, str) and found else None


def number(record: Mapping[str, Any], name: str) -> int | None:
    return _number(value(record, name))


def _number(found: object) -> int | None:
    try:
        return int(found) if isinstance(found, int | float) else None
    except (OverflowError, ValueError):  # JSON may say Infinity or NaN
        return None


def flag(record: Mapping[str, Any], name: str) -> bool:
    return bool(number(record, name))


def instant(record: Mapping[str, Any], name: str, offset: int | None = None) -> datetime | None:
    """Milliseconds since 1970, ``current``, as a time in the zone ``offset`` seconds east of
    UTC."""
    found = _in_digits(current(record, name))
    if not isinstance(found, int | float | datetime):
        return None
    try:
        if isinstance(found, datetime):  # of a property list: UTC, without saying so
            moment = found.replace(tzinfo=UTC)
        else:
            moment = _EPOCH + timedelta(milliseconds=found)
        return moment.astimezone(timezone(timedelta(seconds=offset or 0)))
    except (OverflowError, ValueError):
        return None


def utc_offset(record: Mapping[str, Any], name: str) -> int | None:
    """Seconds east of UTC, ``current``."""
    found = _number(_in_digits(current(record, name)))
    return found if found is not None and abs(found) <= _MOST_OFFSET else None


def plist(record: Mapping[str, Any], name: str) -> Any:
    """A property list in base64."""
    raw = octets(record, name)
    return _loaded(raw) if raw else None


def _loaded(raw: bytes) -> Any:
    try:
        return plistlib.loads(raw)
    except Exception:  # noqa: BLE001 - plistlib leaks whatever its parsers raise
        return None


def octets(record: Mapping[str, Any], name: str) -> bytes | None:
    """Bytes in base64."""
    found = value(record, name)
    return _decoded(found) if isinstance(found, str) else None


def reference(record: Mapping[str, Any], name: str) -> str | None:
    """The name of the record a field points at."""
    found = value(record, name)
    target = found.get("recordName") if isinstance(found, dict) else None
    return target if isinstance(target, str) and target else None


def _decoded(encoded: str) -> bytes | None:
    """The bytes of base64, with its padding or without."""
    try:
        return base64.b64decode(encoded + "=" * (-len(encoded) % 4), validate=True)
    except (binascii.Error, ValueError):
        return None
