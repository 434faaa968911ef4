from __future__ import annotations

from collections.abc import Iterator

import pytest

from sandbox.library import Library
from tests.icloud.rig import Rig, rig
from tests.pointing import Point


@pytest.fixture
def bare(use_sandbox: Point) -> Iterator[Rig]:
    """A small library nobody has signed in to yet."""
    with rig(use_sandbox, Library(20)) as made:
        yield made


@pytest.fixture
def ready(bare: Rig) -> Rig:
    """A small library, connected."""
    bare.connect()
    return bare
