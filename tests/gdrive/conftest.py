from __future__ import annotations

from collections.abc import Iterator

import pytest

from sandbox.gdrive import GoogleDrive as Double
from sandbox.server import Sandbox
from tests.gdrive.bench import DrivePlace, broken
from tests.pointing import Point


@pytest.fixture
def double(use_sandbox: Point) -> Iterator[Double]:
    """A Drive that this process reaches through HTTPS_PROXY and the sandbox's CA."""
    double = Double()
    with Sandbox([double, double.signin], faults=double.faults) as sandbox:
        use_sandbox(sandbox)
        yield double
    double.close()
    assert not broken(double)


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """What Drive does not show is asked for as often, in less time."""
    monkeypatch.setattr("connectors.gdrive.unseen._PAUSES", (0.01,) * 4)


@pytest.fixture
def place(double: Double) -> DrivePlace:
    return DrivePlace(double)
