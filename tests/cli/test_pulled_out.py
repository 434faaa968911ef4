"""Promise: a disk that is pulled out at the worst moment costs nothing. What went into its empty
mount point does not count, nothing is put there later, and no copy on it is taken for lost."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from connectors.base import Put, Receipt, Transferred
from connectors.errors import CapacityExceeded, Fatal, OutpourError, Transient
from connectors.local import LocalSink
from connectors.local.folders import Folders
from pipeline.runner.passes import Passes
from pipeline.runner.verification import _Checker
from pipeline.states import Exit
from pipeline.stopping import Stopped
from tests.cli.test_sink_away import (
    COUNT,
    World,
    back,
    held,
    unplugged,
    unplugged_with_its_mount_point,
    world,
)

pytestmark = pytest.mark.wide

__all__ = ["world"]


def test_all_that_it_has_was_edited_while_it_was_out(world: World) -> None:
    """No copy that counts today says any more which disk it is."""
    unplugged_with_its_mount_point(world)
    for number, picture in enumerate((world.folder / "card").iterdir()):
        picture.write_bytes(b"edited %d" % number * 200)
    for _ in range(2):
        assert world.run()[0] == Exit.FATAL
        assert not world.usb.exists(), "its mount point was filled"
    back(world)
    assert world.run()[0] == Exit.OK
    assert not set(held(world.here)) - set(held(world.usb))


def test_it_goes_before_the_first_copy(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    two = world.disk / "Two"
    two.mkdir()
    more = f"sinks: [{{type: local, name: two, path: {two}}}, "
    world.config.write_text(world.config.read_text().replace("sinks: [", more))
    transfer = LocalSink.transfer

    def pulled(sink: LocalSink, put: Put, *rest: Any) -> Transferred:
        if sink.name == "two" and world.disk.exists():
            unplugged(world)
        return transfer(sink, put, *rest)

    with monkeypatch.context() as meanwhile:
        meanwhile.setattr(LocalSink, "transfer", pulled)
        assert world.run()[0] == Exit.FATAL
    world.disk.mkdir()
    assert world.run()[0] == Exit.FATAL
    assert not two.exists(), "its mount point was filled"
    back(world)
    assert world.run()[0] == Exit.OK and world.all_at(two, world.usb, world.here)


def test_it_goes_in_the_first_run_of_all(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    world = World(tmp_path, capsys)
    shutil.rmtree(tmp_path / "here")
    world.here = tmp_path / "new"
    world.configure("usb", "here", name="another")
    shutil.rmtree(world.usb)
    transfer, sent = LocalSink.transfer, iter(range(1000))

    def pulled(sink: LocalSink, put: Put, *rest: Any) -> Transferred:
        if sink.name == "usb" and next(sent) == 8:
            unplugged(world)
        return transfer(sink, put, *rest)

    with monkeypatch.context() as meanwhile:
        meanwhile.setattr(LocalSink, "transfer", pulled)
        assert world.run()[0] == Exit.FATAL
    world.add(31)
    assert world.run()[0] == Exit.FATAL and world.all_at(world.here)
    back(world)
    assert world.run()[0] == Exit.OK and world.all_at(world.usb, world.here)


def test_it_goes_while_it_is_verified(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    assert world.run()[0] == Exit.OK
    reading = _Checker._by_reading

    def pulled(self: _Checker, sink: Any, *rest: Any, **more: Any) -> None:
        if sink.name == "usb":
            unplugged_with_its_mount_point(world)
        reading(self, sink, *rest, **more)

    with monkeypatch.context() as meanwhile:
        meanwhile.setattr(_Checker, "_by_reading", pulled)
        code, out, _ = world.call("verify")
    assert code == Exit.FATAL and "missing" not in out
    world.run()
    assert not world.usb.exists(), "its mount point was filled"
    back(world)
    assert world.run()[0] == Exit.OK and world.call("verify")[0] == Exit.OK


def test_the_only_one_goes_while_it_is_verified(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """That is no mistake in the configuration, after which nothing was started."""
    world.configure("usb")
    assert world.run()[0] == Exit.OK
    reading = _Checker._by_reading

    def pulled(self: _Checker, *rest: Any, **more: Any) -> None:
        unplugged_with_its_mount_point(world)
        reading(self, *rest, **more)

    with monkeypatch.context() as meanwhile:
        meanwhile.setattr(_Checker, "_by_reading", pulled)
        code, _, err = world.call("verify")
    assert code == Exit.FATAL and "Connect its disk again" in err
    back(world)
    assert world.call("verify")[0] == Exit.OK


def test_one_bad_file_does_not_keep_the_others_from_being_verified(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert world.run()[0] == Exit.OK
    read = LocalSink.read

    def damaged(sink: LocalSink, receipt: Receipt) -> Iterator[bytes]:
        if sink.name == "usb" and receipt.path.endswith("IMG_3.jpg"):
            raise Transient("Input/output error")
        return read(sink, receipt)

    monkeypatch.setattr("pipeline.retry._FIRST", 0.001)
    monkeypatch.setattr(LocalSink, "read", damaged)
    code, out, _ = world.call("verify")
    assert code == Exit.ITEMS_FAILED
    assert f"usb: {COUNT} copies checked" in out and "1 could not be read" in out


def test_full_and_then_pulled_out(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.configure("usb", "here", staging="{size: 1MB}")
    for number in range(COUNT, 200):
        world.add(number)
    monkeypatch.setattr("pipeline.rooms._FIRST_LOOK", 0.05)
    transfer, sent = LocalSink.transfer, iter(range(10000))

    def full(sink: LocalSink, put: Put, *rest: Any) -> Transferred:
        if sink.name == "usb":
            raise CapacityExceeded("no room")
        time.sleep(0.01)
        if next(sent) == 30:
            unplugged(world)
        return transfer(sink, put, *rest)

    with monkeypatch.context() as meanwhile:
        meanwhile.setattr(LocalSink, "transfer", full)
        code, _, err = world.run()
    assert code == Exit.FATAL and world.all_at(world.here), err


def test_a_run_is_due_by_the_places_that_are_there(world: World) -> None:
    world.configure("usb", "here", when="{usb: {used_above: 1%}, here: {used_above: 1%}}")
    unplugged(world)
    code, _, err = world.run()
    assert code == Exit.FATAL and world.all_at(world.here), err


def test_a_run_that_is_not_due_tells_of_it_too(world: World) -> None:
    world.configure("usb", "here", when="{here: {used_above: 99.9%}}")
    unplugged(world)
    code, out, err = world.run()
    assert code == Exit.FATAL and "Nothing was done" in out and "there is no folder" in err


def test_an_empty_folder_that_was_removed_is_made_anew_by_a_person(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its disk may be out as well: no copy tells."""
    world = World(tmp_path, capsys)
    world.usb = world.disk / "Other"
    world.usb.mkdir()
    for path in (tmp_path / "card").iterdir():
        path.unlink()
    world.configure("usb", name="another")
    assert world.run()[0] == Exit.OK
    world.usb.rmdir()
    code, _, err = world.run()
    assert code == Exit.FATAL and "usb: its folder is gone" in err
    assert "make the folder again" in err
    world.usb.mkdir()
    world.add(1)
    assert world.run()[0] == Exit.OK and world.all_at(world.usb)


@pytest.mark.parametrize("why", [Fatal("certificate not trusted"), Transient("HTTP 503")])
@pytest.mark.parametrize("at", ["transfer", "whereabouts"])
def test_whatever_it_fails_at_for_good_the_others_go_on(
    world: World, monkeypatch: pytest.MonkeyPatch, why: OutpourError, at: str
) -> None:
    for number in range(COUNT, COUNT + 30):
        world.add(number)
    method = getattr(LocalSink, at)

    def down(sink: LocalSink, *rest: Any) -> Any:
        if sink.name == "usb":
            raise why
        return method(sink, *rest)

    monkeypatch.setattr("pipeline.retry._FIRST", 0.001)
    with monkeypatch.context() as meanwhile:
        meanwhile.setattr(LocalSink, at, down)
        code, _, err = world.run()
    assert code == Exit.FATAL and str(why) in err and world.all_at(world.here)
    assert world.run()[0] == Exit.OK and world.all_at(world.usb)


@pytest.mark.parametrize("others", [True, False], ids=["one of two", "the only one"])
def test_it_goes_between_a_look_at_it_and_the_making_of_a_folder(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    others: bool,
) -> None:
    """Its root is a link to another file system, which shows this one once it is pulled out."""
    memory = Path("/dev/shm")
    if not os.access(memory, os.W_OK) or memory.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("no second file system here")
    world = World(tmp_path, capsys)
    shutil.rmtree(world.disk)
    names = ("usb", "here") if others else ("usb",)
    world.configure(*names, limits="{uploads: 6}", name="another")
    check = Folders.check
    pulled: list[bool] = []
    with tempfile.TemporaryDirectory(dir=memory) as other:
        world.disk.symlink_to(other)
        assert world.run()[0] == Exit.OK
        for number in range(40):
            world.add(100 + number)
            when = WHEN_LATER if number < 36 else WHEN_LATER + 40 * 86400
            os.utime(tmp_path / "card" / f"IMG_{100 + number}.jpg", (when, when))

        def then_pulled(self: Folders) -> None:
            check(self)
            in_make = sys._getframe(1).f_code.co_name == "_make"
            if in_make and self.root == world.usb and not pulled:
                pulled.append(True)
                world.disk.unlink()
                world.disk.mkdir()

        with monkeypatch.context() as meanwhile:
            meanwhile.setattr(Folders, "check", then_pulled)
            assert world.run()[0] == Exit.FATAL
        assert pulled and not held(world.disk), "its mount point was filled"
        shutil.rmtree(world.disk)
        world.disk.symlink_to(other)
        assert world.run()[0] == Exit.OK
        assert world.all_at(world.usb)


WHEN_LATER = 1_650_000_000


@pytest.mark.parametrize("moved", [False, True], ids=["deleted", "moved"])
def test_what_an_interrupted_run_put_somewhere_else_is_brought_again(
    world: World, monkeypatch: pytest.MonkeyPatch, moved: bool
) -> None:
    """Nobody looked back: the next run does, at the copy that each folder got last. What somebody
    moved meanwhile is found where it lies."""
    for number in range(COUNT, 40):
        world.add(number)

    def interrupted(*_: object) -> None:
        raise Stopped

    with monkeypatch.context() as meanwhile:
        meanwhile.setattr(Passes, "_drain", interrupted)
        world.run()
    late = [path for path in world.usb.rglob("*.jpg") if path.stat().st_size >= 1000 + COUNT]
    assert len(late) > 20
    (world.usb / "mine").mkdir()
    for path in late:
        if moved:
            path.rename(world.usb / "mine" / path.name)
        else:
            path.unlink()
    code, _, err = world.run()
    assert code == Exit.OK and "not where an earlier run put them: " in err
    assert world.all_at(world.usb, world.here)
    assert bool(held(world.usb / "mine")) == moved
    late[0] = next(world.usb.rglob(late[0].name))
    late[0].unlink()
    assert world.run()[0] == Exit.OK, "what comes to its end is for verify to look after"
    assert not late[0].exists()
