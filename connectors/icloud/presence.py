"""Whether iCloud holds certain bytes as a photo somebody can see.

A master record is named by Apple's fingerprint of its bytes, so one lookup finds content
whoever brought it. Whether the photo can be seen, lies in Recently Deleted or is gone for good
is its asset's to say. Uploads from here know its name; for the others the library is listed,
once for an hour, and what the listing names is looked up again before it is believed.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from connectors.base import Asset
from connectors.errors import NotFound
from connectors.icloud import fields, reclaim, records
from connectors.icloud.cloudkit import CloudKit, Record, Zone
from connectors.icloud.errors import of_record
from connectors.icloud.listing import HIDDEN, VISIBLE, Lister
from connectors.icloud.records import ORIGINAL, Handle
from connectors.icloud.signed_urls import SignedUrls

_LASTS = 3600.0  # seconds; an older listing only means that something is sent for nothing
_BATCH = 100  # contents of one lookup: two records each


@dataclass(frozen=True, slots=True)
class Photo:
    """A file as Apple's own records tell it. ``binned``: its asset lies in Recently Deleted."""

    fingerprint: str
    size: int
    asset: str
    binned: bool = False


class Presence:
    """The person's own library. Every method may be called from any thread.

    A listing keeps some 200 bytes of memory for each photo, and is made only when there is
    content that was not uploaded from here.
    """

    def __init__(self, cloudkit: CloudKit, urls: SignedUrls, parallel: int) -> None:
        self._cloudkit = cloudkit
        self._lister = Lister(cloudkit, urls, parallel)
        self._lock = threading.Lock()
        self._shown = _Listed(self._visible)
        self._bin = _Listed(self._trashed)

    def photos(self, wanted: Mapping[str, str]) -> dict[str, Photo]:
        """What is there of these fingerprints; their values are the assets they are known by,
        '' where none is. Raises what lookups and listings raise.
        """
        found: dict[str, Photo] = {}
        names = list(wanted)
        for start in range(0, len(names), _BATCH):
            some = names[start : start + _BATCH]
            told = self._look_up([*some, *filter(None, (wanted[name] for name in some))])
            masters = [name for name in some if name in told and not _lost(told[name])]
            assets = {name: wanted[name] for name in masters}
            for name in masters:
                if not _seen(told.get(wanted[name])):
                    assets[name] = self._listed(name) or wanted[name]
            fresh = [asset for asset in assets.values() if asset and asset not in told]
            told |= self._look_up(fresh)
            for name, asset in assets.items():
                if asset in told and not _lost(told[asset]):
                    found[name] = _photo(told[name], name, asset, records.is_gone(told[asset]))
        return found

    def _look_up(self, names: Sequence[str]) -> dict[str, Record]:
        """The records there are of these names, at most 200. Raises the error of any other."""
        there: dict[str, Record] = {}
        if not names:
            return there
        keys = (f"{ORIGINAL}Res", f"{ORIGINAL}Fingerprint", "masterRef", *records.STATE)
        for record in self._cloudkit.lookup(Zone(), names, keys).records:
            if "serverErrorCode" not in record:
                there[str(record.get("recordName"))] = record
            elif not isinstance(error := of_record(record), NotFound):
                raise error
        return there

    def _listed(self, fingerprint: str) -> str:
        """The asset of some content: one that shows it before one in Recently Deleted, so that
        nothing is brought back of which the person kept a duplicate."""
        with self._lock:
            return self._shown.get().get(fingerprint) or self._bin.get().get(fingerprint, "")

    def _trashed(self) -> Iterator[Asset]:
        return (item.asset for item in reclaim.trashed(self._cloudkit, Zone()))

    def _visible(self) -> Iterator[Asset]:
        for index in (VISIBLE, HIDDEN):
            (count,) = self._cloudkit.counts(Zone(), [index.count])
            for window in self._lister.windows(Zone(), index, count):
                yield from window.assets


def _lost(record: Record) -> bool:
    """Whether it is nothing of this library any more."""
    return fields.flag(record, "isExpunged") or records.is_stub(record)


def _seen(asset: Record | None) -> bool:
    return asset is not None and not records.is_gone(asset) and not _lost(asset)


def _photo(master: Record, name: str, asset: str, binned: bool) -> Photo:
    token = fields.value(master, f"{ORIGINAL}Res")
    token = token if isinstance(token, dict) else {}
    told = token.get("fileChecksum") or fields.plain(master, f"{ORIGINAL}Fingerprint") or name
    size = token.get("size")
    return Photo(str(told), size if isinstance(size, int) else -1, asset, binned)


class _Listed:
    """The assets of a listing by their master, read afresh when it has grown old."""

    def __init__(self, read: Callable[[], Iterator[Asset]]) -> None:
        self._until = 0.0
        self._read = read
        self._known: dict[str, str] = {}

    def get(self) -> dict[str, str]:
        if time.monotonic() >= self._until:
            self._known = {
                Handle.of(resource.handle).record: asset.id
                for asset in self._read()
                for resource in asset.resources
                if resource.id == ORIGINAL
            }
            self._until = time.monotonic() + _LASTS
        return self._known
