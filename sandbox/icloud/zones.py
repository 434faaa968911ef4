"""A zone: one library as CloudKit shows it, with its sync tokens."""

from __future__ import annotations

import base64
import hashlib
import struct
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sandbox.faults import Faults
from sandbox.icloud.links import Links
from sandbox.icloud.records import Keys, Record, Records
from sandbox.icloud.wire import STATUS, Refused
from sandbox.library import Asset, Library

PRIMARY = "PrimarySync"
MIGRATED = "PrimarySync1"
SHARED = "SharedSync-00000000-1111-2222-3333-444444444444"
_ZONE, _DATABASE = 1, 2
_LAYOUT = ">BBqq"


@dataclass(frozen=True, slots=True)
class Position:
    """Where a sync token stands: after event ``seq``; ``at`` is the next number of a full
    history, or of a list of zones, still being told, or -1."""

    seq: int
    at: int = -1


class Zone:
    def __init__(self, name: str, library: Library, links: Links) -> None:
        self.name = name
        self.shared = not name.startswith(PRIMARY)
        self.library = library
        self.records = Records(name, links)
        self._masters: dict[str, int] = {}
        self._lock = threading.Lock()

    def view(self, name: str) -> Sequence[int]:
        return self.library.view(name, shared=self.shared)

    def remember(self, asset: Asset) -> None:
        """So that a lookup by the master's name finds the asset again."""
        self._masters[asset.original.fingerprint] = asset.number

    def pair(self, asset: Asset, keys: Keys) -> list[Record]:
        """The records of its master and of itself, as far as they are in this zone."""
        if asset.shared == self.shared:
            self.remember(asset)
            return [self.records.master(asset, keys), self.records.asset(asset, keys)]
        return self.records.stub(asset, keys) if asset.moved and not self.shared else []

    def by_master(self, name: str) -> Asset | None:
        number = self._masters.get(name)
        if number is None:
            with self._lock:
                for asset in self.library:
                    if asset.shared == self.shared:
                        self.remember(asset)
            number = self._masters.get(name)
        try:
            return None if number is None else self.library.get(number)
        except KeyError:
            return self._twin(name)

    def _twin(self, name: str) -> Asset | None:
        """Another asset with the same original, when the known one has gone."""
        for asset in self.library:
            if asset.shared == self.shared and asset.original.fingerprint == name:
                self.remember(asset)
                return asset
        return None

    def token(self, position: Position | None = None) -> str:
        position = position or Position(self.library.sequence)
        return _token(_ZONE, self.name, position)

    def position(self, token: str) -> Position:
        """Raises Refused for anything this zone did not give out."""
        return _position(_ZONE, self.name, token)


def known_zone(zones: Mapping[str, Zone], name: str, faults: Faults) -> Zone:
    """Raises Refused where there is none of this name, or a fault keeps it from being used."""
    for code in STATUS:
        if faults.hit("refused_zone", f"zone/{code}/{name}"):
            raise Refused(code, "The zone cannot be used")
    if name not in zones:
        raise Refused("ZONE_NOT_FOUND", "Zone does not exist")
    return zones[name]


def database_token(scope: str, seq: int, at: int = -1) -> str:
    return _token(_DATABASE, scope, Position(seq, at))


def database_position(scope: str, token: str) -> Position:
    return _position(_DATABASE, scope, token)


def _token(kind: int, name: str, position: Position) -> str:
    body = struct.pack(_LAYOUT, 1, kind, position.seq, position.at)
    return base64.b64encode(body + _mark(name, body)).decode()


def _position(kind: int, name: str, token: str) -> Position:
    try:
        raw = base64.b64decode(token, validate=True)
        body, mark = raw[:18], raw[18:]
        _, found, seq, at = struct.unpack(_LAYOUT, body)
    except (ValueError, struct.error):
        found, seq, at, mark, body = 0, 0, 0, b"", b""
    if found != kind or mark != _mark(name, body):
        raise Refused("BAD_REQUEST", "Unknown sync continuation type")
    return Position(seq, at)


def _mark(name: str, body: bytes) -> bytes:
    return hashlib.blake2b(name.encode() + body, digest_size=12).digest()
