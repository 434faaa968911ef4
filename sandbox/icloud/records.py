"""Assets and albums as CloudKit records.

Shapes as recorded: a CPLMaster named by its original's fingerprint, a CPLAsset per asset that
refers to it; edited renditions sit on the CPLAsset, everything else on the CPLMaster.
"""

from __future__ import annotations

import base64
import functools
import hashlib
import plistlib
from collections.abc import Callable, Collection, Iterator
from datetime import UTC, datetime
from typing import Any

from sandbox.icloud.links import Links
from sandbox.library import Album, Asset, Content, File, edits
from sandbox.library.recipe import details_of, make_file

OWNER = "_cfcd54372a11173505ad48f023ba188d"
DEVICE = "10D26FAEB98CF62382056A6813126093E3CC11C07B3DF3BDEBC4B50A7649973B"
ROOTS = ("----Root-Folder----", "----Project-Root-Folder----")
Record = dict[str, Any]
Keys = Collection[str] | None

_ON_MASTER = {
    "original": "resOriginalAlt",
    "raw": "resOriginalAlt",
    "live_video": "resOriginalVidCompl",
    "sidecar": "resSidecar",
}
_ON_ASSET = {
    "edited": "resJPEGFull",
    "edited_video": "resVidFull",
    "edited_live_video": "resVidCompl",
}
_SUBTYPES = {"screenshot": 0, "panorama": 1, "slomo": 101, "timelapse": 102}
_HIDDEN = ("assetDate", "timeZoneOffset", "burstId", "adjustmentType")
_BASE36 = "0123456789abcdefghijklmnopqrstuvwxyz"


def on_master(file: File, asset: Asset) -> str | None:
    """The field name of a file on the CPLMaster; None for one that is not there."""
    return "resOriginal" if file is asset.files[0] else _ON_MASTER.get(file.role)


def on_asset(file: File) -> str | None:
    """The field name of an edited rendition on the CPLAsset."""
    return _ON_ASSET.get(file.role)


def typed(kind: str, value: Any) -> dict[str, Any]:
    return {"value": value, "type": kind}


def encoded(text: str) -> dict[str, Any]:
    return typed("ENCRYPTED_BYTES", base64.b64encode(text.encode()).decode())


def change_tag(number: int, revision: int) -> str:
    value, text = number * 97 + revision * 3 + 1296, ""
    while value:
        value, digit = divmod(value, 36)
        text = _BASE36[digit] + text
    return f"{text}{revision:x}" if revision else text


class Records:
    """Makes the records of one zone."""

    def __init__(self, zone_name: str, links: Links) -> None:
        self.zone = {
            "zoneName": zone_name,
            "ownerRecordName": OWNER,
            "zoneType": "REGULAR_CUSTOM_ZONE",
        }
        self._links = links

    def master(self, asset: Asset, keys: Keys) -> Record:
        original = asset.original
        fields: dict[str, Any] = {}
        if _wanted(keys, "filenameEnc"):
            fields["filenameEnc"] = encoded(original.filename)
        hidden = self._links.has("private_facts", asset)
        if _wanted(keys, "itemType"):
            fields["itemType"] = typed("STRING", _vague(original.uti) if hidden else original.uti)
        if _wanted(keys, "itemTypeEnc") and hidden:
            fields["itemTypeEnc"] = encoded(original.uti)
        if _wanted(keys, "dataClassType"):
            fields["dataClassType"] = typed("INT64", 1)
        if _wanted(keys, "originalOrientation"):
            fields["originalOrientation"] = typed("INT64", 1)
        for file in asset.files:
            prefix = on_master(file, asset)
            lost = file is original and self._links.has("no_original", asset)
            if prefix and not lost:
                self._resource(fields, prefix, file, asset, keys)
        for prefix, role in _smaller(asset):
            wanted = any(_wanted(keys, prefix + suffix) for suffix in _SUFFIXES)
            if wanted and not self._links.has("no_rendition", asset):
                self._resource(fields, prefix, rendition(asset, role), asset, keys)
        name = original.fingerprint
        # By content: several assets may share it, and it is one record whoever shows it.
        number = int.from_bytes(base64.b64decode(name)[1:4], "big")
        return self._record(name, "CPLMaster", fields, asset.added, change_tag(number, 0))

    def asset(self, asset: Asset, keys: Keys) -> Record:
        facts = self._facts(asset)
        if self._links.has("private_facts", asset):
            facts = _private(facts, asset)
        fields = {name: value for name, value in facts.items() if _wanted(keys, name)}
        for file in asset.files:
            prefix = on_asset(file)
            if prefix:
                self._resource(fields, prefix, file, asset, keys)
        for prefix, file in self._beside(asset):
            self._resource(fields, prefix, file, asset, keys)
        tag = change_tag(asset.number, asset.revision)
        record = self._record(asset.id, "CPLAsset", fields, asset.added, tag)
        if asset.trashed is not None:
            record["expirationTime"] = asset.trashed // 1000 + 40 * 86400
        return record

    def stub(self, asset: Asset, keys: Keys) -> list[Record]:
        """What is left, in the person's own zone, of what was moved to the shared library (kei's
        issue 765): records that say where it is now, and hold nothing."""
        fields = {
            "isSparsePrivateRecord": typed("INT64", 1),
            "linkedShareRecordName": typed("STRING", asset.id),
        }
        fields = {name: value for name, value in fields.items() if _wanted(keys, name)}
        tag = change_tag(asset.number, asset.revision)
        names = (("CPLMaster", asset.original.fingerprint), ("CPLAsset", asset.id))
        return [self._record(name, kind, fields, asset.added, tag) for kind, name in names]

    def _beside(self, asset: Asset) -> Iterator[tuple[str, File]]:
        """What Photos keeps of an edit beside its result."""
        if is_edited(asset):
            for prefix, role in (("resAdjData", "instructions"), ("resAdjBaseJPEG", "base")):
                if self._links.has(role, asset):
                    yield prefix, _EDITS[role](asset)

    def _facts(self, asset: Asset) -> dict[str, Any]:
        live = asset.kind == "live"
        reference = {
            "recordName": asset.original.fingerprint,
            "action": "DELETE_SELF",
            "zoneID": self.zone,
        }
        subtype = _SUBTYPES.get(asset.subtype, 0)
        fields = {
            "masterRef": typed("REFERENCE", reference),
            "assetDate": typed("TIMESTAMP", asset.created),
            "addedDate": typed("TIMESTAMP", asset.added),
            "isFavorite": typed("INT64", int(asset.favorite)),
            "isHidden": typed("INT64", int(asset.hidden)),
            "orientation": typed("INT64", 1),
            "duration": typed("INT64", 1 if asset.kind == "video" else 0),
            "assetSubtype": typed("INT64", subtype),
            "assetSubtypeV2": typed("INT64", 2 if live else subtype),
            "assetHDRType": typed("INT64", 0),
            "adjustmentRenderType": typed("INT64", 0),
            "timeZoneOffset": typed("INT64", asset.utc_offset),
            "burstFlags": typed("INT64", _burst_flags(asset)),
            "customRenderedValue": typed("INT64", 0),
            "vidComplDurValue": typed("INT64", 600 if live else 0),
            "vidComplDurScale": typed("INT64", 600 if live else 0),
            "vidComplDispValue": typed("INT64", 300 if live else 0),
            "vidComplDispScale": typed("INT64", 600 if live else 0),
            "vidComplVisibilityState": typed("INT64", 0),
        }
        if asset.trashed is not None:
            fields["isDeleted"] = typed("INT64", 1)
        if is_edited(asset):
            fields["adjustmentType"] = typed("STRING", edits.FORMAT)
        if is_edited(asset) and self._links.has("small_instructions", asset):
            held = base64.b64encode(edits.instructions(asset)).decode()
            fields["adjustmentSimpleDataEnc"] = typed("ENCRYPTED_BYTES", held)
            fields["adjustmentCompoundVersion"] = typed("STRING", edits.VERSION)
            fields["adjustmentCreatorCode"] = typed("STRING", "com.apple.mobileslideshow")
        if asset.burst:
            fields["burstId"] = typed("STRING", asset.burst)
        if asset.title:
            fields["captionEnc"] = encoded(asset.title)
        if asset.caption:
            fields["extendedDescEnc"] = encoded(asset.caption)
        if asset.keywords:
            fields["keywordsEnc"] = _plist(list(asset.keywords))
        if asset.location:
            fields["locationEnc"] = _plist(_place(asset))
        return fields

    def album(self, album: Album, keys: Keys = None) -> Record:
        fields = {
            "albumNameEnc": encoded(album.title),
            "albumType": typed("INT64", 3 if album.folder else 0),
            "position": typed("INT64", album.position),
            "sortAscending": typed("INT64", 1),
            "sortType": typed("INT64", 0),
            "sortTypeExt": typed("INT64", 0),
            "recordModificationDate": typed("TIMESTAMP", 1_555_410_486_949),
        }
        if album.parent:
            fields["parentId"] = typed("STRING", album.parent)
        if album.deleted:
            fields["isDeleted"] = typed("INT64", 1)
        fields = {name: value for name, value in fields.items() if _wanted(keys, name)}
        tag = change_tag(album.position, len(album.title))
        return self._record(album.id, "CPLAlbum", fields, 1_555_410_487_696, tag)

    def root(self, name: str) -> Record:
        fields = {
            "albumType": typed("INT64", 3),
            "position": typed("INT64", 0),
            "sortAscending": typed("INT64", 1),
            "sortType": typed("INT64", 0),
            "sortTypeExt": typed("INT64", 0),
            "recordModificationDate": typed("TIMESTAMP", 1_545_202_692_118),
        }
        return self._record(name, "CPLAlbum", fields, 1_428_692_188_711, "34sz")

    def relation(self, asset: Asset, album: Album, keys: Keys = None) -> Record:
        fields = {
            "itemId": typed("STRING", asset.id),
            "containerId": typed("STRING", album.id),
            "position": typed("INT64", 1024 * (asset.number + 1)),
            "isKeyAsset": typed("INT64", 0),
        }
        fields = {name: value for name, value in fields.items() if _wanted(keys, name)}
        name = f"{asset.id}-IN-{album.id}"
        return self._record(name, "CPLContainerRelation", fields, asset.added, "1s2h")

    def tombstone(self, name: str) -> Record:
        return {"recordName": name, "recordType": None, "deleted": True, "zoneID": self.zone}

    def plain(self, name: str, kind: str, fields: Record) -> Record:
        """A computed record that nobody stored (counts, indexing state)."""
        record = self._record(name, kind, fields, 1_686_106_454_664, "0")
        for when in ("created", "modified"):
            record[when] = {**record[when], "userRecordName": "_10", "deviceID": "1"}
        return record

    def _record(self, name: str, kind: str, fields: Record, when: int, tag: str) -> Record:
        stamp = {"timestamp": when, "userRecordName": OWNER, "deviceID": DEVICE}
        return {
            "recordName": name,
            "recordType": kind,
            "fields": fields,
            "pluginFields": {},
            "recordChangeTag": tag,
            "created": stamp,
            "modified": stamp,
            "deleted": False,
            "zoneID": self.zone,
        }

    def _resource(self, fields: Record, prefix: str, file: File, asset: Asset, keys: Keys) -> None:
        if _wanted(keys, prefix + "Res"):
            fields[prefix + "Res"] = typed("ASSETID", self._links.token(asset, file, self.zone))
        if _wanted(keys, prefix + "Fingerprint"):
            fields[prefix + "Fingerprint"] = typed("STRING", self._links.checksum(asset, file))
        for suffix, kind, value in (
            ("FileType", "STRING", file.uti),
            ("Width", "INT64", file.width),
            ("Height", "INT64", file.height),
        ):
            if _wanted(keys, prefix + suffix):
                fields[prefix + suffix] = typed(kind, value)


_SUFFIXES = ("Res", "Fingerprint", "FileType", "Width", "Height")


def _wanted(keys: Keys, name: str) -> bool:
    return keys is None or name in keys


def _smaller(asset: Asset) -> tuple[tuple[str, str], ...]:
    """The renditions Apple makes beside the files people own: field prefix and role."""
    if asset.kind == "video":
        return (("resJPEGThumb", "thumb"), ("resVidMed", "vidmed"), ("resVidSmall", "vidsmall"))
    return (("resJPEGThumb", "thumb"), ("resJPEGMed", "medium"))


def is_edited(asset: Asset) -> bool:
    return any(file.role.startswith("edited") for file in asset.files)


def _instructions(asset: Asset) -> File:
    uti = "com.apple.photos.apple-adjustment-envelope"
    return File("instructions", "Adjustments.plist", uti, 0, 0, edits.envelope(asset))


@functools.lru_cache(maxsize=512)
def rendition(asset: Asset, role: str) -> File:
    """A derived rendition; small, and a real file too."""
    unique = hashlib.blake2b(f"{asset.original.content.tag}/{role}".encode(), digest_size=16)
    form = "mp4" if role.startswith("vid") else "thumb"
    details = details_of(0, 0, unique.hexdigest(), False, None)
    return make_file(role, form, "rendition", unique.hexdigest(), None, 0, details)


_EDITS: dict[str, Callable[[Asset], File]] = {
    "instructions": _instructions,
    "base": lambda asset: rendition(asset, "base"),
}


def content_of(asset: Asset, role: str) -> Content | None:
    if role in _EDITS:
        return _EDITS[role](asset).content
    if role in {name for _, name in _smaller(asset)}:
        return rendition(asset, role).content
    file = asset.file(role)
    return file.content if file else None


def _plist(value: Any) -> dict[str, Any]:
    data = plistlib.dumps(value, fmt=plistlib.FMT_BINARY)
    return typed("ENCRYPTED_BYTES", base64.b64encode(data).decode())


def _private(facts: Record, asset: Asset) -> Record:
    """As a phone with iOS 26 may tell them: the moment moved on by up to a minute, zone and burst
    left out, and each beside it as it is."""
    told = {name: value for name, value in facts.items() if name not in _HIDDEN}
    moved = asset.created // 1000 * 1000 + 1000 * (1 + asset.number % 59)
    told["assetDate"] = typed("TIMESTAMP", moved)
    told["assetDateEnc"] = typed("TIMESTAMP", asset.created)
    told["timeZoneOffsetEnc"] = typed("INT64", asset.utc_offset)
    if asset.burst:
        told["burstIdEnc"] = encoded(asset.burst)
    if "adjustmentType" in facts:
        told["adjustmentTypeEnc"] = encoded(edits.FORMAT)
    return told


def _vague(uti: str) -> str:
    return "public.movie" if uti == "com.apple.quicktime-movie" else "public.image"


def _burst_flags(asset: Asset) -> int:
    """As a phone's database tells it: in front and chosen, or neither."""
    if asset.burst is None:
        return 0
    return 2 if asset.stacked else 24


def _place(asset: Asset) -> dict[str, Any]:
    latitude, longitude, altitude = asset.location or (0.0, 0.0, 0.0)
    moment = min(max(asset.created / 1000, 0), 4_102_444_800)
    return {
        "lat": latitude,
        "lon": longitude,
        "alt": altitude,
        "speed": 0.0,
        "course": 0.0,
        "horzAcc": 5.0,
        "vertAcc": 3.0,
        "timestamp": datetime.fromtimestamp(moment, UTC).replace(tzinfo=None),
    }
