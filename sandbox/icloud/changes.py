"""changes/database and changes/zone: sync tokens, deltas, tombstones.

An omitted token asks for the whole history; an empty one for the present. Tokens of the two
endpoints are not interchangeable, and a query's token is a zone's.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sandbox.faults import Faults
from sandbox.icloud.queries import check_servable
from sandbox.icloud.records import Keys, Record
from sandbox.icloud.wire import MOST_RECORDS, Refused, only
from sandbox.icloud.zones import (
    Position,
    Zone,
    database_position,
    database_token,
    known_zone,
)
from sandbox.library import Event

Zones = Mapping[str, Mapping[str, Zone]]
_ZONE_KEYS = (
    "zoneID",
    "syncToken",
    "resultsLimit",
    "desiredKeys",
    "desiredRecordTypes",
    "reverse",
)


class Changes:
    def __init__(self, zones: Zones, faults: Faults) -> None:
        self._zones = zones
        self._faults = faults

    def database_token(self, scope: str) -> str:
        zone = next(iter(self._zones[scope].values()))
        return database_token(scope, zone.library.sequence)

    def database(self, scope: str, body: Any) -> dict[str, Any]:
        body = only(body or {}, ("syncToken", "resultsLimit"))
        token = body.get("syncToken")
        seq = database_position(scope, token).seq if token else -1
        changed = [
            {"zoneID": zone.records.zone}
            for zone in self._zones[scope].values()
            if seq < 0 or any(_concerns(event, zone) for event in zone.library.events[seq:])
        ]
        return {"zones": changed, "moreComing": False, "syncToken": self.database_token(scope)}

    def zone(self, scope: str, body: Any) -> dict[str, Any]:
        body = only(body, ("zones", "resultsLimit"), ("zones",))
        limit = body.get("resultsLimit")
        return {"zones": [self._one(scope, item, limit) for item in body["zones"]]}

    def _one(self, scope: str, item: Any, limit: int | None) -> dict[str, Any]:
        item = only(item, _ZONE_KEYS, ("zoneID",))
        token = item.get("syncToken")
        try:
            zone = known_zone(self._zones[scope], item["zoneID"].get("zoneName"), self._faults)
            if token is None and self._faults.hit("bad_index", f"index/history/{zone.name}"):
                raise Refused("BAD_REQUEST", "History cannot be told")
            position = _start(zone, token)
        except Refused as refused:
            code, reason = refused.code, refused.reason
            return {"zoneID": item["zoneID"], "serverErrorCode": code, "reason": reason}
        most = min(int(item.get("resultsLimit") or limit or MOST_RECORDS), MOST_RECORDS)
        if self._faults.hit("empty_page", f"changes/{zone.name}"):
            return _answer(zone, [], position, more=True)
        keys = frozenset(item["desiredKeys"]) if item.get("desiredKeys") else None
        kinds = item.get("desiredRecordTypes")
        told = _history if position.at >= 0 else _delta
        records, after, more = told(zone, position, max(2, most), keys)
        for record in records:
            if record["recordType"] == "CPLAsset":
                check_servable(self._faults, zone.library.find(record["recordName"]), keys)
        if kinds:
            records = [record for record in records if record["recordType"] in (None, *kinds)]
        return _answer(zone, records, after, more=more)


def _start(zone: Zone, token: str | None) -> Position:
    now = zone.library.sequence
    if token is None:
        return Position(now, 0)
    return Position(now) if not token else zone.position(token)


def _answer(zone: Zone, records: list[Record], at: Position, *, more: bool) -> dict[str, Any]:
    return {
        "zoneID": zone.records.zone,
        "records": records,
        "syncToken": zone.token(at),
        "moreComing": more,
    }


def _history(
    zone: Zone, position: Position, most: int, keys: Keys
) -> tuple[list[Record], Position, bool]:
    """Everything there is, then (from the same token on) what has changed since it began."""
    library, records, number = zone.library, list[Record](), position.at
    if number == 0 and not zone.shared:
        records += [zone.records.album(album, keys) for album in library.albums.all()]
    albums = [] if zone.shared else library.albums.all()
    room = max(most - 2 - len(albums), 0)  # what one asset can take
    while number < library.top and len(records) <= room:
        try:
            asset = library.get(number)
        except KeyError:  # purged; which library it was in nobody knows any more
            records.append(zone.records.tombstone(library.name(number)))
            number += 1
            continue
        records += zone.pair(asset, keys)
        if asset.shared == zone.shared:
            records += [
                zone.records.relation(asset, album, keys)
                for album in albums
                if library.albums.holds(album, number)
            ]
        number += 1
    if number < library.top:
        return records, Position(position.seq, number), True
    return records, Position(position.seq), position.seq < library.sequence


def _delta(
    zone: Zone, position: Position, most: int, keys: Keys
) -> tuple[list[Record], Position, bool]:
    events = zone.library.events
    records: dict[str, Record] = {}
    seq = position.seq
    while seq < len(events) and len(records) + 2 <= most:
        event = events[seq]
        seq += 1
        if _concerns(event, zone):
            for record in _told(zone, event, keys):
                records[record["recordName"]] = record
    return list(records.values()), Position(seq), seq < len(events)


def _concerns(event: Event, zone: Zone) -> bool:
    return event.shared == zone.shared


def _told(zone: Zone, event: Event, keys: Keys) -> list[Record]:
    library = zone.library
    name = f"{event.id}-IN-{event.album}"
    try:
        if event.what == "asset":
            return zone.pair(library.find(event.id), keys)
        if event.what == "album":
            return [zone.records.album(library.albums.get(event.id), keys)]
        if event.what == "member":
            asset, album = library.find(event.id), library.albums.get(event.album)
            if library.albums.holds(album, asset.number):
                return [zone.records.relation(asset, album, keys)]
    except KeyError:
        pass  # gone since
    member = event.what in {"member", "member_gone"}
    return [zone.records.tombstone(name if member else event.id)]
