"""Reading one field of a raw record: a value, or None where it is missing or makes no sense.

No field can make another one unreadable.
"""

from __future__ import annotations

import base64
import binascii
import plistlib
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MOST_OFFSET = 18 * 3600  # seconds; real zones end at 14 hours


def value(record: Mapping[str, Any], name: str) -> Any:
    fields = record.get("fields")
    item = fields.get(name) if isinstance(fields, dict) else None
    return item.get("value") if isinstance(item, dict) else None


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


def number(record: Mapping[str, Any], name: str) -> int | None:
    found = value(record, name)
    try:
        return int(found) if isinstance(found, int | float) else None
    except (OverflowError, ValueError):  # JSON may say Infinity or NaN
        return None


def flag(record: Mapping[str, Any], name: str) -> bool:
    return bool(number(record, name))


def instant(record: Mapping[str, Any], name: str, offset: int | None = None) -> datetime | None:
    """Milliseconds since 1970 as a time in the zone ``offset`` seconds east of UTC."""
    found = value(record, name)
    if not isinstance(found, int | float):
        return None
    try:
        moment = _EPOCH + timedelta(milliseconds=found)
        return moment.astimezone(timezone(timedelta(seconds=offset or 0)))
    except (OverflowError, ValueError):
        return None


def utc_offset(record: Mapping[str, Any], name: str) -> int | None:
    found = number(record, name)
    return found if found is not None and abs(found) <= _MOST_OFFSET else None


def plist(record: Mapping[str, Any], name: str) -> Any:
    """A property list in base64."""
    found = value(record, name)
    raw = _decoded(found) if isinstance(found, str) else None
    if not raw:
        return None
    try:
        return plistlib.loads(raw)
    except Exception:  # noqa: BLE001 - plistlib leaks whatever its parsers raise
        return None


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
