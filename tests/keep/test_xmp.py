"""Sidecars say what the source knew, in the words that photo programs read."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.base import Asset, Kind, Location, Metadata, Resource, Role
from pipeline.keep.xmp import render, worth_keeping
from tests.keep.reading import read

RICH = Asset(
    "A1-B2",
    Kind.PHOTO,
    datetime(2024, 5, 1, 10, 0, 0, 250000, UTC),
    (Resource("o", Role.ORIGINAL, "IMG_1.HEIC", 3),),
    Metadata(
        title="Über den Wolken <3",
        caption="First line\nsecond & last",
        keywords=("sea", "été", "sea", " ", "black/white"),
        favorite=True,
        hidden=True,
        location=Location(-33.8567844, 151.2152967, -3.25),
        utc_offset=36000,
        added=datetime(2024, 5, 2, 8, tzinfo=UTC),
        burst="BURST-7",
    ),
)
ALBUMS = (("Trips", "Italy | South"), ("Family",), ("Family",))
GOLDEN = Path(__file__).with_name("rich.xmp")

texts = st.text(st.characters(exclude_categories=()), max_size=40)


def cleaned(text: str) -> str:
    return re.sub("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]", "", text)


def test_a_rich_asset_gives_exactly_this_sidecar() -> None:
    assert render(RICH, "IMG_1.HEIC", ALBUMS).decode() == GOLDEN.read_text()


def test_the_order_of_albums_changes_nothing() -> None:
    assert render(RICH, "x.jpg", ALBUMS) == render(RICH, "x.jpg", ALBUMS[::-1])


def test_properties_stand_where_programs_look_for_them() -> None:
    found = read(render(RICH, "IMG_1.HEIC", ALBUMS))
    assert found.lists["dc:title"] == ["Über den Wolken <3"]
    assert found.lists["dc:description"] == ["First line\nsecond & last"]
    assert found.kinds["dc:title"] == found.kinds["dc:description"] == "Alt"
    assert found.lists["dc:subject"] == ["sea", "été", "black/white"]
    assert found.kinds["dc:subject"] == "Bag"
    assert found.lists["digiKam:TagsList"] == [
        "sea", "été", "black_white", "Albums/Family", "Albums/Trips/Italy | South"
    ]  # fmt: skip
    assert found.lists["lr:hierarchicalSubject"] == [
        "sea", "été", "black/white", "Albums|Family", "Albums|Trips|Italy _ South"
    ]  # fmt: skip
    assert found.plain["xmp:Rating"] == "5" and found.plain["fstop:favorite"] == "1"
    for name in ("exif:DateTimeOriginal", "photoshop:DateCreated", "xmp:CreateDate"):
        assert found.plain[name] == "2024-05-01T20:00:00.250000+10:00"
    assert found.plain["exif:GPSLatitude"] == "33,51.407064S"
    assert found.plain["exif:GPSLongitude"] == "151,12.917802E"
    assert found.plain["exif:GPSAltitude"] == "325/100"
    assert found.plain["exif:GPSAltitudeRef"] == "1"
    assert found.plain["xmpMM:PreservedFileName"] == "IMG_1.HEIC"


def test_a_time_of_an_unknown_zone_says_that_it_is_utc() -> None:
    asset = replace(RICH, metadata=Metadata(title="x"))
    assert (
        read(render(asset, "x", ())).plain["xmp:CreateDate"] == "2024-05-01T10:00:00.250000+00:00"
    )


def test_what_is_not_known_is_not_said() -> None:
    found = read(render(replace(RICH, created=None, metadata=Metadata()), "x.jpg", ()))
    assert found.plain.keys() == {
        "dc:identifier", "xmpMM:PreservedFileName", "photoshop:SidecarForExtension"
    }  # fmt: skip
    assert not found.lists


@pytest.mark.parametrize("metadata", [
    Metadata(title="t"), Metadata(caption="c"), Metadata(keywords=("k",)),
    Metadata(favorite=True), Metadata(hidden=True), Metadata(location=Location(0, 0)),
    Metadata(utc_offset=0), Metadata(burst="b"),
])  # fmt: skip
def test_anything_people_would_miss_is_worth_a_sidecar(metadata: Metadata) -> None:
    assert worth_keeping(metadata, ())
    assert not worth_keeping(Metadata(added=datetime.now(UTC)), ())
    assert worth_keeping(Metadata(), (("Album",),))


@given(texts, texts, st.lists(texts, max_size=4), st.lists(st.lists(texts, max_size=3), max_size=3))
def test_any_text_reads_back_as_it_was(
    title: str, caption: str, keywords: list[str], albums: list[list[str]]
) -> None:
    metadata = Metadata(title=title, caption=caption, keywords=tuple(keywords))
    found = read(render(replace(RICH, id="x", metadata=metadata), f"{title}.jpg", albums))
    if title:
        assert found.lists["dc:title"] == [cleaned(title)]
    if caption:
        assert found.lists["dc:description"] == [cleaned(caption)]
    wanted = dict.fromkeys(filter(None, (cleaned(word).strip() for word in keywords)))
    assert found.lists.get("dc:subject", []) == list(wanted)
    depths = {tuple(p for p in (cleaned(part).strip() for part in path) if p) for path in albums}
    nested = [t for t in found.lists.get("digiKam:TagsList", []) if t.startswith("Albums/")]
    assert len(nested) >= min(1, len(depths - {()}))


@given(st.floats(-90, 90), st.floats(-180, 180), st.floats(-12000, 60000))
def test_any_place_reads_back_to_a_hand_s_breadth(lat: float, lon: float, alt: float) -> None:
    metadata = Metadata(location=Location(lat, lon, alt))
    found = read(render(replace(RICH, metadata=metadata), "x", ())).plain
    assert abs(_degrees(found["exif:GPSLatitude"], "S") - lat) < 1e-7
    assert abs(_degrees(found["exif:GPSLongitude"], "W") - lon) < 1e-7
    above = int(found["exif:GPSAltitude"].removesuffix("/100")) / 100
    assert abs((-above if found["exif:GPSAltitudeRef"] == "1" else above) - alt) < 0.01


@given(st.floats(), st.floats())
def test_an_impossible_place_is_left_out(lat: float, lon: float) -> None:
    metadata = Metadata(location=Location(lat, lon))
    found = read(render(replace(RICH, metadata=metadata), "x", ())).plain
    assert ("exif:GPSLatitude" in found) == (abs(lat) <= 90 and abs(lon) <= 180)


@given(st.datetimes(timezones=st.just(UTC)), st.integers(-(10**6), 10**6) | st.none())
def test_any_moment_reads_back(moment: datetime, offset: int | None) -> None:
    asset = replace(RICH, created=moment, metadata=Metadata(utc_offset=offset))
    told = datetime.fromisoformat(read(render(asset, "x", ())).plain["xmp:CreateDate"])
    assert told == moment
    if offset is not None and abs(offset) < 24 * 3600 and 2 < moment.year < 9998:
        assert abs((told.utcoffset() or timedelta()) - timedelta(seconds=offset)) <= timedelta(
            seconds=30
        )


def _degrees(text: str, negative: str) -> float:
    whole, minutes = text[:-1].split(",")
    assert re.fullmatch(r"\d+,\d{1,2}\.\d{6}[NSEW]", text) and float(minutes) < 60
    value = int(whole) + float(minutes) / 60
    return -value if text[-1] == negative else value


@pytest.mark.skipif(shutil.which("exiftool") is None, reason="exiftool is not installed")
def test_exiftool_reads_every_field(tmp_path: Path) -> None:
    path = tmp_path / "IMG_1.HEIC.xmp"
    path.write_bytes(render(RICH, "IMG_1.HEIC", ALBUMS))
    told = subprocess.run(
        ["exiftool", "-json", "-n", "-struct", "-validate", "-warning", "-XMP:all", str(path)],
        capture_output=True, check=True, text=True,
    )  # fmt: skip
    (found,) = json.loads(told.stdout)
    assert "Warning" not in found and found.get("Validate", "0 0 0") == "0 0 0", found
    assert found["Title"] == "Über den Wolken <3"
    assert found["Description"] == "First line\nsecond & last"
    assert found["Subject"] == ["sea", "été", "black/white"]
    assert found["TagsList"][-1] == "Albums/Trips/Italy | South"
    assert found["HierarchicalSubject"][-1] == "Albums|Trips|Italy _ South"
    assert found["Rating"] == 5
    assert found["DateTimeOriginal"] == found["DateCreated"] == "2024:05:01 20:00:00.250000+10:00"
    assert abs(found["GPSLatitude"] + 33.8567844) < 1e-7
    assert abs(found["GPSLongitude"] - 151.2152967) < 1e-7
    assert found["GPSAltitude"] in (3.25, -3.25)
    assert found["PreservedFileName"] == "IMG_1.HEIC"
