"""What single fields of Apple's records become."""

from __future__ import annotations

import base64
import plistlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.base import Location
from connectors.icloud import records
from connectors.icloud.cloudkit import Record, Zone
from connectors.icloud.settings import ICloudSettings

TEXT = st.sampled_from(["fileChecksum", "size", "downloadURL", "recordName", "lat", "lon"])
JSON_LIKE = st.booleans() | st.integers(-300, 300) | st.floats(allow_nan=False) | st.just("x")
MASTER: Record = {"recordName": "M", "fields": {}}


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(TEXT, inner, max_size=2),
    max_leaves=4,
)
BASE64 = st.binary(max_size=12).map(lambda raw: base64.b64encode(raw).decode())
PLIST = JSON_LIKE.map(lambda told: base64.b64encode(plistlib.dumps({"lat": told})).decode())
FIELD = st.fixed_dictionaries(
    {
        "value": JSON
        | BASE64
        | PLIST
        | st.just({"recordName": "M", "downloadURL": "", "size": -1}),
        "type": st.sampled_from(["STRING", "ENCRYPTED_BYTES", "INT64", None]),
    }
)
FIELDS = st.dictionaries(st.sampled_from(records.KEYS), FIELD | JSON, max_size=12)


@given(FIELDS | JSON, FIELDS | JSON)
def test_no_field_whatever_it_holds_makes_a_record_unreadable(asset: Any, master: Any) -> None:
    one, other = {"recordName": "A", "fields": asset}, {"recordName": "M", "fields": master}
    made = records.asset(Zone(), one, other)
    assert made.id == "A" and made.resources and made.revision
    assert len({resource.id for resource in made.resources}) == len(made.resources)
    for record in (one, other):
        list(records.signed_urls(record))
        records.is_chosen(record, ICloudSettings(account="a@example.com"))
        records.has_uncopied(record, record)


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
