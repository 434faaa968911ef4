"""Albums of the person's own library, with the folders they lie in, and their members."""

from __future__ import annotations

import threading
from collections.abc import Iterator

from connectors.abilities import Album
from connectors.icloud import fields
from connectors.icloud.cloudkit import PAGE_RECORDS, CloudKit, Record, Zone, equals
from connectors.icloud.patience import Patience

_ALBUM, _FOLDER = 0, 3
_ROOTS = {"----Root-Folder----", "----Project-Root-Folder----"}
_MEMBERS = "CPLContainerRelationLiveByAssetDate"
_KEYS = ("albumNameEnc", "albumType", "parentId", "isDeleted", "isExpunged")
_DEEPEST = 32


def tree(cloudkit: CloudKit) -> Iterator[Album]:
    """Every album, folders entered as they are met."""
    yield from _below(cloudkit, Patience(threading.Event(), cloudkit), None, ())


def members(cloudkit: CloudKit, album: Album) -> Iterator[str]:
    """Asset ids of one album."""
    patience = Patience(threading.Event(), cloudkit)
    seen: set[str] = set()
    rank, empty = 0, 0
    while empty < 2:  # an empty answer may come in the middle
        reply = patience.call(
            lambda rank=rank: cloudkit.query(  # type: ignore[misc]
                Zone(),
                _MEMBERS,
                (
                    equals("startRank", rank),
                    equals("direction", "ASCENDING"),
                    equals("parentId", album.id),
                ),
                keys=("itemId", "containerId"),
                limit=PAGE_RECORDS,
            )
        )
        found = 0
        for record in reply.records:
            item = _item(record)
            if item is None:
                continue
            found += 1
            if item not in seen:
                seen.add(item)
                yield item
        rank += found
        empty = 0 if found else empty + 1


def _item(record: Record) -> str | None:
    """The asset a membership names: in its field, and in its own name too."""
    if record.get("recordType") != "CPLContainerRelation":
        return None
    return fields.plain(record, "itemId") or str(record["recordName"]).partition("-IN-")[0] or None


def _below(
    cloudkit: CloudKit, patience: Patience, folder: str | None, path: tuple[str, ...]
) -> Iterator[Album]:
    marker: str | None = None
    while True:
        reply = patience.call(
            lambda marker=marker: cloudkit.query(  # type: ignore[misc]
                Zone(),
                "CPLAlbumByPositionLive",
                (equals("parentId", folder),) if folder else (),
                keys=_KEYS,
                limit=PAGE_RECORDS,
                marker=marker,
            )
        )
        for record in reply.records:
            name = record.get("recordName")
            if record.get("recordType") != "CPLAlbum" or name in _ROOTS or _gone(record):
                continue
            here = (*path, fields.text(record, "albumNameEnc") or f"Album {str(name)[:8]}")
            kind = fields.number(record, "albumType")
            if kind == _ALBUM:
                yield Album(str(name), here)
            elif kind == _FOLDER and len(here) < _DEEPEST:
                yield from _below(cloudkit, patience, str(name), here)
        marker = reply.data.get("continuationMarker")
        if not marker:
            return


def _gone(record: Record) -> bool:
    return fields.flag(record, "isDeleted") or fields.flag(record, "isExpunged")
