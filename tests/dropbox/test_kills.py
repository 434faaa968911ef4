"""Killed around any request, before or after its answer: never a second copy, never a hole."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from connectors.base import Body, Put, Transferred
from connectors.errors import OutpourError, Transient
from sandbox.dropbox import Dropbox as Double
from sandbox.server import Sandbox
from tests.conformance.killing import kill_at
from tests.conformance.making import Bench, content
from tests.conformance.mortal import Mortal
from tests.dropbox.bench import DropboxPlace, broken, held
from tests.pointing import Point

MIB = 1024 * 1024
FILES = {"2024/06/a.jpg": 3000, "2024/06/b.jpg": 4000, "c.mov": 17 * MIB + 7, "d.mov": 36 * MIB}
EXPECTED = {f"/Outpour/{path}": content(size) for path, size in FILES.items()}
SLOW = pytest.mark.slow


@pytest.fixture
def mortal(use_sandbox: Point) -> Iterator[Mortal[Double]]:
    double = Double()
    mortal = Mortal(double)
    with Sandbox([mortal], faults=double.faults) as sandbox:
        use_sandbox(sandbox)
        yield mortal
    assert not broken(double)


@pytest.mark.parametrize("after", [False, True], ids=["request lost", "answer lost"])
@pytest.mark.parametrize(
    "size",
    [3000, pytest.param(9 * MIB, marks=pytest.mark.wide), pytest.param(33 * MIB, marks=SLOW)],
)
def test_a_run_that_dies_at_any_request_doubles_nothing(
    mortal: Mortal[Double], tmp_path: Path, after: bool, size: int
) -> None:
    """Every request in turn is the last one; then a new process goes on with the token."""
    double = mortal.double
    bench = Bench(tmp_path)
    put, body = bench.stage("2024/06/a.mov", content(size))
    for at in range(1, 60):
        place = DropboxPlace(double, folder=f"/Run {at}", account=f"{at}")
        writes = double.tree.writes
        mortal.arm(at, after=after)
        token = life(place, put, body, None)
        finished = not mortal.died.is_set()
        mortal.revive()
        life(place, put, body, token)
        assert held(double)[f"/Run {at}/2024/06/a.mov"] == content(size)
        assert double.tree.writes == writes + 1, "it was written twice"
        if finished:
            return
    pytest.fail("sixty requests for one file are too many")


def life(place: DropboxPlace, put: Put, body: Body, token: str | None) -> str | None:
    """One process's life; the last token it kept."""
    kept = [token]

    def keep(token: str, _held: int = 0) -> None:
        kept.append(token)

    sink = place.open()
    try:
        sent = sink.transfer(put, body, token, keep)
        kept.append(sent.token)
        for answer in sink.commit([Transferred(put, sent.token, sent.receipt)]):
            if isinstance(answer, OutpourError):
                raise answer
    except Transient:
        pass
    finally:
        sink.close()
    return kept[-1]


def test_a_killed_upload_is_completed_without_a_second_copy(
    mortal: Mortal[Double], tmp_path: Path
) -> None:
    assert rehearse(mortal, tmp_path, [5, 11]), "no kill struck: proves nothing"


@SLOW
@pytest.mark.timeout(900)
def test_kill_9_at_a_hundred_moments(mortal: Mortal[Double], tmp_path: Path) -> None:
    rng, struck = random.Random(11), 0
    for turn in range(20):
        folder = tmp_path / str(turn)
        folder.mkdir()
        struck += rehearse(mortal, folder, [rng.randint(1, 24) for _ in range(5)])
        mortal.double.tree.remove("/outpour")
    assert struck >= 20, "fewer than one kill a turn struck"


def rehearse(mortal: Mortal[Double], folder: Path, moments: list[int]) -> int:
    double = mortal.double
    DropboxPlace(double)  # signs in
    writes = double.tree.writes
    struck = kill_at(mortal, "dropbox", {}, FILES, folder, moments)
    assert held(double) == EXPECTED
    assert double.tree.writes == writes + len(FILES), "a file was written twice"
    return struck
