"""``outpour verify`` finds what is missing, changed, foreign or doubled, without a download."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from pipeline.cli.app import invoke
from pipeline.states import Exit
from sandbox.dropbox.content import Content
from sandbox.dropbox.tree import Commit, File
from sandbox.gdrive.store import Node
from tests.cases import wide_after
from tests.clouds.conftest import COUNT
from tests.rehearsal.fanout import FanOut


class AtDrive:
    """What somebody may do in Google Drive while nobody looks. Paths are below our folder."""

    def __init__(self, job: FanOut) -> None:
        self.store = job.world.drive.store

    def paths(self) -> list[str]:
        return sorted(path.removeprefix("Outpour/") for path in self.store.paths())

    def node(self, path: str) -> Node:
        return self.store.paths()[f"Outpour/{path}"][0]

    def delete(self, path: str) -> None:
        self.store.delete(self.node(path))

    def change(self, path: str) -> None:
        """Edited in place: the same file, other bytes of the same length."""
        node = self.node(path)
        content = self.store.content()
        content.add(self.store.file(node).read_bytes()[::-1])
        node.size, node.md5, node.sha256 = content.finish()
        assert content.path
        content.path.replace(self.store.file(node))

    def add(self, path: str, data: bytes) -> None:
        folder, _, name = f"Outpour/{path}".rpartition("/")
        (node,) = [
            n for n in self.store.nodes.values() if n.folder and self.store.path(n) == folder
        ]
        self._add(node.id, name, data, node.app)

    def double(self, path: str) -> str:
        node = self.node(path)
        self._add(node.parent, node.name, self.store.file(node).read_bytes(), node.app)
        return path

    def move(self, path: str) -> str:
        node = self.node(path)
        self.store.move(node, node.parent, f"moved {node.name}")
        return path.replace(node.name.removeprefix("moved "), node.name)

    def _add(self, parent: str, name: str, data: bytes, app: str) -> None:
        content = self.store.content()
        content.add(data)
        node = Node(self.store.issue(1)[0], name, "image/jpeg", parent, app, 0.0, 0.0)
        self.store.add(node, content)


class AtDropbox:
    def __init__(self, job: FanOut) -> None:
        self.tree = job.world.dropbox.tree

    def paths(self) -> list[str]:
        nodes = self.tree.nodes.values()
        return sorted(n.display.removeprefix("/Outpour/") for n in nodes if isinstance(n, File))

    def file(self, path: str) -> File:
        found = self.tree.find(f"/Outpour/{path}")
        assert found and isinstance(found[1], File)
        return found[1]

    def delete(self, path: str) -> None:
        self.tree.remove(f"/outpour/{path.lower()}")

    def change(self, path: str) -> None:
        self._write(path, b"".join(self.file(path).content.read())[::-1], "overwrite")

    def add(self, path: str, data: bytes) -> None:
        self._write(path, data)

    def double(self, path: str) -> str:
        stem, dot, ending = path.rpartition(".")
        copy = f"{stem} (1){dot}{ending}"
        self._write(copy, b"".join(self.file(path).content.read()))
        return copy

    def move(self, path: str) -> str:
        file = self.file(path)
        self.delete(path)
        folder, _, name = path.rpartition("/")
        new = f"{folder}/moved {name}"
        self._write(new, b"".join(file.content.read()))
        self.file(new).id = file.id
        return new

    def _write(self, path: str, data: bytes, mode: str = "add") -> None:
        self.tree.write(Commit(f"/Outpour/{path}", mode), Content.of(data, keep=True))


CLOUDS: dict[str, Callable[[FanOut], AtDrive | AtDropbox]] = {
    "drive": AtDrive,
    "dropbox": AtDropbox,
}


@dataclass
class Verify:
    """The cloud under test, and a way to verify the pipeline whole."""

    name: str
    cloud: AtDrive | AtDropbox
    job: FanOut
    read: Callable[[], str]

    def __call__(self, *options: str) -> dict[str, Any]:
        """What verify says of this cloud; the others must be as they were."""
        self.read()
        code = invoke(["verify", str(self.job.config), "--json", *options])
        found = json.loads(self.read())
        assert found["exit"] == code
        sinks = {sink["name"]: sink for sink in found["sinks"]}
        assert not any(one["wrong"] for name, one in sinks.items() if name != self.name)
        return {**sinks[self.name], "exit": code}

    @property
    def downloads(self) -> int:
        world = self.job.world
        return world.dropbox.counts["files/download"] + world.drive.calls["files.get"]


@pytest.fixture(params=list(CLOUDS))
def verify(
    request: pytest.FixtureRequest, job: FanOut, capsys: pytest.CaptureFixture[str]
) -> Verify:
    assert job.run() == 0
    cloud = CLOUDS[request.param](job)
    return Verify(request.param, cloud, job, lambda: capsys.readouterr().out)


def test_all_as_it_was(verify: Verify) -> None:
    before = verify.downloads
    found = verify()
    assert found["exit"] == 0 and found["checked"] == len(verify.cloud.paths())
    assert (found["foreign"], found["moved"], found["doubled"]) == (0, 0, [])
    assert verify.downloads == before and found["bytes_read"] == 0


def test_missing(verify: Verify) -> None:
    path = verify.cloud.paths()[3]
    verify.cloud.delete(path)
    found = verify()
    assert found["exit"] == Exit.ITEMS_FAILED and found["wrong"] == [[path, "missing"]]
    verify.job.assert_brought_back()


def test_changed(verify: Verify) -> None:
    path = verify.cloud.paths()[3]
    verify.cloud.change(path)
    before = verify.downloads
    found = verify()
    ((where, why),) = found["wrong"]
    assert found["exit"] == Exit.ITEMS_FAILED and where == path and why.startswith("holds ")
    assert verify.downloads == before
    assert verify.job.run() == 0
    assert not verify.job.wanted() - verify.job.held()[verify.name], "not brought back"
    assert verify.job.held()[verify.name].total() == verify.job.wanted().total() + 1, (
        "what its owner made of it was overwritten"
    )


@pytest.mark.wide
def test_replaced(verify: Verify) -> None:
    """Deleted, and another file put in its place: the copy is gone, the other is not ours."""
    path = verify.cloud.paths()[0]
    verify.cloud.delete(path)
    verify.cloud.add(path, b"another picture")
    found = verify()
    assert found["wrong"] == [[path, "replaced by a file of 15 bytes"]] and found["foreign"] == 1


@pytest.mark.wide
def test_foreign(verify: Verify) -> None:
    folder, _, _ = verify.cloud.paths()[0].rpartition("/")
    verify.cloud.add(f"{folder}/holiday.jpg", b"not from here")
    found = verify()
    assert found["exit"] == 0 and found["foreign"] == 1 and found["doubled"] == []
    assert found["strangers"] == [f"{folder}/holiday.jpg"]


@pytest.mark.wide
def test_doubled(verify: Verify) -> None:
    copy = verify.cloud.double(verify.cloud.paths()[3])
    found = verify()
    assert found["exit"] == 0 and found["doubled"] == [copy] and found["foreign"] == 0


@pytest.mark.wide
def test_moved_by_its_owner(verify: Verify) -> None:
    """The copy counts where it is now, and is not brought a second time."""
    new = verify.cloud.move(verify.cloud.paths()[3])
    found = verify()
    assert found["exit"] == 0 and found["moved"] == 1 and found["wrong"] == []
    assert new in verify.cloud.paths()
    verify.job.assert_at_rest()
    assert verify("--download", "100")["exit"] == 0
    assert verify()["moved"] == 0, "it is known to be there now"


@pytest.mark.parametrize("percent", wide_after(1, [100, 40]))
def test_reading_back(verify: Verify, percent: int) -> None:
    """All, or a sample, is downloaded and hashed."""
    random.seed(7)  # of a dozen files a sample can be empty, if seldom
    found = verify("--download", str(percent))
    total = verify.job.wanted().total()
    files = (path for path in verify.job.folder.rglob("*") if path.is_file())
    size = sum(path.stat().st_size for path in files if path.suffix != ".xmp")
    assert found["exit"] == 0
    if percent == 100:
        assert found["bytes_read"] == size and found["checked"] == total
    else:
        assert 0 < found["bytes_read"] < size


@pytest.mark.wide
def test_reading_back_finds_what_a_listing_hides(verify: Verify) -> None:
    """The service still lists the right checksum, but its medium lost a bit."""
    path = verify.cloud.paths()[3]
    cloud = verify.cloud
    if isinstance(cloud, AtDrive):
        file = cloud.store.file(cloud.node(path))
        file.write_bytes(file.read_bytes()[::-1])
    else:
        content = cloud.file(path).content
        content.chunks[:] = [b"".join(content.chunks)[::-1]]
    assert verify()["exit"] == 0
    found = verify("--download", "100")
    assert found["exit"] == Exit.ITEMS_FAILED and [name for name, _ in found["wrong"]] == [path]


REFUSALS = {"drive": ["download_quota", "abusive_file"], "dropbox": ["restricted"]}


@pytest.mark.wide
def test_a_copy_that_may_not_be_read_is_not_lost(verify: Verify) -> None:
    """The place refuses to give it out: that is named, and says nothing of its bytes."""
    faults, job = verify.job.world.cloud.faults, verify.job
    for refusal in REFUSALS[verify.name]:
        faults.add(refusal)
        found = verify("--download", "100")
        assert found["exit"] == Exit.ITEMS_FAILED and found["wrong"] == []
        assert sorted(path for path, _ in found["unread"]) == verify.cloud.paths()
        assert all(why for _, why in found["unread"])
        faults.clear()
        job.assert_at_rest()
        assert verify("--download", "100")["exit"] == 0


def test_what_may_not_be_read_is_told_with_what_to_do(
    job: FanOut, capsys: pytest.CaptureFixture[str]
) -> None:
    assert job.run() == 0
    path = AtDrive(job).paths()[3]
    job.world.cloud.faults.add("download_quota", 1.0, f"read/{path.rpartition('/')[2]}")
    capsys.readouterr()
    assert invoke(["verify", str(job.config), "--download", "100"]) == Exit.ITEMS_FAILED
    told = capsys.readouterr()
    assert f"{COUNT} copies checked" in told.out and "1 could not be read" in told.out
    assert path in told.out and "download quota" in told.out
    assert "outpour run brings" not in told.out + told.err, "there is nothing to bring"


@pytest.mark.wide
def test_a_listing_that_breaks_is_begun_again(verify: Verify) -> None:
    faults = verify.job.world.cloud.faults
    faults.add("unavailable", 1.0, "files.list", times=2)
    faults.add("reset", 1.0, "files/list_folder", times=2)
    found = verify()
    assert found["exit"] == 0 and found["checked"] == len(verify.cloud.paths())
    assert faults.counts["unavailable"] == 2 and faults.counts["reset"] == 2


@pytest.mark.wide
def test_dropbox_may_write_a_folder_in_another_case(
    job: FanOut, capsys: pytest.CaptureFixture[str]
) -> None:
    """The folder was there before, in capitals: names there do not differ by case."""
    for number in (2025, 2026):
        for month in range(1, 13):
            job.world.dropbox.tree.folder(f"/OUTPOUR/{number}/{month:02}")
    assert job.run() == 0
    capsys.readouterr()
    assert invoke(["verify", str(job.config), "--json"]) == 0
    sinks = {sink["name"]: sink for sink in json.loads(capsys.readouterr().out)["sinks"]}
    assert (sinks["dropbox"]["foreign"], sinks["dropbox"]["moved"]) == (0, 0)
    job.assert_at_rest()
