"""Killed between any two requests, in mid-request or before an answer: never a second copy."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from connectors.base import Body, Put
from connectors.errors import Transient
from sandbox.gdrive import GoogleDrive as Double
from sandbox.server import Sandbox
from tests.conformance.killing import kill_at
from tests.conformance.making import Bench, content
from tests.conformance.mortal import Mortal
from tests.gdrive.bench import DrivePlace, broken, held
from tests.pointing import Point

MIB = 1024 * 1024
FILES = {"2024/06/a.jpg": 3000, "2024/06/b.jpg": 4000, "2024/07/c.mov": 5 * MIB + 77}
EXPECTED = {f"Outpour/{path}": 1 for path in FILES}


@pytest.fixture
def mortal(use_sandbox: Point) -> Iterator[Mortal[Double]]:
    mortal = Mortal(Double())
    with Sandbox([mortal, mortal.double.signin], faults=mortal.double.faults) as sandbox:
        use_sandbox(sandbox)
        yield mortal
    assert not broken(mortal.double)
    mortal.double.close()


SLOW = pytest.mark.slow


@pytest.mark.parametrize(
    ("after", "lag"),
    [
        pytest.param(False, False, id="request lost", marks=pytest.mark.wide),
        pytest.param(True, True, id="answer lost, listings lag"),
        pytest.param(True, False, id="answer lost", marks=SLOW),
        pytest.param(False, True, id="request lost, listings lag", marks=SLOW),
    ],
)
def test_a_run_that_dies_at_any_request_doubles_nothing(
    mortal: Mortal[Double], tmp_path: Path, after: bool, lag: bool
) -> None:
    """Every request in turn is the last one; then a new process goes on with the tokens."""
    double = mortal.double
    if lag:
        double.faults.add("listing_lag")
    bench = Bench(tmp_path)
    staged = {path: bench.stage(path, content(size)) for path, size in FILES.items()}
    for at in range(1, 60):
        place = DrivePlace(double, folder=f"Run {at}", account=f"{at}", chunk_mib=1)
        tokens: dict[str, str] = {}
        mortal.arm(at, after=after)
        run(place, staged, tokens)
        finished = not mortal.died.is_set()
        mortal.revive()
        assert run(place, staged, tokens)
        ours = {path for path in held(double).items() if path[0].startswith(f"Run {at}/")}
        assert ours == {(f"Run {at}/{path}", 1) for path in FILES}
        made = [path for path in double.store.folders() if path.split("/")[0] == f"Run {at}"]
        assert len(made) == len(set(made)) == 4
        if finished:
            return
    pytest.fail("sixty requests for three files are too many")


def run(place: DrivePlace, staged: dict[str, tuple[Put, Body]], tokens: dict[str, str]) -> bool:
    """One process's life; whether it came to the end."""
    sink = place.open()
    try:
        for path, (put, body) in staged.items():
            sink.transfer(
                put,
                body,
                tokens.get(path),
                lambda token, _held=0, path=path: tokens.update({path: token}),
            )
    except Transient:
        return False
    finally:
        sink.close()
    return True


def test_a_killed_upload_is_completed_without_a_second_copy(
    mortal: Mortal[Double], tmp_path: Path
) -> None:
    assert rehearse(mortal, tmp_path, [4, 9]), "no kill struck: proves nothing"


@SLOW
def test_kill_9_at_a_hundred_moments(mortal: Mortal[Double], tmp_path: Path) -> None:
    rng, struck = random.Random(11), 0
    for turn in range(20):
        folder = tmp_path / str(turn)
        folder.mkdir()
        struck += rehearse(mortal, folder, [rng.randint(1, 24) for _ in range(5)])
        for node in mortal.double.store.nodes.values():
            node.trashed = node.trashed or node.name == "Outpour"
    assert struck >= 20, "fewer than one kill a turn struck"


def rehearse(mortal: Mortal[Double], folder: Path, moments: list[int]) -> int:
    """Processes that are killed one after the other, the last of which may finish."""
    double = mortal.double
    DrivePlace(double)  # signs in
    struck = kill_at(mortal, "gdrive", {"chunk_mib": 1}, FILES, folder, moments)
    assert held(double) == EXPECTED
    made = double.store.folders()
    assert len(made) == len(set(made)) == 4
    for path, nodes in double.store.paths().items():
        stored = double.store.file(nodes[0]).read_bytes()
        assert stored == content(FILES[path.removeprefix("Outpour/")])
    return struck
