"""The instructions of an edit: what Photos needs to show it again, or to take it back.

Large ones are a file at Apple. Small ones stand in the asset's record itself: they become the file
that Photos exports beside an original (an AAE), with the same keys.
"""

from __future__ import annotations

import plistlib
from datetime import datetime
from typing import Any

from connectors.icloud import fields

FIELD = "adjustmentSimpleDataEnc"
KEYS = (
    "adjustmentType",
    "adjustmentTypeEnc",
    "adjustmentCompoundVersion",
    "adjustmentCreatorCode",
    "adjustmentRenderType",
    "adjustmentTimestampEnc",
    FIELD,
)
"""What ``envelope`` reads."""


def envelope(asset: dict[str, Any]) -> bytes | None:
    """The file of the instructions that a record holds, the same bytes each time; None where it
    holds none."""
    data = fields.octets(asset, FIELD)
    if not data:
        return None
    told = {
        "adjustmentBaseVersion": 0,
        "adjustmentData": data,
        "adjustmentEditorBundleID": fields.plain(asset, "adjustmentCreatorCode"),
        "adjustmentFormatIdentifier": fields.word(asset, "adjustmentType"),
        "adjustmentFormatVersion": fields.plain(asset, "adjustmentCompoundVersion"),
        "adjustmentRenderTypes": fields.number(asset, "adjustmentRenderType"),
        "adjustmentTimestamp": _moment(asset),
    }
    return plistlib.dumps({name: one for name, one in told.items() if _fits(one)})


def _fits(one: Any) -> bool:
    """Whether a property list can hold it: no control characters, no number of over 64 bits."""
    try:
        plistlib.dumps(one)
    except (TypeError, ValueError, OverflowError):
        return False
    return True


def _moment(asset: dict[str, Any]) -> datetime | None:
    found = fields.plist(asset, "adjustmentTimestampEnc")
    return found if isinstance(found, datetime) else None
