"""What changed since last time, by Apple's sync token of each library.

The token is the one that came before the first page of a full listing, so what changes while
that listing runs is seen the next time.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from connectors.base import Asset, Page, Problem
from connectors.errors import CursorLost, Fatal, ItemError, Transient
from connectors.icloud import fields, records
from connectors.icloud.cloudkit import PAGE_RECORDS, CloudKit, Record, Zone
from connectors.icloud.errors import Closed, NoZone, Unservable, of_record
from connectors.icloud.gather import ASSET, MASTER, Gather
from connectors.icloud.patience import Patience
from connectors.icloud.settings import ICloudSettings

_ALBUM_TYPES = {"CPLAlbum", "CPLContainerRelation"}
_RELATION = "-IN-"  # the names of removed album memberships: {asset}-IN-{album}
# Up to 1 the edited videos of Live Photos were not asked for, up to 2 the others of bursts, up to 3
# the instructions of edits.
_FORMAT = 4
_TRIES = 2  # of an answer that can be had with less in it
_STUCK = 5  # answers in a row that bring neither records nor a new token


class Stuck(Transient):
    """The record of changes cannot be read on from where it is."""


@dataclass(frozen=True, slots=True)
class Cursor:
    """The token of each library, and what of them was listed (``scope``)."""

    scope: str
    tokens: dict[str, str]

    def __str__(self) -> str:
        return json.dumps({"v": _FORMAT, "of": self.scope, "at": self.tokens}, sort_keys=True)

    @classmethod
    def read(cls, text: str, scope: str) -> Cursor:
        """CursorLost when it is no cursor, or one of another choice of libraries or assets."""
        try:
            data = json.loads(text)
            tokens = {str(zone): str(token) for zone, token in data["at"].items()}
            if data["v"] != _FORMAT or data["of"] != scope or not tokens:
                raise CursorLost("what is listed of iCloud has changed since")
            for zone in tokens:
                Zone.of(zone)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise CursorLost("the cursor is none of iCloud") from error
        return cls(scope, tokens)


@dataclass(frozen=True, slots=True)
class Answer:
    """Records of one answer as they are now, tombstones among them, and whether more come.
    ``less``: they lack the fields to spare, whatever those would have said."""

    records: list[Record]
    token: str
    more: bool
    less: bool = False


@dataclass(frozen=True, slots=True)
class Wanted:
    """These fields of all records, or of those of some ``kinds``, others perhaps among them. The
    fields to ``spare`` are left out of an answer that Apple fails over with them."""

    keys: Sequence[str]
    kinds: Sequence[str] = ()
    spare: Sequence[str] = ()

    @property
    def less(self) -> Wanted:
        return Wanted([key for key in self.keys if key not in self.spare], self.kinds)


STATE = Wanted(records.STATE, spare=records.STATE_ENCRYPTED)
"""What has become of each asset, as far as that can be told of one whose fields cannot be
decrypted."""


@dataclass(frozen=True, slots=True)
class Found:
    """One page of changes, and the token after it.

    ``puzzling``: files changed whose assets Apple does not name, so that only a listing of
    everything tells which.
    """

    page: Page
    token: str
    puzzling: bool


class _Masters:
    """Changed masters, and those whose assets came along, over all pages of one reading."""

    def __init__(self) -> None:
        self.met: set[str] = set()
        self._explained: set[str] = set()

    def explain(self, names: set[str]) -> None:
        self._explained |= names

    def unexplained(self) -> bool:
        return not self.met <= self._explained


class Changes:
    """Reads the changes of libraries."""

    def __init__(self, cloudkit: CloudKit, settings: ICloudSettings) -> None:
        self._cloudkit = cloudkit
        self._settings = settings

    def since(self, zone: Zone, token: str) -> Iterator[Found]:
        """Pages of changes of one library in order; at least one. Raises what ``answers`` does."""
        patience = Patience(self._cloudkit)
        masters = _Masters()
        for answer in answers(self._cloudkit, patience, zone, token, Wanted(records.KEYS)):
            page = self._read(zone, answer.records, patience, masters)
            yield Found(page, answer.token, not answer.more and masters.unexplained())

    def _read(self, zone: Zone, found: list[Record], patience: Patience, masters: _Masters) -> Page:
        live = Gather(self._cloudkit, patience, zone)
        gone: list[str] = []
        left: set[str] = set()  # masters of the gone
        albums = False
        for record in found:
            name = str(record.get("recordName") or "")
            kind = record.get("recordType")
            if record.get("deleted"):
                masters.explain({name})
                albums = albums or _RELATION in name or kind in _ALBUM_TYPES or kind is None
                if may_be_asset(record):
                    gone.append(records.asset_id(zone, name))
            elif kind in _ALBUM_TYPES or _RELATION in name:
                albums = True
            elif kind == MASTER and records.is_stub(record):
                masters.explain({name})
            elif kind == ASSET and not records.is_chosen(record, self._settings):
                gone.append(records.asset_id(zone, name))
                left.add(fields.reference(record, "masterRef") or "")
            elif kind in {ASSET, MASTER} or "serverErrorCode" in record:
                live.take([record])
        masters.met |= live.masters()
        masters.explain(live.references() | left)
        items = list(live.finish())
        return Page(
            assets=tuple(item for item in items if isinstance(item, Asset)),
            problems=tuple(item for item in items if isinstance(item, Problem)),
            gone=tuple(gone),
            full=False,
            albums_changed=albums,
        )


def may_be_asset(record: Record) -> bool:
    """Whether what changed is an asset, as far as its record says: that of one which is gone has
    only a name."""
    if record.get("recordType") is None:
        return _RELATION not in str(record.get("recordName"))
    return bool(record["recordType"] == ASSET)


def answers(
    cloudkit: CloudKit, patience: Patience, zone: Zone, token: str | None, wanted: Wanted
) -> Iterator[Answer]:
    """What changed in a library since ``token``, at least one answer; all there ever was where that
    is None.

    Raises CursorLost when Apple no longer honours ``token``, or fails over what has changed
    since: unlike the changes, a listing of everything can be had around what is broken.
    """
    idle, more = 0, True
    while more:
        answer = _answer(cloudkit, patience, zone, token, wanted)
        more = answer.more
        idle = idle + 1 if answer.token == token and more else 0
        if idle >= _STUCK:
            raise Stuck("iCloud promises more changes and sends none", retry_after=30)
        token = answer.token
        yield answer


def _answer(
    cloudkit: CloudKit, patience: Patience, zone: Zone, token: str | None, wanted: Wanted
) -> Answer:
    try:
        return _asked(cloudkit, patience, zone, token, wanted)
    except Unservable as error:
        if wanted.spare:
            found = _answer(cloudkit, patience, zone, token, wanted.less)
            return replace(found, less=True)
        raise CursorLost(f"the changes cannot be had: {error}") from error


def _asked(
    cloudkit: CloudKit, patience: Patience, zone: Zone, token: str | None, wanted: Wanted
) -> Answer:
    request: Record = {"resultsLimit": PAGE_RECORDS, "desiredKeys": list(wanted.keys)}
    if token is not None:
        request["syncToken"] = token
    if wanted.kinds:
        request["desiredRecordTypes"] = list(wanted.kinds)

    def ask() -> Record:
        try:
            answer = cloudkit.changes(zone, request)
        except (NoZone, Closed) as error:
            raise CursorLost(str(error)) from error
        if "serverErrorCode" in answer:
            raise _refusal(answer)
        if token is None and not answer.get("syncToken"):
            raise Stuck("iCloud does not say where its record of the library goes on")
        return answer

    tries = {"unservable": _TRIES} if wanted.spare else {}
    answer = patience.call(ask, **tries)
    found = [item for item in answer.get("records") or [] if isinstance(item, dict)]
    told = list(_resolved(cloudkit, patience, zone, found, wanted.keys))
    token = str(answer.get("syncToken") or token)
    return Answer(told, token, bool(answer.get("moreComing")))


def _resolved(
    cloudkit: CloudKit, patience: Patience, zone: Zone, found: list[Record], keys: Sequence[str]
) -> Iterator[Record]:
    """What changed, with what Apple says by name of records that are errors here: whether it
    is an asset, in the bin, or gone."""
    failed = [
        str(record["recordName"])
        for record in found
        if "serverErrorCode" in record and record.get("recordName")
    ]
    told: dict[str, Record] = {}
    if failed:
        reply = patience.call(lambda: cloudkit.lookup(zone, failed, keys))
        told = {str(record.get("recordName")): record for record in reply.records}
    for record in found:
        now = record
        if "serverErrorCode" in record:
            now = told.get(str(record.get("recordName")), record)
        if now.get("serverErrorCode") == "NOT_FOUND":
            now = {"recordName": now["recordName"], "deleted": True}
        yield now


def _refusal(answer: Record) -> Exception:
    error = of_record(answer)
    if isinstance(error, ItemError | Fatal):
        return CursorLost(str(error))
    return error
