"""Promise: a line that is down costs time only; one that never was up is said at once."""

from __future__ import annotations

import json
import threading
import time
from pathlib import Path

import pytest

from pipeline.cli.app import invoke
from pipeline.states import Exit
from sandbox.faults import Faults
from tests.rehearsal.rig import ARGUMENTS, double_of, landed, run, served, strays, wanted


def test_a_line_that_comes_back_costs_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    double = double_of(150, Faults())
    with served(double) as sandbox:
        monkeypatch.setenv("OUTPOUR_LIMITS__ATTEMPTS", "3")  # a second's worth
        sandbox.latency = 0.05

        def pull_the_cable() -> None:
            while double.counts["content"] < 20:
                time.sleep(0.01)
            with sandbox.outage():
                time.sleep(2)

        puller = threading.Thread(target=pull_the_cable)
        puller.start()
        code = run(tmp_path / "Photos")
        puller.join()
        assert code == Exit.OK
        assert landed(tmp_path / "Photos") == wanted(double.library)
        assert "icloud: iCloud cannot be reached" in capsys.readouterr().err
    assert strays(tmp_path / "Photos") == []


@pytest.mark.wide
@pytest.mark.parametrize("signed_in", [False, True])
def test_a_line_that_never_was_up_is_told_once_and_not_waited_for(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    signed_in: bool,
) -> None:
    with served(double_of(3, Faults())) as sandbox:
        monkeypatch.setenv("OUTPOUR_LIMITS__ATTEMPTS", "4")
        if signed_in:
            assert run(tmp_path / "Photos") == Exit.OK
            capsys.readouterr()
        with sandbox.outage():
            assert run(tmp_path / "Photos") == Exit.FATAL
    said = capsys.readouterr().err.splitlines()
    told, *_ = [line for line in said if line.startswith("icloud: ")]
    # The double is reached through a proxy, and it is the proxy that is away.
    assert told == (
        "icloud: iCloud cannot be reached through the proxy; trying again "
        "(Check HTTPS_PROXY and NO_PROXY.)"
    )
    assert len([line for line in said if "trying again" in line]) == 1
    assert "Check HTTPS_PROXY" in said[-2]


def test_programs_are_told_of_it_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with served(double_of(3, Faults())) as sandbox, sandbox.outage():
        monkeypatch.setenv("OUTPOUR_LIMITS__ATTEMPTS", "3")
        assert invoke([*ARGUMENTS, str(tmp_path / "Photos"), "--json"]) == Exit.FATAL
    events = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    (notice,) = [event for event in events if event["event"] == "notice"]
    assert notice["place"] == "icloud" and "trying again" in notice["text"] and notice["hint"]
