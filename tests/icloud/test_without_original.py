"""Promise: an asset of which iCloud has no original is named, with what is there instead."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from connectors.base import Asset, Kind, Role
from pipeline.cli.app import invoke
from pipeline.states import Exit
from tests.icloud.rig import Rig, listing

pytestmark = pytest.mark.wide


def without(ready: Rig, kind: Kind) -> Asset:
    """The first asset of a kind, as it is listed once its original is gone."""
    source = ready.source()
    known = next(asset for asset in listing(source)[0] if asset.kind is kind)
    ready.faults.add("no_original", key=f"record/{known.id}")
    assets, problems, _ = listing(ready.source())
    assert not problems
    return next(asset for asset in assets if asset.id == known.id)


def looked_up(ready: Rig) -> int:
    """Lookups of one listing."""
    ready.icloud.reset_counts()
    listing(ready.source())
    return ready.icloud.counts["lookup"]


@pytest.mark.parametrize(
    ("kind", "instead"), [(Kind.PHOTO, "a smaller picture"), (Kind.VIDEO, "a smaller video")]
)
def test_a_listing_says_what_icloud_has_in_the_place_of_an_original(
    ready: Rig, kind: Kind, instead: str
) -> None:
    before = looked_up(ready)
    asset = without(ready, kind)
    original = next(file for file in asset.resources if file.role is Role.ORIGINAL)
    assert (original.local, original.instead) == (False, instead)
    assert looked_up(ready) - before == 1  # nothing is asked of those that are whole


def test_a_listing_says_where_nothing_is_left(ready: Rig) -> None:
    ready.faults.add("no_rendition")
    asset = without(ready, Kind.PHOTO)
    original = next(file for file in asset.resources if file.role is Role.ORIGINAL)
    assert (original.local, original.instead) == (False, "")


def test_it_is_named_by_every_command_until_the_original_comes(
    ready: Rig, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asset = without(ready, Kind.PHOTO)
    name = asset.resources[0].filename
    why = f"not stored at the source: {name} (only a smaller picture is)"
    places = ["--from", "icloud:demo@example.com", "--to", str(tmp_path / "Photos")]

    def said(command: str, *more: str) -> tuple[int, str]:
        capsys.readouterr()
        return invoke([command, *places, *more]), capsys.readouterr().out

    def failures(text: str) -> list[Any]:
        return [(one["filename"], one["reason"]) for one in json.loads(text)["failures"]]

    code, out = said("plan")
    assert code == Exit.OK and f"unavailable  {name}  {why}" in out
    assert failures(said("plan", "--json")[1]) == [(name, why)]
    for _ in range(2):
        code, out = said("run", "-q")
        assert code == Exit.ITEMS_FAILED and f"unavailable  {name}  {why}" in out
        assert "comes with a later run once its source has it" in out
    assert f"{name}  {why}" in said("report", "--state", "unavailable")[1]
    assert "once moved" not in said("status")[1]
    assert "1 are not stored at the source" in said("reclaim", "--copies", "1")[1]

    ready.faults.clear()
    ready.library.change(asset.id, favorite=True)
    code, out = said("run", "-q")
    assert code == Exit.OK and "unavailable" not in out
    assert list((tmp_path / "Photos").rglob(name))
