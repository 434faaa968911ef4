"""The phone and iCloud as one library, through the command line and both real protocols."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from sandbox.icloud import Account
from sandbox.world import World
from tests.iphone.conftest import Outpour
from tests.iphone.joint import ENDS, OPTIMISED, Joint, joint, on
from tests.pointing import Point
from tests.rehearsal.rig import landed, sha, struck_in_transit

pytest.importorskip("pymobiledevice3")


def run(folder: Path, *more: str) -> list[str]:
    return ["run", *ENDS, "--to", str(folder), *more]


def summary(printed: str) -> dict[str, Any]:
    events = [json.loads(line) for line in printed.splitlines() if line.startswith("{")]
    (found,) = [event for event in events if event.get("event") == "summary"]
    return dict(found)


def moved(both: Joint, folder: Path, outpour: Outpour) -> dict[str, Any]:
    """One run of both: every asset confirmed, each file once, every byte exact."""
    code, printed = outpour(*run(folder, "--json"))
    assert code == 0, printed
    assert landed(folder) == both.wanted()
    found = summary(printed)
    assert found["assets"] == {"confirmed": both.count}
    return found


@pytest.mark.parametrize(
    "count", [40, pytest.param(1000, marks=[pytest.mark.slow, pytest.mark.timeout(1200)])]
)
def test_the_phone_and_icloud_are_one_library(
    use: Point, outpour: Outpour, tmp_path: Path, count: int
) -> None:
    """Three in ten are also in iCloud, one in ten is optimised away on the phone."""
    with joint(use, count) as both:
        moved(both, tmp_path, outpour)
        from_cloud = both.cloud.counts["content"]
        only_there = sum(
            not file.role.startswith("edited")
            for asset in both.held()[1]
            if on(asset, OPTIMISED)
            for file in asset.files
        )
        assert from_cloud == only_there, "what the phone has is not fetched from iCloud"
        read, files = both.phone.bytes_read, landed(tmp_path)
        code, printed = outpour(*run(tmp_path))
        assert code == 0, printed
        assert landed(tmp_path) == files
        assert both.cloud.counts["content"] == from_cloud and both.phone.bytes_read == read


def test_what_only_one_of_them_has_lands_too_and_the_summary_says_what_was_spared(
    use: Point, outpour: Outpour, tmp_path: Path
) -> None:
    with joint(use, 40, cloud_only=True) as both:
        (spared,) = moved(both, tmp_path, outpour)["spared"]
        here = {asset.id for asset in both.held()[0]}
        twice = [
            file.size
            for asset in both.held()[1]
            if asset.id in here
            for file in asset.files
            if not on(asset, OPTIMISED) or file.role.startswith("edited")
        ]
        assert (spared["files"], spared["bytes"]) == (len(twice), sum(twice))
        assert (spared["taken"], spared["instead"]) == ("iphone", "icloud")


def test_stranded_is_right_to_the_asset_with_a_full_icloud_and_reads_no_photo(
    use: Point, outpour: Outpour
) -> None:
    with joint(use, 60, cloud_only=True, account=Account(total=1000)) as both:
        code, printed = outpour("stranded", *ENDS, "--json")
        assert code == 0, printed
        found = json.loads(printed)
        parts = {tuple(part["sources"]): part for part in found["parts"]}
        told = {sources: part["assets"] for sources, part in parts.items()}
        assert told == both.whereabouts() and found["unproven"] == 0
        there = {asset.original.fingerprint for asset in both.held()[1]}
        stranded = [a for a in both.held()[0] if a.original.fingerprint not in there]
        oldest = min(stranded, key=lambda asset: asset.created)
        assert parts["iphone",]["oldest"] == oldest.original.filename
        assert both.cloud.counts["content"] == 0
        code, said = outpour("stranded", *ENDS)
        assert code == 0 and "only iphone" in said and "only icloud" in said, said


def test_stranded_names_what_the_phone_does_not_show(use: Point, outpour: Outpour) -> None:
    with joint(use, 30, cloud_only=True, account=Account(total=1000)) as both:
        both.on_phone.phone.faults.add("denied", key="DCIM/100APPLE")
        code, said = outpour("stranded", *ENDS)
        assert code == 1 and "DCIM/100APPLE" in said and "it may be stranded too" in said, said
        code, printed = outpour("stranded", *ENDS, "--json")
        assert code == 1 and json.JSONDecoder().raw_decode(printed)[0]["problem_count"] == 1


@pytest.mark.parametrize("scheme", [0, 2])
def test_without_fingerprints_the_bytes_decide_though_the_cable_is_pulled_meanwhile(
    use: Point, outpour: Outpour, tmp_path: Path, scheme: int
) -> None:
    with joint(use, 30, scheme=scheme) as both:
        pulled(both, tmp_path, outpour, 3)
        fetched = both.cloud.counts["content"]
        code, said = outpour(*run(tmp_path))
        assert code == 0 and both.cloud.counts["content"] == fetched, said


def test_a_phone_that_leaves_while_bytes_are_compared_leaves_nothing_doubled(
    use: Point, outpour: Outpour, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OUTPOUR_SOURCE__IPHONE__WAIT", "1")
    with joint(use, 30, scheme=0) as both:
        both.phone.faults.once("unplug", "DCIM/*")
        both.phone.away = 3600
        code, said = outpour(*run(tmp_path))
        assert code == 3 and "Plug the iPhone in" in said, said
        early = landed(tmp_path)
        assert set(early.values()) <= {1}, "what nobody could compare waits"
        both.phone.plug()
        moved(both, tmp_path, outpour)


def test_a_phone_that_is_not_there_holds_up_nothing_of_icloud(
    use: Point, outpour: Outpour, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OUTPOUR_SOURCE__IPHONE__WAIT", "1")
    with joint(use, 20) as both:
        moved(both, tmp_path, outpour)
        before = landed(tmp_path)
        both.phone.away = 3600
        both.phone.unplug()
        both.theirs.add("NEW.JPG")
        code, said = outpour(*run(tmp_path))
        assert code == 3 and "left out from now on" in said and "iPhone" in said, said
        assert (landed(tmp_path) - before).total() == 1
        both.phone.plug()
        code, said = outpour(*run(tmp_path))
        assert code == 0, said
        assert (landed(tmp_path) - before).total() == 1


# --- over time -----------------------------------------------------------------------------


def test_a_photo_lands_once_whatever_becomes_of_it_on_either_side(
    use: Point, outpour: Outpour, tmp_path: Path
) -> None:
    """Stranded, then uploaded by the phone, then optimised away, deleted there, edited."""
    with joint(use, 20) as both:
        moved(both, tmp_path, outpour)
        before = landed(tmp_path)
        fetched = both.cloud.counts["content"]
        there = {asset.id for asset in both.held()[1]}
        stranded = [asset for asset in both.held()[0] if asset.id not in there]
        for asset in stranded[:4]:  # the phone uploads them
            both.theirs.bring(asset)
        code, said = outpour(*run(tmp_path))
        assert code == 0, said
        assert landed(tmp_path) == before, "what was stranded is not copied again"
        assert both.cloud.counts["content"] == fetched
        both.mine.purge(stranded[0].id)  # and then it is deleted on the phone
        both.on_phone.update()
        code, said = outpour(*run(tmp_path))
        assert code == 0, said
        assert landed(tmp_path) == before and both.cloud.counts["content"] == fetched
        edited = both.theirs.edit(stranded[1].id)  # edited on another device
        code, said = outpour(*run(tmp_path))
        assert code == 0, said
        new = edited.file("edited") or edited.file("edited_video")
        assert new is not None
        before[sha(new.content.read())] += 1
        assert landed(tmp_path) == before, "the edit joins what is there"
        both.mine.edit(stranded[1].id)  # and it reaches the phone
        both.on_phone.update()
        code, said = outpour(*run(tmp_path))
        assert code == 0, said
        assert not before - landed(tmp_path)
        extra = landed(tmp_path) - before
        assert sum(extra.values()) == 1, "only the recipe of the edit, which iCloud has not"


# --- trouble -------------------------------------------------------------------------------


def pulled(both: Joint, folder: Path, outpour: Outpour, pulls: int) -> None:
    both.phone.faults.add("unplug", 0.2, times=pulls)
    moved(both, folder, outpour)
    assert both.phone.faults.counts["unplug"] == pulls


def test_the_cable_is_pulled_again_and_again(use: Point, outpour: Outpour, tmp_path: Path) -> None:
    with joint(use, 60, cloud_only=True) as both:
        pulled(both, tmp_path, outpour, 5)


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_the_cable_is_pulled_fifty_times(use: Point, outpour: Outpour, tmp_path: Path) -> None:
    with joint(use, 1000, cloud_only=True) as both:
        pulled(both, tmp_path, outpour, 50)


def test_with_the_phone_away_icloud_gives_what_both_have_and_the_next_run_the_rest(
    use: Point, outpour: Outpour, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OUTPOUR_SOURCE__IPHONE__WAIT", "1")
    with joint(use, 40) as both:
        both.phone.unplug_after(500_000)
        code, said = outpour(*run(tmp_path))
        assert code == 3 and "Plug the iPhone in" in said, said
        assert not landed(tmp_path) - both.wanted()
        both.phone.plug()
        moved(both, tmp_path, outpour)


def killed(both: Joint, folder: Path, outpour: Outpour, kills: int, seed: int) -> None:
    """Runs that are killed underway, then one that ends."""
    phone = both.phone
    phone.latency = 0.02
    command = [sys.executable, "-m", "pipeline.cli", *run(folder)]
    struck_in_transit(command, lambda: phone.bytes_read, both.mine.used(), kills, seed)
    phone.latency = 0
    moved(both, folder, outpour)


def test_a_killed_run_goes_on(use: Point, outpour: Outpour, tmp_path: Path) -> None:
    with joint(use, 60, cloud_only=True) as both:
        killed(both, tmp_path, outpour, 2, seed=1)


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("seed", range(10))
def test_killed_at_any_moment(use: Point, outpour: Outpour, tmp_path: Path, seed: int) -> None:
    with joint(use, 150, cloud_only=True) as both:
        killed(both, tmp_path, outpour, 4, seed)


def test_the_sandbox_has_something_stranded_at_either(
    outpour: Outpour, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Or the command that shows it could not be tried by hand."""
    found: list[dict[str, Any]] = []

    def look(world: World) -> None:
        for name, value in world.environ().items():
            monkeypatch.setenv(name, value)
        code, printed = outpour("stranded", *ENDS, "--json")
        assert code == 0, printed
        found.extend(json.loads(printed)["parts"])

    monkeypatch.setattr("sandbox.cli._until_interrupted", look)
    assert outpour("sandbox", "--phone", "--assets", "40")[0] == 0
    number = {tuple(part["sources"]): part["assets"] for part in found}
    assert number["iphone",] >= 4 and number["icloud",] >= 8 and number["iphone", "icloud"] > 25


# --- room in iCloud ------------------------------------------------------------------------


def test_room_is_made_in_icloud_while_the_phone_is_away(
    use: Point, outpour: Outpour, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is proven goes from iCloud; the phone loses nothing, and nothing lands anew."""
    monkeypatch.setenv("OUTPOUR_SOURCE__IPHONE__WAIT", "1")
    reclaim = ["reclaim", *ENDS, "--to", str(tmp_path)]
    goal = ["--older-than", "1d", "--keep", "1d", "--favorites", "--copies", "1", "--yes"]
    with joint(use, 40, cloud_only=True) as both:
        moved(both, tmp_path, outpour)
        files, here = landed(tmp_path), len(both.held()[0])
        both.phone.away = 3600
        both.phone.unplug()
        there = {asset.id for asset in both.held()[1]}
        code, said = outpour(*reclaim, *goal)
        assert code == 0 and "iPhone" not in said, said
        binned = {asset.id for asset in both.theirs if asset.trashed is not None}
        assert binned and binned <= there and f"{len(binned & there)} assets" in said, said
        both.phone.plug()
        code, said = outpour(*run(tmp_path))
        assert code == 0 and landed(tmp_path) == files, said
        assert len(both.held()[0]) == here
        both.phone.unplug()
        code, said = outpour(*reclaim, "--undo")
        assert code == 0, said
        assert {asset.id for asset in both.held()[1]} == there
        both.phone.plug()
        code, said = outpour(*run(tmp_path))
        assert code == 0 and landed(tmp_path) == files, said
