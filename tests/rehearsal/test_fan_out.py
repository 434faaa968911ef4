"""Promises 1 to 3 for several sinks at once: a folder, Google Drive and Dropbox.

Whatever the places do to requests and answers, and whenever the process is killed, every sink
ends byte-exact: no file is missing, none is there twice, and none is there that is no photo.
"""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from sandbox.faults import Faults
from sandbox.library import Library
from tests.rehearsal.fanout import FanOut, fan_out, trouble
from tests.rehearsal.rig import added, until_struck

RUNS = 8  # in trouble this thick a run may leave something to the next one
LARGE = 9_300_000  # goes in parts to both clouds


def library(seed: int, count: int) -> Library:
    """Small files; every fifth seed a few large ones instead."""
    if seed % 5 == 4:
        return Library(4, seed=seed, size=LARGE, plain=True)
    return Library(count, seed=seed, size=20_000, plain=count < 20)


def through_trouble(seed: int, count: int, folder: Path) -> None:
    with fan_out(library(seed, count), trouble(seed), folder) as job:
        go_on_until_done(job)
        assert job.world.cloud.faults.counts, "no fault was met: proves nothing"
        job.world.cloud.faults.clear()
        job.assert_at_rest()


def go_on_until_done(job: FanOut) -> None:
    for _ in range(RUNS):
        code = job.run()
        if code == 0:
            break
        assert code in (1, 5), code
    assert code == 0, f"{RUNS} runs did not complete the library"
    job.assert_whole()


def killed(seed: int, kills: int, count: int, folder: Path) -> None:
    """One library lives through so many kills, and grows where a run escaped them."""
    chance = random.Random(seed)
    slow = Faults.of("slow_body:0.3,listing_lag:0.1", seed=seed)
    slow.slow_seconds = 0.1
    photos = library(seed, count)
    size, few = photos.get(0).original.size, max(1, len(photos) // 5)
    requests = max(4 * len(photos) // kills, 12)
    with fan_out(photos, slow, folder) as job:
        until_struck(
            kills,
            lambda: job.killed_run(requests, chance),
            lambda: added(photos, few, size),
        )
        slow.clear()
        assert job.run() == 0
        job.assert_whole()
        job.assert_at_rest()


@pytest.mark.parametrize("seed", [4, pytest.param(0, marks=pytest.mark.slow)])
def test_all_sinks_end_whole_through_trouble(seed: int, tmp_path: Path) -> None:
    through_trouble(seed, 30, tmp_path)


def test_all_sinks_end_whole_after_kills(tmp_path: Path) -> None:
    killed(1, 3, 60, tmp_path)


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("seed", range(10, 110))
def test_a_hundred_seeds(seed: int, tmp_path: Path) -> None:
    through_trouble(seed, 60, tmp_path)


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_a_thousand_assets_through_trouble(tmp_path: Path) -> None:
    through_trouble(1000, 1000, tmp_path)


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("seed", range(10, 20))
def test_a_hundred_kills(seed: int, tmp_path: Path) -> None:
    """Ten kills for each of ten libraries, one of them of a thousand assets."""
    count = 1000 if seed == 10 else 300
    killed(seed, 10, count, tmp_path)
