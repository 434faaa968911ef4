"""A copy that was lost is named until it is back or no longer needed, and not longer."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from connectors.memory import library
from pipeline.cli.app import invoke
from pipeline.states import Exit
from tests.cli.stage import fill

COUNT = 4


@pytest.fixture
def config(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    """A pipeline that has put each asset into two folders."""
    store = f"lost-{request.node.name}"
    fill(library(store), COUNT)
    path = tmp_path / "family.yaml"
    path.write_text(
        f"source: memory:{store}\nsinks:\n"
        f"  - {{type: local, name: one, path: {tmp_path}/one}}\n"
        f"  - {{type: local, name: two, path: {tmp_path}/two}}\n"
    )
    assert invoke(["run", str(path)]) == Exit.OK
    return path


def _lose(tmp_path: Path) -> list[str]:
    """Delete two files of the first folder."""
    lost = sorted((tmp_path / "one").rglob("*.HEIC"))[:2]
    for path in lost:
        path.unlink()
    return [path.name for path in lost]


def _named(out: str) -> list[str]:
    return re.findall(r"(IMG_\d+\.HEIC) +missing", out)


def test_a_lost_copy_is_named_by_each_verify_until_a_run_brings_it_back(
    config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lost = _lose(tmp_path)
    for _ in range(2):
        capsys.readouterr()
        assert invoke(["verify", str(config)]) == Exit.ITEMS_FAILED
        assert _named(capsys.readouterr().out) == lost
    assert invoke(["run", str(config)]) == Exit.OK
    assert invoke(["verify", str(config)]) == Exit.OK
    assert len(list((tmp_path / "one").rglob("*.HEIC"))) == COUNT


def test_a_lost_copy_that_is_not_needed_is_named_once_and_keeps_nothing_waiting(
    config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config.write_text(config.read_text() + "route: {to: first, copies: 1}\n")
    lost = _lose(tmp_path)
    capsys.readouterr()
    assert invoke(["verify", str(config)]) == Exit.ITEMS_FAILED
    assert _named(capsys.readouterr().out) == lost
    assert invoke(["verify", str(config)]) == Exit.OK
    assert not _named(capsys.readouterr().out)
    assert invoke(["report", str(config), "--state", "waiting"]) == Exit.OK
    assert "IMG_" not in capsys.readouterr().out
