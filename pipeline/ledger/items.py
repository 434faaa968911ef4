"""An asset with its files and their copies, as the stages see it."""

from __future__ import annotations

from dataclasses import dataclass

from connectors.base import Asset, Resource, Role
from connectors.checksums import STRONG, Digests
from pipeline.naming import lead
from pipeline.states import CopyState

Spot = tuple[str, str]
"""The planned path of a file, and where it stands."""


@dataclass(frozen=True, slots=True)
class Copy:
    """One resource at one sink, as the ledger knows it. ``replaces``: see ``Put``.

    ``confirmed``: the sink once was found to have it at ``path``. ``remote_id`` is what it called
    the copy.
    """

    sink: str
    state: CopyState
    path: str | None
    token: str | None
    confirmed: bool
    replaces: frozenset[str] = frozenset()
    remote_id: str | None = None


@dataclass(frozen=True, slots=True)
class Piece:
    """One chosen resource of an asset, and its copies by sink.

    ``former`` are digests of the bytes that its confirmed copies hold, while it is not known
    whether the source still has the same. ``known``: whether its bytes can be told from others
    without reading them.
    """

    key: int
    resource: Resource
    path: str
    former: Digests | None
    known: bool
    copies: dict[str, Copy]

    @property
    def generated(self) -> bool:
        """Whether the engine makes it, and no source is asked for it."""
        return self.resource.role is Role.METADATA

    def in_doubt(self, sink: str) -> bool:
        """Whether the sink has what the source had: only reading it tells if it is the same."""
        copy = self.copies.get(sink)
        there = copy is not None and copy.confirmed and copy.path is not None
        return there and self.former is not None

    def bytes_due(self, sink: str) -> int:
        """Bytes that the sink is to get, as far as is known: none that it likely has."""
        return 0 if self.in_doubt(sink) else self.resource.size or 0

    def stays(self, sink: str, digests: Digests) -> bool:
        """Whether the sink has these very bytes, which were just read, by what is known of
        its copy."""
        if self.former is None or not self.in_doubt(sink):
            return False
        known = [name for name in STRONG if self.former.values.get(name)]
        return bool(known) and all(self.former[name] == digests[name] for name in known)


@dataclass(frozen=True, slots=True)
class Item:
    """One asset with work left. ``asset`` is as the source gave it, with the chosen files;
    a sidecar is a piece of the item but no file of the source."""

    key: int
    asset: Asset
    filename: str
    pieces: tuple[Piece, ...]

    @property
    def first(self) -> Piece:
        """The file that names the asset."""
        name = lead(self.asset.resources).id
        return next(p for p in self.pieces if p.resource.id == name and not p.generated)

    @property
    def spots(self) -> dict[str, Spot]:
        """Where one of its files stands, or stood, by sink: the first, if that was ever there."""
        found: dict[str, Spot] = {}
        for piece in (self.first, *self.pieces):
            for copy in piece.copies.values():
                if copy.confirmed and copy.path and not piece.generated:
                    found.setdefault(copy.sink, (piece.path, copy.path))
        return found


@dataclass(frozen=True, slots=True)
class Totals:
    """Of any number of assets."""

    assets: int = 0
    bytes: int = 0
