"""A library in which nothing is new costs each sink one small question."""

from __future__ import annotations

from tests.rehearsal.fanout import FanOut


def test_a_sink_is_asked_only_for_its_folder_when_nothing_is_for_it(job: FanOut) -> None:
    assert job.run() == 0
    drive, dropbox = job.world.drive.calls, job.world.dropbox.counts
    assert drive and dropbox, "would not be noticed"
    drive.clear()
    dropbox.clear()
    assert job.run() == 0
    assert drive == {"files.list": 1}
    assert dropbox == {"oauth2/token": 1, "files/get_metadata": 1}
