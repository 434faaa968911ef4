"""A handful of real encoded files; every asset is one of them with its own metadata in it.

Encoding thousands of HEICs would take minutes. Instead each format is encoded a few times
per process, with an EXIF block (or metadata box) of constant size that is exchanged for each
asset's own; the result is a valid file with bytes of its own.
"""

from __future__ import annotations

import functools
import io
import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from PIL import Image, ImageDraw

from sandbox.library import quicktime, tiff

VARIANTS = 4
_BLANK = tiff.exif(datetime(2001, 1, 1), "0" * 32, content_id="0" * 36)
_XMP = (
    b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF '
    b'xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
    b'<rdf:Description rdf:about="%s"/></rdf:RDF></x:xmpmeta>\n'
)
_COLOURS = ("#c43", "#3a6", "#36c", "#b5a")


@dataclass(frozen=True, slots=True)
class Format:
    """``boxed`` formats end in a ``free`` box that holds the padding."""

    suffix: str
    uti: str
    boxed: bool
    width: int
    height: int


FORMATS = {
    "jpeg": Format("JPG", "public.jpeg", False, 320, 240),
    "heic": Format("HEIC", "public.heic", True, 320, 240),
    "png": Format("PNG", "public.png", False, 240, 320),
    "mov": Format("MOV", "com.apple.quicktime-movie", True, 160, 120),
    "mp4": Format("MP4", "public.mpeg-4", True, 160, 120),
    "dng": Format("DNG", "com.adobe.raw-image", False, 96, 64),
    "thumb": Format("JPG", "public.jpeg", False, 64, 48),
    "xmp": Format("XMP", "com.adobe.xmp", False, 0, 0),
}


@dataclass(frozen=True, slots=True)
class Details:
    """What one asset writes into its file."""

    taken: datetime
    unique: str  # 32 hex digits
    content_id: str | None = None
    location: tuple[float, float, float] | None = None


@functools.cache
def head_size(form: str, variant: int) -> int:
    return len(head(form, variant, Details(datetime(2001, 1, 1), "0" * 32)))


@functools.cache
def same_head(form: str, variant: int) -> Callable[[], bytes]:
    """Always the same file; to be told apart by what is put behind it."""
    data = head(form, variant, Details(datetime(2001, 1, 1), "0" * 32))
    return lambda: data


def head(form: str, variant: int, details: Details) -> bytes:
    """The real file; as long for every asset of this format and variant."""
    if form in {"mov", "mp4"}:
        return _movie(variant, details)
    if form == "xmp":
        return _XMP % details.unique.encode()
    if form == "dng":
        return tiff.dng(details.taken, details.unique)
    if form == "png":
        before, after = _png(variant)
        return before + _png_text(details) + after
    before, after = _still(form, variant)
    block = tiff.exif(
        details.taken, details.unique, content_id=details.content_id, location=details.location
    )
    return before + block + after


def _picture(width: int, height: int, variant: int) -> Image.Image:
    image = Image.new("RGB", (width, height), _COLOURS[variant % len(_COLOURS)])
    draw = ImageDraw.Draw(image)
    for step in range(0, width, 8):
        draw.line((step, 0, width - step, height), fill=(step % 256, variant * 60, 128))
    draw.ellipse((width // 4, height // 4, width // 2, height // 2), fill="#fd8")
    return image


@functools.cache
def _still(form: str, variant: int) -> tuple[bytes, bytes]:
    """A JPEG or HEIC, split around its EXIF block."""
    shape = FORMATS[form]
    image = _picture(shape.width, shape.height, variant)
    out = io.BytesIO()
    options: dict[str, Any] = {"exif": b"Exif\0\0" + _BLANK, "quality": 60}
    if form == "heic":
        from pillow_heif import register_heif_opener  # heavy; only where HEICs are made

        register_heif_opener()
        image.save(out, "HEIF", **options)
    else:
        image.save(out, "JPEG", **options)
    before, found, after = out.getvalue().partition(_BLANK)
    if not found:
        raise RuntimeError(f"the {form} encoder did not keep the EXIF block as it was")
    return before, after


@functools.cache
def _png(variant: int) -> tuple[bytes, bytes]:
    """A PNG, split after its IHDR chunk."""
    out = io.BytesIO()
    _picture(FORMATS["png"].width, FORMATS["png"].height, variant).save(out, "PNG")
    data = out.getvalue()
    return data[:33], data[33:]


def _png_text(details: Details) -> bytes:
    text = f"Comment\0{details.taken:%Y-%m-%dT%H:%M:%S} {details.unique[:32]:0>32}".encode()
    body = b"tEXt" + text
    return struct.pack(">I", len(text)) + body + struct.pack(">I", zlib.crc32(body))


@functools.cache
def _frames(variant: int) -> tuple[bytes, ...]:
    shape = FORMATS["mov"]
    frames = []
    for step in range(6):
        image = _picture(shape.width, shape.height, variant)
        ImageDraw.Draw(image).rectangle((step * 20, 40, step * 20 + 30, 70), fill="white")
        out = io.BytesIO()
        image.save(out, "JPEG", quality=50)
        frames.append(out.getvalue())
    return tuple(frames)


def _movie(variant: int, details: Details) -> bytes:
    values = {
        "creationdate": details.taken.strftime("%Y-%m-%dT%H:%M:%S%z"),
        "software": details.unique,
    }
    if details.content_id:
        values["content.identifier"] = details.content_id
    if details.location:
        values["location.ISO6709"] = "{:+08.4f}{:+09.4f}{:+08.3f}/".format(*details.location)
    shape = FORMATS["mov"]
    created = max(0, int(details.taken.timestamp()))
    return quicktime.movie(_frames(variant), shape.width, shape.height, values, created)
