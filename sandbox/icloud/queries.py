"""records/query, records/lookup and the index counts."""

from __future__ import annotations

import base64
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from sandbox.faults import Faults
from sandbox.icloud.account import Account
from sandbox.icloud.records import ROOTS, Keys, Record, typed
from sandbox.icloud.wire import MOST_RECORDS, Refused, error_item, only
from sandbox.icloud.zones import Zone
from sandbox.library import Album, Asset

SMART = {
    "FAVORITE": "favorite",
    "LIVE": "live",
    "PANORAMA": "panorama",
    "SCREENSHOT": "screenshot",
    "SLOMO": "slomo",
    "TIMELAPSE": "timelapse",
    "VIDEO": "video",
}
LISTS = {
    "CPLAssetAndMasterByAssetDateWithoutHiddenOrDeleted": "listed",
    "CPLAssetAndMasterByAssetDate": "listed",
    "CPLAssetAndMasterByAddedDate": "all listed",
    "CPLAssetAndMasterHiddenByAssetDate": "hidden listed",
    "CPLAssetAndMasterDeletedByExpungedDate": "trashed listed",
    "CPLBurstStackAssetAndMasterByAssetDate": "burst",
}
SMART_LIST = "CPLAssetAndMasterInSmartAlbumByAssetDate"
ALBUM_LISTS = ("CPLContainerRelationLiveByAssetDate", "CPLContainerRelationLiveByPosition")
COUNTS = {
    "CPLAssetByAssetDateWithoutHiddenOrDeleted": "listed",
    "CPLAssetByAddedDate": "all listed",
    "CPLAssetHiddenByAssetDate": "hidden listed",
    "CPLAssetDeletedByExpungedDate": "trashed listed",
    "CPLAssetBurstStackAssetByAssetDate": "burst",
}
_SMART_COUNT = "CPLAssetInSmartAlbumByAssetDate:"
_ALBUM_COUNT = "CPLContainerRelationNotDeletedByAssetDate:"
_QUERY = ("query", "zoneID", "resultsLimit", "desiredKeys", "continuationMarker", "zoneWide")
_PAIRS = MOST_RECORDS // 2


class Queries:
    """Stateless but for what split pairs leave for the next page."""

    def __init__(self, account: Account, faults: Faults) -> None:
        self._account = account
        self._faults = faults
        self._left: dict[tuple[str, str], list[Record]] = {}
        self._lock = threading.Lock()

    def query(self, zone: Zone, body: Any) -> dict[str, Any]:
        body = only(body, _QUERY, ("query", "zoneID"))
        query = only(body["query"], ("recordType", "filterBy", "sortBy"), ("recordType",))
        kind = query["recordType"]
        filters = _filters(query.get("filterBy"))
        keys = frozenset(body["desiredKeys"]) if body.get("desiredKeys") else None
        self._check_index(zone, kind, filters.get("parentId"))
        if kind == "CheckIndexingState":
            records = [_indexing(zone, done=not self._account.indexing)]
        elif kind == "CPLAlbumByPositionLive":
            records = [self._perhaps(one, "album") for one in _albums(zone, filters, keys)]
        else:
            return self._list(zone, kind, filters, keys, body)
        return {"records": records, "syncToken": zone.token()}

    # --- lists ---------------------------------------------------------------------------

    def _list(
        self,
        zone: Zone,
        kind: str,
        filters: Mapping[str, Any],
        keys: Keys,
        body: Mapping[str, Any],
    ) -> dict[str, Any]:
        numbers, album = self._index(zone, kind, filters)
        if "recordName" in filters:
            numbers = [n for n in numbers if zone.library.get(n).id == filters["recordName"]]
        rank, down = int(filters.get("startRank", 0)), filters.get("direction") == "DESCENDING"
        if filters.get("direction", "ASCENDING") not in {"ASCENDING", "DESCENDING"}:
            raise Refused("BAD_REQUEST", "Unknown direction")
        if body.get("continuationMarker"):
            rank, down = _unmark(body["continuationMarker"], kind)
        limit = min(int(body.get("resultsLimit") or MOST_RECORDS), MOST_RECORDS)
        most = min(max(1, limit // 2), _PAIRS)
        most = self._shortened(most, f"list/{kind}/{rank}")
        chosen, after = _window(numbers, rank, down, most)
        assets = [zone.library.get(number) for number in chosen]
        for asset in assets:
            check_servable(self._faults, asset, keys)
        records = self._pairs(zone, kind, assets, keys, last=after is None)
        if album is not None:
            records += self._members(zone, album, assets, keys)
        answer: dict[str, Any] = {"records": records, "syncToken": zone.token()}
        if after is not None:
            answer["continuationMarker"] = _mark(kind, after, down)
        return answer

    def _check_index(self, zone: Zone, kind: str, parent: str | None) -> None:
        """Apple's words where the index behind a list is broken (rclone#9234, kei#704)."""
        key = f"index/{kind}" + (f"/{parent}" if parent else "")
        if self._faults.hit("bad_index", f"shared/{key}" if zone.shared else key):
            raise Refused("BAD_REQUEST", "Index has invalid data")

    def _index(
        self, zone: Zone, kind: str, filters: Mapping[str, Any]
    ) -> tuple[Sequence[int], Any]:
        if kind in LISTS:
            return zone.view(LISTS[kind]), None
        if kind == SMART_LIST:
            smart = SMART.get(filters.get("smartAlbum", ""))
            if smart is None:
                raise Refused("BAD_REQUEST", "Unknown smart album")
            return zone.view(smart), None
        if kind in ALBUM_LISTS:
            try:
                album = zone.library.albums.get(filters.get("parentId", ""))
            except KeyError:
                raise Refused("NOT_FOUND", "Container not found") from None
            return zone.library.members(album, shared=zone.shared), album
        raise Refused("BAD_REQUEST", f"Unknown record type {kind}")

    def _shortened(self, most: int, key: str) -> int:
        if self._faults.hit("empty_page", key):
            return 0
        return max(1, most * 2 // 5) if self._faults.hit("short_page", key) else most

    def _pairs(
        self, zone: Zone, kind: str, assets: Sequence[Asset], keys: Keys, *, last: bool
    ) -> list[Record]:
        masters: dict[str, Record] = {}
        others: list[Record] = []
        with self._lock:
            waiting = self._left.pop((zone.name, kind), [])
        later: list[Record] = []
        for asset in assets:
            zone.remember(asset)
            master = zone.records.master(asset, keys)
            record = zone.records.asset(asset, keys)
            key = f"record/{asset.id}"
            if self._faults.hit("undecodable_field", key):
                _spoil(master, record)
            self._misname(master, asset, key)
            if self._faults.hit("error_item", key):
                others.append(error_item(asset.id, "INTERNAL_ERROR", "Could not read the record"))
                masters.setdefault(master["recordName"], master)
                continue
            if self._faults.hit("split_pair", key):
                # The asset's own half can only wait if another page will come.
                if last or asset.number % 2:
                    later.append(master)
                    others.append(record)
                else:
                    later.append(record)
                    masters.setdefault(master["recordName"], master)
                continue
            masters.setdefault(master["recordName"], master)
            others.append(record)
            if self._faults.hit("duplicate_record", key):
                others.append(record)
                later.append(record)
        if later:
            with self._lock:
                self._left.setdefault((zone.name, kind), []).extend(later)
        return [*masters.values(), *waiting, *others]

    def _members(
        self, zone: Zone, album: Album, assets: Sequence[Asset], keys: Keys
    ) -> Iterator[Record]:
        for asset in assets:
            member = zone.records.relation(asset, album, keys)
            yield self._perhaps(member, "member")
            if self._faults.hit("duplicate_record", f"member/{member['recordName']}"):
                yield member

    def _perhaps(self, record: Record, what: str) -> Record:
        """The record, or an error in its place."""
        name = record["recordName"]
        if not self._faults.hit("error_item", f"{what}/{name}"):
            return record
        return error_item(name, "INTERNAL_ERROR", "Could not read the record")

    def _misname(self, master: Record, asset: Asset, key: str) -> None:
        """A name that is not the clean base64 that its type promises."""
        name = master["fields"].get("filenameEnc")
        if name is not None and self._faults.hit("unpadded_name", key):
            name["value"] = name["value"].rstrip("=")
        if name is not None and self._faults.hit("plain_name", key):
            name["value"] = asset.original.filename

    # --- lookups and counts --------------------------------------------------------------

    def lookup(self, zone: Zone, body: Any, indexed: Callable[[str], bool]) -> dict[str, Any]:
        body = only(body, ("records", "zoneID", "desiredKeys"), ("records", "zoneID"))
        if len(body["records"]) > self._account.most_lookups:
            raise Refused("BAD_REQUEST", "array 'records' length is greater than max size")
        keys = frozenset(body["desiredKeys"]) if body.get("desiredKeys") else None
        found = []
        for item in body["records"]:
            name = only(item, ("recordName", "desiredKeys"), ("recordName",))["recordName"]
            record = find_record(zone, name, keys) if indexed(name) else None
            if record and record["recordType"] == "CPLAsset":
                check_servable(self._faults, zone.library.find(name), keys)
            if self._faults.hit("busy_record", f"record/{name}"):
                record = error_item(name, "TRY_AGAIN_LATER", "Try again later")
            found.append(record or error_item(name, "NOT_FOUND", "Record not found"))
        return {"records": found, "syncToken": zone.token()}

    def count(self, zone: Zone, batch: Any) -> dict[str, Any]:
        batch = only(batch, ("resultsLimit", "query", "zoneWide", "zoneID"), ("query", "zoneID"))
        query = only(batch["query"], ("recordType", "filterBy"), ("recordType", "filterBy"))
        if query["recordType"] != "HyperionIndexCountLookup":
            raise Refused("BAD_REQUEST", "Unknown record type")
        filters = query["filterBy"]
        wanted = filters if isinstance(filters, dict) else filters[0]
        if wanted.get("fieldName") != "indexCountID" or wanted.get("comparator") != "IN":
            raise Refused("BAD_REQUEST", "Expected indexCountID IN")
        records = []
        for name in wanted["fieldValue"]["value"]:
            self._check_index(zone, name, None)
            fields = {"itemCount": typed("INT64", self._count(zone, name))}
            records.append(zone.records.plain(name, "IndexCountResult", fields))
        return {"records": records, "syncToken": zone.token()}

    def _count(self, zone: Zone, name: str) -> int:
        if name in COUNTS:
            return len(zone.view(COUNTS[name]))
        if name.startswith(_SMART_COUNT):
            smart = SMART.get(name.removeprefix(_SMART_COUNT).upper())
            if smart:
                return len(zone.view(smart))
        if name.startswith(_ALBUM_COUNT):
            try:
                album = zone.library.albums.get(name.removeprefix(_ALBUM_COUNT))
            except KeyError:
                return 0
            return len(zone.library.members(album, shared=zone.shared))
        raise Refused("BAD_REQUEST", f"Unknown index {name}")


def check_servable(faults: Faults, asset: Asset, keys: Keys) -> None:
    """Apple answers 500 to whatever would decrypt a broken asset, until it is deleted
    (docker-icloudpd#720). That lookups fail too, and plain fields alone do not, is a guess."""
    encrypted = keys is None or any(key.endswith("Enc") for key in keys)
    if encrypted and faults.hit("unservable", f"record/{asset.id}"):
        raise Refused("INTERNAL_ERROR", "could not decrypt bytes")


def find_record(zone: Zone, name: str, keys: Keys) -> Record | None:
    """Any stored record by its name."""
    library = zone.library
    try:
        if "-IN-" in name:
            item, _, container = name.partition("-IN-")
            asset, album = library.find(item), library.albums.get(container)
            held = library.albums.holds(album, asset.number)
            return zone.records.relation(asset, album, keys) if held else None
        return next(reversed(zone.pair(library.find(name), keys)), None)
    except KeyError:
        pass
    try:
        return zone.records.album(library.albums.get(name), keys)
    except KeyError:
        pass
    owner = zone.by_master(name) if len(name) == 28 else None
    return zone.records.master(owner, keys) if owner else None


def _filters(filters: Any) -> dict[str, Any]:
    found = {}
    for item in filters if isinstance(filters, list) else [filters] if filters else []:
        only(item, ("fieldName", "comparator", "fieldValue"), ("fieldName", "fieldValue"))
        if item.get("comparator", "EQUALS") != "EQUALS":
            raise Refused("BAD_REQUEST", "Unsupported comparator")
        value = only(item["fieldValue"], ("type", "value"), ("type", "value"))
        found[item["fieldName"]] = value["value"]
    unknown = set(found) - {"startRank", "direction", "smartAlbum", "parentId", "recordName"}
    if unknown:
        raise Refused("BAD_REQUEST", f"Field '{sorted(unknown)[0]}' is not queryable")
    return found


def _window(
    numbers: Sequence[int], rank: int, down: bool, most: int
) -> tuple[Sequence[int], int | None]:
    """The numbers from ``rank`` on, and the rank after them (None at the end)."""
    if rank < 0:
        raise Refused("BAD_REQUEST", "startRank is negative")
    if down:
        rank = min(rank, len(numbers) - 1)
        after = rank - most
        chosen = [numbers[at] for at in range(rank, max(after, -1), -1)]
        return chosen, after if after >= 0 else None
    after = rank + most
    return numbers[rank:after], after if after < len(numbers) else None


def _mark(kind: str, rank: int, down: bool) -> str:
    return base64.b64encode(f"{kind}\0{rank}\0{int(down)}".encode()).decode()


def _unmark(marker: str, kind: str) -> tuple[int, bool]:
    try:
        name, rank, down = base64.b64decode(marker, validate=True).decode().split("\0")
        if name == kind:
            return int(rank), down == "1"
    except ValueError:
        pass
    raise Refused("BAD_REQUEST", "Invalid continuation marker")


def _indexing(zone: Zone, *, done: bool) -> Record:
    progress, state = (100, "FINISHED") if done else (42, "INDEXING")
    fields = {"progress": typed("INT64", progress), "state": typed("STRING", state)}
    return zone.records.plain("_ac333066-5d55-4c42-b033-f05bb9d2873c", "CheckIndexingState", fields)


def _albums(zone: Zone, filters: Mapping[str, Any], keys: Keys) -> list[Record]:
    if zone.shared:
        return []
    parent = filters.get("parentId")
    albums = zone.library.albums
    roots = [] if parent else [zone.records.root(name) for name in ROOTS]
    above = None if parent in ROOTS else parent
    if parent == ROOTS[1]:
        return []  # print projects: nobody has them any more
    return [*roots, *(zone.records.album(album, keys) for album in albums.children(above))]


def _spoil(master: Record, record: Record) -> None:
    """One field that cannot be decoded, in one of the ways seen."""
    if "filenameEnc" in master["fields"]:
        master["fields"]["filenameEnc"] = {"value": "%%not base64%%", "type": "ENCRYPTED_BYTES"}
    else:
        record["fields"]["locationEnc"] = {"value": "AAAA", "type": "ENCRYPTED_BYTES"}
