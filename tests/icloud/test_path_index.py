"""Promise: the paths that photos in iCloud stand for are kept, and trouble with that has a name."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

import pytest

from connectors.errors import DiskFailed, DiskFull
from connectors.icloud.path_index import PathEntry, PathIndex

ENTRY = PathEntry("2024/a.jpg", "fingerprint", "asset")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "shelf.sqlite"


def test_what_is_entered_is_there_in_another_process(file: Path) -> None:
    index = PathIndex(file)
    index.enter([ENTRY])
    index.close()
    again = PathIndex(file)
    assert again.get(ENTRY.path) == ENTRY and again.of(ENTRY.fingerprint) == [ENTRY]
    again.close()


def test_a_file_that_is_no_database_is_put_aside(file: Path) -> None:
    """Losing it loses no photo; keeping it would end every run."""
    file.write_bytes(b"something else, and long enough to be looked at" * 20)
    index = PathIndex(file)
    assert index.get(ENTRY.path) is None
    index.enter([ENTRY])
    assert index.get(ENTRY.path) == ENTRY
    index.close()
    assert file.with_suffix(".damaged").read_bytes().startswith(b"something else")


def test_a_full_disk_is_said_to_be_full(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    connect = sqlite3.connect

    def small(*arguments: Any, **options: Any) -> sqlite3.Connection:
        database: sqlite3.Connection = connect(*arguments, **options)
        database.execute("pragma max_page_count=6")
        return database

    monkeypatch.setattr(sqlite3, "connect", small)
    index = PathIndex(file)
    with pytest.raises(DiskFull, match="no room left for the paths of photos in iCloud in"):
        index.enter([PathEntry(f"{n}", "x" * 200) for n in range(200)])
    assert index.get("0") is None
    index.close()


def test_a_folder_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    index = PathIndex(tmp_path / "none" / "shelf.sqlite")
    with pytest.raises(DiskFailed, match="cannot use the paths of photos in iCloud in"):
        index.get("a")
