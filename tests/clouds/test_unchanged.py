"""A library in which nothing is new costs the sinks nothing."""

from __future__ import annotations

from tests.rehearsal.fanout import FanOut


def test_a_sink_is_not_asked_when_nothing_is_for_it(job: FanOut) -> None:
    assert job.run() == 0
    drive, dropbox = job.world.drive.calls, job.world.dropbox.counts
    assert drive and dropbox, "would not be noticed"
    drive.clear()
    dropbox.clear()
    assert job.run() == 0
    assert not drive and not dropbox
