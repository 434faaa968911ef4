"""Optional abilities that freeing space asks for, beside ``connectors.abilities.Reclaims``."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol, runtime_checkable


@dataclass(frozen=True, slots=True)
class Binned:
    """An asset in a place's own bin. ``size`` is the bytes it still takes there, all files
    together; ``leaves`` is when the place removes it for good, None if it does not say."""

    id: str
    size: int
    leaves: datetime | None = None


@runtime_checkable
class HasBin(Protocol):
    """Can tell what lies in its bin. ``emptying`` is one sentence for the person: how to empty
    it at once."""

    emptying: str

    def binned(self) -> Iterator[Binned]:
        """All that is in the bin, whoever put it there. Raises Transient, SessionExpired."""
        ...


@runtime_checkable
class HasMedium(Protocol):
    """A sink that can tell whether copies at two sinks are lost together."""

    def medium(self) -> str:
        """Names what fails as a whole: the disk, or the account. Asks nothing far away.

        Alike from whichever sink one asks; empty where it cannot be told, so that it may be
        that of any other sink of this type. Raises SessionExpired, Misconfigured.
        """
        ...


@runtime_checkable
class Identifies(Protocol):
    """A sink that can tell whether two copies are really two."""

    def identity(self, path: str) -> str:
        """Names the bytes at ``path`` on their medium, alike from whichever sink one asks.

        Two copies with one identity are one copy under two names: a hard link, a folder
        configured twice, a sink below another's root. Raises NotFound.
        """
        ...
