"""In Drive a name is no key: a person's file of the same name beside a copy is not the copy."""

from __future__ import annotations

import pytest

from pipeline.cli.app import invoke
from pipeline.states import Exit
from sandbox.gdrive.oauth import DRIVE
from sandbox.gdrive.store import Node
from tests.gdrive.bench import DrivePlace
from tests.rehearsal.fanout import FanOut

pytestmark = pytest.mark.wide

FREE = ("--free", "200kB", "--copies", "1", "--yes")


@pytest.fixture
def shared(job: FanOut) -> FanOut:
    """All is copied to a folder of Drive, where somebody edits a file beside each copy. Theirs
    come first by id."""
    set_up(job, "Outpour")
    DrivePlace(job.world.drive, DRIVE, scope="drive")
    assert job.run() == Exit.OK
    store = job.world.drive.store
    for node in [node for nodes in store.paths().values() for node in nodes]:
        content = store.content()
        content.add(b"edited by hand")
        other = Node(f"0{node.id[1:]}", node.name, "image/jpeg", node.parent, "web", 0.0, 0.0)
        store.add(other, content)
    return job


def set_up(job: FanOut, folder: str) -> None:
    job.config.write_text(
        "source: icloud:demo@example.com\n"
        f"sinks: [{{type: gdrive, name: drive, scope: drive, folder: {folder}}}]\n"
    )


def test_a_reclaim_believes_the_copy_and_not_what_lies_beside_it(
    shared: FanOut, capsys: pytest.CaptureFixture[str]
) -> None:
    had = shared.wanted().total()
    capsys.readouterr()
    assert invoke(["reclaim", str(shared.config), *FREE]) == Exit.OK, capsys.readouterr()
    assert shared.wanted().total() < had
    assert invoke(["verify", str(shared.config)]) == Exit.OK, "a good copy was given up"


def test_a_copy_that_is_gone_is_not_replaced_by_what_lies_beside_it(
    shared: FanOut, capsys: pytest.CaptureFixture[str]
) -> None:
    store = shared.world.drive.store
    for node in [node for nodes in store.paths().values() for node in nodes if node.app != "web"]:
        store.delete(node)
    assert invoke(["reclaim", str(shared.config), *FREE]) == Exit.ITEMS_FAILED


def test_a_renamed_folder_is_recognised_by_the_copies_in_it(shared: FanOut) -> None:
    store, sent = shared.world.drive.store, shared.world.drive.received
    top = next(node for node in store.nodes.values() if node.name == "Outpour")
    store.move(top, top.parent, "Backup")
    set_up(shared, "Backup")
    assert shared.run() == Exit.OK
    assert shared.world.drive.received == sent
