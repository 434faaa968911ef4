"""What the ledger keeps of an asset's metadata is what the source said."""

from __future__ import annotations

from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from connectors.base import Location, Metadata
from pipeline.ledger.codec import dump_metadata, load_metadata

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


@given(anything)
def test_metadata_comes_back_as_it_went(metadata: Metadata) -> None:
    assert load_metadata(dump_metadata(metadata)) == metadata


def test_the_zone_of_london_is_not_an_unknown_zone() -> None:
    metadata = Metadata(utc_offset=0, added=datetime(2024, 1, 1, tzinfo=UTC))
    assert load_metadata(dump_metadata(metadata)).utc_offset == 0
