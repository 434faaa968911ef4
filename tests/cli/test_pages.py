"""Promise: a report takes the place of an earlier report, and of nothing else."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

import pytest

from connectors.memory import library
from pipeline.cli.app import invoke
from pipeline.states import Exit
from tests.cli.stage import fill

ENDS = ["--from", "memory:pages", "--to", "memory:pages-out"]


@pytest.fixture
def report(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The command up to the page's name, of a pipeline that has run."""
    monkeypatch.chdir(tmp_path)
    fill(library("pages"), 3)
    assert invoke(["run", "-q", *ENDS]) == Exit.OK
    return ["report", *ENDS, "--html"]


def told(capsys: pytest.CaptureFixture[str]) -> str:
    (line,) = [x for x in capsys.readouterr().err.splitlines() if x.startswith("outpour: ")]
    return line


def test_a_page_takes_the_place_of_an_earlier_one(report: list[str]) -> None:
    for _ in range(2):
        assert invoke([*report, "r.html"]) == Exit.OK
    assert os.listdir() == ["r.html"]


@pytest.mark.parametrize("content", [b"", b"\xff\xd8\xff\xe0 a photo", b"<!doctype html><p>mine"])
def test_a_file_that_is_no_report_is_kept(
    content: bytes, report: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    Path("IMG_1.jpg").write_bytes(content)
    capsys.readouterr()
    assert invoke([*report, "IMG_1.jpg"]) == Exit.USAGE
    assert "IMG_1.jpg: is there already and is no report of ours" in told(capsys)
    assert Path("IMG_1.jpg").read_bytes() == content
    assert os.listdir() == ["IMG_1.jpg"]


@pytest.mark.parametrize("kind", ["folder", "pipe", "link", ""])
def test_what_is_no_file_is_kept(
    kind: str, report: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    if kind == "folder":
        Path(kind).mkdir()
    elif kind == "pipe":
        os.mkfifo(kind)
    elif kind == "link":
        Path(kind).symlink_to("elsewhere.html")
    capsys.readouterr()
    assert invoke([*report, kind]) == Exit.USAGE
    assert "name a file" in told(capsys)
    assert os.listdir() == ([kind] if kind else [])


def test_a_full_disk_is_said_to_be_full_and_keeps_the_earlier_page(
    report: list[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert invoke([*report, "r.html"]) == Exit.OK
    before = Path("r.html").read_bytes()
    capsys.readouterr()

    def full(*_: Any) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as disk:
        disk.setattr(os, "fsync", full)
        assert invoke([*report, "r.html"]) == Exit.NO_ROOM
    assert told(capsys) == "outpour: r.html: No space left on device"
    assert Path("r.html").read_bytes() == before and os.listdir() == ["r.html"]
