"""One asset of the phone, out of its rows and of the files that are really there.

Core Data's words: ZRESOURCETYPE 0 photo, 1 video, 3 Live Photo video, 4 alternate (the other
half of a RAW and JPEG pair), 5 adjustments; ZVERSION 0 original, 2 edited; ZDATASTORESUBTYPE
tells the same more finely (1 original, 2 edited still, 16 edited video, 17 alternate, 18 Live
video, 19 edited Live video, 13 and 22 adjustments; 0 where iCloud has no part in it; all others are
thumbnails and other renderings). ZRECIPEID is odd for what Apple derived of another file, as the
JPEG of a RAW (PhotoLibraryServices: ``isDerivative``). ZLOCALAVAILABILITY is 1 only where the bytes
are on the phone. Adjustments of version 0 are the camera's own, as of a portrait; the person's are
of version 2.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

from connectors.base import Asset, Kind, Location, Metadata, Resource, Role
from connectors.checksums import Algorithm, Checksum
from connectors.iphone import names
from connectors.iphone.found import (
    RECIPE,
    RENDERED,
    Found,
    companions,
    rank,
    renderings,
    with_edits,
)
from connectors.iphone.library import Row

_EPOCH = datetime(2001, 1, 1, tzinfo=UTC)
_DAY = 86_400  # seconds
_BY_SUBTYPE = {
    1: Role.ORIGINAL,
    2: Role.EDITED,
    16: Role.EDITED_VIDEO,
    17: Role.RAW,
    18: Role.LIVE_VIDEO,
    19: Role.EDITED_LIVE_VIDEO,
    13: Role.SIDECAR,
    22: Role.SIDECAR,
}
# (type, version) -> role, for rows iCloud has no part in
_BY_TYPE = {
    (0, 0): Role.ORIGINAL,
    (1, 0): Role.ORIGINAL,
    (3, 0): Role.LIVE_VIDEO,
    (4, 0): Role.RAW,
    (0, 2): Role.EDITED,
    (1, 2): Role.EDITED_VIDEO,
    (3, 2): Role.EDITED_LIVE_VIDEO,
    (5, 0): Role.SIDECAR,
    (5, 2): Role.SIDECAR,
}
_RENDERINGS = {Role.EDITED, Role.EDITED_VIDEO, Role.EDITED_LIVE_VIDEO}
_VIDEO = 1
_EDITED = 2  # ZVERSION


def was_edited(row: Row, resources: Sequence[Row]) -> bool:
    return bool(row["adjusted"]) or any(resource["version"] == _EDITED for resource in resources)


def assemble(row: Row, rows: Sequence[Row], keywords: tuple[str, ...], found: Found) -> Asset:
    """The asset of one row. Sizes nobody told are None (see ``unsized``)."""
    recipe = any(name == RECIPE for name in found.edits)
    known = _by_role(rows, video=row["kind"] == _VIDEO, recipe=recipe)
    filename = row["filename"] or ""
    shown = row["original_name"] or filename
    if "\0" in shown:
        shown = filename
    first, twin = _still_roles(filename, known)
    files = _files(row, filename, found, twin)
    main = known.pop(Role.ORIGINAL, None)
    if twin is Role.ORIGINAL:
        known[twin] = known.pop(Role.RAW)
    resources = [_main(row, main, found, filename, shown, first)]
    for role, path in files.items():
        resources.append(_resource(role, known.pop(role, None), path, shown))
    for role, rest in known.items():  # the library knows of it, the phone does not have it
        if role is not Role.SIDECAR:
            resources.append(_resource(role, rest, None, shown))
    kind = Kind.VIDEO if row["kind"] == _VIDEO else Kind.PHOTO
    if any(resource.role is Role.LIVE_VIDEO for resource in resources):
        kind = Kind.LIVE
    offset = _offset(row)
    paths = tuple(resource.handle for resource in resources if resource.handle)
    asset = Asset(
        row["id"],
        kind,
        _time(row["created"], offset),
        tuple(resources),
        Metadata(
            title=row["title"] or None,
            caption=row["caption"] or None,
            keywords=keywords,
            favorite=bool(row["favorite"]),
            hidden=bool(row["hidden"]),
            location=_location(row),
            utc_offset=offset,
            added=_time(row["added"], 0),
            burst=row["burst"] or None,
        ),
        # What ``plain`` and ``orphan`` would call it.
        aliases=(*paths, found.edit_folder) if found.edits else paths,
    )
    return replace(asset, revision=revision(asset))


def revision(asset: Asset) -> str:
    """Another one whenever anything listed of the asset is another, in whatever zone this computer
    is."""
    if asset.created is not None:
        asset = replace(asset, created=asset.created.astimezone(UTC))
    return hashlib.blake2b(repr(asset).encode("utf-8", "replace"), digest_size=12).hexdigest()


def plain(found: Found) -> Asset:
    """An asset nobody but the file system knows, out of files of one stem; what is no part of
    it is left to the caller."""
    folder = found.folder
    main, *others = sorted(found.beside or (), key=lambda name: (rank(name), name))
    still = names.split(main)[1] not in names.VIDEOS
    original = Resource(
        "original", Role.ORIGINAL, main, None, None, names.media_type(main), f"{folder}/{main}"
    )
    files = with_edits(companions(folder, main, others, still=still), found, still=still)
    resources = [_resource(role, None, path, main) for role, path in files.items()]
    kind = Kind.LIVE if Role.LIVE_VIDEO in files else Kind.PHOTO if still else Kind.VIDEO
    path = f"{folder}/{main}"
    return Asset(path, kind, None, (original, *resources), aliases=(path,))


def orphan(found: Found, stem: str) -> Asset | None:
    """An edit whose original the phone does not have and no library knows; None if ``found``
    holds none."""
    rendered = [name for name in found.edits if names.split(name)[0] == RENDERED]
    if not rendered:
        return None
    still = any(names.split(name)[1] not in names.VIDEOS for name in rendered)
    files = renderings(found, still=still)
    shown = f"{stem}.{names.split(rendered[0])[1].upper()}"
    resources = tuple(_resource(role, None, path, shown) for role, path in files.items())
    kind = Kind.PHOTO if still else Kind.VIDEO
    folder = found.edit_folder
    return Asset(folder, kind, None, resources, aliases=(folder,))


def unsized(asset: Asset) -> list[str]:
    """Paths of files whose size nobody told."""
    return [part.handle for part in asset.resources if part.local and part.size is None]


def sized(asset: Asset, sizes: Mapping[str, int]) -> Asset:
    """With the sizes the file system told."""
    resources = tuple(
        part if part.size is not None else replace(part, size=sizes.get(part.handle))
        for part in asset.resources
    )
    asset = replace(asset, resources=resources, revision=None)
    return replace(asset, revision=revision(asset))


def _by_role(rows: Iterable[Row], *, video: bool, recipe: bool) -> dict[Role, Row]:
    """The row of each file; of adjustments, those of the person's ``recipe`` or else the camera's,
    if there are both."""
    known: dict[Role, Row] = {}
    for row in sorted(rows, key=lambda row: (row["version"] == _EDITED) is not recipe):
        role = _BY_SUBTYPE.get(row["subtype"] or 0)
        if not row["subtype"]:
            role = _BY_TYPE.get((row["type"], row["version"]))
        edited = row["version"] == _EDITED
        if (row["recipe"] or 0) & 1 or (role in _RENDERINGS and not edited):
            continue  # derived of another file
        if role is Role.ORIGINAL and (row["version"] or (video and row["type"] == 0)):
            continue  # a rendering at full size, or a video's poster
        if role is not None:
            known.setdefault(role, row)
    return known


def _still_roles(filename: str, known: Mapping[Role, Row]) -> tuple[Role, Role]:
    """Roles of the main file and of its alternate: of a RAW and JPEG pair, either may be the
    main one."""
    if Role.RAW in known and names.split(filename)[1] in names.RAWS:
        return Role.RAW, Role.ORIGINAL
    return Role.ORIGINAL, Role.RAW


def _main(
    row: Row, known: Row | None, found: Found, filename: str, shown: str, role: Role
) -> Resource:
    known = known or {"size": None, "local": None, "fingerprint": None}
    there = found.beside is None or filename in found.beside
    path = f"{found.folder}/{filename}"
    return Resource(
        str(role),
        role,
        shown,
        known["size"] or row["original_size"] or None,
        _checksum(known["fingerprint"] or row["fingerprint"]),
        names.media_type(filename),
        path,
        # Not to be taken on trust: an optimised original may have a small picture in its place.
        local=there and known["local"] in {1, None},
    )


def _resource(role: Role, known: Row | None, path: str | None, shown: str) -> Resource:
    suffix = "AAE" if path and path.endswith(RECIPE) else path or _usual_suffix(role, shown)
    here = path is not None and (known is None or known["local"] in {1, None})
    name = names.with_suffix(shown, suffix, "-edited" if role in _RENDERINGS else "")
    return Resource(
        str(role),
        role,
        name,
        (known["size"] or None) if known else None,
        _checksum(known["fingerprint"]) if known else None,
        names.media_type(name),
        path or "",
        local=here,
    )


def _usual_suffix(role: Role, shown: str) -> str:
    if role in {Role.LIVE_VIDEO, Role.EDITED_VIDEO, Role.EDITED_LIVE_VIDEO}:
        return "MOV"
    return {Role.RAW: "DNG", Role.ORIGINAL: "JPG"}.get(role, shown)


def _files(row: Row, filename: str, found: Found, twin: Role) -> dict[Role, str]:
    """The files beside the original, and those of its edit, by role."""
    still = row["kind"] != _VIDEO
    others = [name for name in found.beside or () if name != filename]
    files = companions(found.folder, filename, others, still=still, twin=twin)
    return with_edits(files, found, still=still)


def _checksum(fingerprint: str | None) -> Checksum | None:
    return Checksum(Algorithm.APPLE, fingerprint) if fingerprint else None


def _location(row: Row) -> Location | None:
    latitude, longitude = row["latitude"], row["longitude"]
    if latitude is None or longitude is None or abs(latitude) > 90 or abs(longitude) > 180:
        return None  # -180 stands for none in both
    return Location(latitude, longitude)


def _offset(row: Row) -> int | None:
    """Seconds east of UTC; None where no clock could be set so."""
    offset = row["utc_offset"]
    return None if offset is None or abs(offset) >= _DAY else int(offset)


def _time(seconds: float | None, offset: int | None) -> datetime | None:
    if seconds is None:
        return None
    try:
        zone = timezone(timedelta(seconds=offset or 0))
        return (_EPOCH + timedelta(seconds=seconds)).astimezone(zone)
    except (OverflowError, ValueError):
        return None
