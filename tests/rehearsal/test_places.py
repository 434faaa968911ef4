"""Promises 1 and 3 against awkward names, a disk that is full, and an earlier archive."""

from __future__ import annotations

import json
import re
import subprocess
import unicodedata
from collections import Counter
from pathlib import Path

import pytest

from connectors.private import state_dir
from pipeline.cli.app import invoke
from pipeline.states import Exit
from sandbox.faults import Faults
from tests.rehearsal.rig import (
    ARGUMENTS,
    assert_kept,
    cloud,
    disk,
    landed,
    run,
    sha,
    strays,
    wanted,
)

RESERVED = {"CON", "PRN", "AUX", "NUL", "COM1", "LPT1"}


def test_what_a_plan_says_is_needed_is_what_a_run_writes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Within 1%, also when a part is there already. Sidecars have no size before they are made."""
    folder = tmp_path / "Photos"

    def needed() -> int:
        capsys.readouterr()
        invoke(["plan", *ARGUMENTS[1:], str(folder), "--json"])
        return int(json.loads(capsys.readouterr().out)["sinks"][0]["needed"])

    def size() -> int:
        return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())

    with cloud(30, Faults()) as double:
        for count in (0, 25):
            for number in range(count):
                double.library.add(f"NEW_{number}", size=40_000 + number)
            before, said = size(), needed()
            assert run(folder) == Exit.OK
            assert said == pytest.approx(size() - before, rel=0.01)
        assert needed() == 0


def test_whatever_a_photo_is_called_it_lands_inside_under_a_name_for_every_system(
    tmp_path: Path,
) -> None:
    folder = tmp_path / "deep" / "Photos"
    folder.mkdir(parents=True)
    with cloud(20, Faults()) as double:
        for name in ("x" * 300, "../../../../etc/passwd", "AUX", "NUL.tar", "nul", "a/b\\c", ".."):
            double.library.add(name)
        assert run(folder) == Exit.OK
        assert landed(tmp_path) == wanted(double.library), "lost, or outside"
        assert landed(folder) == wanted(double.library)
    seen = set()
    for path in folder.rglob("*"):
        assert path.name == unicodedata.normalize("NFC", path.name)
        assert len(path.name.encode()) <= 255 and len(path.name) <= 255
        assert path.name.partition(".")[0].upper() not in RESERVED, path.name
        assert not set(path.name) & set('<>:"/\\|?*') and path.name[-1] not in ". ", path.name
        seen.add(str(path).casefold())
    assert len(seen) == len(list(folder.rglob("*"))), "two names are one on some system"


DISKS = {  # as it is, and with room: bytes run out as foretold, names run out of the blue
    "bytes": ("size=1m", "size=50m"),
    "names": ("size=50m,nr_inodes=12", "size=50m,nr_inodes=500"),
}


@pytest.mark.parametrize("lacking", DISKS)
def test_a_full_disk_is_4_leaves_nothing_half_done_and_goes_on_with_room(
    lacking: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    little, much = DISKS[lacking]
    place = tmp_path / "disk"
    folder = place / "Photos"
    with disk(place, little), cloud(15, Faults(), size=150_000) as double:
        assert run(folder) == Exit.NO_ROOM
        assert re.search(r"outpour: no room at local for \d+ assets\n", capsys.readouterr().err)
        assert strays(place) == []
        assert landed(folder) < wanted(double.library)
        assert not list(state_dir("pipelines").rglob("staging/*.part")), "left in staging"
        subprocess.run(["mount", "-o", f"remount,{much}", str(place)], check=True)
        assert run(folder) == Exit.OK
        assert landed(folder) == wanted(double.library)


def as_icloudpd_names_it(folder: Path, created: int, filename: str, role: str) -> Path:
    stem = filename.rpartition(".")[0]
    name = f"{stem}_HEVC.MOV" if role == "live_video" else filename
    return folder / f"archive {created}" / name


def test_an_archive_of_another_tool_is_adopted_without_a_download(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "Photos"
    with cloud(30, Faults()) as double:
        for asset in double.library:
            for file in asset.files:
                if asset.trashed is None and not asset.shared:
                    path = as_icloudpd_names_it(folder, asset.created, file.filename, file.role)
                    path.parent.mkdir(parents=True, exist_ok=True)
                    path.write_bytes(file.content.read())
        (folder / "letter.txt").write_text("not a photo")
        there = landed(folder)
        times = {path: path.stat().st_mtime_ns for path in folder.rglob("*.*")}
        assert run(folder) == Exit.OK
        # Other tools put one photo over another of the same name: that one is downloaded.
        lost = wanted(double.library) - there
        assert double.counts["content"] == sum(lost.values()) < 10
        letter = Counter([sha(b"not a photo")])
        assert landed(folder) == wanted(double.library) + letter, "lost, or doubled"
        assert_kept(folder, double.library)
        assert times == {path: path.stat().st_mtime_ns for path in times}, "an old file was touched"
        assert f"adopted       {sum(there.values()) - 1} files" in capsys.readouterr().out
        double.reset_counts()
        assert run(folder) == Exit.OK
        assert double.counts["content"] == 0


def test_an_album_that_is_not_there_is_a_mistake_and_no_empty_library(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with cloud(60, Faults()) as double:
        name = next(
            album.title for album in double.library.albums.children(None) if not album.folder
        )
        typed = [*ARGUMENTS, str(tmp_path / "Photos"), "--album"]
        for command in ("plan", "run"):
            assert invoke([command, *typed[1:], f"{name}x"]) == Exit.USAGE
            said = capsys.readouterr().err
            assert f"icloud has no album called '{name}x'" in said
            assert f"id you mean '{name}'?" in said
        assert invoke([*typed, name, "--album", "Nope"]) == Exit.OK
        assert "there is no album called 'Nope'" in capsys.readouterr().err
        assert landed(tmp_path / "Photos")


@pytest.mark.wide
@pytest.mark.parametrize("size", ["20k", "300k"])
def test_a_full_disk_under_the_ledger_is_one_line_and_goes_on_with_room(
    size: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    place, folder = tmp_path / "state", tmp_path / "Photos"
    with disk(place, f"size={size}"), cloud(60, Faults()) as double:
        monkeypatch.setenv("XDG_STATE_HOME", str(place))
        assert run(folder) in (Exit.NO_ROOM, Exit.FATAL)
        said = capsys.readouterr().err
        assert "room" in said and "unexpected" not in said
        assert said.count("outpour: ") == 1
        assert not landed(folder) - wanted(double.library) and strays(folder) == []
        subprocess.run(["mount", "-o", "remount,size=50m", str(place)], check=True)
        assert run(folder) == Exit.OK
        assert landed(folder) == wanted(double.library)


def test_a_file_where_the_ledgers_should_be_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "file"))
    run = ["run", "--from", "icloud:a@example.com", "--to", "./Photos"]
    for command, code in ((["status"], Exit.FATAL), (run, Exit.USAGE)):
        monkeypatch.chdir(tmp_path)
        assert invoke(command) == code
        said = capsys.readouterr().err
        assert str(tmp_path / "file") in said
        assert "may you read and write there" in said or "XDG_STATE_HOME" in said
        assert "unexpected" not in said and said.count("outpour: ") == 1
