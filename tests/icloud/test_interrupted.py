"""Promise: Ctrl-C ends whatever waits, also what waits inside of a listing or a commit."""

from __future__ import annotations

import itertools
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from connectors.base import Page
from connectors.errors import Transient
from connectors.icloud.source import ICloudSource
from connectors.icloud.window import Task
from connectors.memory import Library as Memory
from connectors.memory import MemorySink, MemorySource, Shelf
from connectors.private import state_dir
from pipeline.cli.app import invoke
from pipeline.ledger import Ledger
from pipeline.ledger.copies import losses
from pipeline.runner import Outcome
from pipeline.states import Exit
from pipeline.stopping import Stop
from sandbox.library import Library
from tests.cases import wide_after
from tests.conformance.making import content
from tests.engine.rig import ending, go, job
from tests.icloud.rig import ACCOUNT, Rig, rig
from tests.pointing import Point

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
        super().__init__("from", Memory())
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


def interrupt_at(
    monkeypatch: pytest.MonkeyPatch, request: int, interrupt: Callable[[], None]
) -> None:
    """Between two requests of a listing, where nothing waits."""
    asked = itertools.count(1)
    ask = Task.ask

    def watched(self: Task, *arguments: Any, **more: Any) -> Any:
        if next(asked) == request:
            interrupt()
        return ask(self, *arguments, **more)

    monkeypatch.setattr(Task, "ask", watched)


@pytest.mark.parametrize("request_", [1, 2, 3, 5])
def test_what_is_cut_short_is_never_taken_for_a_whole_listing(
    use_sandbox: Point, monkeypatch: pytest.MonkeyPatch, request_: int
) -> None:
    with rig(use_sandbox, Library(1200, plain=True, size=500)) as cloud:
        cloud.connect()
        source = cloud.source()
        interrupt_at(monkeypatch, request_, source.interrupt)
        with pytest.raises(Transient, match="asked no more"):
            list(source.pages())


@pytest.mark.parametrize("command", wide_after(1, ["run", "verify", "rebuild"]))
def test_nothing_is_concluded_from_what_was_not_listed(
    command: str, use_sandbox: Point, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A duplicate that somebody put into the bin stays there, and no copy is called missing."""
    with rig(use_sandbox, Library(600, plain=True, size=500)) as cloud:
        cloud.connect()
        (tmp_path / "from").mkdir()
        (tmp_path / "from" / "a.jpg").write_bytes(content(6000))
        config = tmp_path / "p.yaml"
        config.write_text(f"source: ./from\nsinks: [{{type: icloud, account: {ACCOUNT}}}]\n")
        assert invoke(["run", str(config)]) == Exit.OK
        twin = cloud.library.add("IMG_1.JPG", data=content(5000), created=1_000_000_000_000)
        cloud.library.add("IMG_1.JPG", data=content(5000), created=1_000_000_000_000)
        cloud.library.trash(twin.id)
        (tmp_path / "from" / "b.jpg").write_bytes(content(5000))
        interrupt_at(monkeypatch, 2, lambda: os.kill(os.getpid(), signal.SIGINT))
        cloud.sandbox.latency = 0.05  # the signal is dealt with before the answer comes
        assert invoke([command, str(config)]) == Exit.INTERRUPTED
        cloud.sandbox.latency = 0
        assert cloud.library.find(twin.id).trashed is not None
        with Ledger.open(next(state_dir("pipelines").glob("*.sqlite"))) as ledger:
            assert not losses.lost(ledger, "icloud")
