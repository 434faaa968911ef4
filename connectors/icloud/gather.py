"""From raw records to assets: pairs joined, what is missing looked up, nothing dropped.

Used by listings and by changes alike.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

from connectors.base import Asset, Problem
from connectors.errors import OutpourError, Transient
from connectors.icloud import fields, records
from connectors.icloud.cloudkit import PAGE_ASSETS, PAGE_RECORDS, CloudKit, Record, Zone
from connectors.icloud.errors import Unservable, of_record
from connectors.icloud.patience import Patience

ASSET = "CPLAsset"
MASTER = "CPLMaster"
_TRIES = 3  # of records that Apple fails over
_MOST_BLAMED = 20  # of them in a row, after which nothing is asked for alone any more
_PLAIN = ("isDeleted",)  # what needs no decrypting


class Gather:
    """Collects the records of a few answers and makes assets of them."""

    def __init__(self, cloudkit: CloudKit, patience: Patience, zone: Zone) -> None:
        self._cloudkit = cloudkit
        self._patience = patience
        self._zone = zone
        self._assets: dict[str, Record] = {}
        self._masters: dict[str, Record] = {}
        self._failed: dict[str, OutpourError] = {}  # by record name
        self._unservable: dict[str, OutpourError] = {}  # those that Apple fails over
        self._blamed = 0  # of them, one after another
        self._nameless = 0

    def take(self, found: Iterable[Record], most: int = PAGE_ASSETS) -> int:
        """Add records; how many ranks of an index they stand for, rather too few than too many.

        A full answer (``most`` assets were asked for) covers its ranks, though one half of a pair
        may be on another page. In a shorter one a half alone can belong to another rank, so only
        pairs count, and errors.
        """
        assets: dict[str, str | None] = {}
        masters, failed = set(), 0
        for record in found:
            name = record.get("recordName")
            if not isinstance(name, str) or not name:
                self._nameless += 1
                failed += 1
            elif "serverErrorCode" in record:
                self._failed.setdefault(name, of_record(record))
                failed += 1
            elif record.get("recordType") == ASSET:
                if not records.is_stub(record):
                    self._assets[name] = record
                assets[name] = fields.reference(record, "masterRef")
            elif record.get("recordType") == MASTER:
                self._masters[name] = record
                masters.add(name)
        full = max(len(assets), len(masters))
        if full >= most:
            return most
        return sum(master in masters for master in assets.values()) + (failed + 1) // 2

    def ask_for(self, names: list[str], keep: Callable[[Record], bool]) -> None:
        """Add those of the named records that ``keep`` wants as they are now."""
        for found in self._lookups(names, records.KEYS):
            self.take(filter(keep, found))

    def masters(self) -> set[str]:
        return set(self._masters)

    def orphans(self) -> bool:
        """Whether there are masters whose assets have not come."""
        return not self._masters.keys() <= self.references()

    def torn(self) -> bool:
        """Whether halves of pairs came alone: other halves of this page may have gone astray."""
        return self._masters.keys() != self.references()

    def references(self) -> set[str]:
        """The masters the assets taken so far refer to."""
        return set(self._references())

    def finish(self) -> Iterator[Asset | Problem]:
        """Every asset, in the order taken; a Problem for each that cannot be had.

        Raises what its lookups raise.
        """
        self._look_up(list(self._failed))
        self._failed |= self._unservable
        self._look_up([name for name in self._references() if name not in self._masters])
        self._look_for_renditions()
        blamed = set()
        for name, record in self._assets.items():
            reference = fields.reference(record, "masterRef") or ""
            master = self._masters.get(reference)
            if master is not None:
                yield records.asset(self._zone, record, master)
                continue
            blamed.add(reference)
            yield Problem(records.asset_id(self._zone, name), self._why(reference))
        for name in self._failed:
            if name not in blamed:
                yield Problem(records.asset_id(self._zone, name), self._why(name))
        for _ in range(self._nameless):
            yield Problem("unnamed", "iCloud listed a record without a name")

    def _references(self) -> list[str]:
        found = (fields.reference(record, "masterRef") for record in self._assets.values())
        return [name for name in dict.fromkeys(found) if name]

    def _look_up(self, names: list[str]) -> None:
        """Ask for records by name; those that come are no longer failed."""
        for found in self._lookups(names, records.KEYS):
            for record in found:
                if "serverErrorCode" not in record:
                    self._failed.pop(str(record.get("recordName")), None)
            self.take(found)

    def _look_for_renditions(self) -> None:
        """Add to masters without an original what else Apple has of it."""
        known = {name: self._masters[name] for name in self._references() if name in self._masters}
        lacking = [name for name, master in known.items() if records.lacks_original(master)]
        for found in self._lookups(lacking, records.RENDITIONS):
            for record in found:
                master = known.get(str(record.get("recordName")), {})
                mine, more = master.get("fields"), record.get("fields")
                if isinstance(mine, dict) and isinstance(more, dict):
                    mine.update(more)

    def _lookups(self, names: list[str], keys: Sequence[str]) -> Iterator[list[Record]]:
        for start in range(0, len(names), PAGE_RECORDS):
            yield from self._divided(names[start : start + PAGE_RECORDS], keys, _TRIES)

    def _divided(self, names: list[str], keys: Sequence[str], tries: int) -> Iterator[list[Record]]:
        """One record that Apple fails over takes the others of a lookup with it: those come in
        smaller and smaller ones, as long as some come. Raises what it failed with where it fails
        over everything."""
        try:
            yield self._settled(names, keys, tries)
            self._blamed = 0
        except Unservable as error:
            self._patience.call(lambda: self._cloudkit.lookup(self._zone, names, _PLAIN))
            if len(names) == 1 or self._blamed >= _MOST_BLAMED:
                self._blamed += len(names)
                self._unservable |= dict.fromkeys(names, error)
                return
            half = len(names) // 2
            for part in (names[:half], names[half:]):
                # On the way down one try will do: what failed by chance is asked for in parts.
                yield from self._divided(part, keys, _TRIES if len(part) == 1 else 1)

    def _settled(self, names: list[str], keys: Sequence[str], tries: int) -> list[Record]:
        """Records by name; those that fail only in passing are asked for again."""
        found: dict[str, Record] = {}
        left = names
        passing: Transient | None = None

        def ask() -> None:
            nonlocal left, passing
            reply = self._cloudkit.lookup(self._zone, left, keys)
            found.update((str(record.get("recordName")), record) for record in reply.records)
            left, passing = _passing(reply.records)
            if passing:
                raise passing

        try:
            self._patience.call(ask, unservable=tries)
        except Transient as error:
            if error is not passing:
                raise
        return list(found.values())

    def _why(self, name: str) -> str:
        error = self._failed.get(name)
        if error is not None:
            return f"iCloud does not give its record: {error}"
        return "iCloud lists it without the record of its files"


def _passing(found: list[Record]) -> tuple[list[str], Transient | None]:
    """The names of records that fail in passing, and how the last of them does."""
    names: list[str] = []
    last: Transient | None = None
    for record in found:
        error = of_record(record) if "serverErrorCode" in record else None
        if isinstance(error, Transient):
            names.append(str(record.get("recordName")))
            last = error
    return names, last
