"""What changes in the libraries while they are listed, and so how much a listing must name.

A listing of a large library takes minutes, and Apple's counts are those of one moment: a photo that
came meanwhile makes up, in number, for one that got lost; one that left moves the ranks of all
behind it, so that another can pass from a window that is not read yet into one that was. So what
changed is read, by the sync token from before the counts, and left out on both sides: an index is
whole where the unchanged assets met in it are as many as its count now, less what is in it now and
changed.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping

from connectors.base import Problem
from connectors.errors import CursorLost
from connectors.icloud import fields, records
from connectors.icloud.changes import answers, may_be_asset
from connectors.icloud.cloudkit import CloudKit, Record, Zone
from connectors.icloud.counting import Count, Counting
from connectors.icloud.listing import BURSTS, DELETED, HIDDEN, VISIBLE
from connectors.icloud.patience import Patience
from connectors.icloud.window import Index

_KEYS = ("isDeleted", "isExpunged", "isHidden", "burstId")
_ROUNDS = 5  # of changes and counts in turn, until nothing changes in between


class Drift:
    """``tokens`` by library are older than the ``counts``, Apple's own.

    ``settled``: nothing changed any more while this was last read. ``moved``: anything ever did.
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
        # Where each changed asset is now, by its id: nowhere (None), or in one of the indexes.
        # Of a picture of a burst only Apple knows whether that is the main one: BURSTS.
        self._changed: dict[Zone, dict[str, Index | None]] = {zone: {} for zone in self._tokens}
        self.settled = True

    @property
    def moved(self) -> bool:
        return any(self._changed.values())

    @property
    def uncounted(self) -> list[Problem]:
        """Of each index that Apple does not count."""
        return [count.problem for count in self._counts.values() if count.problem is not None]

    def read(self) -> None:
        """Read on to what the libraries are now. Costs a request for each; raises what requests
        raise."""
        settled = [self._settle(zone) for zone in self._tokens]
        self.settled = all(settled)

    def expected(self, zone: Zone, index: Index, met: Container[str]) -> int | None:
        """How many assets a whole listing of an index would name that named ``met`` of those that
        changed. None where Apple does not count."""
        number = self._counts[zone, index].number
        if number is None:
            return None
        for name, now in self._changed[zone].items():
            known = name in met
            here = known if now is BURSTS else now is index
            number += known - here
        return number

    def _settle(self, zone: Zone) -> bool:
        for _ in range(_ROUNDS):
            try:
                if not self._read_on(zone):
                    return True
            except CursorLost:
                return True  # then the next time everything is listed anyway
            counts = self._patience.call(lambda: self._counting.counts(zone))
            self._counts |= {(zone, count.index): count for count in counts}
        return False

    def _read_on(self, zone: Zone) -> bool:
        """Whether there were changes of assets."""
        fresh: dict[str, Index | None] = {}
        for answer in answers(self._cloudkit, self._patience, zone, self._tokens[zone], _KEYS):
            self._tokens[zone] = answer.token
            for record in answer.records:
                if may_be_asset(record):
                    fresh[records.asset_id(zone, str(record.get("recordName")))] = _place(record)
        self._changed[zone] |= fresh
        return bool(fresh)


def _place(asset: Record) -> Index | None:
    """The index that an asset is in now, as far as it tells."""
    if asset.get("deleted") or "serverErrorCode" in asset or fields.flag(asset, "isExpunged"):
        return None
    if fields.flag(asset, "isDeleted"):
        return DELETED
    if fields.flag(asset, "isHidden"):
        return HIDDEN
    return BURSTS if fields.plain(asset, "burstId") else VISIBLE
