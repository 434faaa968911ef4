"""Google Drive's listings may miss a file for a while: a good copy is not given up for that."""

from __future__ import annotations

import time

import pytest

from pipeline.cli.app import invoke
from pipeline.stages import copy_lookup
from pipeline.states import Exit
from sandbox.gdrive.store import Node
from tests.clouds.test_rebuild import rebuilt
from tests.rehearsal.fanout import FanOut

pytestmark = pytest.mark.wide

HIDDEN = 3  # copies no listing shows


@pytest.fixture
def drive(job: FanOut) -> FanOut:
    """All is at Drive, and nowhere else."""
    job.config.write_text("source: icloud:demo@example.com\nsinks: [{type: gdrive, name: drive}]\n")
    assert job.run() == 0
    return job


def nodes(job: FanOut) -> list[Node]:
    return [node for some in job.world.drive.store.paths().values() for node in some]


def hide(job: FanOut) -> list[Node]:
    """Listings do not show some of the files."""
    late = nodes(job)[:HIDDEN]
    for node in late:
        node.seen_from = time.monotonic() + 60
    return late


def asked(job: FanOut) -> int:
    return job.world.drive.calls["files.get"]


def assert_kept(job: FanOut, before: int) -> None:
    """Everything is there once, and nothing was sent for it."""
    assert job.run() == 0
    assert job.world.drive.received == before
    assert job.held()["drive"] == job.wanted()


def test_verify_asks_for_a_copy_itself_before_it_calls_it_missing(drive: FanOut) -> None:
    before = drive.world.drive.received
    hide(drive)
    assert invoke(["verify", str(drive.config)]) == Exit.OK
    assert_kept(drive, before)


def test_a_rebuild_asks_for_what_it_does_not_see(
    drive: FanOut, capsys: pytest.CaptureFixture[str]
) -> None:
    hide(drive)
    found = rebuilt(drive, capsys)
    assert found["exit"] == Exit.OK and found["sinks"]["drive"]["missing"] == 0


def test_a_copy_that_is_back_is_not_sent_again_though_no_listing_shows_it_yet(
    drive: FanOut,
) -> None:
    before = drive.world.drive.received
    late = hide(drive)
    for node in late:
        node.trashed = True
    assert invoke(["verify", str(drive.config)]) == Exit.ITEMS_FAILED
    for node in late:
        node.trashed = False
    assert_kept(drive, before)


def test_after_so_many_that_are_gone_the_listing_is_believed(
    drive: FanOut, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(copy_lookup, "_ENOUGH", 4)
    monkeypatch.setattr(copy_lookup, "_AT_ONCE", 2)
    store = drive.world.drive.store
    for node in nodes(drive)[1:]:
        store.delete(node)
    before = asked(drive)
    assert invoke(["verify", str(drive.config)]) == Exit.ITEMS_FAILED
    assert asked(drive) - before == 4
    assert drive.run() == 0 and drive.held()["drive"] == drive.wanted()
