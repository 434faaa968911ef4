"""Promise: a run takes no more of the line than it was given, and leaves it when it is to end."""

from __future__ import annotations

import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest

from connectors.memory import Library, MemorySink, MemorySource, Shelf
from pipeline.bandwidth import Bandwidth
from pipeline.config.models import Limits
from pipeline.states import Exit
from pipeline.stopping import Stop, Stopped
from tests.engine.rig import contents, fill, go, job

RATE = 1_000_000


class Clock(Stop):
    """Time that passes only where somebody waits; ``waited`` are the waits."""

    def __init__(self) -> None:
        super().__init__()
        self.waited: list[float] = []

    def sleep(self, seconds: float) -> None:
        self.waited.append(seconds)


def test_what_is_not_limited_waits_for_nothing() -> None:
    clock = Clock()
    Bandwidth(None, clock).spend(10**12)
    assert not clock.waited


def test_all_that_passes_shares_the_rate() -> None:
    clock = Clock()
    line = Bandwidth(RATE, clock)
    threads = [threading.Thread(target=line.spend, args=(RATE,)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(round(wait) for wait in clock.waited) == [0, 1, 2, 3]


def test_time_in_which_nothing_passed_is_not_saved_up(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr("pipeline.bandwidth.time.monotonic", lambda: now[0])
    clock = Clock()
    line = Bandwidth(RATE, clock)
    line.spend(RATE)
    now[0] += 3600
    line.spend(RATE)
    line.spend(RATE)
    assert clock.waited == [0.0, 0.0, 1.0]


def test_who_waits_ends_with_the_run() -> None:
    stop = Stop()
    line = Bandwidth(1000, stop)
    line.spend(3_600_000)
    threading.Timer(0.1, stop.set, ["Ctrl-C"]).start()
    began = time.monotonic()
    with pytest.raises(Stopped):
        line.spend(1)
    assert time.monotonic() - began < 60


@pytest.mark.parametrize("limits", [Limits(download_rate=40_000), Limits(upload_rate=40_000)])
def test_a_run_keeps_to_it_and_brings_everything(tmp_path: Path, limits: Limits) -> None:
    library, shelf = Library(), Shelf()
    fill(library, 9)
    size = sum(len(data) for data in library.contents.values())
    made = job(MemorySource("from", library), [MemorySink("to", shelf)], staging=tmp_path / "s")
    made = replace(made, pipeline=made.pipeline.model_copy(update={"limits": limits}))
    began = time.monotonic()
    assert go(made, tmp_path / "l.sqlite").exit is Exit.OK
    # The last piece is let pass before its time is over.
    assert time.monotonic() - began > (size - 2000) / 40_000
    assert sorted(contents(shelf).values()) == sorted(library.contents.values())
