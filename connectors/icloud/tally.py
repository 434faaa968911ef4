"""What has been listed against what Apple counts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace

from connectors.base import Asset, Page, Problem
from connectors.icloud.cloudkit import Zone
from connectors.icloud.counting import Count
from connectors.icloud.drift import Drift
from connectors.icloud.listing import Listing, Names
from connectors.icloud.window import Index, Window


class Tally:
    """Of one pass over all indexes. What lies in several is named by the first that met it.

    ``named`` is how many were, ``problems`` are the ids of what could not be listed.
    """

    def __init__(self, counts: Sequence[Count], drift: Drift) -> None:
        self._counts = counts
        self._drift = drift
        self._listings: dict[tuple[Zone, Index], Listing] = {}
        self._given_up: dict[tuple[Zone, Index], Problem] = {}
        self._bursts: set[Zone] = set()
        self._unlisted: Counter[Zone] = Counter()
        self._stacked: Counter[Zone] = Counter()  # pictures of bursts that no index named
        self._nameless: Counter[Zone] = Counter()  # problems that ranks and names told of
        self.named = 0
        self.problems: set[str] = set()

    @property
    def zones(self) -> set[Zone]:
        """The libraries that are listed."""
        return {count.zone for count in self._counts}

    @property
    def counted(self) -> int | None:
        """How many assets there were at the beginning, by Apple's own count if it tells. Pictures
        of bursts behind the one in front are in no count."""
        numbers = [count.number for count in self._counts]
        known = [number for number in numbers if number is not None]
        return max(sum(known), self.named) if len(known) == len(numbers) else None

    def certain(self, zone: Zone) -> bool:
        """Whether every entry of a library's indexes was met, if only as one that cannot be
        had."""
        if self._drift.blind:
            return False
        read = [(count, self._listings[zone, count.index]) for count in self._of(zone)]
        return not any(
            (zone, count.index) in self._given_up
            or (bounds := self._drift.expected(zone, count.index, listing.names)) is None
            or listing.found < bounds[1]
            for count, listing in read
        )

    def lacking(self, zone: Zone) -> int:
        """Entries of its indexes that were not met, nor found by other means; rather too many:
        a picture of a burst may or may not be one."""
        lacks = sum(
            self._lack(count, self._listings[zone, count.index])
            for count in self._of(zone)
            if (zone, count.index) not in self._given_up
        )
        return max(0, lacks - self._unlisted[zone])

    def short(self) -> Iterator[tuple[Count, Listing]]:
        """The listings that met fewer entries than there are."""
        for count in self._counts:
            key = count.zone, count.index
            if key in self._listings and key not in self._given_up:
                listing = self._listings[key]
                if self._lack(count, listing):
                    yield count, listing

    def has_bursts(self, zone: Zone) -> bool:
        """Whether a picture of one was met."""
        return zone in self._bursts

    def found_bursts(self, zone: Zone) -> int:
        """Pictures of bursts that no index named: so many may be entries."""
        return self._stacked[zone]

    def names(self, zone: Zone) -> Names:
        """What was met in a library's indexes."""
        met = Names()
        for count in self._of(zone):
            met.update(self._listings[zone, count.index].names)
        return met

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
        if any(one.metadata.burst for one in fresh):
            self._bursts.add(count.zone)
        self.named += len(fresh)
        self.problems.update(problem.id for problem in window.problems)
        return tuple(fresh)

    def add_unlisted(self, zone: Zone, page: Page, *, bursts_only: bool) -> Page:
        """Of what no index named, what is new: what cannot be had may be known by its rank, if it
        is an entry."""
        known = sum(self._listings[zone, count.index].problems for count in self._of(zone))
        told = 0 if bursts_only else max(0, known - self._nameless[zone])
        problems = page.problems[told:]
        self._nameless[zone] += len(page.problems) - len(problems)
        self.named += len(page.assets)
        self.problems.update(problem.id for problem in problems)
        entries = sum(one.metadata.burst is None for one in page.assets)
        self._stacked[zone] += len(page.assets) - entries
        self._unlisted[zone] += entries + len(problems)
        return replace(page, problems=problems, expected=self.counted)

    def give_up(self, count: Count, why: Problem) -> None:
        """Expect no more of an index that cannot be listed."""
        self._given_up[count.zone, count.index] = why

    def given_up(self, zone: Zone) -> list[Problem]:
        """Of each index of a library that cannot be listed, why."""
        return [why for (owner, _), why in self._given_up.items() if owner == zone]

    def _of(self, zone: Zone) -> Iterator[Count]:
        return (count for count in self._counts if count.zone == zone)

    def _lack(self, count: Count, listing: Listing) -> int:
        bounds = self._drift.expected(count.zone, count.index, listing.names)
        return max(0, (bounds or (0, 0))[0] - listing.found)
