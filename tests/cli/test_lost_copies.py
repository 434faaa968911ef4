"""A copy that was lost is named until it is back or no longer needed, and not longer."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from connectors.memory import library
from pipeline.cli.app import invoke
from pipeline.states import Exit
from tests.cli.stage import fill

COUNT = 4


@pytest.fixture
def config(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    """A pipeline that has put each asset into two folders."""
    store = f"lost-{request.node.name}"
    fill(library(store), COUNT)
    path = tmp_path / "family.yaml"
    path.write_text(
        f"source: memory:{store}\nsinks:\n"
        f"  - {{type: local, name: one, path: {tmp_path}/one}}\n"
        f"  - {{type: local, name: two, path: {tmp_path}/two}}\n"
    )
    assert invoke(["run", str(path)]) == Exit.OK
    return path


def _lose(tmp_path: Path) -> list[str]:
    """Delete two files of the first folder."""
    lost = sorted((tmp_path / "one").rglob("*.HEIC"))[:2]
    for path in lost:
        path.unlink()
    return [path.name for path in lost]


def _named(out: str) -> list[str]:
    return re.findall(r"(IMG_\d+\.HEIC) +missing", out)


def test_a_lost_copy_is_named_by_each_verify_until_a_run_brings_it_back(
    config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lost = _lose(tmp_path)
    for _ in range(2):
        capsys.readouterr()
        assert invoke(["verify", str(config)]) == Exit.ITEMS_FAILED
        assert _named(capsys.readouterr().out) == lost
    assert invoke(["run", str(config)]) == Exit.OK
    assert invoke(["verify", str(config)]) == Exit.OK
    assert len(list((tmp_path / "one").rglob("*.HEIC"))) == COUNT


def test_a_lost_copy_that_is_not_needed_is_named_once_and_keeps_nothing_waiting(
    config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config.write_text(config.read_text() + "route: {to: first, copies: 1}\n")
    lost = _lose(tmp_path)
    capsys.readouterr()
    assert invoke(["verify", str(config)]) == Exit.ITEMS_FAILED
    assert _named(capsys.readouterr().out) == lost
    assert invoke(["verify", str(config)]) == Exit.OK
    assert not _named(capsys.readouterr().out)
    assert invoke(["report", str(config), "--state", "waiting"]) == Exit.OK
    assert "IMG_" not in capsys.readouterr().out


def test_a_file_that_its_owner_renamed_is_found_by_its_bytes_and_not_copied_again(
    config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "one"
    first, second, *_ = sorted(folder.rglob("*.HEIC"))
    first.rename(first.with_name("Birthday.heic"))
    (folder / "Best of").mkdir()
    second.rename(folder / "Best of" / second.name)
    (folder / "mine.heic").write_bytes(bytes((folder / "Best of" / second.name).stat().st_size))
    before = sorted(folder.rglob("*.*"))
    capsys.readouterr()
    assert invoke(["verify", str(config)]) == Exit.OK
    assert "2 copies moved to another place there, unchanged" in capsys.readouterr().out
    assert invoke(["run", str(config)]) == Exit.OK
    assert sorted(folder.rglob("*.*")) == before
    assert invoke(["verify", str(config)]) == Exit.OK
    assert "moved" not in capsys.readouterr().out


@pytest.mark.wide
def test_a_file_that_its_owner_put_back_counts_again(config: Path, tmp_path: Path) -> None:
    path = next((tmp_path / "one").rglob("*.HEIC"))
    data = path.read_bytes()
    path.unlink()
    assert invoke(["verify", str(config)]) == Exit.ITEMS_FAILED
    path.write_bytes(data)
    assert invoke(["verify", str(config)]) == Exit.OK


@pytest.mark.wide
def test_a_file_that_was_renamed_and_changed_is_lost(
    config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = next((tmp_path / "one").rglob("*.HEIC"))
    data = bytearray(path.read_bytes())
    data[0] ^= 1
    path.unlink()
    path.with_name("Birthday.heic").write_bytes(data)
    capsys.readouterr()
    assert invoke(["verify", str(config)]) == Exit.ITEMS_FAILED
    assert _named(capsys.readouterr().out) == [path.name]


def test_a_file_of_the_source_itself_is_no_copy_that_moved(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    inbox = tmp_path / "Photos" / "Inbox"
    inbox.mkdir(parents=True)
    (inbox / "IMG_1.HEIC").write_bytes(b"a photo")
    config = tmp_path / "sort.yaml"
    config.write_text("source: ./Photos/Inbox\nsinks: [./Photos]\npath: 'Sorted/{filename}'\n")
    assert invoke(["run", str(config)]) == Exit.OK
    (tmp_path / "Photos" / "Sorted" / "IMG_1.HEIC").unlink()
    capsys.readouterr()
    assert invoke(["verify", str(config)]) == Exit.ITEMS_FAILED
    assert _named(capsys.readouterr().out) == ["IMG_1.HEIC"]


def _link(path: Path) -> None:
    path.unlink()
    path.symlink_to(path.parent.parent)


def _folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def _parent(path: Path) -> None:
    shutil.rmtree(path.parent)
    path.parent.write_text("no folder")


@pytest.mark.wide
@pytest.mark.parametrize("replace", [_link, _folder])
def test_a_copy_in_whose_place_is_no_file_is_lost_and_comes_back(
    replace: Callable[[Path], None], config: Path, tmp_path: Path
) -> None:
    replace(min((tmp_path / "one").rglob("*.HEIC")))
    assert invoke(["verify", str(config)]) == Exit.ITEMS_FAILED
    assert invoke(["run", str(config)]) == Exit.OK
    assert invoke(["verify", str(config)]) == Exit.OK
    copies = [path for path in (tmp_path / "one").rglob("*.HEIC") if path.is_file()]
    assert len([path for path in copies if not path.is_symlink()]) == COUNT


def test_copies_in_whose_folder_s_place_is_a_file_are_lost_and_the_next_run_says_why(
    config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _parent(min((tmp_path / "one").rglob("*.HEIC")))
    assert invoke(["verify", str(config)]) == Exit.ITEMS_FAILED
    assert "missing" in capsys.readouterr().out
    assert invoke(["run", str(config)]) == Exit.ITEMS_FAILED
    assert "is a file, not a folder" in capsys.readouterr().err
