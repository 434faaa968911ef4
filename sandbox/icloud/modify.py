"""records/modify: what the web client may change, guarded by change tags."""

from __future__ import annotations

import base64
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from sandbox.faults import Faults
from sandbox.icloud.records import Record, change_tag
from sandbox.icloud.wire import MOST_RECORDS, STATUS, Refused, error_item, only
from sandbox.icloud.zones import Zone
from sandbox.library import Asset, Library

_ASSET_FIELDS = ("isDeleted", "isHidden", "isFavorite", "isExpunged")
_RECORD = (
    "recordName",
    "recordType",
    "recordChangeTag",
    "fields",
    "pluginFields",
    "parent",
    "createShortGUID",
    "zoneID",
)
_KINDS = ("CPLAsset", "CPLAlbum", "CPLContainerRelation")
_OPERATIONS = ("create", "update", "forceUpdate", "delete", "forceDelete")

Change = Callable[[], Record]


class _RecordError(Exception):
    def __init__(self, item: Record) -> None:
        super().__init__(item["reason"])
        self.item = item


class Modify:
    def __init__(self, library: Library, faults: Faults) -> None:
        self._library = library
        self._faults = faults

    def apply(self, zone: Zone, body: Any) -> dict[str, Any]:
        known = ("operations", "zoneID", "atomic", "desiredKeys")
        body = only(body, known, ("operations", "zoneID"))
        operations = body["operations"]
        if not operations or len(operations) > MOST_RECORDS:
            raise Refused("BAD_REQUEST", "Between 1 and 200 operations are allowed")
        planned: list[Change | Record] = []
        for operation in operations:
            try:
                planned.append(self._plan(zone, operation))
            except _RecordError as error:
                planned.append(error.item)
        self._refuse([_name(operation) for operation in operations])
        failed = any(not callable(step) for step in planned)
        if failed and body.get("atomic", True):
            records = [
                error_item(_name(operation), "ATOMIC_ERROR", "Atomic failure")
                if callable(step)
                else step
                for operation, step in zip(operations, planned, strict=True)
            ]
        else:
            records = [step() if callable(step) else step for step in planned]
        keys = body.get("desiredKeys")
        for record in records:
            if keys and "fields" in record:
                fields = record["fields"]
                record["fields"] = {name: fields[name] for name in keys if name in fields}
            record.pop("zoneID", None)
        told = [record for record in records if not self._omits(record)]
        return {"records": told, "syncToken": zone.token()}

    def _refuse(self, names: Sequence[str]) -> None:
        """Where a fault says so for one record, refuse them all before any is changed."""
        for name in names:
            for code in STATUS:
                if self._faults.hit("refused_change", f"change/{code}/{name}"):
                    raise Refused(code, "The request was refused")

    def _omits(self, record: Record) -> bool:
        return self._faults.hit("omitted_record", f"record/{record['recordName']}")

    def _plan(self, zone: Zone, operation: Any) -> Change:
        """What to do, checked and not yet done."""
        operation = only(operation, ("operationType", "record"), ("operationType", "record"))
        record = only(
            operation["record"],
            _RECORD,
            ("recordName",),
        )
        what, kind = operation["operationType"], record.get("recordType", "CPLAsset")
        if what not in _OPERATIONS or kind not in _KINDS:
            raise Refused("BAD_REQUEST", f"Cannot {what} a {kind}")
        fields = {
            name: only(field, ("value", "type"), ("value",))["value"]
            for name, field in record.get("fields", {}).items()
        }
        if kind == "CPLAsset":
            return self._asset(zone, what, record, fields)
        if kind == "CPLAlbum":
            return self._album(zone, what, record, fields)
        return self._relation(zone, what, record, fields)

    # --- assets --------------------------------------------------------------------------

    def _asset(
        self, zone: Zone, what: str, record: Mapping[str, Any], fields: Mapping[str, Any]
    ) -> Change:
        name = record["recordName"]
        try:
            asset = self._library.find(name)
        except KeyError:
            raise _RecordError(error_item(name, "NOT_FOUND", "Record not found")) from None
        if asset.shared != zone.shared:
            raise _RecordError(error_item(name, "NOT_FOUND", "Record not found"))
        if what not in {"update", "forceUpdate"}:
            raise _RecordError(error_item(name, "ACCESS_DENIED", f"{what} not permitted"))
        unknown = sorted(set(fields) - set(_ASSET_FIELDS))
        if unknown:
            raise _RecordError(error_item(name, "BAD_REQUEST", f"invalid field {unknown[0]}"))
        if what == "update":
            _check_tag(zone, asset, record)
        return lambda: self._change(zone, asset, fields)

    def _change(self, zone: Zone, asset: Asset, fields: Mapping[str, Any]) -> Record:
        if fields.get("isExpunged"):
            self._library.purge(asset.id)
            return zone.records.tombstone(asset.id)
        changes: dict[str, Any] = {}
        if "isDeleted" in fields:
            changes["trashed"] = int(time.time() * 1000) if fields["isDeleted"] else None
        if "isHidden" in fields:
            changes["hidden"] = bool(fields["isHidden"])
        if "isFavorite" in fields:
            changes["favorite"] = bool(fields["isFavorite"])
        changed = self._library.change(asset.id, **changes)
        answer = zone.records.asset(changed, None)
        if fields.get("isDeleted") == 0:
            answer["fields"]["isDeleted"] = {"value": 0, "type": "INT64"}
        answer["modified"] = {**answer["modified"], "timestamp": int(time.time() * 1000)}
        return answer

    # --- albums --------------------------------------------------------------------------

    def _album(
        self, zone: Zone, what: str, record: Mapping[str, Any], fields: Mapping[str, Any]
    ) -> Change:
        name = record["recordName"]
        if what == "create":
            return lambda: zone.records.album(self._create(name, fields))
        try:
            album = self._library.albums.get(name)
        except KeyError:
            raise _RecordError(error_item(name, "NOT_FOUND", "Record not found")) from None

        def change() -> Record:
            if what.lower().endswith("delete") or fields.get("isDeleted"):
                self._library.albums.delete(album)
            elif "albumNameEnc" in fields:
                self._library.albums.rename(album, _text(fields["albumNameEnc"]))
            return zone.records.album(album)

        return change

    def _create(self, name: str, fields: Mapping[str, Any]) -> Any:
        parents = self._library.albums
        parent = parents.get(fields["parentId"]) if fields.get("parentId") else None
        title = _text(fields.get("albumNameEnc", ""))
        return parents.add(title, parent, folder=fields.get("albumType") == 3, album_id=name)

    def _relation(
        self, zone: Zone, what: str, record: Mapping[str, Any], fields: Mapping[str, Any]
    ) -> Change:
        name = record["recordName"]
        item, _, container = name.partition("-IN-")
        try:
            asset, album = self._library.find(item), self._library.albums.get(container)
        except KeyError:
            raise _RecordError(error_item(name, "NOT_FOUND", "Record not found")) from None

        def change() -> Record:
            if what.lower().endswith("delete") or fields.get("isDeleted"):
                self._library.take(asset.id, album)
                return zone.records.tombstone(name)
            self._library.put(asset.id, album)
            return zone.records.relation(asset, album)

        return change


def _check_tag(zone: Zone, asset: Asset, record: Mapping[str, Any]) -> None:
    name = record["recordName"]
    if "recordChangeTag" not in record:
        reason = "missing required field 'recordChangeTag'"
        raise _RecordError(error_item(name, "BAD_REQUEST", reason))
    if record["recordChangeTag"] != change_tag(asset.number, asset.revision):
        raise _RecordError(
            error_item(
                name,
                "CONFLICT",
                "client oplock error updating record",
                serverRecord=zone.records.asset(asset, None),
            )
        )


def _name(operation: Mapping[str, Any]) -> str:
    return str(operation["record"]["recordName"])


def _text(value: Any) -> str:
    return base64.b64decode(value).decode() if value else ""
