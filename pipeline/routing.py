"""Which sinks an asset goes to: all of them, the first with room, or the roomiest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pipeline.config.models import Route
from pipeline.ledger import work
from pipeline.rooms import Room
from pipeline.states import CopyState


@dataclass(frozen=True, slots=True)
class Assignment:
    """Where an asset goes now. ``owed`` copies find no room yet."""

    sinks: tuple[str, ...]
    owed: int


class Router:
    """Applies the policy and reserves the bytes it hands out. ``rooms`` stand in order."""

    def __init__(self, route: Route, rooms: Sequence[Room]) -> None:
        self.rooms: Mapping[str, Room] = {room.name: room for room in rooms}
        self._route = route

    @property
    def enough(self) -> int:
        """Whole copies that make an asset confirmed."""
        if self._route.to == "all":
            return len(self.rooms)
        return min(self._route.copies, len(self.rooms))

    def assign(self, item: work.Item) -> Assignment:
        """Reserve room for what the asset still needs; an asset is never divided."""
        whole = [name for name in self.rooms if not _missing(item, name)]
        wanted = self.enough - len(whole)
        chosen: list[str] = []
        for room in self._candidates(item, whole):
            if len(chosen) == wanted:
                break
            if room.reserve(_missing_bytes(item, room.name)):
                chosen.append(room.name)
        return Assignment(tuple(chosen), max(0, wanted - len(chosen)))

    def _candidates(self, item: work.Item, whole: Sequence[str]) -> list[Room]:
        rooms = [room for name, room in self.rooms.items() if name not in whole]
        if self._route.to == "spread":
            rooms.sort(key=lambda room: _roominess(room), reverse=True)
        # Where a part of the asset already is, the rest belongs.
        rooms.sort(key=lambda room: not _begun(item, room.name))
        return rooms


def _roominess(room: Room) -> float:
    free = room.free
    return float("inf") if free is None else free


def _missing(item: work.Item, sink: str) -> list[work.Piece]:
    """Pieces of the asset that are not confirmed at the sink."""

    def confirmed(piece: work.Piece) -> bool:
        copy = piece.copies.get(sink)
        return copy is not None and copy.state is CopyState.CONFIRMED

    return [piece for piece in item.pieces if not confirmed(piece)]


def _missing_bytes(item: work.Item, sink: str) -> int:
    return sum(piece.resource.size or 0 for piece in _missing(item, sink))


def _begun(item: work.Item, sink: str) -> bool:
    states = (piece.copies[sink].state for piece in item.pieces if sink in piece.copies)
    return any(state in (CopyState.CONFIRMED, CopyState.TRANSFERRED) for state in states)


def sinks_of(piece: work.Piece, sinks: Sequence[str]) -> tuple[str, ...]:
    """Those of ``sinks`` that still need this piece."""
    states = {name: copy.state for name, copy in piece.copies.items()}
    return tuple(name for name in sinks if states.get(name) is not CopyState.CONFIRMED)
