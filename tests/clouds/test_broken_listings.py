"""A listing of thousands of requests goes on where one of them failed: begun afresh it would
never come to its end where one of a hundred fails, and would ask a busy service for ever more."""

from __future__ import annotations

import threading
import time

import pytest
import tenacity

from connectors.abilities import Interruptible, Inventory
from connectors.base import Sink
from connectors.dropbox import DropboxSettings
from connectors.dropbox.sink import DropboxSink
from connectors.errors import Transient
from connectors.gdrive import DriveSettings
from connectors.gdrive.sink import DriveSink
from pipeline.cli.app import invoke
from pipeline.states import Exit
from tests.rehearsal.fanout import FanOut

pytestmark = pytest.mark.wide

LISTS = {"drive": "files.list", "dropbox": "files/list_folder*"}


@pytest.fixture(params=list(LISTS))
def cloud(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def moved(job: FanOut, monkeypatch: pytest.MonkeyPatch) -> FanOut:
    """A library that is there, in clouds that show little at a time."""
    monkeypatch.setattr("connectors.patience._backoff", tenacity.wait_none())
    monkeypatch.setattr("sandbox.dropbox.browsing._LARGEST_PAGE", 3)
    monkeypatch.setattr("sandbox.gdrive.files._LARGEST_PAGE", 3)
    assert job.run() == Exit.OK
    return job


def listings(job: FanOut, cloud: str) -> int:
    counts = job.world.drive.calls if cloud == "drive" else job.world.dropbox.counts
    return sum(count for key, count in counts.items() if key.startswith(LISTS[cloud].rstrip("*")))


def sink_of(cloud: str) -> Sink:
    if cloud == "drive":
        return DriveSink("drive", DriveSettings())
    return DropboxSink("dropbox", DropboxSettings())


@pytest.mark.parametrize("fault", ["unavailable", "throttle", "reset"])
def test_what_fails_in_it_is_asked_for_again_and_nothing_else(
    moved: FanOut, cloud: str, fault: str
) -> None:
    before = listings(moved, cloud)
    assert invoke(["verify", str(moved.config)]) == Exit.OK
    needed = listings(moved, cloud) - before
    assert needed >= 5, "one request lists all: proves nothing"
    trouble = moved.world.drive.faults
    trouble.add(fault, 0.5, LISTS[cloud])
    before = listings(moved, cloud)
    assert invoke(["verify", str(moved.config)]) == Exit.OK
    failed = trouble.counts[fault]
    assert failed >= 3, "hardly any failed: proves nothing"
    # What the sandbox refuses before a service sees it is not counted there.
    assert listings(moved, cloud) - before in (needed, needed + failed)


def test_it_ends_with_the_run_and_never_looks_whole(moved: FanOut, cloud: str) -> None:
    trouble = moved.world.drive.faults
    sink = sink_of(cloud)
    assert isinstance(sink, Inventory) and isinstance(sink, Interruptible)
    whole = len(list(sink.inventory()))
    found = sink.inventory()
    seen = [next(found)]
    trouble.retry_after = 60
    trouble.add("throttle", key=LISTS[cloud])
    threading.Timer(0.3, sink.interrupt).start()
    begun = time.monotonic()
    with pytest.raises(Transient):
        seen += found
    assert time.monotonic() - begun < 30, "it waited for as long as the service asked"
    assert len(seen) < whole
    trouble.clear()
    assert len(list(sink.inventory())) == whole, "only the waiting is over"
    sink.close()
