"""A lost ledger is rebuilt from what the sinks hold: then nothing moves, nothing is doubled."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from connectors.private import state_dir
from pipeline.cli.app import invoke
from pipeline.states import Exit
from tests.clouds.conftest import COUNT
from tests.clouds.test_verify import AtDrive
from tests.rehearsal.fanout import FanOut


def lose_the_ledger() -> None:
    for path in state_dir("pipelines").glob("*.sqlite*"):
        path.unlink()


def rebuilt(job: FanOut, capsys: pytest.CaptureFixture[str], *options: str) -> dict[str, Any]:
    capsys.readouterr()
    code = invoke(["rebuild", str(job.config), "--json", *options])
    found = json.loads(capsys.readouterr().out)
    assert found["exit"] == code
    return {**found, "sinks": {sink["sink"]: sink for sink in found["sinks"]}}


def moved(job: FanOut) -> tuple[int, int, int]:
    """Bytes that left the source, and those that reached each cloud."""
    content = sum(n for key, n in job.world.cloud.counts.items() if key.startswith("content"))
    return content, job.world.drive.received, job.world.dropbox.received


def test_after_a_rebuild_a_run_moves_nothing(
    job: FanOut, capsys: pytest.CaptureFixture[str]
) -> None:
    assert job.run() == 0
    lose_the_ledger()
    before, downloads = moved(job), job.world.dropbox.counts["files/download"]
    found = rebuilt(job, capsys)
    assert found["exit"] == Exit.OK
    files = {sink: one["files"] for sink, one in found["sinks"].items()}
    assert len(set(files.values())) == 1 and files["drive"] == COUNT, files
    sidecars = [one["sidecars"] for one in found["sinks"].values()]
    assert sidecars == [COUNT, 0, 0], "of folders alone"
    assert all(one["foreign"] == one["unproven"] == 0 for one in found["sinks"].values())
    assert job.world.dropbox.counts["files/download"] == downloads, "a listing was enough"
    assert job.run() == 0
    assert moved(job) == before
    job.assert_at_rest()
    assert invoke(["verify", str(job.config)]) == 0


@pytest.mark.wide
def test_sidecars_are_found_beside_their_photos_whatever_the_template_says_now(
    job: FanOut, capsys: pytest.CaptureFixture[str]
) -> None:
    sink = f"{{type: local, name: folder, path: {job.folder}}}"
    pipeline = f"source: icloud:demo@example.com\nsinks: [{sink}]\n"
    job.config.write_text(pipeline)
    assert job.run() == 0
    before = sorted(job.folder.rglob("*"))
    lose_the_ledger()
    job.config.write_text(f"{pipeline}path: 'all/{{filename}}'\n")
    found = rebuilt(job, capsys)
    assert found["exit"] == Exit.OK
    one = found["sinks"]["folder"]
    assert (one["files"], one["sidecars"], one["foreign"]) == (COUNT, COUNT, 0)
    assert job.run() == 0 and sorted(job.folder.rglob("*")) == before


def test_a_rebuild_says_what_is_missing_and_what_is_foreign(
    job: FanOut, capsys: pytest.CaptureFixture[str]
) -> None:
    """Some copies are gone, one was changed, one is of somebody else: the run puts it right."""
    assert job.run() == 0
    lose_the_ledger()
    store, tree = job.world.drive.store, job.world.dropbox.tree
    paths = sorted(store.paths())
    store.delete(store.paths()[paths[0]][0])
    tree.remove("/outpour/" + paths[1].removeprefix("Outpour/").lower())
    changed = job.folder / paths[2].removeprefix("Outpour/")
    changed.write_bytes(changed.read_bytes()[::-1])
    (job.folder / "holiday.txt").write_text("not from the library")
    found = rebuilt(job, capsys)
    assert found["exit"] == Exit.ITEMS_FAILED
    assert found["sinks"]["folder"]["foreign"] == 2
    most = max(one["files"] for one in found["sinks"].values())
    assert [one["files"] for one in found["sinks"].values()] == [most] * 3, "one lacks at each"
    assert job.run() == 0
    held = job.held()
    assert held["drive"] == held["dropbox"]
    assert held["folder"].total() == held["drive"].total() + 2  # the changed and the foreign one
    assert changed.exists(), "other content was overwritten"


@pytest.mark.wide
def test_two_files_at_one_path_are_one_copy(
    job: FanOut, capsys: pytest.CaptureFixture[str]
) -> None:
    """In Drive a name is no key: the second counts among the others, and its bytes not at all."""
    assert job.run() == 0
    cloud = AtDrive(job)
    size = job.world.drive.store.used
    cloud.double(cloud.paths()[3])
    lose_the_ledger()
    drive = rebuilt(job, capsys)["sinks"]["drive"]
    assert (drive["files"], drive["bytes"], drive["foreign"]) == (COUNT, size, 1)


@pytest.mark.wide
def test_a_ledger_that_is_there_is_only_completed(
    job: FanOut, capsys: pytest.CaptureFixture[str]
) -> None:
    assert job.run() == 0
    found = rebuilt(job, capsys)
    assert found["exit"] == Exit.OK
    assert all(one["files"] == 0 and one["known"] == COUNT for one in found["sinks"].values())


@pytest.mark.wide
@pytest.mark.parametrize("how_many", ["one", "all"])
def test_copies_that_the_ledger_knows_and_no_sink_shows_are_not_said_to_be_there(
    job: FanOut, capsys: pytest.CaptureFixture[str], how_many: str
) -> None:
    assert job.run() == 0
    store, tree = job.world.drive.store, job.world.dropbox.tree
    gone = sorted(store.paths())[: None if how_many == "all" else 1]
    for path in gone:
        store.delete(store.paths()[path][0])
        tree.remove("/" + path.lower())
        (job.folder / path.removeprefix("Outpour/")).unlink()
    found = rebuilt(job, capsys)
    assert found["exit"] == Exit.ITEMS_FAILED
    assert {one["missing"] for one in found["sinks"].values()} == {len(gone)}
    assert {one["known"] for one in found["sinks"].values()} == {COUNT - len(gone)}
    assert invoke(["rebuild", str(job.config)]) == Exit.ITEMS_FAILED
    said = capsys.readouterr()
    assert "confirmed from what is there" not in said.out
    assert f"{len(gone)} missing" in said.out and "outpour verify" in said.err
    assert invoke(["verify", str(job.config)]) == Exit.ITEMS_FAILED
    job.assert_brought_back()


@pytest.mark.wide
def test_another_file_where_a_copy_was_is_not_the_copy(
    job: FanOut, capsys: pytest.CaptureFixture[str]
) -> None:
    assert job.run() == 0
    path = next(path for path in job.folder.rglob("*.JPG"))
    path.write_bytes(b"another picture")
    found = rebuilt(job, capsys)["sinks"]["folder"]
    assert (found["missing"], found["foreign"], found["known"]) == (1, 1, COUNT - 1)


@pytest.mark.wide
def test_copies_that_their_owner_moved_are_not_missing(
    job: FanOut, capsys: pytest.CaptureFixture[str]
) -> None:
    assert job.run() == 0
    store = job.world.drive.store
    node = store.paths()[sorted(store.paths())[3]][0]
    store.move(node, node.parent, f"moved {node.name}")
    found = rebuilt(job, capsys)
    assert found["exit"] == Exit.OK and found["sinks"]["drive"]["missing"] == 0


@pytest.mark.wide
@pytest.mark.parametrize("download", [True, False])
def test_dropbox_alone_is_read_back_where_that_is_allowed(
    job: FanOut, capsys: pytest.CaptureFixture[str], download: bool
) -> None:
    """Its listing has a hash that no source knows; only the bytes prove whose copy a file is."""
    job.config.write_text("source: icloud:demo@example.com\nsinks: [dropbox]\n")
    assert job.run() == 0
    lose_the_ledger()
    before = moved(job)
    found = rebuilt(job, capsys, "--download" if download else "--no-download")
    sink = found["sinks"]["dropbox"]
    if download:
        assert found["exit"] == Exit.OK and sink["files"] == COUNT and sink["unproven"] == 0
        assert job.run() == 0
        assert moved(job) == before
    else:
        assert (
            found["exit"] == Exit.ITEMS_FAILED and sink["files"] == 0 and sink["unproven"] == COUNT
        )
        assert job.run() == 0
        assert moved(job)[2] == before[2], "what is there already was sent again"
    assert job.held()["dropbox"] == job.wanted()


@pytest.mark.wide
def test_a_rebuild_through_trouble(job: FanOut, capsys: pytest.CaptureFixture[str]) -> None:
    assert job.run() == 0
    lose_the_ledger()
    faults = job.world.cloud.faults
    faults.add("unavailable", 1.0, "files.list", times=2)
    faults.add("cursor_reset", 1.0, times=1)
    faults.add("reset", 1.0, "files/list_folder", times=2)
    found = rebuilt(job, capsys)
    assert found["exit"] == Exit.OK and faults.counts["unavailable"] == 2
    job.assert_at_rest()


def test_a_rebuild_without_a_sign_in_says_so(
    job: FanOut, capsys: pytest.CaptureFixture[str]
) -> None:
    assert job.run() == 0
    lose_the_ledger()
    job.world.dropbox.signin.revoke()
    capsys.readouterr()
    assert invoke(["rebuild", str(job.config)]) == Exit.NEEDS_PERSON
    assert f"outpour connect {job.config}" in capsys.readouterr().err
    assert Path(job.folder).exists()
