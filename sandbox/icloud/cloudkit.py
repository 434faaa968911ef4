"""{ckdatabasews}/database/1/com.apple.photos.cloud/production/{private|shared}."""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable
from typing import Any

from sandbox.faults import Faults
from sandbox.icloud.account import TOKEN, Account, cookies_of
from sandbox.icloud.changes import Changes
from sandbox.icloud.links import Links
from sandbox.icloud.modify import Modify
from sandbox.icloud.queries import Queries
from sandbox.icloud.wire import Refused, only
from sandbox.icloud.zones import (
    MIGRATED,
    PRIMARY,
    SHARED,
    Zone,
    database_position,
    database_token,
    known_zone,
)
from sandbox.library import Library
from sandbox.messages import Answer, Request, json_answer

_BASE = re.compile(r"/database/1/com\.apple\.photos\.cloud/production/(private|shared)/([a-z/]+)$")
_REASONS = {
    "throttle": ("THROTTLED", "Request was throttled"),
    "throttle_bare": ("THROTTLED", "Request was throttled"),
    "unavailable": ("TRY_AGAIN_LATER", "Service temporarily unavailable"),
}


class CloudKit:
    def __init__(self, library: Library, account: Account, links: Links, faults: Faults) -> None:
        self.library = library
        self.zones = {
            "private": {PRIMARY: Zone(PRIMARY, library, links)},
            "shared": {SHARED: Zone(SHARED, library, links)},
        }
        self.deleted: set[str] = set()  # names of zones that were, listed in the private scope
        self.indexed: Callable[[str], bool] = lambda _name: True
        self._account = account
        self._links = links
        self._faults = faults
        self._queries = Queries(account, faults)
        self._changes = Changes(self.zones, faults)
        self._modify = Modify(library, faults)
        self._routes: dict[str, Callable[[str, Any], dict[str, Any]]] = {
            "records/query": lambda scope, body: self._queries.query(self._zone(scope, body), body),
            "records/lookup": lambda scope, body: self._queries.lookup(
                self._zone(scope, body), body, self.indexed
            ),
            "records/modify": lambda scope, body: self._modify.apply(self._zone(scope, body), body),
            "internal/records/query/batch": self._count,
            "zones/list": self._list_zones,
            "changes/zone": self._changes.zone,
            "changes/database": self._changes.database,
        }

    @property
    def own(self) -> Zone:
        """The person's own library."""
        return next(zone for zone in self.zones["private"].values() if not zone.shared)

    def migrate(self) -> None:
        """The person's own library is in another zone from now on."""
        old = self.own
        del self.zones["private"][old.name]
        self.deleted.add(old.name)
        self.zones["private"][MIGRATED] = Zone(MIGRATED, self.library, self._links)

    def refusal(self, name: str) -> Answer:
        """The body of a generic fault, in CloudKit's words."""
        return Refused(*_REASONS[name]).answer()

    def handle(self, request: Request) -> Answer:
        match = _BASE.match(request.path)
        try:
            if request.method != "POST" or not match:
                raise Refused("NOT_FOUND", "No such endpoint")
            scope, endpoint = match.groups()
            route = self._routes.get(endpoint)
            if route is None:
                raise Refused("NOT_FOUND", "No such endpoint")
            self._admit(request, endpoint)
            if self._faults.hit("throttled_inside_200", f"cloudkit/{scope}/{endpoint}"):
                return Refused("THROTTLED", "Request was throttled").answer(200)
            body = route(scope, request.json())
            headers = {"X-Apple-Request-UUID": str(uuid.uuid4()), "X-Apple-CloudKit-Version": "1.0"}
            return json_answer(body, headers=headers)
        except Refused as refused:
            return refused.answer()

    def _admit(self, request: Request, endpoint: str) -> None:
        key = f"cloudkit/{endpoint}"
        if self._faults.hit("expired_session", key):
            self._account.expire_sessions()
        if TOKEN not in cookies_of(request):
            raise Refused("AUTHENTICATION_FAILED", "Missing X-APPLE-WEBAUTH-TOKEN cookie")
        if not self._account.signed_in(request) or self._faults.hit("shut_out", key):
            raise Refused("AUTHENTICATION_REQUIRED", "Authentication required")
        dsid = request.query.get("dsid")
        if dsid is not None and dsid != self._account.dsid:
            raise Refused("AUTHENTICATION_FAILED", "dsid does not match the session")
        blocked = self._account.protected and not self._account.pcs
        if blocked or not self._account.web_access:
            raise Refused("ACCESS_DENIED", "private db access disabled for this account")
        session = cookies_of(request)[TOKEN]
        if self._faults.hit("bad_pcs", key):
            self._account.keyless.add(session)
        if session in self._account.keyless:
            raise Refused("INTERNAL_ERROR", "could not decrypt pcs cookie")

    def _zone(self, scope: str, body: Any) -> Zone:
        if not isinstance(body, dict) or "zoneID" not in body:
            raise Refused("BAD_REQUEST", "missing required field 'zoneID'")
        wanted = only(body["zoneID"], ("zoneName", "ownerRecordName", "zoneType"), ("zoneName",))
        return known_zone(self.zones[scope], wanted["zoneName"], self._faults)

    def _count(self, scope: str, body: Any) -> dict[str, Any]:
        batches = only(body, ("batch",), ("batch",))["batch"]
        return {"batch": [self._queries.count(self._zone(scope, item), item) for item in batches]}

    def _list_zones(self, scope: str, body: Any) -> dict[str, Any]:
        token = only(body, ("syncToken",)).get("syncToken")
        gone = sorted(self.deleted) if scope == "private" else []
        entries = [
            *({"zoneID": {"zoneName": name}, "deleted": True} for name in gone),
            *(self._entry(scope, zone) for zone in self.zones[scope].values()),
        ]
        start = max(database_position(scope, token).at, 0) if token else 0
        end = start + 1 if self._faults.hit("split_zones", f"zones/{scope}") else len(entries)
        endless = self._faults.hit("endless_zones", f"zones/{scope}")
        return {
            "moreComing": endless or end < len(entries),
            "syncToken": database_token(scope, self.library.sequence, end),
            "zones": entries[start:end],
        }

    def _entry(self, scope: str, zone: Zone) -> dict[str, Any]:
        key = f"zone/{scope}/{zone.name}"
        if self._faults.hit("nameless_zone", key):
            return {"syncToken": zone.token()}
        named = {"zoneID": zone.records.zone}
        if self._faults.hit("failed_zone", key):
            reason = "Could not read the zone"
            return {**named, "serverErrorCode": "INTERNAL_ERROR", "reason": reason}
        if self._faults.hit("deleted_zone", key):
            return {**named, "deleted": True}
        return {**named, "syncToken": zone.token()}
