"""Promise: Ctrl-C ends whatever waits, also what waits inside of a listing or a commit."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from connectors.base import Page
from connectors.errors import Transient
from connectors.icloud.source import ICloudSource
from connectors.memory import Library, MemorySink, MemorySource, Shelf
from pipeline.runner import Outcome
from pipeline.states import Exit
from pipeline.stopping import Stop
from tests.engine.rig import ending, go, job
from tests.icloud.rig import Rig

LONG = 50  # seconds that Apple asks to be left alone: longer than anything here may take


def albums(source: ICloudSource) -> None:
    list(source.albums())


def library(source: ICloudSource) -> None:
    list(source.pages())


@pytest.mark.parametrize("what", [albums, library], ids=["albums", "library"])
def test_a_listing_that_apple_keeps_waiting_ends_at_once(
    ready: Rig, what: Callable[[ICloudSource], None]
) -> None:
    source = ready.source()
    source.capacity()  # signed in
    ready.faults.retry_after = LONG
    ready.faults.add("throttle", 1.0, "*records/query")
    threading.Timer(0.5, source.interrupt).start()
    began = time.monotonic()
    error = ending(lambda: what(source))
    assert isinstance(error, Transient) and time.monotonic() - began < LONG / 2


class Waiting(MemorySource):
    """Waits inside of its listing, as long as it is let."""

    def __init__(self) -> None:
        super().__init__("from", Library())
        self.ended = threading.Event()

    def pages(self, since: str | None = None) -> Iterator[Page]:
        self.ended.wait(LONG)
        raise Transient("asked to wait")

    def interrupt(self) -> None:
        self.ended.set()


def test_a_run_that_is_asked_to_end_ends_what_waits_inside_of_a_place(tmp_path: Path) -> None:
    stop = Stop()
    work = job(Waiting(), [MemorySink("to", Shelf())], staging=tmp_path / "s")
    threading.Timer(0.5, stop.set, ("interrupted",)).start()
    began = time.monotonic()
    outcome = ending(lambda: go(work, tmp_path / "l.sqlite", stop=stop))
    assert isinstance(outcome, Outcome) and outcome.exit is Exit.INTERRUPTED
    assert time.monotonic() - began < LONG / 2
