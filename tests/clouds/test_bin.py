"""A folder of Drive that goes into the bin during a run takes what it holds along: none of that
counts as kept, since Drive empties its bin after 30 days."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import update

from connectors.base import Put, Transferred
from connectors.errors import Unreachable
from connectors.gdrive.sink import DriveSink
from pipeline.cli.app import invoke
from pipeline.ledger import schema
from pipeline.states import Exit
from pipeline.stopping import Stopped
from sandbox.gdrive.store import Node
from sandbox.messages import Answer, Request
from tests.clouds.conftest import ledger_of
from tests.rehearsal.fanout import FanOut

pytestmark = pytest.mark.wide


@pytest.fixture
def job(job: FanOut) -> FanOut:
    to_drive(job, "{created:%Y/%m}")
    return job


def to_drive(job: FanOut, path: str) -> None:
    job.config.write_text(
        "source: icloud:demo@example.com\nsinks: [{type: gdrive, name: drive}]\n"
        f"path: '{path}/{{filename}}'\nlimits: {{uploads: 1}}\n"
    )


def bin_after(
    job: FanOut, number: int, choose: Callable[[Node], bool], patch: pytest.MonkeyPatch
) -> None:
    """What a person does in mid-run: chosen folders go into the bin after so many uploads."""
    drive, done = job.world.drive, 0
    handle = drive.handle

    def watched(request: Request) -> Answer:
        nonlocal done
        answer = handle(request)
        if drive.fault_key(request) == "upload.multipart":
            done += 1
            if done == number:
                nodes = [node for node in drive.store.nodes.values() if node.folder]
                chosen = [node for node in nodes if choose(node)]
                assert chosen
                for node in chosen:
                    node.trashed = True
        return answer

    patch.setattr(drive, "handle", watched)


def make_old(job: FanOut) -> None:
    """The copies of the last run are of a day long ago: the ledger counts in seconds."""
    with ledger_of(job) as ledger:
        statement = update(schema.copies).values(confirmed="2020-01-01T00:00:00+00:00")
        ledger.transact(lambda connection: connection.execute(statement))


def is_top(node: Node) -> bool:
    return node.name == "Outpour"


def is_month(node: Node) -> bool:
    return len(node.name) == 2


@pytest.mark.parametrize("unseen", [False, True])
@pytest.mark.parametrize("choose", [is_top, is_month])
def test_what_went_into_the_bin_is_not_confirmed(
    job: FanOut,
    choose: Callable[[Node], bool],
    unseen: bool,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Whether Drive says of what is made there that it is in the bin or not."""
    if unseen:
        job.world.cloud.faults.add("bin_unseen")
    bin_after(job, 4, choose, monkeypatch)
    assert job.run() == Exit.ITEMS_FAILED
    said = capsys.readouterr()
    assert "put into the bin or deleted during this run" in said.err and "All 12" not in said.out
    assert job.run() == Exit.OK
    assert job.held()["drive"] == job.wanted(), "missing, or doubled"
    assert invoke(["verify", str(job.config)]) == Exit.OK


@pytest.mark.parametrize("unseen", [False, True])
def test_copies_of_earlier_runs_that_went_with_it_are_missed(
    job: FanOut,
    unseen: bool,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert job.run() == Exit.OK
    make_old(job)
    if unseen:
        job.world.cloud.faults.add("bin_unseen")
    for number in range(4):
        job.world.cloud.library.add(f"NEW_{number}.JPG")
    bin_after(job, 2, is_top, monkeypatch)
    assert job.run() == Exit.FATAL
    top = next(node for node in job.world.drive.store.nodes.values() if is_top(node))
    for again in range(2):
        capsys.readouterr()
        assert job.run() == Exit.USAGE, again
        assert "drive" in capsys.readouterr().err
    top.trashed = False
    assert job.run() == Exit.OK
    assert job.held()["drive"] == job.wanted(), "missing, or doubled"


@pytest.mark.parametrize("end", [Unreachable("drive is out of reach"), Stopped()], ids=repr)
def test_a_run_that_could_not_look_back_leaves_that_to_the_next(
    job: FanOut, end: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A folder goes into the bin, and then Drive cannot be asked any more."""
    assert job.run() == Exit.OK
    make_old(job)
    to_drive(job, "B")
    for number in range(12):
        job.world.cloud.library.add(f"NEW_{number}.JPG")
    job.world.cloud.faults.add("bin_unseen")
    bin_after(job, 4, lambda node: node.name == "B", monkeypatch)
    transfer, sent = DriveSink.transfer, iter(range(1000))

    def ending(sink: DriveSink, put: Put, *rest: Any) -> Transferred:
        if next(sent) >= 7:
            raise end
        return transfer(sink, put, *rest)

    monkeypatch.setattr("pipeline.retry._FIRST", 0.001)
    monkeypatch.setattr("pipeline.retry._OUTAGE_BUDGET", 0.3)
    with monkeypatch.context() as meanwhile:
        meanwhile.setattr(DriveSink, "transfer", ending)
        assert job.run() != Exit.OK
    assert job.run() == Exit.OK
    assert job.held()["drive"] == job.wanted(), "missing, or doubled"


def test_a_folder_that_came_back_needs_nothing_sent_again(
    job: FanOut, monkeypatch: pytest.MonkeyPatch
) -> None:
    job.world.cloud.faults.add("bin_unseen")
    bin_after(job, 4, is_top, monkeypatch)
    assert job.run() == Exit.ITEMS_FAILED
    for node in job.world.drive.store.nodes.values():
        node.trashed = False
    sent = job.world.drive.received
    assert job.run() == Exit.OK
    assert job.world.drive.received == sent
    assert job.held()["drive"] == job.wanted()


def test_a_lost_copy_that_is_no_longer_asked_for_keeps_nothing_waiting(job: FanOut) -> None:
    head = "source: icloud:demo@example.com\nsinks: [{type: gdrive, name: drive}, "
    head += f"{{type: local, path: {job.folder}}}]\n"
    job.config.write_text(f"{head}keep: {{sidecars: always}}\n")
    assert job.run() == Exit.OK
    store = job.world.drive.store
    sidecar = next(path for path in store.paths() if path.endswith(".xmp"))
    store.delete(store.paths()[sidecar][0])
    assert invoke(["verify", str(job.config)]) == Exit.ITEMS_FAILED
    job.config.write_text(head)
    for name in ("NEW_1.JPG", "NEW_2.JPG"):
        job.world.cloud.library.add(name)
        assert job.run() == Exit.OK
