from __future__ import annotations

from collections.abc import Iterator

import pytest

from sandbox.dropbox import Dropbox as Double
from sandbox.server import Sandbox
from tests.dropbox.bench import DropboxPlace, broken
from tests.pointing import Point


@pytest.fixture
def double(use_sandbox: Point) -> Iterator[Double]:
    """A Dropbox that this process reaches through HTTPS_PROXY and the sandbox's CA."""
    double = Double()
    with Sandbox([double], faults=double.faults) as sandbox:
        use_sandbox(sandbox)
        yield double
    assert not broken(double)


@pytest.fixture(autouse=True)
def _no_browser(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("webbrowser.open", lambda address: False)


@pytest.fixture
def place(double: Double) -> DropboxPlace:
    return DropboxPlace(double)
