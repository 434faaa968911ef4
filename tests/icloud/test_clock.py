"""Promise: a clock set wrong, or a stranger in the line, is one clear sentence and no waiting."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from types import SimpleNamespace

import pytest

from connectors.errors import Fatal
from connectors.icloud import connector
from connectors.icloud.settings import ICloudSettings
from sandbox.ca import Authority
from sandbox.library import Library
from sandbox.server import Sandbox
from tests.icloud.rig import ACCOUNT, PASSWORD, Person, Rig, listing, rig
from tests.pointing import Point

LONG_AGO, FAR_OFF = datetime(2001, 1, 1, tzinfo=UTC), datetime(2101, 1, 1, tzinfo=UTC)
CLOCKS = {
    "is not valid yet": Authority(valid_from=FAR_OFF, valid_until=FAR_OFF.replace(year=2102)),
    "has expired": Authority(valid_from=LONG_AGO, valid_until=LONG_AGO.replace(year=2002)),
}


@pytest.mark.parametrize("wrong", CLOCKS)
def test_a_wrong_clock_is_named_and_not_waited_for(wrong: str, use_sandbox: Point) -> None:
    with Sandbox([], authority=CLOCKS[wrong]) as sandbox:
        use_sandbox(sandbox)
        assert connector.connect
        with pytest.raises(Fatal, match=wrong) as caught:
            connector.connect(ICloudSettings(account=ACCOUNT), Person(PASSWORD))
        assert "date and time" in caught.value.hint


def test_a_certificate_of_somebody_else_names_the_variable(
    ready: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Sandbox([]) as stranger:
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(stranger.ca_file))
        with pytest.raises(Fatal, match="not trusted") as caught:
            ready.source().capacity()
    assert "REQUESTS_CA_BUNDLE" in caught.value.hint


@pytest.mark.parametrize("wrong", CLOCKS)
def test_the_hosts_of_the_files_are_held_to_it_too(
    wrong: str, ready: Rig, use_sandbox: Point
) -> None:
    source = ready.source()
    assets, _, _ = listing(source)
    with Sandbox([ready.icloud], authority=CLOCKS[wrong]) as later:
        use_sandbox(later)
        with pytest.raises(Fatal, match=wrong):
            source.open(assets[0].id, assets[0].resources[0])


def test_the_addresses_of_files_do_not_go_by_this_computers_clock(
    use_sandbox: Point, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two days ahead, every address would look expired and every file cost a lookup."""
    with rig(use_sandbox, Library(20)) as made:
        made.connect()
        ahead = datetime.now(UTC).timestamp() + 2 * 86_400
        clock = SimpleNamespace(time=lambda: ahead, monotonic=time.monotonic)
        monkeypatch.setattr("connectors.icloud.signed_urls.time", clock)  # not the double's
        source = made.source(account=ACCOUNT)
        assets, _, _ = listing(source)
        lookups = made.icloud.counts["lookup"]
        for asset in assets[:5]:
            source.open(asset.id, asset.resources[0]).close()
        assert made.icloud.counts["lookup"] == lookups
