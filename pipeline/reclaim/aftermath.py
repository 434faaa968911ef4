"""The truth after freeing: what the bin still holds, until when, and what empties it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from connectors.abilities import Binned, Capacity, HasBin
from pipeline.ledger import Ledger, trash
from pipeline.ledger.items import Totals
from pipeline.reclaim.target import Target


@dataclass(frozen=True, slots=True)
class Aftermath:
    """``binned`` is all that lies in the source's bin (None: it cannot be asked), ``ours`` what
    of it we put there. ``first`` and ``last`` are when the place removes the first and the last
    of it for good. ``emptying`` tells a person how to do that at once."""

    source: str
    capacity: Capacity | None
    binned: Totals | None
    ours: Totals
    first: datetime | None
    last: datetime | None
    emptying: str


def aftermath(
    ledger: Ledger, target: Target, capacity: Capacity | None, binned: Sequence[Binned] | None
) -> Aftermath:
    """``binned`` is what the source says lies in its bin, None where it cannot say."""
    source = target.source
    mine = trash.in_bin(ledger, target.part)
    if binned is None:
        ours = Totals(len(mine), sum(mine.values()))
        return Aftermath(source.name, capacity, None, ours, None, None, "")
    found = [item for item in binned if item.id in mine]
    leaves = sorted(item.leaves for item in binned if item.leaves is not None)
    return Aftermath(
        source=source.name,
        capacity=capacity,
        binned=Totals(len(binned), sum(item.size for item in binned)),
        ours=Totals(len(found), sum(item.size for item in found)),
        first=leaves[0] if leaves else None,
        last=leaves[-1] if leaves else None,
        emptying=source.emptying if isinstance(source, HasBin) else "",
    )
