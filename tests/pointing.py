"""What points a test at a double: the type of the fixture ``use_sandbox``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol


class Served(Protocol):
    """A double that is up: ``environ`` is what a process needs to reach it."""

    def environ(self) -> Mapping[str, str]: ...


Point = Callable[[Served], None]
