"""Promise: copies of photos that were freed are kept up: one that is lost at a place is made again,
byte for byte, from another place that has it."""

from __future__ import annotations

from collections import Counter

import pytest

from pipeline.cli.app import invoke
from pipeline.ledger import steps
from pipeline.states import Exit
from pipeline.stopping import Stopped
from tests.clouds.test_verify import CLOUDS
from tests.rehearsal.fanout import FanOut

pytestmark = pytest.mark.wide

FREE = ["--older-than", "1d", "--keep", "0d", "--yes"]


def test_a_copy_that_its_owner_moved_is_not_made_again_for_a_reclaim_that_missed_it(
    job: FanOut,
) -> None:
    assert job.run() == Exit.OK
    before = job.held()
    clouds = {name: cloud(job) for name, cloud in CLOUDS.items()}
    paths = sorted(clouds["drive"].paths())
    clouds["drive"].move(paths[0])
    clouds["dropbox"].move(paths[1])
    (job.folder / paths[2]).rename(job.folder / f"moved {paths[2].rpartition('/')[2]}")
    assert invoke(["reclaim", str(job.config), *FREE]) == Exit.ITEMS_FAILED
    assert job.run() == Exit.OK
    assert job.held() == before
    assert invoke(["reclaim", str(job.config), *FREE]) == Exit.OK
    assert all(asset.trashed is not None for asset in job.world.cloud.library)


@pytest.fixture
def whole(job: FanOut) -> dict[str, Counter[str]]:
    """What all places hold of a library that is no longer at its source."""
    assert job.run() == Exit.OK
    everything = job.held()
    assert invoke(["reclaim", str(job.config), *FREE]) == Exit.OK
    assert all(asset.trashed is not None for asset in job.world.cloud.library)
    return everything


def lose(job: FanOut) -> None:
    """Another photo at each place."""
    clouds = {name: cloud(job) for name, cloud in CLOUDS.items()}
    paths = sorted(clouds["drive"].paths())
    clouds["drive"].delete(paths[0])
    clouds["dropbox"].delete(paths[1])
    (job.folder / paths[2]).unlink()
    assert invoke(["verify", str(job.config)]) == Exit.ITEMS_FAILED


def test_from_whichever_place_has_it(job: FanOut, whole: dict[str, Counter[str]]) -> None:
    lose(job)
    assert job.held() != whole
    assert job.run() == Exit.OK
    assert job.held() == whole
    assert invoke(["verify", str(job.config)]) == Exit.OK
    received = job.world.drive.received, job.world.dropbox.received
    assert job.run() == Exit.OK
    assert (job.world.drive.received, job.world.dropbox.received) == received


def test_a_sidecar_that_no_other_place_has(job: FanOut, whole: dict[str, Counter[str]]) -> None:
    sidecars = {path: path.read_bytes() for path in sorted(job.folder.rglob("*.xmp"))[:2]}
    for path in sidecars:
        path.unlink()
    assert invoke(["verify", str(job.config)]) == Exit.ITEMS_FAILED
    assert job.run() == Exit.OK
    assert {path: path.read_bytes() for path in sidecars} == sidecars
    assert job.held() == whole


def test_a_sidecar_in_whose_place_is_another_is_missed_no_more(
    job: FanOut, whole: dict[str, Counter[str]]
) -> None:
    (path, *_) = sorted(job.folder.rglob("*.xmp"))
    path.unlink()
    assert invoke(["verify", str(job.config)]) == Exit.ITEMS_FAILED
    path.write_bytes(b"<x>mine</x>")
    assert job.run() == Exit.OK
    assert path.read_bytes() == b"<x>mine</x>"
    assert invoke(["verify", str(job.config)]) == Exit.OK


def test_a_sidecar_is_written_by_what_is_known_now_where_no_place_has_the_old(
    job: FanOut, whole: dict[str, Counter[str]]
) -> None:
    library = job.world.cloud.library
    for album in library.albums.all():
        if not album.folder:
            library.albums.rename(album, f"{album.title} again")
    assert job.run() == Exit.OK
    sidecars = list(job.folder.rglob("*.xmp"))
    for path in sidecars:
        path.unlink()
    assert invoke(["verify", str(job.config)]) == Exit.ITEMS_FAILED
    assert job.run() == Exit.OK
    assert sorted(job.folder.rglob("*.xmp")) == sorted(sidecars)
    assert invoke(["verify", str(job.config)]) == Exit.OK


def test_a_run_that_ends_before_it_knows_doubles_nothing(
    job: FanOut, whole: dict[str, Counter[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    lose(job)

    def ended(*_: object) -> None:
        raise Stopped

    with monkeypatch.context() as meanwhile:
        meanwhile.setattr(steps, "confirmed", ended)
        job.run()
    assert job.run() == Exit.OK
    assert job.held() == whole
    assert invoke(["verify", str(job.config)]) == Exit.OK


def test_through_trouble_on_the_line(
    job: FanOut, whole: dict[str, Counter[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipeline.retry._FIRST", 0.01)
    lose(job)
    for fault in ("unavailable", "reset", "flip_byte", "lost_answer"):
        job.world.cloud.faults.add(fault, 0.2, "*", times=6)
    job.run()
    job.world.cloud.faults.clear()
    assert job.run() == Exit.OK
    assert job.held() == whole


def test_an_answer_that_got_lost_doubles_nothing_though_listings_lag(
    job: FanOut, whole: dict[str, Counter[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was made then is known by the id that it was asked for with."""
    monkeypatch.setattr("pipeline.retry._FIRST", 0.01)
    lose(job)
    faults = job.world.cloud.faults
    faults.add("lost_answer", 1.0, "create/*", times=1)
    faults.add("listing_lag")
    job.run()
    assert faults.counts["lost_answer"] == 1
    faults.clear()
    assert job.run() == Exit.OK
    assert job.held() == whole


def test_a_place_that_is_too_busy_for_one_file_is_asked_again(
    job: FanOut, whole: dict[str, Counter[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipeline.retry._FIRST", 0.01)
    lose(job)
    job.world.dropbox.faults.add("busy_entry", 1.0, "*", times=2)
    assert job.run() == Exit.OK
    assert job.held() == whole
