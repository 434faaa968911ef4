"""What has been listed against what Apple counts."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence

from connectors.base import Asset, Problem
from connectors.icloud.cloudkit import Zone
from connectors.icloud.counting import Count
from connectors.icloud.drift import Drift
from connectors.icloud.listing import BURSTS, Listing, Names
from connectors.icloud.window import Index, Window


class Tally:
    """Of one pass over all indexes. What lies in several is named by the first that met it.

    ``problems`` are the ids of what could not be listed.
    """

    def __init__(self, counts: Sequence[Count], drift: Drift) -> None:
        self._counts = counts
        self._drift = drift
        self._listings: dict[tuple[Zone, Index], Listing] = {}
        self._given_up: set[tuple[Zone, Index]] = set()
        self._bursts: defaultdict[Zone, set[str]] = defaultdict(set)  # listed
        self._named = 0
        self.problems: set[str] = set()

    @property
    def counted(self) -> int | None:
        """How many assets there were at the beginning, by Apple's own count if it tells. Pictures
        of bursts that are met only in their own index are outside of the others."""
        numbers = [count.number for count in self._counts if count.index is not BURSTS]
        known = [number for number in numbers if number is not None]
        return max(sum(known), self._named) if len(known) == len(numbers) else None

    @property
    def complete(self) -> bool:
        """Whether everything was listed, for certain."""
        if self._given_up or self._drift.uncounted or self._drift.blind:
            return False
        return not any(
            listing.problems or len(listing.names) < self._bounds(count, listing)[1]
            for count, listing in self._read()
            if count.index is not BURSTS
        )

    @property
    def lacking(self) -> int:
        """Entries that were not met, not even as ones that cannot be had; at least."""
        return sum(
            self._lack(count, listing)
            for count, listing in self._read()
            if count.index is not BURSTS
        )

    def short(self) -> Iterator[tuple[Count, Listing]]:
        """The listings that met fewer entries than there are."""
        return ((count, listing) for count, listing in self._read() if self._lack(count, listing))

    def needs(self, count: Count) -> bool:
        """Not where every picture of a burst has been listed among the others."""
        return count.index is not BURSTS or count.number != len(self._bursts[count.zone])

    def begin(self, count: Count, listing: Listing) -> None:
        self._listings[count.zone, count.index] = listing

    def add(self, count: Count, window: Window) -> tuple[Asset, ...]:
        """Those not named before."""
        others = [
            listing.names
            for (zone, index), listing in self._listings.items()
            if zone == count.zone and index is not count.index
        ]
        fresh = [one for one in window.assets if not any(one.id in names for names in others)]
        self._bursts[count.zone].update(one.id for one in fresh if one.metadata.burst)
        self._named += len(fresh)
        self.problems.update(problem.id for problem in window.problems)
        return tuple(fresh)

    def give_up(self, count: Count, why: Problem) -> None:
        """Expect no more of an index that cannot be listed."""
        self._given_up.add((count.zone, count.index))
        self.problems.add(why.id)

    def name(self, names: Names) -> None:
        """Add what was named."""
        for listing in self._listings.values():
            names.update(listing.names)

    def _read(self) -> Iterator[tuple[Count, Listing]]:
        for count in self._counts:
            key = count.zone, count.index
            if key in self._listings and key not in self._given_up:
                yield count, self._listings[key]

    def _lack(self, count: Count, listing: Listing) -> int:
        return max(0, self._bounds(count, listing)[0] - listing.found)

    def _bounds(self, count: Count, listing: Listing) -> tuple[int, int]:
        return self._drift.expected(count.zone, count.index, listing.names) or (0, 0)
