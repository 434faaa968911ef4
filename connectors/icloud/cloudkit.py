"""The photos database, as raw dictionaries.

pyicloud's own records client validates each record into a model: one undecodable field then
fails a page of 200 records, error items inside an answer are dropped, and 100,000 assets take
minutes of computing. This speaks the same requests through pyicloud's session and leaves
judging a record to ``records``.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import requests
from pyicloud.exceptions import PyiCloudConnectionException, PyiCloudException

from connectors.errors import Transient
from connectors.headers import server_time
from connectors.icloud import fields
from connectors.icloud.account import Account
from connectors.icloud.errors import TooMany, of_answer, of_record
from connectors.icloud.session import Api
from connectors.icloud.signin_errors import signin_error

Record = dict[str, Any]

PAGE_RECORDS = 200  # the most records one answer holds: 100 masters and their 100 assets
PAGE_ASSETS = 100
PRIMARY = "PrimarySync"
INDEXING = "CheckIndexingState"
_SHARED_PREFIX = "SharedSync-"


@dataclass(frozen=True, slots=True)
class Zone:
    """A library: the person's own, or one shared with others (by them or with them)."""

    name: str = PRIMARY
    scope: str = "private"  # or "shared"
    owner: str = ""

    @property
    def id(self) -> dict[str, str]:
        owner = {"ownerRecordName": self.owner} if self.owner else {}
        return {"zoneName": self.name, **owner, "zoneType": "REGULAR_CUSTOM_ZONE"}

    @property
    def key(self) -> str:
        """Names the zone in cursors and handles, enough to use it in another process."""
        return f"{self.scope}|{self.name}|{self.owner}"

    @classmethod
    def of(cls, key: str) -> Zone:
        """Read ``key``; ValueError when it is not one."""
        scope, name, owner = key.split("|")
        return cls(name, scope, owner)

    @property
    def library(self) -> str:
        return "" if self.name == PRIMARY else self.name


@dataclass(frozen=True, slots=True)
class Reply:
    """One answer: its data, and Apple's clock (epoch seconds) when it was given."""

    data: dict[str, Any]
    time: float | None

    @property
    def records(self) -> list[Record]:
        found = self.data.get("records")
        return [item for item in found if isinstance(item, dict)] if isinstance(found, list) else []


def is_indexing(reply: Reply) -> bool:
    """Whether Apple is not done with a library, as it answers to a query for ``INDEXING``."""
    states = [fields.value(record, "state") for record in reply.records]
    return bool(states) and states[0] not in {None, "FINISHED"}


def equals(field: str, value: str | int) -> dict[str, Any]:
    kind = "INT64" if isinstance(value, int) else "STRING"
    return {
        "fieldName": field,
        "comparator": "EQUALS",
        "fieldValue": {"type": kind, "value": value},
    }


class CloudKit:
    """Every method is one request, but for ``lookup``, and may be called from any thread.

    ``answered`` says that Apple ever answered here. What is refused is asked once more in a renewed
    session, unless ``renews`` is False: then it is no trouble of the account.

    All raise Transient, Throttled, SessionExpired, Fatal, or what ``trouble`` makes of the
    answer's own code.
    """

    def __init__(self, account: Account, *, renews: bool = True) -> None:
        self.account = account
        self._use = account.use if renews else account.once
        self.answered = False
        self._most_lookups = PAGE_RECORDS

    def sign_in(self) -> None:
        """Have a session, if there is none yet; raises what ``Account.use`` raises."""
        self.account.use(lambda _: None)

    def query(
        self,
        zone: Zone,
        record_type: str,
        filters: Sequence[Mapping[str, Any]] = (),
        *,
        keys: Sequence[str] = (),
        limit: int | None = None,
        marker: str | None = None,
    ) -> Reply:
        query: dict[str, Any] = {"recordType": record_type}
        if filters:
            query["filterBy"] = list(filters)
        payload: dict[str, Any] = {"query": query, "zoneID": zone.id}
        if limit:
            payload["resultsLimit"] = limit
        if keys:
            payload["desiredKeys"] = list(keys)
        if marker:
            payload["continuationMarker"] = marker
        return self.post(zone.scope, "/records/query", payload)

    def lookup(self, zone: Zone, names: Sequence[str], keys: Sequence[str] = ()) -> Reply:
        """Records by name; a missing one comes back as an error item.

        One request for 200 of them, or for as many as Apple proved to take at once.
        """
        found: list[Record] = []
        when, left = None, list(names)
        while left:
            batch = left[: self._most_lookups]
            try:
                reply = self._look_up(zone, batch, keys)
            except TooMany:
                if len(batch) == 1:
                    raise
                self._most_lookups = min(self._most_lookups, len(batch) // 2)
                continue
            found += reply.records
            when, left = reply.time, left[len(batch) :]
        return Reply({"records": found}, when)

    def _look_up(self, zone: Zone, names: Sequence[str], keys: Sequence[str]) -> Reply:
        payload: dict[str, Any] = {
            "records": [{"recordName": name} for name in names],
            "zoneID": zone.id,
        }
        if keys:
            payload["desiredKeys"] = list(keys)
        return self.post(zone.scope, "/records/lookup", payload)

    def modify(self, zone: Zone, operations: Sequence[Mapping[str, Any]]) -> Reply:
        """Not atomic: each record is answered for itself."""
        payload = {
            "atomic": False,
            "desiredKeys": ["isDeleted"],
            "operations": list(operations),
            "zoneID": zone.id,
        }
        return self.post(zone.scope, "/records/modify", payload)

    def counts(self, zone: Zone, indexes: Sequence[str]) -> list[int | None]:
        """Apple's own number of entries of each index; None where it does not say. Raises the
        error that stands in the place of one, too."""
        batch = [
            {
                "resultsLimit": 1,
                "query": {
                    "recordType": "HyperionIndexCountLookup",
                    "filterBy": {
                        "fieldName": "indexCountID",
                        "comparator": "IN",
                        "fieldValue": {"type": "STRING_LIST", "value": [index]},
                    },
                },
                "zoneWide": True,
                "zoneID": zone.id,
            }
            for index in indexes
        ]
        reply = self.post(zone.scope, "/internal/records/query/batch", {"batch": batch})
        answers = reply.data.get("batch")
        answers = answers if isinstance(answers, list) else []
        return [_count(answers[i]) if i < len(answers) else None for i in range(len(indexes))]

    def zones(self) -> list[Zone]:
        """All shared libraries: those this account owns, then those it was invited to."""
        found = []
        for scope in ("private", "shared"):
            data = self.post(scope, "/zones/list", {}).data
            for item in data.get("zones") or []:
                name = str(item["zoneID"]["zoneName"])
                if name.startswith(_SHARED_PREFIX):
                    owner = str(item["zoneID"].get("ownerRecordName") or "")
                    found.append(Zone(name, scope, owner))
        return found

    def post(self, scope: str, path: str, payload: Mapping[str, Any]) -> Reply:
        reply = self._use(lambda api: ask(api, scope, path, payload))
        self.answered = True
        return reply


def ask(api: Api, scope: str, path: str, payload: Mapping[str, Any]) -> Reply:
    """One request in a session, with the errors of ``CloudKit``."""
    try:
        root = api.get_webservice_url("ckdatabasews").rstrip("/")
        answer: requests.Response = api.session.request_raw(
            "POST",
            f"{root}/database/1/com.apple.photos.cloud/production/{scope}{path}",
            params={**api.params, "remapEnums": "True", "getCurrentSyncToken": "True"},
            data=json.dumps(payload),
            headers={"Content-Type": "text/plain"},
        )
    except PyiCloudConnectionException as error:
        raise signin_error(error, api.account_name) from error
    except PyiCloudException as error:
        raise unsent(error, api) from error
    return read(answer)


def read(answer: requests.Response) -> Reply:
    """The data of a good answer; raises what a bad one means."""
    if not answer.ok:
        raise of_answer(answer.status_code, answer.headers, answer.content)
    try:
        data = json.loads(answer.content)
    except ValueError as error:
        raise Transient("iCloud's answer is cut short or no JSON") from error
    if not isinstance(data, dict):
        raise Transient("iCloud's answer is not what was asked for")
    if "serverErrorCode" in data:
        raise of_answer(answer.status_code, answer.headers, answer.content)
    return Reply(data, server_time(answer.headers))


def unsent(error: PyiCloudException, api: Api) -> Exception:
    """pyicloud raises one general exception for answers that break off in the middle."""
    if isinstance(error.__cause__, requests.RequestException):
        return Transient(f"iCloud's answer broke off ({type(error.__cause__).__name__})")
    return signin_error(error, api.account_name)


def _count(answer: Any) -> int | None:
    try:
        found = answer if "serverErrorCode" in answer else answer["records"][0]
        if "serverErrorCode" in found:
            raise of_record(found)
        return int(found["fields"]["itemCount"]["value"])
    except (KeyError, IndexError, TypeError, ValueError):
        return None
