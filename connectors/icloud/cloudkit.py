"""The photos database, as raw dictionaries.

pyicloud's own records client validates each record into a model: one undecodable field then
fails a page of 200 records, error items inside an answer are dropped, and 100,000 assets take
minutes of computing. This speaks the same requests through pyicloud's session and leaves
judging a record to ``records``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, TypeVar

import requests
from pyicloud.exceptions import PyiCloudConnectionException, PyiCloudException

from connectors.errors import NotFound, Transient
from connectors.headers import server_time
from connectors.icloud import errors, fields
from connectors.icloud.account import Account
from connectors.icloud.errors import Closed, Denied, NoZone, Refused, TooMany
from connectors.icloud.session import Api
from connectors.icloud.signin_errors import signin_error

Record = dict[str, Any]

PAGE_RECORDS = 200  # the most records one answer holds: 100 masters and their 100 assets
PAGE_ASSETS = 100
PRIMARY = "PrimarySync"
INDEXING = "CheckIndexingState"
_OWN = re.compile(PRIMARY + r"([1-9]\d*)")  # the zones of migrated libraries
_SHARED_PREFIX = "SharedSync-"
_MOST_LISTS = 100  # answers that one list of zones is read from

T = TypeVar("T")
Payload = Callable[[dict[str, str]], Mapping[str, Any]]
"""What to ask, made of the id of the library's zone."""


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
    def own(self) -> bool:
        """Whether it is the person's own."""
        return self.name == PRIMARY

    @property
    def library(self) -> str:
        return "" if self.own else self.name


@dataclass(frozen=True, slots=True)
class Shared:
    """The libraries that are shared with others, and by name what there may be beside them, with
    the reason why it cannot be read."""

    zones: list[Zone]
    unread: dict[str, str]


@dataclass(frozen=True, slots=True)
class Reply:
    """One answer: its data, and Apple's clock (epoch seconds) when it was given."""

    data: dict[str, Any]
    time: float | None

    @property
    def records(self) -> list[Record]:
        return _items(self.data.get("records"))


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
    """Every method is one request, but for ``lookup`` and ``shared``, and may be called from any
    thread.

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
        payload: dict[str, Any] = {"query": query}
        if limit:
            payload["resultsLimit"] = limit
        if keys:
            payload["desiredKeys"] = list(keys)
        if marker:
            payload["continuationMarker"] = marker
        return self._about(zone, "/records/query", lambda at: {**payload, "zoneID": at})

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
        payload: dict[str, Any] = {"records": [{"recordName": name} for name in names]}
        if keys:
            payload["desiredKeys"] = list(keys)
        return self._about(zone, "/records/lookup", lambda at: {**payload, "zoneID": at})

    def modify(self, zone: Zone, operations: Sequence[Mapping[str, Any]]) -> Reply:
        """Not atomic: each record is answered for itself."""
        payload = {
            "atomic": False,
            "desiredKeys": ["isDeleted"],
            "operations": list(operations),
        }
        return self._about(zone, "/records/modify", lambda at: {**payload, "zoneID": at})

    def changes(self, zone: Zone, request: Mapping[str, Any]) -> Record:
        """What Apple answers about the changes of a library, or the error in the place of it."""
        reply = self._about(
            zone, "/changes/zone", lambda at: {"zones": [{**request, "zoneID": at}]}
        )
        try:
            answer: Record = reply.data["zones"][0]
        except (KeyError, IndexError, TypeError) as error:
            raise Transient("iCloud's answer about changes makes no sense") from error
        return answer

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
            }
            for index in indexes
        ]
        reply = self._about(
            zone,
            "/internal/records/query/batch",
            lambda at: {"batch": [{**one, "zoneID": at} for one in batch]},
        )
        answers = reply.data.get("batch")
        answers = answers if isinstance(answers, list) else []
        return [_count(answers[i]) if i < len(answers) else None for i in range(len(indexes))]

    def shared(self) -> Shared:
        """All shared libraries: those this account owns, then those it was invited to. Two
        requests, or more where Apple lists them in parts."""
        found: dict[str, Zone] = {}
        unread: dict[str, str] = {}
        for scope in ("private", "shared"):
            entries, whole = self._answer(partial(_listed, scope=scope))
            if not whole:
                unread["further libraries"] = "iCloud promises more than it lists"
            for entry in entries:
                name, owner = _named(entry)
                if entry.get("deleted") or (name and not name.startswith(_SHARED_PREFIX)):
                    continue
                if "serverErrorCode" in entry:  # it may be there, and what is in it not gone
                    unread[name or "a library without a name"] = str(errors.of_record(entry))
                elif name:
                    found.setdefault(name, Zone(name, scope, owner))
        left = {name: why for name, why in unread.items() if name not in found}
        return Shared([*found.values()], left)

    def _about(self, zone: Zone, path: str, payload: Payload) -> Reply:
        return self._answer(lambda api: about(api, zone, path, payload))

    def _answer(self, work: Callable[[Api], T]) -> T:
        done = self._use(work)
        self.answered = True
        return done


def about(api: Api, zone: Zone, path: str, payload: Payload) -> Reply:
    """One request about a library in a session, with the errors of ``CloudKit``. Closed where a
    shared one is refused, and the account is not."""

    def send(at: Zone) -> Reply:
        reply = ask(api, at.scope, path, payload(at.id))
        _check_zones(reply)
        return reply

    if zone.own:
        return of_own(api, lambda name: send(replace(zone, name=name)))
    try:
        return send(zone)
    except (Refused, Denied, NotFound) as refusal:
        if isinstance(refusal, Denied):
            ask(api, "private", "/zones/list", {})  # refused too where it is the account's trouble
        raise Closed(str(refusal)) from refusal


def of_own(api: Api, send: Callable[[str], T]) -> T:
    """What ``send`` returns, given the name of the zone that holds the person's own library.

    A library that Apple migrated is in another than usual (icloudpd's pull request 1367): it is
    looked for where there is none of the usual name, before anything was answered. A session that
    was answered stays with the zone, so that no two are taken for one library.
    """
    known = api.own_zone
    name = known or PRIMARY
    try:
        done = send(name)
    except NoZone:
        found = _own_zone(api) if known is None else None
        if found is None:
            raise
        name = found
        done = send(name)
    api.own_zone = name
    return done


def _own_zone(api: Api) -> str | None:
    """The migrated library: the latest, should several be left."""
    numbers = [0]
    for entry in _listed(api, "private")[0]:
        numbered = _OWN.fullmatch(_named(entry)[0])
        if numbered and not entry.get("deleted") and "serverErrorCode" not in entry:
            numbers.append(int(numbered[1]))
    return f"{PRIMARY}{max(numbers)}" if max(numbers) else None


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


def _listed(api: Api, scope: str) -> tuple[list[Record], bool]:
    """What Apple lists of the zones there are, and whether that is all."""
    entries: list[Record] = []
    tokens: set[str] = set()
    payload: dict[str, str] = {}
    for _ in range(_MOST_LISTS):
        data = ask(api, scope, "/zones/list", payload).data
        entries += _items(data.get("zones"))
        if not data.get("moreComing"):
            return entries, True
        token = data.get("syncToken")
        if not isinstance(token, str) or token in tokens:
            break
        tokens.add(token)
        payload = {"syncToken": token}
    return entries, False


def _named(entry: Record) -> tuple[str, str]:
    """The name and the owner of a zone that is listed; '' where they are not told."""
    found = entry.get("zoneID")
    found = found if isinstance(found, dict) else {}
    return str(found.get("zoneName") or ""), str(found.get("ownerRecordName") or "")


def _check_zones(reply: Reply) -> None:
    """Raise what a good answer says of a library as a whole in the place of a part."""
    for part in (*_items(reply.data.get("zones")), *_items(reply.data.get("batch"))):
        if "serverErrorCode" in part:
            error = errors.of_code(str(part["serverErrorCode"]), str(part.get("reason") or ""))
            if isinstance(error, NoZone | Denied):
                raise error


def _items(found: Any) -> list[Record]:
    return [item for item in found if isinstance(item, dict)] if isinstance(found, list) else []


def read(answer: requests.Response) -> Reply:
    """The data of a good answer; raises what a bad one means."""
    if not answer.ok:
        raise errors.of_answer(answer.status_code, answer.headers, answer.content)
    try:
        data = json.loads(answer.content)
    except ValueError as error:
        raise Transient("iCloud's answer is cut short or no JSON") from error
    if not isinstance(data, dict):
        raise Transient("iCloud's answer is not what was asked for")
    if "serverErrorCode" in data:
        raise errors.of_answer(answer.status_code, answer.headers, answer.content)
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
            raise errors.of_record(found)
        return int(found["fields"]["itemCount"]["value"])
    except (KeyError, IndexError, TypeError, ValueError, OverflowError):
        return None
