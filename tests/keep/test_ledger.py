"""What the ledger keeps of an asset, and of its metadata, is what the source said."""

from __future__ import annotations

from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from connectors.base import Asset, Kind, Location, Metadata, Resource, Role
from connectors.checksums import Algorithm, Checksum
from pipeline.ledger.codec import dump_asset, dump_metadata, load_metadata, parse_asset

texts = st.none() | st.text(st.characters(exclude_categories=["Cs"]), min_size=1)
degrees = st.floats(-90, 90)
anything = st.builds(
    Metadata,
    title=texts,
    caption=texts,
    keywords=st.lists(st.text(st.characters(exclude_categories=["Cs"]))).map(tuple),
    favorite=st.booleans(),
    hidden=st.booleans(),
    location=st.none() | st.builds(Location, degrees, degrees, st.none() | degrees),
    utc_offset=st.none() | st.integers(-86400, 86400),
    added=st.none() | st.datetimes(timezones=st.just(UTC)),
    burst=texts,
)


resources = st.builds(
    Resource,
    id=st.text(st.characters(exclude_categories=["Cs"])),
    role=st.sampled_from(Role),
    filename=st.text(st.characters(exclude_categories=["Cs"])),
    size=st.none() | st.integers(0),
    checksum=st.none()
    | st.builds(Checksum, st.sampled_from(Algorithm), st.text("0123", min_size=1)),
    media_type=texts,
    handle=texts,
    local=st.booleans(),
    instead=st.text(st.characters(exclude_categories=["Cs"])),
)
assets = st.builds(
    Asset,
    id=st.text(st.characters(exclude_categories=["Cs"])),
    kind=st.sampled_from(Kind),
    created=st.none() | st.datetimes(timezones=st.just(UTC)),
    resources=st.lists(resources, max_size=3).map(tuple),
    metadata=anything,
    revision=texts,
    library=st.text(st.characters(exclude_categories=["Cs"])),
    aliases=st.just(()),
)


@given(anything)
def test_metadata_comes_back_as_it_went(metadata: Metadata) -> None:
    assert load_metadata(dump_metadata(metadata)) == metadata


@given(assets)
def test_an_asset_comes_back_as_it_went(asset: Asset) -> None:
    assert parse_asset(dump_asset(asset)) == asset


def test_the_zone_of_london_is_not_an_unknown_zone() -> None:
    metadata = Metadata(utc_offset=0, added=datetime(2024, 1, 1, tzinfo=UTC))
    assert load_metadata(dump_metadata(metadata)).utc_offset == 0
