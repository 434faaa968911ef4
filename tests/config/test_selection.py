"""Promise: what a selection leaves out is named with the reason, and the reason is true."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from connectors.base import Asset, Kind, Metadata, Resource, Role
from pipeline.config.models import Select
from pipeline.selection import refusal

FILE = Resource("1", Role.ORIGINAL, "IMG_1.HEIC", 100)
DAY = datetime(2020, 5, 1, tzinfo=UTC)
EARLIER, LATER = datetime(2019, 1, 1, tzinfo=UTC), datetime(2021, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("select", "created", "kind", "reason"),
    [
        ({"since": DAY}, LATER, Kind.PHOTO, ""),
        ({"since": DAY}, DAY, Kind.PHOTO, ""),
        ({"since": DAY}, EARLIER, Kind.PHOTO, "captured before 'since'"),
        ({"until": DAY}, EARLIER, Kind.PHOTO, ""),
        ({"until": DAY}, DAY, Kind.PHOTO, "not captured before 'until'"),
        ({"since": DAY}, None, Kind.PHOTO, "has no capture date"),
        ({"until": DAY}, None, Kind.PHOTO, "has no capture date"),
        ({}, None, Kind.PHOTO, ""),
        ({"kinds": ["photo"]}, DAY, Kind.LIVE, "is a Live Photo"),
        ({"kinds": ["video"]}, DAY, Kind.PHOTO, "is a photo"),
        ({"favorites": True}, DAY, Kind.PHOTO, "is not a favourite"),
        ({"favorites": False}, DAY, Kind.PHOTO, ""),
        ({"hidden": True}, DAY, Kind.PHOTO, "is not hidden"),
        ({"min_size": 200}, DAY, Kind.PHOTO, "smaller than min_size: 100 B"),
        ({"max_size": 50}, DAY, Kind.PHOTO, "larger than max_size: 100 B"),
    ],
)
def test_the_reason(
    select: dict[str, object], created: datetime | None, kind: Kind, reason: str
) -> None:
    asset = Asset("a", kind, created, (FILE,), Metadata())
    assert refusal(Select.model_validate(select), asset, [FILE], None) == reason


def test_what_is_a_favourite_or_hidden_is_said() -> None:
    asset = Asset("a", Kind.PHOTO, DAY, (FILE,), Metadata(favorite=True, hidden=True))
    assert refusal(Select(favorites=False), asset, [FILE], None) == "is a favourite"
    assert refusal(Select(favorites=None, hidden=False), asset, [FILE], None) == "is hidden"
    assert refusal(Select(hidden=None), asset, [FILE], {"b"}) == "in none of the selected albums"
