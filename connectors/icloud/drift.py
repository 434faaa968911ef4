"""What changes in the libraries while they are listed, and so how much a listing must name.

A listing of a large library takes minutes, and Apple's counts are those of one moment: a photo that
came meanwhile makes up, in number, for one that got lost; one that left moves the ranks of all
behind it, so that another can pass from a window that is not read yet into one that was. So what
changed is read, by the sync token from before the counts, and left out on both sides: an index is
whole where the unchanged assets met in it are as many as its count now, less what is in it now and
changed.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Mapping

from connectors.base import Problem
from connectors.errors import CursorLost
from connectors.icloud import fields, records
from connectors.icloud.changes import STATE, answers, may_be_asset
from connectors.icloud.cloudkit import CloudKit, Record, Zone
from connectors.icloud.counting import Count, Counting
from connectors.icloud.listing import BURSTS, DELETED, HIDDEN, VISIBLE
from connectors.icloud.patience import Patience
from connectors.icloud.window import Index

_ROUNDS = 5  # of counts and changes in turn, until nothing changes in between

Places = tuple[Index, ...]
"""The index that an asset is in now; none, or several of which it is in some."""


class Drift:
    """``tokens`` by library are older than the ``counts``, Apple's own.

    ``blind``: what changed could not be had, and is more than nothing.
    """

    def __init__(
        self,
        cloudkit: CloudKit,
        counting: Counting,
        tokens: Mapping[Zone, str],
        counts: Iterable[Count],
    ) -> None:
        self._cloudkit = cloudkit
        self._counting = counting
        self._patience = Patience(cloudkit)
        self._tokens = dict(tokens)
        self._counts = {(count.zone, count.index): count for count in counts}
        self._changed: dict[Zone, dict[str, Places]] = {zone: {} for zone in self._tokens}
        self._late: dict[Zone, set[str]] = {zone: set() for zone in self._tokens}  # since counted
        self.blind = False

    def uncounted(self, zone: Zone) -> list[Problem]:
        """Of each index of a library that Apple does not count."""
        return [
            count.problem
            for count in self._counts.values()
            if count.zone == zone and count.problem is not None
        ]

    def read(self, enough: Callable[[Zone], bool]) -> None:
        """Read on to what the libraries are now, or ``enough`` is known of each. Costs a request
        for each; raises what requests raise."""
        for zone in self._tokens:
            self._late[zone] |= self._read_on(zone)
            for _ in range(_ROUNDS):
                if not self._late[zone] or enough(zone):
                    break
                self._count(zone)
                self._late[zone] = self._read_on(zone)

    def expected(self, zone: Zone, index: Index, met: Container[str]) -> tuple[int, int] | None:
        """How many assets a whole listing of an index names that ``met`` some of those that
        changed: at least and at most. None where Apple does not count."""
        most = self._counts[zone, index].number
        if most is None:
            return None
        unsure = 0
        for name, places in self._changed[zone].items():
            known = name in met
            if name in self._late[zone]:  # it may have been counted, or not
                most += known
                unsure += 1
            elif index not in places:
                most += known
            elif len(places) == 1:
                most += known - 1
            else:
                unsure += not known
        return most - unsure, most

    def _count(self, zone: Zone) -> None:
        counts = self._patience.call(lambda: self._counting.counts(zone))
        self._counts |= {(zone, count.index): count for count in counts}

    def _read_on(self, zone: Zone) -> set[str]:
        """The assets that changed since this was last read."""
        fresh: set[str] = set()
        try:
            for answer in answers(self._cloudkit, self._patience, zone, self._tokens[zone], STATE):
                self._tokens[zone] = answer.token
                for record in filter(may_be_asset, answer.records):
                    name = records.asset_id(zone, str(record.get("recordName")))
                    self._changed[zone][name] = _places(record, unsure=answer.less)
                    fresh.add(name)
        except CursorLost:
            before = dict(self._counts)
            self._count(zone)
            self.blind = self.blind or before != self._counts
            return set()
        return fresh


def _places(asset: Record, *, unsure: bool) -> Places:
    """``unsure``: whether it is a picture of a burst may not be told."""
    if asset.get("deleted") or fields.flag(asset, "isExpunged") or records.is_stub(asset):
        return ()
    if "serverErrorCode" in asset:
        return (VISIBLE, BURSTS, HIDDEN, DELETED)
    place = VISIBLE
    if fields.flag(asset, "isDeleted"):
        place = DELETED
    elif fields.flag(asset, "isHidden"):
        place = HIDDEN
    # Of the pictures of a burst only the one in front is shown.
    return (place, BURSTS) if unsure or records.burst(asset) else (place,)
