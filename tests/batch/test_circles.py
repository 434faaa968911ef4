"""Promise: pipelines of one batch do not copy each other's copies, run by run."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.cli.app import invoke
from pipeline.states import Exit
from tests.batch.photos import contents, library

pytestmark = pytest.mark.wide


def pipelines(folder: Path, **ways: str) -> Path:
    """A folder of pipelines, each from one folder to another beside it."""
    for name, way in ways.items():
        source, _, sink = way.partition(" to ")
        (folder / source).mkdir(parents=True, exist_ok=True)
        (folder / sink).mkdir(parents=True, exist_ok=True)
        (folder / f"{name}.yaml").write_text(f"source: ./{source}\nsinks: [./{sink}]\n")
    return folder


@pytest.mark.parametrize(
    "ways",
    [
        {"a": "lib to back", "b": "back to lib/b"},
        {"a": "lib to x", "b": "x to y", "c": "y to lib/c", "other": "lib/c to z"},
    ],
    ids=["two", "three"],
)
def test_pipelines_that_would_copy_each_other_s_copies_are_refused(
    tmp_path: Path, ways: dict[str, str], capfd: pytest.CaptureFixture[str]
) -> None:
    """Each run would bring everything once more."""
    folder = pipelines(tmp_path, **ways)
    library(folder / "lib/2026", 2)
    for what in ("run", "plan"):
        assert invoke(["batch", str(folder), "--do", what]) == Exit.USAGE
        told = capfd.readouterr().err
        assert "fills the source of" in told and "each run would copy" in told
        assert "'other'" not in told
    assert len(contents(folder)) == 2


@pytest.mark.parametrize("back", ["y to x", "y/2024 to x"])
def test_pipelines_that_may_copy_each_other_s_copies_are_told_of(
    tmp_path: Path, back: str, capfd: pytest.CaptureFixture[str]
) -> None:
    """Two folders that are kept alike may hold the same already: nobody's batch ends for that."""
    folder = pipelines(tmp_path, a="x to y", b=back)
    library(folder / "x", 2)
    for _ in range(2):
        assert invoke(["batch", str(folder), "--jobs", "1"]) == Exit.OK
        told = capfd.readouterr().err
        assert "which fills that of" in told and "they may copy each other's copies" in told


def test_pipelines_may_hand_on_to_each_other(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """A chain, a part of another's folder, and what is hidden are no circle."""
    ways = {"a": "x to y", "b": "y to z/deep", "c": "z to far", "d": "y to x/@eaDir/kept"}
    folder = pipelines(tmp_path, **ways)
    library(folder / "x", 2)
    for _ in range(3):
        assert invoke(["batch", str(folder), "--jobs", "1"]) == Exit.OK
    assert len(contents(folder / "far")) == len(contents(folder / "y")) == 2
    assert "copies" not in capfd.readouterr().err
