"""How long to wait is read from any answer alike, whatever the clock of this computer says."""

from __future__ import annotations

import pytest
import urllib3

from connectors.headers import retry_after

LATER, NOW = "Wed, 07 Jun 2023 02:54:48 GMT", "Wed, 07 Jun 2023 02:54:18 GMT"


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"Retry-After": "7"}, 7),
        ({"Retry-After": "-7"}, 0),
        ({"Retry-After": "soon"}, None),
        ({"Retry-After": "nan"}, None),
        ({"Retry-After": "inf"}, None),
        ({"Retry-After": LATER, "Date": NOW}, 30),
        ({"Retry-After": LATER.replace("GMT", "-0000"), "Date": NOW}, 30),
        ({"Retry-After": NOW}, 0),
    ],
)
def test_how_long_to_wait(headers: dict[str, str], seconds: float | None) -> None:
    assert retry_after(urllib3.HTTPHeaderDict(headers)) == seconds
    assert retry_after({name.lower(): value for name, value in headers.items()}) == seconds
