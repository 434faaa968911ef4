"""An asset with its files and their copies, as the stages see it."""

from __future__ import annotations

from dataclasses import dataclass

from connectors.base import Asset, Resource, Role
from connectors.checksums import Digests
from pipeline.naming import lead
from pipeline.states import CopyState, Proof


@dataclass(frozen=True, slots=True)
class Copy:
    """One resource at one sink, as the ledger knows it. ``replaces``: see ``Put``.
    ``remote_id`` is what the sink called a copy that it had."""

    sink: str
    state: CopyState
    path: str | None
    token: str | None
    replaces: frozenset[str] = frozenset()
    remote_id: str | None = None


@dataclass(frozen=True, slots=True)
class Piece:
    """One chosen resource of an asset, and its copies by sink."""

    key: int
    resource: Resource
    path: str
    proof: Proof
    digests: Digests | None  # of the bytes received before, without blocks
    copies: dict[str, Copy]

    @property
    def generated(self) -> bool:
        """Whether the engine makes it, and no source is asked for it."""
        return self.resource.role is Role.METADATA


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
    def places(self) -> dict[str, str]:
        """Where the first file is, by sink."""
        copies = self.first.copies.values()
        return {c.sink: c.path for c in copies if c.path and c.state is CopyState.CONFIRMED}
