"""A folder as a sink, empty, and files staged for it."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from connectors.local.sink import LocalSink
from tests.conformance.making import Bench
from tests.local.rig import Folders


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "photos"


@pytest.fixture
def sink(root: Path) -> LocalSink:
    return LocalSink("folder", root)


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    staging = tmp_path / "staging"
    staging.mkdir()
    return Bench(staging)


@pytest.fixture
def folders(tmp_path: Path) -> Folders:
    return Folders(tmp_path)


def files(root: Path) -> list[str]:
    return sorted(str(path.relative_to(root)) for path in root.rglob("*") if not path.is_dir())


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that other users of this machine can reach, unlike pytest's own."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)
        for path in Path(folder).iterdir():
            if path.is_dir():
                path.chmod(0o755)


@contextlib.contextmanager
def unprivileged() -> Iterator[None]:
    """This process as a user whom permissions stop, also where the tests run as root."""
    superuser = os.geteuid() == 0
    if superuser:
        os.seteuid(65534)
    try:
        yield
    finally:
        if superuser:
            os.seteuid(0)
