"""An asset's metadata as an XMP sidecar: a pure function of the asset and its albums.

Which program reads what decides the form:

- Immich takes tags from digiKam:TagsList, else lr:hierarchicalSubject, and never from
  dc:subject, so keywords stand in all three; its dates come from exif:DateTimeOriginal.
- PhotoPrism reads elements (not attributes) of a single rdf:Description, its dates from
  photoshop:DateCreated, favourites from the attribute fstop:favorite.
- digiKam reads digiKam:TagsList, xmp:Rating, dc:title and dc:description.
- Lightroom reads dc:subject and lr:hierarchicalSubject.

No standard says "favourite": five stars are what Apple's own and other exporters write. None
says "hidden", "burst" or when something was added: these stand in a namespace of our own.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta, timezone
from pathlib import PurePosixPath
from xml.sax.saxutils import escape

from connectors.base import Asset, Location, Metadata

VERSION = 1
"""Grows when the same metadata gives other bytes: sidecars are then written anew."""

ALBUMS = "Albums"
"""The tag above all albums, so that an album and a keyword of one name stay apart."""

OWN = "urn:outpour:xmp:1.0:"

_NAMESPACES = {
    "dc": "http://purl.org/dc/elements/1.1/",
    "digiKam": "http://www.digikam.org/ns/1.0/",
    "exif": "http://ns.adobe.com/exif/1.0/",
    "fstop": "http://www.fstopapp.com/xmp/",
    "lr": "http://ns.adobe.com/lightroom/1.0/",
    "outpour": OWN,
    "photoshop": "http://ns.adobe.com/photoshop/1.0/",
    "xmp": "http://ns.adobe.com/xap/1.0/",
    "xmpMM": "http://ns.adobe.com/xap/1.0/mm/",
}
_NEVER = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_MICRO = 1_000_000

Albums = Sequence[Sequence[str]]
"""Paths of albums: the folders above, outermost first, then the title."""


def worth_keeping(metadata: Metadata, albums: Albums) -> bool:
    """Whether there is anything that the files themselves would not tell.

    A bare capture time is not: where a source knows nothing else, it is a file's own date,
    and a sidecar would put that above what the camera wrote.
    """
    fields = (
        metadata.title, metadata.caption, metadata.keywords, metadata.favorite, metadata.hidden,
        metadata.location, metadata.burst, albums,
    )  # fmt: skip
    return any(fields) or metadata.utc_offset is not None


def compose(asset: Asset, filename: str, albums: Albums, kept: bool) -> bytes | None:
    """The sidecar, or None where there is nothing that people would miss. One that is ``kept``
    already is made anew all the same, or it would go on telling what was taken back."""
    wanted = kept or worth_keeping(asset.metadata, albums)
    return render(asset, filename, albums) if wanted else None


def render(asset: Asset, filename: str, albums: Albums) -> bytes:
    """The sidecar of the file that the source calls ``filename``, in UTF-8.

    The same arguments give the same bytes, in whatever order albums come.
    """
    body = "".join(f"   {element}\n" for element in _elements(asset, filename, albums))
    spaces = "".join(f'\n    xmlns:{prefix}="{uri}"' for prefix, uri in _NAMESPACES.items())
    favorite = '\n    fstop:favorite="1"' if asset.metadata.favorite else ""
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        '<x:xmpmeta xmlns:x="adobe:ns:meta/" x:xmptk="Outpour">\n'
        ' <rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">\n'
        f'  <rdf:Description rdf:about=""{spaces}{favorite}>\n'
        f"{body}"
        "  </rdf:Description>\n"
        " </rdf:RDF>\n"
        "</x:xmpmeta>\n"
    ).encode()


def _elements(asset: Asset, filename: str, albums: Albums) -> Iterator[str]:
    metadata = asset.metadata
    yield from _text("dc:identifier", asset.id)
    yield from _text("xmpMM:PreservedFileName", filename)
    yield from _text("photoshop:SidecarForExtension", PurePosixPath(filename).suffix[1:].upper())
    yield from _language("dc:title", metadata.title)
    yield from _language("dc:description", metadata.caption)
    yield from _tags(metadata.keywords, albums)
    if metadata.favorite:
        yield from _text("xmp:Rating", "5")
    if asset.created is not None:
        taken = _local(asset.created, metadata.utc_offset).isoformat()
        for name in ("exif:DateTimeOriginal", "photoshop:DateCreated", "xmp:CreateDate"):
            yield from _text(name, taken)
    if metadata.location is not None:
        yield from _place(metadata.location)
    if metadata.hidden:
        yield from _text("outpour:Hidden", "True")
    yield from _text("outpour:Burst", metadata.burst)
    if metadata.added is not None:
        yield from _text("outpour:Added", metadata.added.astimezone(UTC).isoformat())


def _tags(keywords: Sequence[str], albums: Albums) -> Iterator[str]:
    words = _distinct(keywords)
    paths = sorted({tuple(_parts(path)) for path in albums} - {()})
    yield from _list("dc:subject", "Bag", words)
    for name, kind, mark in (
        ("digiKam:TagsList", "Seq", "/"),
        ("lr:hierarchicalSubject", "Bag", "|"),
    ):
        plain = [word.replace(mark, "_") for word in words]
        nested = [mark.join((ALBUMS, *(part.replace(mark, "_") for part in p))) for p in paths]
        yield from _list(name, kind, _distinct([*plain, *nested]))


def _place(location: Location) -> Iterator[str]:
    latitude, longitude, altitude = location.latitude, location.longitude, location.altitude
    if not (abs(latitude) <= 90 and abs(longitude) <= 180):  # not a number is neither
        return
    yield from _text("exif:GPSVersionID", "2.3.0.0")
    yield from _text("exif:GPSLatitude", _minutes(latitude, "NS"))
    yield from _text("exif:GPSLongitude", _minutes(longitude, "EW"))
    if altitude is not None and math.isfinite(altitude):
        yield from _text("exif:GPSAltitude", f"{round(abs(altitude) * 100)}/100")
        yield from _text("exif:GPSAltitudeRef", "1" if altitude < 0 else "0")


def _minutes(degrees: float, signs: str) -> str:
    """``52,27.581400N``: whole degrees, minutes, and the direction instead of a sign."""
    total = round(abs(degrees) * 60 * _MICRO)
    whole, rest = divmod(total, 60 * _MICRO)
    return f"{whole},{rest // _MICRO}.{rest % _MICRO:06}{signs[degrees < 0]}"


def _local(moment: datetime, offset: int | None) -> datetime:
    """In the zone of capture; in UTC, and marked as such, where that is not known."""
    zone = UTC
    if offset is not None and abs(offset) < 24 * 3600:
        zone = timezone(timedelta(minutes=round(offset / 60)))  # XMP knows no seconds of a zone
    try:
        return moment.astimezone(zone)
    except OverflowError:  # the first or last day of the calendar
        return moment


# --- XML ----------------------------------------------------------------------------------


def _clean(text: str) -> str:
    """Text that XML can carry and that reads back as it is."""
    return escape(_NEVER.sub("", text), {"\r": "&#13;"})


def _text(name: str, text: str | None) -> Iterator[str]:
    if text:
        yield f"<{name}>{_clean(text)}</{name}>"


def _language(name: str, text: str | None) -> Iterator[str]:
    if text:
        item = f'<rdf:li xml:lang="x-default">{_clean(text)}</rdf:li>'
        yield f"<{name}><rdf:Alt>{item}</rdf:Alt></{name}>"


def _list(name: str, kind: str, items: Iterable[str]) -> Iterator[str]:
    lines = "".join(f"\n     <rdf:li>{_clean(item)}</rdf:li>" for item in items)
    if lines:
        yield f"<{name}>\n    <rdf:{kind}>{lines}\n    </rdf:{kind}>\n   </{name}>"


def _distinct(words: Iterable[str]) -> list[str]:
    """Each once, in order, without what is empty once it is cleaned."""
    return list(dict.fromkeys(filter(None, (_NEVER.sub("", word).strip() for word in words))))


def _parts(path: Sequence[str]) -> list[str]:
    return [part for part in (_NEVER.sub("", part).strip() for part in path) if part]
