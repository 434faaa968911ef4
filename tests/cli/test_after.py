"""Promise: every asset can be looked up afterwards, with its state and the reason."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest

from connectors.memory import library, shelf
from pipeline.cli.app import invoke
from pipeline.cli.opening import ledger_path
from pipeline.states import Exit
from tests.cli.stage import fill

COUNT = 20


@pytest.fixture
def config(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A pipeline that ran: one asset failed, five were not selected."""
    store = f"after-{request.node.name}"
    fill(library(store), COUNT)
    library(store).contents.pop(("asset-8", "o"))
    path = tmp_path / "family.yaml"
    path.write_text(
        f"source: memory:{store}\nsinks: ['memory:{store}-out']\n"
        "select: {since: 2024-01-06T00:00:00Z}\n"
    )
    assert invoke(["run", "-q", str(path)]) == Exit.ITEMS_FAILED
    return path


def test_status_counts_by_state_and_shows_room(
    config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    capsys.readouterr()
    assert invoke(["status", str(config)]) == Exit.OK
    out = capsys.readouterr().out
    assert re.search(r"confirmed +14 assets", out)
    assert re.search(r"excluded +5 assets", out)
    assert "used, no limit" in out
    assert invoke(["status", "--json"]) == Exit.OK
    (only,) = json.loads(capsys.readouterr().out)["pipelines"]
    assert (only["name"], only["assets"]["failed"]["assets"]) == ("family", 1)


def test_report_names_every_asset_once(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    assert invoke(["report", str(config), "--json"]) == Exit.OK
    document = json.loads(capsys.readouterr().out)
    states = {asset["asset"]: asset["state"] for asset in document["assets"]}
    assert len(document["assets"]) == len(states) == COUNT
    assert states["asset-8"] == "failed"
    assert [a for a, s in states.items() if s == "excluded"] == [f"asset-{n}" for n in range(5)]
    first = next(asset for asset in document["assets"] if asset["asset"] == "asset-10")
    assert [file["role"] for file in first["files"]] == ["original", "live_video"]
    assert {copy["state"] for file in first["files"] for copy in file["copies"]} == {"confirmed"}


def test_report_filters_by_state(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    assert invoke(["report", "family", "--state", "failed"]) == Exit.OK
    out = capsys.readouterr().out
    assert re.findall(r"IMG_\d+", out) == ["IMG_0008"]
    assert "no file o of asset asset-8" in out


def test_the_page_holds_everything_and_loads_nothing(
    config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    target = tmp_path / "report.html"
    assert invoke(["report", str(config), "--html", str(target)]) == Exit.OK
    text = target.read_text()
    assert len(re.findall(r'(?m)^\["\w+","IMG_', text)) == COUNT
    assert not re.findall(r"(?:src|href)=|https?://|@import|url\(", text)
    assert oct(target.stat().st_mode & 0o777) == "0o600"
    assert not list(tmp_path.glob(".*"))


def test_names_cannot_break_the_page_or_the_terminal(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    held = library("after-awkward")
    fill(held, 1)
    (asset,) = held.assets.values()
    evil = "</script><script>alert(1)\x1b[31m\n.HEIC"
    resource = replace(asset.resources[0], filename=evil)
    held.put(replace(asset, resources=(resource,)), {})
    held.contents.clear()
    argv = ["--from", "memory:after-awkward", "--to", "memory:after-awkward-out"]
    assert invoke(["run", *argv]) == Exit.ITEMS_FAILED
    assert invoke(["report", *argv]) == Exit.OK
    captured = capsys.readouterr()
    assert "\x1b" not in captured.out + captured.err
    page = tmp_path / "r.html"
    assert invoke(["report", *argv, "--html", str(page)]) == Exit.OK
    assert page.read_text().count("</script>") == 1


def test_verify_names_what_changed_and_what_is_gone_and_run_brings_it_back(
    config: Path, request: pytest.FixtureRequest, capsys: pytest.CaptureFixture[str]
) -> None:
    store = f"after-{request.node.name}"
    held = shelf(f"{store}-out").visible
    changed, gone, *_ = sorted(held)
    del held[gone]
    held[changed] = (held[changed][0], bytes(len(held[changed][1])))
    capsys.readouterr()
    assert invoke(["verify", "--download", "100", str(config)]) == Exit.ITEMS_FAILED
    out = capsys.readouterr().out
    assert re.search(rf"{gone} +missing", out)
    assert re.search(rf"{changed} +holds", out)


@pytest.mark.parametrize("percent", ["0", "10"])
def test_a_folder_is_read_whole_whatever_share_a_cloud_is_read(
    tmp_path: Path, percent: str
) -> None:
    """It lists no checksums, so that only its bytes say anything."""
    fill(library("after-folder"), 4)
    argv = ["--from", "memory:after-folder", "--to", str(tmp_path / "Photos")]
    assert invoke(["run", *argv]) == Exit.OK
    changed = next(path for path in tmp_path.rglob("*.HEIC"))
    changed.write_bytes(bytes(changed.stat().st_size))
    assert invoke(["verify", "--download", percent, *argv]) == Exit.ITEMS_FAILED


def test_schema_accepts_what_load_accepts(capsys: pytest.CaptureFixture[str]) -> None:
    assert invoke(["schema"]) == Exit.OK
    schema = json.loads(capsys.readouterr().out)
    assert schema["required"] == ["source", "sinks"]
    assert schema["$defs"]["memory"]["properties"]["store"]["type"] == "string"
    names = {"name", "select", "path", "staging", "limits", "verify", "route", "source", "sinks"}
    assert names <= set(schema["properties"])
    references = set(re.findall(r'"#/\$defs/([^"]+)"', json.dumps(schema)))
    assert references <= set(schema["$defs"])


def test_status_after_a_rebuild_does_not_say_that_it_never_ran(
    config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    at, page = ledger_path("family"), tmp_path / "report.html"
    for path in at.parent.glob(f"{at.name}*"):
        path.unlink()
    assert invoke(["rebuild", str(config)]) == Exit.ITEMS_FAILED
    capsys.readouterr()
    assert invoke(["status", str(config)]) == Exit.OK
    out = capsys.readouterr().out
    assert re.search(r"^family  not run since its rebuild  \d{4}-\d\d-\d\d", out)
    assert re.search(r"confirmed +14 assets", out)
    assert invoke(["report", "family", "--html", str(page)]) == Exit.OK
    (told,) = re.findall(r'"rebuilt":"(\d{4}[^"]+)"', page.read_text())
    assert told and '"last_run":{"state":"","time":""}' in page.read_text()
    assert invoke(["run", "-q", str(config)]) == Exit.ITEMS_FAILED
    capsys.readouterr()
    assert invoke(["status", str(config)]) == Exit.OK
    assert capsys.readouterr().out.startswith("family  complete  ")


def test_status_tells_what_could_be_freed_now_and_after_a_move(
    tmp_path: Path, request: pytest.FixtureRequest, capsys: pytest.CaptureFixture[str]
) -> None:
    store = f"after-{request.node.name}"
    fill(library(store), COUNT)
    size = sum(map(len, library(store).contents.values()))
    path = tmp_path / "family.yaml"
    path.write_text(
        f"source: memory:{store}\nsinks:\n  - {{type: memory, name: a, store: {store}-a}}\n"
        f"  - {{type: memory, name: b, store: {store}-b, limit: {size // 2}}}\n"
    )
    assert invoke(["run", "-q", str(path)]) == Exit.NO_ROOM
    capsys.readouterr()
    assert invoke(["status", "--json", str(path)]) == Exit.OK
    told = json.loads(capsys.readouterr().out)
    ahead = told["reclaim"]
    assert 0 < ahead["now"]["assets"] < COUNT and ahead["copies"] == 2
    assert ahead["moved"]["assets"] == told["pipeline"]["assets"]["waiting"]["assets"]
    assert invoke(["status", str(path)]) == Exit.OK
    out = capsys.readouterr().out
    assert "could be freed" in out and "more once moved" in out
    assert f"(outpour reclaim {path})" in out


def test_status_counts_on_no_more_copies_than_the_policy_makes(
    tmp_path: Path, request: pytest.FixtureRequest, capsys: pytest.CaptureFixture[str]
) -> None:
    store = f"after-{request.node.name}"
    fill(library(store), COUNT)
    room = sum(map(len, library(store).contents.values())) // 3
    path = tmp_path / "family.yaml"
    path.write_text(
        f"source: memory:{store}\nroute: {{to: first}}\nsinks:\n"
        f"  - {{type: memory, name: a, store: {store}-a, limit: {room}}}\n"
        f"  - {{type: memory, name: b, store: {store}-b, limit: {room}}}\n"
    )
    assert invoke(["run", "-q", str(path)]) == Exit.NO_ROOM
    capsys.readouterr()
    assert invoke(["status", "--json", str(path)]) == Exit.OK
    told = json.loads(capsys.readouterr().out)
    ahead, states = told["reclaim"], told["pipeline"]["assets"]
    assert ahead["copies"] == 1
    assert 0 < ahead["now"]["assets"] <= states["confirmed"]["assets"]  # favourites stay
    assert ahead["moved"]["assets"] == states["waiting"]["assets"] > 0
    assert invoke(["status", str(path)]) == Exit.OK
    assert f"proven at one place (outpour reclaim {path} --copies 1)" in capsys.readouterr().out
