"""Promise: a name stands for one place. Another folder, or a disk that is not connected, is
never taken for the place that holds the copies, nor for a library that was emptied."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from connectors.base import Put, Transferred
from connectors.local import LocalSink
from connectors.memory import library
from pipeline.cli.app import invoke
from pipeline.runner import verification
from pipeline.runner.passes import Passes
from pipeline.states import Exit
from pipeline.stopping import Stopped
from tests.engine.rig import fill

pytestmark = pytest.mark.wide

COUNT = 12
WHEN = 1_600_000_000
Err = Callable[[], str]


@pytest.fixture
def err(capsys: pytest.CaptureFixture[str]) -> Err:
    return lambda: capsys.readouterr().err


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A pipeline from one folder to another that has run once."""
    card, kept = tmp_path / "card", tmp_path / "kept"
    card.mkdir()
    for number in range(COUNT):
        picture = card / f"IMG_{number}.jpg"
        picture.write_bytes(bytes([number]) * (1000 + number))
        os.utime(picture, (WHEN + number, WHEN + number))
    config = tmp_path / "p.yaml"
    config.write_text(
        f"source: {{type: local, path: {card}}}\nsinks: [{{type: local, path: {kept}}}]\n"
    )
    assert invoke(["run", str(config)]) == Exit.OK
    assert len(held(kept)) == COUNT
    return config


def held(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def unplug(folder: Path) -> Path:
    """What unmounting leaves: an empty folder where the disk showed."""
    away = folder.with_name(folder.name + "-away")
    folder.rename(away)
    folder.mkdir()
    return away


def plug_in(folder: Path, away: Path) -> None:
    folder.rmdir()
    away.rename(folder)


def test_another_folder_is_not_said_to_hold_the_copies(
    config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, err: Err
) -> None:
    other = tmp_path / "other"
    other.mkdir()
    monkeypatch.setenv("OUTPOUR_SINKS__0__PATH", str(other))
    for command in ("run", "plan", "verify", "rebuild"):
        assert invoke([command, str(config)]) == Exit.FATAL
        said = err()
        assert "local holds none of the copies that were made there" in said
        assert f"It is {tmp_path}" in said, "with many pipelines, every folder is called local"
    assert not held(other)
    monkeypatch.delenv("OUTPOUR_SINKS__0__PATH")
    assert invoke(["verify", str(config)]) == Exit.OK, "nothing is forgotten"
    config.write_text(config.read_text().replace("sinks: [{", "sinks: [{name: usb, "))
    monkeypatch.setenv("OUTPOUR_SINKS__0__PATH", str(other))
    assert invoke(["run", str(config)]) == Exit.OK
    assert len(held(other)) == COUNT, "a new name is a new place"


def test_a_folder_that_was_removed_can_be_filled_anew(
    config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, err: Err
) -> None:
    monkeypatch.chdir(tmp_path)
    run = ["run", "--from", "./card", "--to", "./Photos"]
    assert invoke(run) == Exit.OK
    shutil.rmtree("Photos")
    err()
    assert invoke(run) == Exit.FATAL
    assert "a name of its own in a pipeline file, or with --to another folder" in err()
    assert invoke([*run[:-1], "./Anew"]) == Exit.OK
    config = config.with_name("anew.yaml")
    config.write_text("source: ./card\nsinks: [{type: local, name: anew, path: ./Photos}]\n")
    assert invoke(["run", str(config)]) == Exit.OK
    assert len(held(Path("Photos"))) == len(held(Path("Anew"))) == COUNT


def test_a_folder_that_was_moved_is_the_same(config: Path, tmp_path: Path) -> None:
    (tmp_path / "kept").rename(tmp_path / "moved")
    config.write_text(config.read_text().replace("/kept", "/moved"))
    before = [path.stat().st_ino for path in held(tmp_path / "moved")]
    assert invoke(["run", str(config)]) == Exit.OK
    assert [path.stat().st_ino for path in held(tmp_path / "moved")] == before


def test_a_disk_that_is_not_connected_is_not_filled_in_its_absence(
    config: Path, tmp_path: Path, err: Err
) -> None:
    (tmp_path / "card" / "new.jpg").write_bytes(b"new")
    away = unplug(tmp_path / "kept")
    for command in ("run", "verify"):
        assert invoke([command, str(config)]) == Exit.FATAL
        assert "Connect the disk" in err()
    assert not held(tmp_path / "kept")
    (tmp_path / "kept").rmdir()  # nor made anew, where only the disk's own folder is gone
    assert invoke(["run", str(config)]) == Exit.FATAL
    assert not (tmp_path / "kept").exists()
    away.rename(tmp_path / "kept")
    assert invoke(["run", str(config)]) == Exit.OK
    assert len(held(tmp_path / "kept")) == COUNT + 1


def test_nor_are_its_copies_given_up_by_a_reclaim(tmp_path: Path, err: Err) -> None:
    library("places").assets.clear()
    fill(library("places"), 4)  # fewer than would make a reclaim doubt an empty folder
    config, kept = tmp_path / "p.yaml", tmp_path / "kept"
    config.write_text("source: memory:places\nsinks: [./kept]\n")
    assert invoke(["run", str(config)]) == Exit.OK
    copies = len(held(kept))
    away = unplug(kept)
    free = ["reclaim", str(config), "--copies", "1", "--older-than", "1d"]
    for command in (free, [*free, "--yes"], ["run", str(config)]):
        assert invoke(command) == Exit.FATAL
        assert "Connect the disk" in err()
    assert not held(kept)
    plug_in(kept, away)
    assert invoke([*free, "--yes"]) == Exit.OK
    assert len(held(kept)) == copies and not library("places").assets


@pytest.mark.parametrize("mounted", [True, False])
def test_nor_are_they_called_proof_meanwhile(
    tmp_path: Path, mounted: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    library("proof").assets.clear()
    fill(library("proof"), 4)
    config, kept = tmp_path / "p.yaml", tmp_path / "kept"
    config.write_text("source: memory:proof\nsinks: [./kept]\n")
    assert invoke(["run", str(config)]) == Exit.OK
    assert invoke(["status", str(config)]) == Exit.OK
    assert "could be freed: 4 assets" in capsys.readouterr().out
    unplug(kept)
    if not mounted:
        kept.rmdir()
    assert invoke(["status", str(config)]) == Exit.OK
    out = " ".join(capsys.readouterr().out.split())
    assert "freed" not in out and "Connect the disk" in out


def test_nor_where_its_first_run_did_not_come_to_its_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, err: Err
) -> None:
    for name in ("card", "disk"):
        (tmp_path / name).mkdir()
    (tmp_path / "card" / "old.jpg").write_bytes(b"old")
    (tmp_path / "p.yaml").write_text("source: ./card\nsinks: [./disk/Photos]\n")
    run = ["run", str(tmp_path / "p.yaml")]

    def interrupted(*_: object) -> None:
        raise Stopped

    with monkeypatch.context() as meanwhile:
        meanwhile.setattr(Passes, "_drain", interrupted)
        invoke(run)
    assert len(held(tmp_path / "disk")) == 1, "the folder was made by that run"
    unplug(tmp_path / "disk")
    (tmp_path / "card" / "new.jpg").write_bytes(b"new")
    err()
    assert invoke(run) == Exit.FATAL
    assert "Connect the disk" in err() and not held(tmp_path / "disk")


def test_a_place_that_was_exchanged_in_a_run_is_looked_into(
    config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, err: Err
) -> None:
    (tmp_path / "card" / "new.jpg").write_bytes(b"new")
    transfer, away = LocalSink.transfer, tmp_path / "kept-away"

    def exchanged(sink: LocalSink, put: Put, *rest: Any) -> Transferred:
        if not away.exists():
            unplug(tmp_path / "kept")
        return transfer(sink, put, *rest)

    with monkeypatch.context() as meanwhile:
        meanwhile.setattr(LocalSink, "transfer", exchanged)
        assert invoke(["run", str(config)]) == Exit.FATAL
    shutil.rmtree(tmp_path / "kept")
    away.rename(tmp_path / "kept")
    err()
    assert invoke(["run", str(config)]) == Exit.USAGE
    assert f"1 of {COUNT + 1} copies looked for are not there" in err()
    assert invoke(["verify", str(config)]) == Exit.ITEMS_FAILED
    assert invoke(["run", str(config)]) == Exit.OK
    assert len(held(tmp_path / "kept")) == COUNT + 1


def test_a_disk_with_a_part_of_the_copies_is_looked_through_first(
    config: Path, tmp_path: Path, err: Err
) -> None:
    shutil.copytree(tmp_path / "kept", tmp_path / "other")
    for path in held(tmp_path / "other")[::2]:
        path.unlink()
    config.write_text(config.read_text().replace("/kept", "/other"))
    assert invoke(["run", str(config)]) == Exit.USAGE
    assert f"{COUNT // 2} of {COUNT} copies looked for are not there" in err()
    assert len(held(tmp_path / "other")) == COUNT // 2
    assert invoke(["verify", str(config)]) == Exit.ITEMS_FAILED
    assert invoke(["run", str(config)]) == Exit.OK
    assert len(held(tmp_path / "other")) == COUNT


def test_a_look_through_that_was_stopped_has_not_recognised_the_place(
    config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, err: Err
) -> None:
    shutil.copytree(tmp_path / "kept", tmp_path / "other")
    for path in held(tmp_path / "other")[::2]:
        path.unlink()
    config.write_text(config.read_text().replace("/kept", "/other"))

    def stopped(*_: object) -> str:
        raise Stopped

    with monkeypatch.context() as meanwhile:
        meanwhile.setattr(verification, "reread", stopped)
        assert invoke(["verify", str(config)]) == Exit.INTERRUPTED
    assert invoke(["run", str(config)]) == Exit.USAGE
    assert "copies looked for are not there" in err()


def test_a_backup_that_lacks_what_came_last_is_not_the_place(
    tmp_path: Path, config: Path, err: Err
) -> None:
    for number in range(COUNT, 44):  # more than are looked for
        (tmp_path / "card" / f"IMG_{number}.jpg").write_bytes(bytes([number]) * 1000)
    assert invoke(["run", str(config)]) == Exit.OK
    shutil.copytree(tmp_path / "kept", tmp_path / "backup")
    (tmp_path / "card" / "AAA.jpg").write_bytes(b"new")
    assert invoke(["run", str(config)]) == Exit.OK
    config.write_text(config.read_text().replace("/kept", "/backup"))
    assert invoke(["run", str(config)]) == Exit.USAGE
    assert "is another place: 1 of" in err()


def test_copies_that_a_person_removed_do_not_make_it_another_place(
    config: Path, tmp_path: Path
) -> None:
    held(tmp_path / "kept")[0].unlink()
    assert invoke(["run", str(config)]) == Exit.OK
    assert invoke(["verify", str(config)]) == Exit.ITEMS_FAILED


def test_nor_does_another_way_to_write_its_path(
    config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    held(tmp_path / "kept")[0].unlink()
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "link").symlink_to("kept")
    text = config.read_text()
    for path in ("./kept/", "~/kept", "card/../kept", str(tmp_path / "link")):
        config.write_text(text.replace(str(tmp_path / "kept"), path))
        assert invoke(["run", str(config)]) == Exit.OK, path
    (tmp_path / "kept").rename(tmp_path / "moved")
    config.write_text(text.replace("/kept", "/moved"))
    assert invoke(["run", str(config)]) == Exit.OK
    assert len(held(tmp_path / "moved")) == COUNT - 1


def test_a_folder_made_where_another_was_removed_is_another(
    config: Path, tmp_path: Path, err: Err
) -> None:
    """Many file systems give the new one the number of the old."""
    kept, backup = tmp_path / "kept", tmp_path / "backup"
    shutil.copytree(kept, backup)
    held(backup)[-1].unlink()
    shutil.rmtree(kept)
    kept.mkdir()
    shutil.copytree(backup, kept, dirs_exist_ok=True)
    assert invoke(["run", str(config)]) == Exit.USAGE
    assert "1 of 12 copies looked for are not there" in err()


def test_a_source_that_is_not_connected_has_not_lost_its_assets(
    config: Path, tmp_path: Path, err: Err
) -> None:
    away = unplug(tmp_path / "card")
    for command in ("run", "plan"):
        assert invoke([command, str(config)]) == Exit.FATAL
        assert f"local-source is empty, and had {COUNT} assets" in err()
    plug_in(tmp_path / "card", away)
    assert invoke(["run", str(config)]) == Exit.OK
    assert len(held(tmp_path / "kept")) == COUNT


def test_nothing_is_said_to_be_safe_that_was_not_looked_at(
    config: Path, tmp_path: Path, err: Err, capsys: pytest.CaptureFixture[str]
) -> None:
    second = tmp_path / "second"
    shutil.copytree(tmp_path / "card", second)
    config.write_text(
        f"source: [{{type: local, path: {tmp_path / 'card'}}}, "
        f"{{type: local, name: second, path: {second}}}]\n"
        f"sinks: [{{type: local, path: {tmp_path / 'kept'}}}]\n"
    )
    assert invoke(["run", str(config)]) == Exit.OK
    away = unplug(tmp_path / "card")
    capsys.readouterr()
    assert invoke(["stranded", str(config)]) == Exit.FATAL
    assert f"local-source is empty, and had {COUNT} assets" in err()
    (tmp_path / "card").rmdir()
    assert invoke(["stranded", str(config)]) == Exit.FATAL
    assert "there is no folder" in err()
    (tmp_path / "card").mkdir()
    plug_in(tmp_path / "card", away)
    assert invoke(["stranded", str(config)]) == Exit.OK


def test_a_source_may_be_emptied(config: Path, tmp_path: Path) -> None:
    for path in held(tmp_path / "card"):
        path.unlink()
    assert invoke(["run", str(config)]) == Exit.OK
    assert len(held(tmp_path / "kept")) == COUNT


def test_another_card_in_the_same_place_is_poured_in_too(config: Path, tmp_path: Path) -> None:
    unplug(tmp_path / "card")
    (tmp_path / "card" / "DSC_1.jpg").write_bytes(b"another card")
    assert invoke(["run", str(config)]) == Exit.OK
    assert len(held(tmp_path / "kept")) == COUNT + 1


def test_one_of_several_sources_that_is_not_connected(
    config: Path, tmp_path: Path, err: Err
) -> None:
    """The other one is poured in meanwhile, and nothing of the first counts as deleted."""
    second, card, kept = tmp_path / "second", tmp_path / "card", tmp_path / "kept"
    second.mkdir()
    (second / "one.jpg").write_bytes(b"one more")
    config.write_text(
        f"source: [{{type: local, path: {card}}}, {{type: local, name: second, path: {second}}}]\n"
        f"sinks: [{{type: local, path: {kept}}}]\n"
    )
    away = second.with_name("second-away")
    second.rename(away)
    assert invoke(["run", str(config)]) == Exit.USAGE
    assert f"there is no folder {second}" in err(), "it was never listed: rather misspelt than away"
    away.rename(second)
    assert invoke(["run", str(config)]) == Exit.OK
    for pulled in (unplug, lambda folder: folder.rename(away)):
        pulled(second)
        new = card / f"{len(held(card))}.jpg"
        new.write_bytes(new.name.encode())
        err()
        assert invoke(["run", str(config)]) == Exit.FATAL
        said = err()
        assert "second: left out from now on: " in said and "Connect its disk" in said
        assert len(held(kept)) == len(held(card)) + 1
        assert invoke(["verify", str(config)]) == Exit.OK
        assert invoke(["report", str(config), "--state", "gone"]) == Exit.OK
        shutil.rmtree(second, ignore_errors=True)
        away.rename(second)
    (second / "two.jpg").write_bytes(b"and another")
    assert invoke(["run", str(config)]) == Exit.OK
    assert len(held(kept)) == len(held(card)) + 2


@pytest.mark.parametrize("command", ["verify", "status", "report"])
def test_what_needs_no_source_does_not_ask_for_it(
    config: Path, tmp_path: Path, command: str
) -> None:
    (tmp_path / "card").rename(tmp_path / "card-away")
    assert invoke([command, str(config)]) == Exit.OK
