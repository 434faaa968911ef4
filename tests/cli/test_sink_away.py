"""Promise: a disk that is not connected, or a place that fails as a whole, holds up no other sink.
It is left out, named, and brought up to date by the first run after it came back."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from connectors.base import Put, Transferred
from connectors.errors import Unreachable
from connectors.local import LocalSink
from pipeline.cli.app import invoke
from pipeline.states import Exit

pytestmark = pytest.mark.wide

COUNT = 12
WHEN = 1_600_000_000


class World:
    """Two disks, "here" and "usb", that a folder is copied to; both have been filled once."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder = folder
        self.disk, self.away = folder / "disk", folder / "in the drawer"
        self.usb, self.here = self.disk / "Photos", folder / "here"
        self._capsys = capsys
        self.disk.mkdir()
        (folder / "card").mkdir()
        for number in range(COUNT):
            self.add(number)
        self.config = folder / "p.yaml"
        self.configure("usb", "here")
        assert self.run()[0] == Exit.OK
        assert self.all_at(self.usb, self.here)
        self.add(COUNT)

    def configure(self, *names: str, **more: str) -> None:
        at = {"usb": self.usb, "here": self.here}
        sinks = ", ".join(f"{{type: local, name: {name}, path: {at[name]}}}" for name in names)
        lines = [f"{key}: {value}" for key, value in more.items()]
        source = f"source: {{type: local, path: {self.folder / 'card'}}}"
        self.config.write_text("\n".join([source, f"sinks: [{sinks}]", *lines, ""]))

    def add(self, number: int) -> None:
        picture = self.folder / "card" / f"IMG_{number}.jpg"
        picture.write_bytes(bytes([number]) * (1000 + number))
        os.utime(picture, (WHEN + number, WHEN + number))

    def call(self, *arguments: str) -> tuple[int, str, str]:
        command, *options = arguments
        self._capsys.readouterr()
        code = invoke([command, str(self.config), *options])
        said = self._capsys.readouterr()
        return code, said.out, said.err

    def run(self) -> tuple[int, str, str]:
        return self.call("run")

    def all_at(self, *folders: Path) -> bool:
        whole = sorted(path.read_bytes() for path in (self.folder / "card").iterdir())
        return all(held(folder) == whole for folder in folders)


def held(folder: Path) -> list[bytes]:
    """All copies. What a broken off copy leaves is removed by the next process, and not by this."""
    return sorted(path.read_bytes() for path in folder.rglob("*.jpg"))


@pytest.fixture
def world(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> World:
    return World(tmp_path, capsys)


def unplugged(world: World) -> None:
    world.disk.rename(world.away)


def unplugged_with_its_mount_point(world: World) -> None:
    world.disk.rename(world.away)
    world.disk.mkdir()


def exchanged(world: World) -> None:
    unplugged_with_its_mount_point(world)
    world.usb.mkdir()
    (world.usb / "of somebody else.jpg").write_bytes(b"theirs")


def back(world: World) -> None:
    shutil.rmtree(world.disk, ignore_errors=True)
    world.away.rename(world.disk)


AWAY: dict[Callable[[World], None], str] = {
    unplugged: "there is no folder",
    unplugged_with_its_mount_point: "usb holds none of the copies that were made there",
    exchanged: "usb holds none of the copies that were made there",
}
ways = pytest.mark.parametrize("way", AWAY, ids=lambda way: way.__name__)


@ways
def test_the_others_get_all_of_it(world: World, way: Callable[[World], None]) -> None:
    way(world)
    for _ in range(2):
        code, _, err = world.run()
        assert code == Exit.FATAL and AWAY[way] in err, err
        assert world.all_at(world.here)
    back(world)
    assert not world.all_at(world.usb), "nothing was put in its place meanwhile"
    assert world.run()[0] == Exit.OK
    assert world.all_at(world.usb, world.here), "all of it once"
    assert world.call("verify")[0] == Exit.OK


def test_what_is_meant_for_it_waits_and_says_why(world: World) -> None:
    unplugged(world)
    _, out, err = world.run()
    assert "usb: left out from now on: there is no folder" in err
    assert "Connect its disk, or make the folder." in err and "go on with: outpour run" in err
    assert "1 asset: the run went without usb" in out
    _, out, _ = world.call("report", "--json")
    states = [asset["state"] for asset in json.loads(out)["assets"]]
    assert sorted(states) == ["confirmed"] * COUNT + ["waiting"]


def test_one_that_never_was_there_is_rather_misspelt(world: World) -> None:
    unplugged(world)
    world.configure("here", "usb")
    world.config.write_text(world.config.read_text().replace("name: usb", "name: us"))
    code, _, err = world.run()
    assert code == Exit.USAGE and f"there is no folder {world.disk}" in err
    assert not world.all_at(world.here), "nothing was begun"


def test_a_folder_that_is_called_as_its_source_was_is_made(tmp_path: Path, world: World) -> None:
    """A folder alone is called local; once there are two, the source is called otherwise."""
    world.config = world.config.with_name("q.yaml")
    world.config.write_text(
        f"source: {tmp_path}/card\nsinks: [{{type: memory, name: first, store: {tmp_path}}}]\n"
    )
    assert world.run()[0] == Exit.OK
    world.config.write_text(f"source: {tmp_path}/card\nsinks: [{tmp_path}/new]\n")
    assert world.run()[0] == Exit.OK and world.all_at(tmp_path / "new")


def test_without_any_other_nothing_is_done(world: World) -> None:
    world.configure("usb")
    unplugged(world)
    for command in ("run", "plan", "verify", "rebuild"):
        code, _, err = world.call(command)
        assert code == Exit.FATAL and f"there is no folder {world.disk}" in err, command
    world.configure("usb", "here")
    shutil.move(world.here, world.away / "here")
    code, _, err = world.run()
    assert code == Exit.FATAL and "Connect the disk" in err
    assert not world.here.exists()


@pytest.mark.parametrize("command", ["run", "plan", "verify", "rebuild"])
def test_a_source_that_was_there_is_not_connected(world: World, command: str) -> None:
    """A timer must be able to tell a card in a drawer from a mistyped name."""
    shutil.move(world.folder / "card", world.folder / "in a pocket")
    code, _, err = world.call(command)
    if command == "verify":  # needs none
        assert code == Exit.OK
    else:
        assert code == Exit.FATAL and f"there is no folder {world.folder / 'card'}" in err


def test_what_the_policy_puts_elsewhere_goes_there(world: World) -> None:
    world.configure("usb", "here", route="{to: first}")
    unplugged(world)
    code, out, _ = world.run()
    assert code == Exit.FATAL and world.all_at(world.here), out
    back(world)
    assert world.run()[0] == Exit.OK and not world.all_at(world.usb)


def test_verify_checks_the_others(world: World) -> None:
    assert world.run()[0] == Exit.OK
    unplugged(world)
    code, out, err = world.call("verify")
    assert code == Exit.FATAL and f"there is no folder {world.disk}" in err
    assert f"here: {COUNT + 1} copies checked, 13.1 kB read back, all as they were" in out
    next(world.here.rglob("*.jpg")).unlink()
    code, out, _ = world.call("verify")
    assert code == Exit.ITEMS_FAILED and "1 missing or changed" in out
    assert f"usb: not checked: there is no folder {world.disk}" in out
    back(world)
    assert world.run()[0] == Exit.OK and world.call("verify")[0] == Exit.OK


def test_status_shows_the_others(world: World) -> None:
    unplugged(world)
    code, out, _ = world.call("status")
    assert code == Exit.OK and "there is no folder" in out
    assert any(line.strip().startswith("here") and "used" in line for line in out.splitlines()), out


@ways
def test_status_shows_no_other_disk_in_its_stead(
    world: World, way: Callable[[World], None]
) -> None:
    way(world)
    code, out, _ = world.call("status", "--json")
    usb = next(place for place in json.loads(out)["places"] if place["name"] == "usb")
    assert code == Exit.OK and usb["capacity"] is None and AWAY[way] in usb["error"]


@pytest.mark.parametrize("command", ["plan", "rebuild"])
def test_what_needs_all_of_them_says_which_is_away(world: World, command: str) -> None:
    unplugged(world)
    code, _, err = world.call(command)
    assert code == Exit.FATAL and f"there is no folder {world.disk}" in err


@pytest.mark.parametrize("after", [0, 1, 5])
def test_one_that_is_pulled_out_in_mid_run(
    world: World, after: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(20):
        world.add(COUNT + number)
    transfer, sent = LocalSink.transfer, iter(range(1000))

    def pulled(sink: LocalSink, put: Put, *rest: Any) -> Transferred:
        if sink.name == "usb" and next(sent) == after:
            unplugged(world)
        return transfer(sink, put, *rest)

    with monkeypatch.context() as meanwhile:
        meanwhile.setattr(LocalSink, "transfer", pulled)
        code, out, err = world.run()
    assert code == Exit.FATAL and "is gone" in err and "Connect its disk again" in err
    assert world.all_at(world.here)
    assert "failed" not in out, "nothing is wrong with the photos"
    back(world)
    assert world.run()[0] == Exit.OK
    assert world.all_at(world.usb, world.here)


def test_a_place_that_cannot_be_reached(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def down(sink: LocalSink) -> str:
        raise Unreachable(f"{sink.name} cannot be reached")

    monkeypatch.setattr("pipeline.retry._FIRST", 0.001)
    whereabouts = LocalSink.whereabouts
    with monkeypatch.context() as meanwhile:
        meanwhile.setattr(
            LocalSink, "whereabouts", lambda s: (down if s.name == "usb" else whereabouts)(s)
        )
        code, _, err = world.run()
        assert code == Exit.FATAL and "usb cannot be reached" in err
        assert world.all_at(world.here)
        code, out, _ = world.call("verify")
        assert code == Exit.FATAL and "here: 13 copies checked, 13.1 kB read back, all" in out
    assert world.run()[0] == Exit.OK and world.all_at(world.usb, world.here)


def test_one_that_goes_out_of_reach_in_mid_run(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(20):
        world.add(COUNT + number)
    transfer = LocalSink.transfer

    def down(sink: LocalSink, put: Put, *rest: Any) -> Transferred:
        if sink.name == "usb":
            raise Unreachable("usb cannot be reached")
        return transfer(sink, put, *rest)

    monkeypatch.setattr("pipeline.retry._FIRST", 0.001)
    monkeypatch.setattr("pipeline.retry._OUTAGE_BUDGET", 0.3)
    with monkeypatch.context() as meanwhile:
        meanwhile.setattr(LocalSink, "transfer", down)
        code, out, err = world.run()
        assert code == Exit.FATAL and "left out from now on: usb cannot be reached" in err
        assert world.all_at(world.here) and "failed" not in out
        world.configure("usb")
        world.add(50)
        code, out, err = world.run()
        assert code == Exit.FATAL and "usb cannot be reached" in err and "failed" not in out
    assert world.run()[0] == Exit.OK and world.all_at(world.usb)
