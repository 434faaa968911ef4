from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from sandbox.library import Library
from tests.icloud.rig import Rig, rig


@pytest.fixture
def bare(use_sandbox: Callable[[Any], None]) -> Iterator[Rig]:
    """A small library nobody has signed in to yet."""
    with rig(use_sandbox, Library(20)) as made:
        yield made


@pytest.fixture
def ready(bare: Rig) -> Rig:
    """A small library, connected."""
    bare.connect()
    return bare
