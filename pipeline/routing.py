"""Which sinks an asset goes to: all of them, the first with room, or the roomiest."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain

from pipeline.config.models import Route
from pipeline.ledger.goal import Goal
from pipeline.ledger.items import Item, Piece
from pipeline.rooms import Room
from pipeline.states import ENDED_WELL, CopyState


@dataclass(frozen=True, slots=True)
class Assignment:
    """Where an asset goes now. ``owed`` copies come later; ``cramped`` says that some of them
    find too little room, and not only a sink that takes nothing in this run."""

    sinks: tuple[str, ...]
    owed: int
    cramped: bool


class Router:
    """Applies the policy and reserves the bytes it hands out. ``rooms`` stand in order;
    ``goal`` is what makes an asset confirmed."""

    def __init__(self, route: Route, rooms: Sequence[Room], goal: Goal) -> None:
        self.rooms: Mapping[str, Room] = {room.name: room for room in rooms}
        self._goal = goal
        self._route = route

    def assign(self, item: Item) -> Assignment:
        """Reserve room for what the asset still needs; an asset is never divided, and what
        lacks nothing but its sidecar goes nowhere else for it."""
        missing = {name: self._missing(item, name) for name in self.rooms}
        wanted = self._goal.enough - sum(not pieces for pieces in missing.values())
        chosen: list[str] = []
        taken = 0
        for room in self._candidates(item, missing):
            if taken >= wanted:
                break
            fits = room.reserve(sum(p.bytes_due(room.name) for p in missing[room.name]))
            if fits:
                chosen.append(room.name)
            taken += fits or _sidecar_alone(missing[room.name])
        owed = max(0, wanted - len(chosen))
        closed = sum(room.closed and bool(missing[name]) for name, room in self.rooms.items())
        return Assignment(tuple(chosen), owed, owed > closed)

    def lacking(self, item: Item) -> Iterator[Piece]:
        """The pieces that some sink does not have; one that several lack, several times."""
        return chain.from_iterable(self._missing(item, name) for name in self.rooms)

    def portions(self, item: Item, sinks: Sequence[str]) -> list[tuple[Piece, tuple[str, ...]]]:
        """Each piece that is still needed at any of ``sinks``, with those that need it."""
        missing = {name: self._missing(item, name) for name in sinks}
        every = [(p, tuple(name for name in sinks if p in missing[name])) for p in item.pieces]
        return [(piece, names) for piece, names in every if names]

    def _missing(self, item: Item, sink: str) -> list[Piece]:
        out = self._goal.excluded[sink]
        fits = [piece for piece in item.pieces if piece.resource.role not in out]
        if all(piece.generated for piece in fits):
            # None of it can be kept: the sink itself says so, and why.
            fits = [piece for piece in item.pieces if not piece.generated]
        return [piece for piece in fits if _needs(sink, piece)]

    def _candidates(self, item: Item, missing: Mapping[str, Sequence[Piece]]) -> list[Room]:
        order = preferred(
            [name for name in self.rooms if missing[name]],
            self._route,
            free=lambda name: _roominess(self.rooms[name]),
            begun={name for name in self.rooms if _begun(item, name)},
        )
        order.sort(key=lambda name: not _sidecar_alone(missing[name]))
        return [self.rooms[name] for name in order]


def preferred(
    sinks: Sequence[str],
    route: Route,
    free: Callable[[str], float],
    begun: Collection[str],
) -> list[str]:
    """The sinks in the order in which they are to get an asset. ``free`` is how many bytes a sink
    has room for; those that have ``begun`` with the asset have a part of it."""
    order = list(sinks)
    if route.to == "spread":
        order.sort(key=free, reverse=True)
    order.sort(key=lambda name: name not in begun)  # where a part is, the rest belongs
    return order


def _roominess(room: Room) -> float:
    free = room.free
    return float("inf") if free is None else free


def _needs(sink: str, piece: Piece) -> bool:
    copy = piece.copies.get(sink)
    return copy is None or copy.state not in ENDED_WELL


def _sidecar_alone(missing: Sequence[Piece]) -> bool:
    return all(piece.generated for piece in missing)


def _begun(item: Item, sink: str) -> bool:
    return any(
        piece.in_doubt(sink)
        or piece.copies[sink].state in (CopyState.CONFIRMED, CopyState.TRANSFERRED)
        for piece in item.pieces
        if sink in piece.copies
    )
