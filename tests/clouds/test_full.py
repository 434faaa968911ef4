"""Full in mid-run: what is sent beyond what fits is at most one file for each worker."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from pipeline.states import Exit
from sandbox.faults import Faults
from sandbox.library import Library
from tests.rehearsal.fanout import FanOut, fan_out

pytestmark = pytest.mark.wide

FITS = 10  # files
COUNT = 40
WORKERS = 8
CLOUDS = {"drive": "gdrive", "dropbox": "dropbox"}


@contextmanager
def to_one(name: str, size: int, folder: Path) -> Iterator[FanOut]:
    """``COUNT`` files of ``size`` bytes on their way to one cloud."""
    with fan_out(Library(COUNT, size=size, plain=True), Faults(), folder) as job:
        job.config.write_text(
            f"source: icloud:demo@example.com\nsinks: [{{type: {CLOUDS[name]}, name: {name}}}]\n"
            f"limits: {{uploads: {WORKERS}}}\n"
        )
        yield job


def received(job: FanOut, name: str) -> int:
    return job.world.drive.received if name == "drive" else job.world.dropbox.received


def leave(job: FanOut, name: str, room: int) -> None:
    if name == "drive":
        job.world.drive.store.limit = job.world.drive.store.used + room
    else:
        job.world.dropbox.tree.limit = job.world.dropbox.tree.used + room


def fill_up_behind_our_back(job: FanOut, name: str, room: int) -> None:
    """Others fill the account just when we have put ``room`` bytes there."""
    cloud = job.world.drive.store if name == "drive" else job.world.dropbox.tree
    way = "make_room" if name == "drive" else "_pay"
    pay: Callable[[int], None] = getattr(cloud, way)

    def paid(size: int) -> None:
        if cloud.used + size > room:
            cloud.limit = cloud.used
        pay(size)

    setattr(cloud, way, paid)


@pytest.mark.parametrize("name", CLOUDS)
def test_what_does_not_fit_is_not_sent(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Room for a quarter of the library, as the service says: not a byte more leaves."""
    size = 20_000
    with to_one(name, size, tmp_path) as job:
        leave(job, name, FITS * size + 5000)
        assert job.run() == Exit.NO_ROOM
        assert received(job, name) == FITS * size
        assert job.held()[name].total() == FITS
        assert "go on with: outpour run" in capsys.readouterr().err
        leave(job, name, 10**9)
        assert job.run() == 0
        assert received(job, name) == COUNT * size, "a byte was sent twice"
        assert job.held()[name] == job.wanted()


@pytest.mark.parametrize("name", CLOUDS)
def test_when_others_fill_the_account_meanwhile(name: str, tmp_path: Path) -> None:
    """What was reserved is not there: one file for each worker is in vain, and no more."""
    size = 1_500_000  # goes by itself
    with to_one(name, size, tmp_path) as job:
        leave(job, name, COUNT * size + 5000)
        fill_up_behind_our_back(job, name, FITS * size + 5000)
        assert job.run() == Exit.NO_ROOM
        over = received(job, name) - FITS * size
        assert over <= WORKERS * size
        assert job.held()[name].total() == FITS


@pytest.mark.parametrize(("name", "fault"), [("dropbox", "traffic_limit"), ("drive", "item_limit")])
def test_a_limit_without_an_end_ends_the_run(
    name: str, fault: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The month's traffic is used up, or no more files may be made: that is told, and each file
    is fetched once and no more. When it is over the next run goes on."""
    with to_one(name, 20_000, tmp_path) as job:
        job.world.cloud.faults.add(fault)
        assert job.run() == Exit.NO_ROOM
        said = capsys.readouterr()
        assert "takes no more for now" in said.out + said.err
        assert "has room again" not in said.out + said.err
        assert received(job, name) <= COUNT * 20_000
        assert fetched(job) <= COUNT
        job.world.cloud.faults.clear()
        assert job.run() == 0
        assert job.held()[name] == job.wanted()


def fetched(job: FanOut) -> int:
    """How often iCloud gave a file."""
    counts = job.world.cloud.counts
    return sum(count for kind, count in counts.items() if kind.startswith("content"))
