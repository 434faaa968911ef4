"""Moving assets to Recently Deleted and back. Whether they may go is the engine's question."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from connectors.base import Asset
from connectors.errors import InBin, ItemError, NotFound, OutpourError, Transient, Unreadable
from connectors.icloud import fields, records
from connectors.icloud.cloudkit import (
    PAGE_ASSETS,
    PAGE_RECORDS,
    PRIMARY,
    CloudKit,
    Record,
    Zone,
    equals,
)
from connectors.icloud.errors import Closed, of_record
from connectors.icloud.gather import Gather
from connectors.icloud.listing import DELETED
from connectors.icloud.patience import Patience, silence

_BATCH = 100


@dataclass(frozen=True, slots=True)
class _Change:
    """One asset's ``isDeleted``, to be set against the change tag it is known to have."""

    record: str
    tag: str
    deleted: bool

    @property
    def operation(self) -> dict[str, Any]:
        return {
            "operationType": "update",
            "record": {
                "recordName": self.record,
                "recordType": "CPLAsset",
                "recordChangeTag": self.tag,
                "fields": {"isDeleted": {"value": int(self.deleted)}},
            },
        }


@dataclass(frozen=True, slots=True)
class Trashed:
    """An asset in Recently Deleted, and when Apple removes it for good, where it says."""

    asset: Asset
    leaves: datetime | None


def trash(
    cloudkit: CloudKit, assets: Sequence[tuple[str, str | None]]
) -> list[OutpourError | None]:
    """One answer for each (asset id, revision), in order.

    Refused with ItemError where the revision is another by now, also where only the record of
    the files (the master) has changed; with InBin what lies in Recently Deleted already.
    """
    known = dict(assets)

    def plan(zone: Zone, now: _Now, name: str) -> _Change | None:
        record = now.record(name)
        if records.is_gone(record):
            raise InBin("it was deleted in iCloud already")
        if records.is_stub(record):
            raise ItemError("it was moved to a Shared Library")
        master = now.master(record)
        if known[records.asset_id(zone, name)] != records.revision(record, master):
            raise ItemError("it was changed in iCloud since it was copied")
        if records.has_uncopied(record, master):
            raise ItemError(
                "iCloud has parts of it that are not copied: what an edit began with, or what lies "
                "outside the frame"
            )
        return _Change(name, str(record.get("recordChangeTag")), deleted=True)

    return _apply(cloudkit, [asset for asset, _ in assets], plan)


def restore(cloudkit: CloudKit, asset_ids: Sequence[str]) -> list[OutpourError | None]:
    """One answer for each, in order; NotFound where Apple has removed it for good."""

    def plan(_zone: Zone, now: _Now, name: str) -> _Change | None:
        record = now.record(name)
        if fields.flag(record, "isExpunged"):
            raise NotFound("iCloud has removed it for good")
        if records.is_stub(record):
            raise NotFound("it was moved to a Shared Library")
        if not records.is_gone(record):
            return None
        return _Change(name, str(record.get("recordChangeTag")), deleted=False)

    return _apply(cloudkit, asset_ids, plan)


def trashed(cloudkit: CloudKit, zone: Zone, names: Sequence[str] = ()) -> Iterator[Trashed]:
    """What lies in Recently Deleted of one library, and what of the named assets lies there and is
    not shown: of a burst Apple's lists show the picture in front."""
    shown: set[str] = set()
    for item in _listed(cloudkit, zone):
        shown.add(records.split_id(item.asset.id)[1])
        yield item
    left = [name for name in names if name not in shown]
    ends: dict[str, datetime | None] = {}

    def is_there(record: Record) -> bool:
        ends[str(record.get("recordName"))] = _end(record)
        return fields.flag(record, "isDeleted") and not fields.flag(record, "isExpunged")

    for start in range(0, len(left), PAGE_ASSETS):
        gather = Gather(cloudkit, Patience(cloudkit), zone)
        gather.ask_for(left[start : start + PAGE_ASSETS], is_there)
        for found in gather.finish():
            if isinstance(found, Asset):
                yield Trashed(found, ends.get(records.split_id(found.id)[1]))


def _listed(cloudkit: CloudKit, zone: Zone) -> Iterator[Trashed]:
    """What Apple's list of it shows."""
    patience = Patience(cloudkit)
    (count,) = patience.call(lambda: cloudkit.counts(zone, [DELETED.count]))
    rank = empty = 0
    known: set[str] = set()
    while empty < silence(rank, count):
        reply = patience.call(
            lambda rank=rank: cloudkit.query(  # type: ignore[misc]
                zone,
                DELETED.record_type,
                (equals("startRank", rank), equals("direction", "ASCENDING")),
                keys=records.KEYS,
                limit=PAGE_RECORDS,
            )
        )
        gather = Gather(cloudkit, patience, zone)
        covered = gather.take(reply.records)
        ends = {record.get("recordName"): _end(record) for record in reply.records}
        for item in gather.finish():
            if isinstance(item, Asset) and item.id not in known:
                known.add(item.id)
                yield Trashed(item, ends.get(records.split_id(item.id)[1]))
        empty = 0 if reply.records else empty + 1
        rank += max(covered, 1) if reply.records else 0


_STATE = (
    "masterRef",
    "isDeleted",
    "isExpunged",
    "isSparsePrivateRecord",
    *records.REVISION,
    *records.UNCOPIED,
)
"""What ``records.is_gone``, ``is_stub``, ``revision`` and ``has_uncopied`` read."""


class _Now:
    """The records of some assets as they are now."""

    def __init__(self, cloudkit: CloudKit, zone: Zone, names: Sequence[str]) -> None:
        self._found = _look_up(cloudkit, zone, names)
        masters = {fields.reference(record, "masterRef") for record in self._found.values()}
        self._found |= _look_up(cloudkit, zone, sorted(name for name in masters if name))

    def record(self, name: str) -> Record:
        """Raises the error Apple gave for it; Transient where it gave nothing, as a change that
        was asked for before may have been made."""
        record = self._found.get(name)
        if record is None:
            raise Transient("iCloud did not answer for it")
        if "serverErrorCode" in record:
            raise of_record(record)
        return record

    def master(self, asset: Record) -> Record:
        name = fields.reference(asset, "masterRef")
        if name is None:
            raise Unreadable("iCloud does not say which files belong to it")
        return self.record(name)


_Plan = Callable[[Zone, _Now, str], _Change | None]


def _apply(cloudkit: CloudKit, asset_ids: Sequence[str], plan: _Plan) -> list[OutpourError | None]:
    """Plan and change in batches; an error that concerns all is every remaining one's answer,
    so that what has been done before it is not forgotten."""
    answers: dict[str, OutpourError | None] = {}
    libraries: defaultdict[str, list[str]] = defaultdict(list)
    for asset in dict.fromkeys(asset_ids):
        libraries[records.split_id(asset)[0]].append(asset)
    for library, ids in libraries.items():
        for start in range(0, len(ids), _BATCH):
            batch = ids[start : start + _BATCH]
            try:
                answers |= _batch(cloudkit, _zone(cloudkit, library), batch, plan)
            except OutpourError as error:
                if not answers and not isinstance(error, ItemError):
                    raise
                answers |= dict.fromkeys(batch, error)
    return [answers[asset] for asset in asset_ids]


def _batch(
    cloudkit: CloudKit, zone: Zone, ids: Sequence[str], plan: _Plan
) -> dict[str, OutpourError | None]:
    names = {records.split_id(asset)[1]: asset for asset in ids}
    now = _Now(cloudkit, zone, list(names))
    answers: dict[str, OutpourError | None] = dict.fromkeys(ids)
    changes: dict[str, _Change] = {}
    for name, asset in names.items():
        try:
            change = plan(zone, now, name)
        except OutpourError as error:
            answers[asset] = error
        else:
            if change is not None:
                changes[name] = change
    if changes:
        reply = cloudkit.modify(zone, [change.operation for change in changes.values()])
        told = {str(record.get("recordName")): record for record in reply.records}
        for name, change in changes.items():
            answers[names[name]] = _answer(told.get(name), change)
    return answers


def _answer(record: Record | None, change: _Change) -> OutpourError | None:
    """Apple's word for one change: an error, or None where it says what was wanted.

    Transient where it does not say what became of it: it may have been made, and is looked
    up before it is asked for again.
    """
    if record is None:
        return Transient("iCloud did not answer for it")
    if "serverErrorCode" in record:
        return of_record(record)
    if records.is_gone(record) is not change.deleted:
        return Transient("iCloud did not confirm the change")
    return None


def _look_up(cloudkit: CloudKit, zone: Zone, names: Sequence[str]) -> dict[str, Record]:
    found: dict[str, Record] = {}
    if names:
        reply = cloudkit.lookup(zone, names, _STATE)
        found = {str(record.get("recordName")): record for record in reply.records}
    return found


def _zone(cloudkit: CloudKit, name: str) -> Zone:
    if name == PRIMARY:
        return Zone()
    shared = cloudkit.shared()
    for zone in shared.zones:
        if zone.name == name:
            return zone
    if shared.unread:  # it may be one of those
        why = "; ".join(f"{unread}: {reason}" for unread, reason in shared.unread.items())
        raise Closed(f"not all libraries of this account can be read ({why})")
    raise NotFound(f"this account no longer takes part in the library {name}")


def _end(record: Record) -> datetime | None:
    seconds = record.get("expirationTime")
    return datetime.fromtimestamp(seconds, UTC) if isinstance(seconds, int | float) else None
