"""What single fields of Apple's records become."""

from __future__ import annotations

import base64
import plistlib
from typing import Any

import pytest

from connectors.base import Location
from connectors.icloud import records
from connectors.icloud.cloudkit import Record, Zone

MASTER: Record = {"recordName": "M", "fields": {}}


def place(**told: Any) -> Location | None:
    fields = {name: {"value": value} for name, value in told.items()}
    asset = records.asset(Zone(), {"recordName": "A", "fields": fields}, MASTER)
    return asset.metadata.location


@pytest.mark.parametrize("kept", [{}, {"alt": 3.0}, {"lat": 59.0}, {"lat": 200.0, "lon": 1.0}])
def test_the_plain_place_stands_where_the_encrypted_one_says_none(kept: dict[str, float]) -> None:
    encrypted = base64.b64encode(plistlib.dumps(kept, fmt=plistlib.FMT_BINARY)).decode()
    plain = {"locationLatitude": 59.9, "locationLongitude": 10.7}
    assert place(locationEnc=encrypted, **plain) == Location(59.9, 10.7, None)
    assert place(locationEnc=encrypted) is None
