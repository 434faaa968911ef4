"""A CPLAsset and its CPLMaster become one asset with all its files.

The master holds what the camera made (original, its RAW or JPEG twin, the video of a Live
Photo); the asset holds what the person made of it: edited renditions, favourite, caption and
so on. Several assets may share one master (a duplicated photo).
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from connectors.base import Asset, Kind, Location, Metadata, Resource, Role
from connectors.checksums import Algorithm, Checksum
from connectors.icloud import edits, fields, uti
from connectors.icloud.cloudkit import PRIMARY, Record, Zone
from connectors.icloud.settings import ICloudSettings

ORIGINAL = "resOriginal"
TWIN = "resOriginalAlt"
LIVE = "resOriginalVidCompl"
EDITED = "resJPEGFull"
EDITED_VIDEO = "resVidFull"
EDITED_LIVE = "resVidCompl"  # on a CPLAsset, what resOriginalVidCompl is on its CPLMaster
SIDECAR = "resSidecar"
INSTRUCTIONS = "resAdjData"
_BESIDE = {SIDECAR: ".XMP", "resSidecarOther": "", "resAdjSecondData": ".DATA", "resAudio": ".M4A"}
"""What else a person's photo may come with, and its usual extension."""

_PHOTOS_OWN = (
    "resAdjBaseJPEG",
    "resAdjBaseVid",
    "resAdjBaseNormalVid",
    "resOriginalSpatialOverCapture",
    "resOriginalVidComplOverCapture",
)
UNCOPIED = tuple(f"{prefix}Res" for prefix in _PHOTOS_OWN)
"""Pictures and videos that only Photos has a use for, which no listing names."""

_PICTURES = ("resJPEGMed", "resJPEGThumb")
_VIDEOS = ("resVidMed", "resVidSmall")

_FILES = (ORIGINAL, TWIN, LIVE, EDITED, EDITED_VIDEO, EDITED_LIVE, INSTRUCTIONS, *_BESIDE)
_RES = {prefix: prefix + "Res" for prefix in _FILES}
_PARTS = ("Res", "FileType", "Fingerprint")

KEYS = (
    *(prefix + part for prefix in _FILES for part in _PARTS),
    "itemType",
    "itemTypeEnc",
    "filenameEnc",
    "masterRef",
    "isDeleted",
    "isExpunged",
    "isSparsePrivateRecord",
    "isFavorite",
    "isHidden",
    "assetDate",
    "assetDateEnc",
    "addedDate",
    "timeZoneOffset",
    "timeZoneOffsetEnc",
    "burstId",
    "burstIdEnc",
    "captionEnc",
    "extendedDescEnc",
    "keywordsEnc",
    "locationEnc",
    "locationLatitude",
    "locationLongitude",
    *edits.KEYS,
)
"""The fields asked for: what ``asset`` reads and no thumbnails, a third of Apple's full page."""


STATE_ENCRYPTED = ("burstIdEnc",)
"""Of ``STATE``, what Apple has to decrypt: a broken asset makes an answer fail that holds it."""

STATE = (
    "isDeleted",
    "isExpunged",
    "isSparsePrivateRecord",
    "isHidden",
    "burstId",
    *STATE_ENCRYPTED,
)
"""What tells which of Apple's lists an asset is in, and whether it is wanted (``is_chosen``)."""

RENDITIONS = tuple(prefix + "Res" for prefix in (*_PICTURES, *_VIDEOS))
"""What Apple makes of an original, smaller. Asked for only where that is missing itself."""
_LIKE_A_NAME = re.compile(r"[^\x00-\x1f\x7f]{1,250}\.[A-Za-z0-9]{2,5}")


@dataclass(frozen=True, slots=True)
class Handle:
    """Where one file's address is found; ``str`` is what the ledger keeps."""

    zone: Zone
    record: str
    field: str

    def __str__(self) -> str:
        return f"{self.zone.key}|{self.record}|{self.field}"

    @classmethod
    def of(cls, text: str) -> Handle:
        """Read what ``str`` wrote; ValueError when it is something else."""
        zone, record, field = text.rsplit("|", 2)
        return cls(Zone.of(zone), record, field)


def asset_id(zone: Zone, record: str) -> str:
    """Names the asset among all libraries of the account."""
    return record if zone.name == PRIMARY else f"{zone.name}/{record}"


def split_id(asset: str) -> tuple[str, str]:
    """(zone name, record name) of an asset id."""
    zone, _, record = asset.rpartition("/")
    return zone or PRIMARY, record


_LATER = (INSTRUCTIONS, *(prefix for prefix in _BESIDE if prefix != SIDECAR))
_EDIT_MARKS = ("adjustmentType", "adjustmentCreatorCode", "adjustmentCompoundVersion")
REVISION = (
    "timeZoneOffset",
    *_EDIT_MARKS,
    *(f"{prefix}Res" for prefix in (EDITED_LIVE, *_LATER)),
)
"""What ``revision`` reads: nothing that Apple has to decrypt, which can fail."""


def revision(asset: Record, master: Record) -> str:
    """Both records' own. Marked where ledgers of earlier versions lack what was not asked for then:
    files, and facts that newer records keep encrypted (those have no plain zone)."""
    known = f"{asset.get('recordChangeTag', '')}/{master.get('recordChangeTag', '')}"
    live = "/live" if _token(asset, EDITED_LIVE) is not None else ""
    edited = any(fields.plain(asset, name) for name in _EDIT_MARKS)
    later = edited or _held(asset, _LATER) or _held(master, _LATER)
    vague = fields.value(asset, "timeZoneOffset") is None
    return f"{known}{live}{'/edit' * bool(later)}{'/facts' * vague}"


def has_uncopied(asset: Record, master: Record) -> bool:
    """Whether Apple has some of it that is not copied, whatever the record says of that."""
    both = (fields.value(holder, name) for holder in (asset, master) for name in UNCOPIED)
    return any(found is not None for found in both)


def is_gone(asset: Record) -> bool:
    """In Recently Deleted, or already removed from there."""
    return fields.flag(asset, "isDeleted") or fields.flag(asset, "isExpunged")


def is_stub(record: Record) -> bool:
    """Whether it only stands for what was moved to a Shared Library: a member's own zone keeps a
    record of it, without files (kei's issue 765). It is nothing of this library any more."""
    return fields.flag(record, "isSparsePrivateRecord")


def burst(asset: Record) -> str | None:
    """Names the burst it is a picture of."""
    return fields.word(asset, "burstId")


def is_chosen(asset: Record, settings: ICloudSettings) -> bool:
    """Whether ``settings`` want an asset as it is now."""
    if fields.flag(asset, "isExpunged") or is_stub(asset):
        return False
    if fields.flag(asset, "isDeleted"):
        return settings.trashed
    return settings.hidden or not fields.flag(asset, "isHidden")


def asset(zone: Zone, record: Record, master: Record) -> Asset:
    """The asset of two raw records. What cannot be read is left out, never an error."""
    name = _filename(record, master)
    identifier = fields.word(master, "itemType") or fields.plain(master, ORIGINAL + "FileType")
    kind = uti.kind(identifier, name, moving=_token(master, LIVE) is not None)
    offset = fields.utc_offset(record, "timeZoneOffset")
    return Asset(
        id=asset_id(zone, record["recordName"]),
        kind=kind,
        created=fields.instant(record, "assetDate", offset),
        resources=tuple(_resources(zone, record, master, kind, name)),
        metadata=_metadata(record, offset),
        revision=revision(record, master),
        library=zone.library,
    )


HELD = "data:application/xml;base64,"
"""How the address of a file begins that a record holds itself (RFC 2397)."""


def signed_urls(record: Record) -> Iterator[tuple[str, str, str | None]]:
    """(field, signed URL, checksum) of every file a record holds."""
    for prefix in _held(record, _FILES):
        token = _token(record, prefix) or {}
        if isinstance(url := token.get("downloadURL"), str) and url:
            yield prefix, url, _fingerprint(record, prefix, token)
    if (told := _instructions(record)) is not None:
        yield edits.FIELD, f"{HELD}{base64.b64encode(told).decode()}", _sha256(told)


def lacks_original(master: Record) -> bool:
    """Apple lists such assets: icloudpd ends at them (its issue 1261)."""
    return _token(master, ORIGINAL) is None


def _instead(master: Record, kind: Kind) -> str:
    """What is there in the place of an original, if ``RENDITIONS`` were asked for."""
    if kind is Kind.VIDEO and any(_token(master, prefix) for prefix in _VIDEOS):
        return "a smaller video"
    return "a smaller picture" if any(_token(master, prefix) for prefix in _PICTURES) else ""


def _resources(
    zone: Zone, record: Record, master: Record, kind: Kind, name: str
) -> Iterator[Resource]:
    first, twin = _still_roles(master)
    stem, suffix = _split(name)
    yield _file(zone, master, ORIGINAL, first, name) or Resource(
        ORIGINAL,
        first,
        name,
        None,
        handle=str(Handle(zone, master["recordName"], ORIGINAL)),
        local=False,
        instead=_instead(master, kind),
    )
    wanted = [
        (master, TWIN, twin, stem, ".DNG" if twin is Role.RAW else ".JPG"),
        (master, LIVE, Role.LIVE_VIDEO, stem, ".MOV"),
        (record, *_moving(record, kind), f"{stem}-edited", ".MOV"),
        (record, INSTRUCTIONS, Role.SIDECAR, stem, ".AAE"),
    ]
    beside = dict.fromkeys(_held(master, _BESIDE), master)
    beside |= dict.fromkeys(_held(record, _BESIDE), record)
    wanted += [(beside[at], at, Role.SIDECAR, stem, _BESIDE[at]) for at in beside]
    if kind is not Kind.VIDEO:  # there it would be a poster frame, not a file of the person's
        wanted.insert(2, (record, EDITED, Role.EDITED, f"{stem}-edited", suffix or ".JPG"))
    for holder, prefix, role, base, usual in wanted:
        found = _file(zone, holder, prefix, role, base, usual)
        if found is not None:
            yield found
    if (told := _instructions(record)) is not None:
        yield Resource(
            id=edits.FIELD,
            role=Role.SIDECAR,
            filename=f"{stem}.AAE",
            size=len(told),
            checksum=Checksum(Algorithm.SHA256, _sha256(told)),
            media_type="application/xml",
            handle=str(Handle(zone, record["recordName"], edits.FIELD)),
        )


def _instructions(asset: Record) -> bytes | None:
    """Those the record holds itself, where they are no file at Apple."""
    return edits.envelope(asset) if _token(asset, INSTRUCTIONS) is None else None


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _moving(record: Record, kind: Kind) -> tuple[str, Role]:
    """What an edit made of a video, or of the video of a Live Photo (kei's issue 713)."""
    if kind is Kind.VIDEO:
        return EDITED_VIDEO, Role.EDITED_VIDEO
    prefix = EDITED_VIDEO if _token(record, EDITED_LIVE) is None else EDITED_LIVE
    return prefix, Role.EDITED_LIVE_VIDEO


def _still_roles(master: Record) -> tuple[Role, Role]:
    """Of a RAW and JPEG pair, either may be the one Apple calls original."""
    raw = uti.is_raw(fields.plain(master, ORIGINAL + "FileType"))
    twin_raw = uti.is_raw(fields.plain(master, TWIN + "FileType"))
    if raw and not twin_raw and _token(master, TWIN) is not None:
        return Role.RAW, Role.ORIGINAL
    return Role.ORIGINAL, Role.RAW


def _file(
    zone: Zone, holder: Record, prefix: str, role: Role, name: str, usual: str | None = None
) -> Resource | None:
    """One file of a record; ``usual`` is its extension where the type says none."""
    token = _token(holder, prefix)
    if token is None:
        return None
    identifier = fields.plain(holder, prefix + "FileType")
    size = token.get("size")
    fingerprint = _fingerprint(holder, prefix, token)
    return Resource(
        id=prefix,
        role=role,
        filename=name if usual is None else name + uti.extension(identifier, usual),
        size=size if isinstance(size, int) and size >= 0 else None,
        checksum=Checksum(Algorithm.APPLE, fingerprint) if fingerprint else None,
        media_type=uti.media_type(identifier),
        handle=str(Handle(zone, holder["recordName"], prefix)),
    )


def _held(record: Record, prefixes: Iterable[str]) -> list[str]:
    """Those of the files that a record holds. Most hold few of the many there can be."""
    told = record.get("fields")
    if not isinstance(told, dict):
        return []
    return [one for one in prefixes if _RES[one] in told and _token(record, one) is not None]


def _token(record: Record, prefix: str) -> dict[str, Any] | None:
    found = fields.value(record, prefix + "Res")
    return found if isinstance(found, dict) else None


def _fingerprint(record: Record, prefix: str, token: dict[str, Any]) -> str | None:
    found = token.get("fileChecksum")
    return (
        found if isinstance(found, str) and found else fields.plain(record, prefix + "Fingerprint")
    )


def _filename(record: Record, master: Record) -> str:
    """The camera's name; failing that one made of the asset's id, the same each time.

    A name may stand as it is in a field that calls itself encrypted.
    """
    name = fields.text(master, "filenameEnc")
    if name and name.strip():
        return name
    name = fields.plain(master, "filenameEnc")
    if name and _LIKE_A_NAME.fullmatch(name):
        return name
    short = re.sub(r"[^A-Za-z0-9]", "", record["recordName"])[:12] or "UNNAMED"
    kinds = fields.plain(master, ORIGINAL + "FileType"), fields.word(master, "itemType")
    identifier = next(filter(uti.extension, kinds), None)
    return f"IMG_{short}{uti.extension(identifier)}"


def _split(name: str) -> tuple[str, str]:
    stem, dot, suffix = name.rpartition(".")
    return (stem, dot + suffix) if stem and len(suffix) <= 5 else (name, "")


def _metadata(record: Record, offset: int | None) -> Metadata:
    return Metadata(
        title=fields.text(record, "captionEnc") or None,
        caption=fields.text(record, "extendedDescEnc") or None,
        keywords=_keywords(record),
        favorite=fields.flag(record, "isFavorite"),
        hidden=fields.flag(record, "isHidden"),
        location=_location(record),
        utc_offset=offset,
        added=fields.instant(record, "addedDate"),
        burst=burst(record),
    )


def _keywords(record: Record) -> tuple[str, ...]:
    found = fields.plist(record, "keywordsEnc")
    if not isinstance(found, list):
        return ()
    return tuple(word for word in found if isinstance(word, str) and word)


def _location(record: Record) -> Location | None:
    found = fields.plist(record, "locationEnc")
    place = None
    if isinstance(found, dict):
        place = _place(found.get("lat"), found.get("lon"), found.get("alt"))
    plain = (fields.value(record, f"location{axis}") for axis in ("Latitude", "Longitude"))
    return place or _place(*plain)


def _place(north: object, east: object, altitude: object = None) -> Location | None:
    latitude, longitude = _degrees(north, 90), _degrees(east, 180)
    if latitude is None or longitude is None:
        return None
    height = float(altitude) if isinstance(altitude, int | float) else None
    return Location(latitude, longitude, height)


def _degrees(found: object, most: int) -> float | None:
    if not isinstance(found, int | float) or isinstance(found, bool) or not abs(found) <= most:
        return None  # also where it is no number (NaN)
    return float(found)
