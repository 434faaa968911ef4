"""What has been listed against what Apple counts."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence

from connectors.base import Asset
from connectors.icloud.cloudkit import Zone
from connectors.icloud.counting import Count
from connectors.icloud.drift import Drift
from connectors.icloud.listing import BURSTS, Listing
from connectors.icloud.window import Index


class Tally:
    """The pictures of bursts have an index of their own, which overlaps the others; those met
    only there are outside Apple's other counts and raise the number expected."""

    def __init__(self, counts: Sequence[Count], drift: Drift) -> None:
        self._counts = counts
        self._drift = drift
        self._listings: dict[tuple[Zone, Index], Listing] = {}
        self._given_up: set[tuple[Zone, Index]] = set()
        self._bursts: defaultdict[Zone, set[str]] = defaultdict(set)  # listed
        self._only_there = 0  # pictures of bursts

    @property
    def expected(self) -> int | None:
        """How many assets a whole listing names; None where Apple does not count."""
        total = self._only_there
        for count in self._counted():
            number = self._expected(count)
            if number is None:
                return None
            total += number
        return total

    @property
    def complete(self) -> bool:
        """Whether everything was listed."""
        if self._given_up or self._drift.uncounted:
            return False
        return all(
            len(listing.names) >= (self._expected(count) or 0)
            for count, listing in self._read()
            if count.index is not BURSTS
        )

    @property
    def lacking(self) -> int:
        """Entries that were not met, not even as ones that cannot be had."""
        return sum(
            self._lack(count, listing)
            for count, listing in self.short()
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

    def add(self, count: Count, assets: list[Asset]) -> tuple[Asset, ...]:
        """Those not listed before."""
        bursts = self._bursts[count.zone]
        if count.index is BURSTS:
            assets = [asset for asset in assets if asset.id not in bursts]
            self._only_there += len(assets)
        bursts.update(asset.id for asset in assets if asset.metadata.burst)
        return tuple(assets)

    def give_up(self, count: Count) -> None:
        """Expect no more of an index that cannot be listed."""
        self._given_up.add((count.zone, count.index))

    def _counted(self) -> Iterator[Count]:
        return (count for count in self._counts if count.index is not BURSTS)

    def _read(self) -> Iterator[tuple[Count, Listing]]:
        for count in self._counts:
            key = count.zone, count.index
            if key in self._listings and key not in self._given_up:
                yield count, self._listings[key]

    def _lack(self, count: Count, listing: Listing) -> int:
        return max(0, (self._expected(count) or 0) - listing.found)

    def _expected(self, count: Count) -> int | None:
        key = count.zone, count.index
        listing = self._listings.get(key)
        if listing is None:
            return self._drift.expected(*key, ())
        if key in self._given_up:
            return len(listing.names)
        return self._drift.expected(*key, listing.names)
