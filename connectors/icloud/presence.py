"""Whether iCloud holds certain bytes as a photo somebody can see."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass

from connectors.base import Role
from connectors.icloud import fields, reclaim, records
from connectors.icloud.cloudkit import PAGE_RECORDS, CloudKit, Record, Zone
from connectors.icloud.records import ORIGINAL
from connectors.icloud.trouble import of_record

_BIN_LASTS = 60.0  # seconds for which a look into Recently Deleted is good
_KEYS = (f"{ORIGINAL}Res", f"{ORIGINAL}Fingerprint", "masterRef", "isDeleted", "isExpunged")
_ABSENT = {"NOT_FOUND", "UNKNOWN_ITEM"}


@dataclass(frozen=True, slots=True)
class Photo:
    """A file as Apple's own record tells it. ``binned`` names the asset in Recently Deleted
    that it belongs to, empty where it is in the library."""

    fingerprint: str
    size: int
    binned: str = ""


class Presence:
    """Looks at the primary library. Every method may be called from any thread."""

    def __init__(self, cloudkit: CloudKit) -> None:
        self._cloudkit = cloudkit
        self._zone = Zone()
        self._lock = threading.Lock()
        self._bin: dict[str, str] = {}
        self._looked = 0.0

    def photos(self, wanted: Mapping[str, str]) -> dict[str, Photo]:
        """What is there of ``wanted``: fingerprints, each with the name of its asset's record
        ('' where that is not known). A request for a hundred of them."""
        found: dict[str, Photo] = {}
        names = list(wanted)
        for start in range(0, len(names), PAGE_RECORDS // 2):
            part = names[start : start + PAGE_RECORDS // 2]
            found |= self._part({name: wanted[name] for name in part})
        return found

    def forget_bin(self) -> None:
        """Something was brought back: what was seen in Recently Deleted is old."""
        with self._lock:
            self._looked = 0.0

    def _part(self, wanted: Mapping[str, str]) -> dict[str, Photo]:
        assets = [asset for asset in wanted.values() if asset]
        reply = self._cloudkit.lookup(self._zone, [*wanted, *assets], _KEYS)
        told = {str(record.get("recordName")): record for record in reply.records}
        found = {}
        for fingerprint, asset in wanted.items():
            master = _there(told.get(fingerprint))
            if master is None:
                continue
            known = _there(told.get(asset)) if asset else None
            if known is not None and not records.is_gone(known):
                binned = ""
            else:
                binned = self._in_bin(fingerprint)
            found[fingerprint] = _photo(master, fingerprint, binned)
        return found

    def _in_bin(self, fingerprint: str) -> str:
        with self._lock:
            if time.monotonic() - self._looked > _BIN_LASTS or not self._looked:
                self._bin = {
                    resource.checksum.value: item.asset.id
                    for item in reclaim.trashed(self._cloudkit, self._zone)
                    for resource in item.asset.resources
                    if resource.role is Role.ORIGINAL and resource.checksum is not None
                }
                self._looked = time.monotonic()
            return self._bin.get(fingerprint, "")


def _there(record: Record | None) -> Record | None:
    """The record; None where Apple has none. Raises what else it said in its place."""
    if record is None:
        return None
    code = record.get("serverErrorCode")
    if code in _ABSENT:
        return None
    if code is not None:
        raise of_record(record)
    return record


def _photo(master: Record, name: str, binned: str) -> Photo:
    token = fields.value(master, f"{ORIGINAL}Res")
    token = token if isinstance(token, dict) else {}
    told = token.get("fileChecksum") or fields.plain(master, f"{ORIGINAL}Fingerprint") or name
    size = token.get("size")
    return Photo(str(told), size if isinstance(size, int) else -1, binned)
