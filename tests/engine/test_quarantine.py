"""Bytes that contradict the checksum are put aside, wherever staging and quarantine are."""

from __future__ import annotations

import errno
import os
import shutil
from pathlib import Path

import pytest

from connectors.memory import Library, MemorySink, MemorySource, Shelf
from pipeline.runner import Job
from pipeline.states import AssetState, Exit
from tests.conformance.making import content
from tests.engine.rig import fill, go, job

WRONG = content(3_000_000)
_replace = os.replace


def damaged(staging: Path) -> Job:
    """Three assets, of which one arrives as ``WRONG``."""
    library = Library()
    fill(library, 3)
    library.contents[("asset-00001", "original")] = WRONG
    return job(MemorySource("from", library), [MemorySink("to", Shelf())], staging=staging)


def reason(work: Job, tmp_path: Path) -> str:
    """Why the asset is in quarantine, and that nothing else went wrong or stayed behind."""
    outcome = go(work, tmp_path / "l.sqlite")
    assert outcome.exit is Exit.ITEMS_FAILED
    (failure,) = outcome.summary.failures
    assert failure.state == AssetState.QUARANTINED, failure
    assert failure.reason.count("apple:") == 2, "both digests are named"
    assert list(work.staging.iterdir()) == []
    return failure.reason


def kept(work: Job) -> Path:
    """The one file in quarantine, whole and private to whom it belongs."""
    (file,) = work.quarantine.iterdir()
    assert file.read_bytes() == WRONG
    return file


def divide(source: str | Path, target: str | Path) -> None:
    """As ``os.replace`` where every folder is a file system of its own."""
    if Path(source).parent != Path(target).parent:
        raise OSError(errno.EXDEV, os.strerror(errno.EXDEV))
    _replace(source, target)


def full(*_: object) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_on_one_file_system(tmp_path: Path) -> None:
    work = damaged(tmp_path / "s")
    assert f"kept as {work.quarantine}" in reason(work, tmp_path)
    kept(work)


def test_across_file_systems(tmp_path: Path, other_disk: Path) -> None:
    work = damaged(other_disk)
    assert f"kept as {work.quarantine}" in reason(work, tmp_path)
    assert kept(work).stat().st_mode & 0o777 == 0o600


def test_quarantine_on_another_file_system_is_copied_and_private(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "replace", divide)
    work = damaged(tmp_path / "s")
    assert f"kept as {work.quarantine}" in reason(work, tmp_path)
    assert kept(work).stat().st_mode & 0o777 == 0o600


def test_a_full_disk_there_is_named_and_leaves_no_half(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "replace", divide)
    monkeypatch.setattr(shutil, "copyfileobj", full)
    work = damaged(tmp_path / "s")
    assert os.strerror(errno.ENOSPC) in reason(work, tmp_path)
    assert list(work.quarantine.iterdir()) == []


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    work = damaged(tmp_path / "s")
    work.quarantine.parent.mkdir(parents=True)
    work.quarantine.write_text("in the way")
    assert str(work.quarantine) in reason(work, tmp_path)
