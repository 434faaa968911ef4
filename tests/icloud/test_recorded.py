"""Recorded answers of the real service read as they should."""

from __future__ import annotations

import base64
import json
import os
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from connectors.base import Kind, Role
from connectors.checksums import Algorithm, digest
from connectors.icloud import edits, fields, records
from connectors.icloud.cloudkit import Zone

RECORDED = Path(
    os.environ.get("OUTPOUR_RECORDED", Path(__file__).parents[3] / "shared/recorded/icloud")
)
ZONE = Zone()


def exchanges(name: str) -> list[dict[str, Any]]:
    path = RECORDED / f"{name}.json"
    if not path.exists():
        pytest.skip("the recorded exchanges are not at hand")
    return list(json.loads(path.read_bytes()))


@pytest.fixture
def page() -> list[dict[str, Any]]:
    """One page of 100 assets as the web client got it."""
    return list(exchanges("download_autodelete_photos_part1")[5]["response"]["json"]["records"])


def test_a_page_of_a_hundred(page: list[dict[str, Any]]) -> None:
    masters = {r["recordName"]: r for r in page if r["recordType"] == "CPLMaster"}
    assets = [
        records.asset(ZONE, r, masters[fields.reference(r, "masterRef") or ""])
        for r in page
        if r["recordType"] == "CPLAsset"
    ]
    assert Counter(a.kind for a in assets) == {Kind.PHOTO: 89, Kind.VIDEO: 11}
    assert Counter(r.role for a in assets for r in a.resources) == {
        Role.ORIGINAL: 100,
        Role.EDITED: 9,
    }
    files = [resource for asset in assets for resource in asset.resources]
    assert all(resource.checksum and resource.checksum.verifiable for resource in files)
    assert all(resource.size and resource.media_type for resource in files)
    assert sum(a.metadata.location is not None for a in assets) == 50
    first = assets[0]
    assert first.resources[0].filename == "IMG_3589.JPG"
    assert first.created and first.created.isoformat() == "2023-06-06T19:49:27.436000-07:00"
    assert first.revision == "1s2g/1s2f"


def test_every_asked_for_field_is_one_apple_knows(page: list[dict[str, Any]]) -> None:
    """``desiredKeys`` of the recorded request; the rest are named by other clients."""
    asked = json.loads(exchanges("download_autodelete_photos_part1")[5]["request"]["body"])
    others = {"extendedDescEnc", "keywordsEnc", "isSparsePrivateRecord"}
    others |= {key + "Enc" for key in ("assetDate", "timeZoneOffset", "burstId", "itemType")}
    asked_later = (
        records.EDITED_LIVE,
        "resAdjData",
        "resAdjSecondData",
        "resAudio",
        "resSidecarOther",
    )
    others |= {name + part for name in asked_later for part in ("Res", "FileType", "Fingerprint")}
    others |= set(edits.KEYS)
    assert {*records.KEYS, *records.RENDITIONS} - others <= set(asked["desiredKeys"])


def test_the_recorded_bytes_have_the_recorded_fingerprint(page: list[dict[str, Any]]) -> None:
    body = base64.b64decode(
        exchanges("download_autodelete_photos_part1")[6]["response"]["body_base64"]
    )
    master = next(r for r in page if r["recordName"] == "AeYfMtlOMb3dM9bETic9fXkMpjMV")
    name, url, checksum = next(records.signed_urls(master))
    assert name == "resOriginal" and url.startswith("https://cvws.icloud-content.com/B/")
    assert digest([body])[Algorithm.APPLE] == checksum


def test_album_titles() -> None:
    answer = exchanges("listing_albums")[6]["response"]["json"]
    titles = [fields.text(record, "albumNameEnc") for record in answer["records"]]
    assert "Trash (PhotoSweeper)" in titles
