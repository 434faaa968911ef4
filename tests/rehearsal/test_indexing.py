"""Promise: that Apple still indexes a library is said at once, and how long that can take."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from pipeline.states import Exit
from pipeline.stopping import Stop
from sandbox.faults import Faults
from sandbox.icloud import ICloud
from tests.rehearsal.rig import cloud, landed, run, wanted


def _waits(monkeypatch: pytest.MonkeyPatch, double: ICloud, most: int) -> list[float]:
    """Waits are short, and after so many the library is indexed."""
    waited: list[float] = []

    def sleep(_: Stop, seconds: float) -> None:
        waited.append(seconds)
        double.account.indexing = len(waited) < most
        time.sleep(0.25)

    monkeypatch.setattr(Stop, "sleep", sleep)
    return waited


def test_a_library_still_indexed_is_told_while_it_is_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with cloud(5, Faults()) as double:
        waited = _waits(monkeypatch, double, 2)
        double.account.indexing = True
        assert run(tmp_path / "Photos") == Exit.OK
        said = capsys.readouterr().err
        assert said.index("still indexing") < said.index("goes on")
        assert waited[0] >= 60
        assert landed(tmp_path / "Photos") == wanted(double.library)


def test_a_wait_that_is_too_long_ends_with_the_same_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with cloud(5, Faults()) as double:
        waited = _waits(monkeypatch, double, 100)
        double.account.indexing = True
        assert run(tmp_path / "Photos") == Exit.FATAL
        said = capsys.readouterr().err
        assert said.count("still indexing") == 2, "while it is waited for, and at the end"
        assert said.count("hours") == 2 and "minutes" not in said
        assert len(waited) < 6
