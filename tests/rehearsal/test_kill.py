"""Promises 1 and 3 against kill -9: whatever the moment, the next runs complete the library.

One folder lives through many kills in a row, so that later runs meet what earlier ones left.
"""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from sandbox.faults import Faults
from tests.keep.reading import read
from tests.rehearsal.rig import (
    ARGUMENTS,
    added,
    assert_kept,
    cloud,
    killed_run,
    landed,
    run,
    strays,
    until_struck,
    wanted,
)


def killed_many_times(seed: int, kills: int, folder: Path) -> None:
    """So many runs are killed, of some 120 requests in all and of what is added on the way."""
    chance = random.Random(seed)
    trouble = Faults.of("slow_body:0.3", seed=seed)
    trouble.slow_seconds = 0.1
    with cloud(60, trouble, seed=seed, size=40_000) as double:

        def killed() -> bool:
            asked = double.counts.total
            struck = killed_run([*ARGUMENTS, str(folder)], asked, 40, chance)
            assert not landed_finals(folder) - wanted(double.library).keys()
            for path in folder.rglob("*.xmp"):
                read(path.read_bytes())  # whole, or not there
            return struck

        until_struck(kills, killed, lambda: added(double.library, 30, 40_000))
        assert run(folder) == 0
        assert landed(folder) == wanted(double.library), "lost, torn or doubled"
        assert_kept(folder, double.library)
        assert strays(folder) == []
        assert run(folder) == 0, "the ledger is not consistent"
        assert landed(folder) == wanted(double.library)
        assert_kept(folder, double.library)


def landed_finals(folder: Path) -> set[str]:
    """Contents under final names; what is under way has names of its own."""
    from tests.rehearsal.rig import sha

    files = (path for path in folder.rglob("*") if path.is_file() and path.suffix != ".xmp")
    return {sha(path.read_bytes()) for path in files if not path.name.startswith(".outpour")}


def test_killed_and_run_again(tmp_path: Path) -> None:
    killed_many_times(1, 5, tmp_path / "Photos")


@pytest.mark.slow
@pytest.mark.timeout(3000)
@pytest.mark.parametrize("seed", range(10, 30))
def test_killed_two_hundred_times(seed: int, tmp_path: Path) -> None:
    killed_many_times(seed, 10, tmp_path / "Photos")
