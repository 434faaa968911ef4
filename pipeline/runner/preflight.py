"""Before the first byte: what each sink will be asked to take, and whether it has the room."""

from __future__ import annotations

import shutil
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from connectors.base import Capacity
from pipeline.config.models import Route
from pipeline.ledger import Ledger, work


@dataclass(frozen=True, slots=True)
class SinkPlan:
    """Bytes one sink will be asked to take. ``capacity`` is None where it tells nothing;
    ``lacking`` are bytes that go to no other sink either and will have to wait."""

    name: str
    needed: int
    capacity: Capacity | None
    lacking: int

    @property
    def fits(self) -> bool:
        return self.lacking == 0


def preflight(
    ledger: Ledger,
    route: Route,
    capacities: Mapping[str, Capacity | None],
    sidecars: Collection[str] = (),
) -> list[SinkPlan]:
    """Apply the policy to the sizes of all pending assets; sinks stand in their order.

    Those in ``sidecars`` get a sidecar with each asset.
    """
    if route.to == "all":
        return [_alone(ledger, name, capacities[name], sidecars) for name in capacities]
    return _shared(ledger, route, capacities)


def _free(capacity: Capacity | None) -> float:
    return float("inf") if capacity is None or capacity.free is None else capacity.free


def _alone(
    ledger: Ledger, name: str, capacity: Capacity | None, sidecars: Collection[str]
) -> SinkPlan:
    needed = work.missing_bytes(ledger, name, sidecars)
    lacking = max(0.0, min(needed - _free(capacity), needed))  # of an endless room: none
    return SinkPlan(name, needed, capacity, int(lacking))


def _shared(
    ledger: Ledger, route: Route, capacities: Mapping[str, Capacity | None]
) -> list[SinkPlan]:
    left = {name: _free(capacity) for name, capacity in capacities.items()}
    needed = dict.fromkeys(left, 0)
    lacking = 0
    copies = min(route.copies, len(left))
    for size in work.pending_sizes(ledger):
        order: Sequence[str] = list(left)
        if route.to == "spread":
            order = sorted(order, key=lambda name: left[name], reverse=True)
        chosen = [name for name in order if left[name] >= size][:copies]
        for name in chosen:
            left[name] -= size
            needed[name] += size
        lacking += size * (copies - len(chosen))
    last = list(left)[-1]
    return [
        SinkPlan(name, needed[name], capacity, lacking if name == last else 0)
        for name, capacity in capacities.items()
    ]


def staging_room(folder: Path) -> int:
    """Free bytes on the disk that holds the staging folder, made or not."""
    while not folder.exists():
        folder = folder.parent
    return shutil.disk_usage(folder).free
