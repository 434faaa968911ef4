"""TIFF structures: EXIF with Apple's MakerNote, and a small DNG.

TIFF 6.0; EXIF 2.32; DNG 1.4. Apple's MakerNote is ``Apple iOS\\0\\0\\1MM`` and a big-endian
IFD whose offsets count from the note's own start; its tag 17 is the content identifier that
pairs a still with its Live Photo video.
"""

from __future__ import annotations

import functools
import struct
from collections.abc import Sequence
from datetime import datetime

BYTE, ASCII, SHORT, LONG, RATIONAL, UNDEFINED, SRATIONAL = 1, 2, 3, 4, 5, 7, 10
EXIF_SIZE = 1024
"""Every EXIF block has this many bytes, so that it can be exchanged in place."""

Entry = tuple[int, int, int, bytes]


def text(tag: int, value: str) -> Entry:
    data = value.encode("ascii", "replace") + b"\0"
    return tag, ASCII, len(data), data


def short(tag: int, *values: int) -> Entry:
    return tag, SHORT, len(values), struct.pack(f">{len(values)}H", *values)


def long(tag: int, *values: int) -> Entry:
    return tag, LONG, len(values), struct.pack(f">{len(values)}I", *values)


def rational(tag: int, *values: float, kind: int = RATIONAL) -> Entry:
    code = "i" if kind == SRATIONAL else "I"
    flat = [part for value in values for part in (round(value * 10_000), 10_000)]
    return tag, kind, len(values), struct.pack(f">{len(flat)}{code}", *flat)


def ifd(entries: Sequence[Entry], start: int) -> bytes:
    """A big-endian directory placed ``start`` bytes after where its offsets count from."""
    ordered = sorted(entries)
    place = start + 2 + 12 * len(ordered) + 4
    table, data = [struct.pack(">H", len(ordered))], []
    for tag, kind, count, value in ordered:
        field = value
        if len(value) > 4:
            field = struct.pack(">I", place)
            padded = value + b"\0" * (len(value) % 2)
            data.append(padded)
            place += len(padded)
        table.append(struct.pack(">HHI4s", tag, kind, count, field))
    return b"".join([*table, b"\0\0\0\0", *data])


def maker_note(content_id: str | None) -> bytes:
    entries: list[Entry] = [(0x0001, 9, 1, struct.pack(">i", 14))]
    if content_id:
        entries.append(text(0x0011, content_id))
    return b"Apple iOS\0\0\x01MM" + ifd(entries, 14)


def exif(
    taken: datetime,
    unique: str,
    *,
    content_id: str | None = None,
    location: tuple[float, float, float] | None = None,
) -> bytes:
    """A TIFF block with camera, dates, place and MakerNote."""
    stamp = taken.strftime("%Y:%m:%d %H:%M:%S")
    zone = taken.strftime("%z")
    zone = f"{zone[:3]}:{zone[3:5]}" if zone else "+00:00"
    note = maker_note(content_id)
    detail: list[Entry] = [
        text(0x9003, stamp),
        text(0x9004, stamp),
        text(0x9011, zone),
        (0x927C, UNDEFINED, len(note), note),
        text(0xA420, unique[:32]),
    ]
    first: list[Entry] = [
        text(0x010F, "Apple"),
        text(0x0110, "iPhone 15 Pro"),
        short(0x0112, 1),
        text(0x0132, stamp),
    ]
    header = b"MM\0*\0\0\0\x08"
    pointers = [long(0x8769, 0)] + ([long(0x8825, 0)] if location else [])
    detail_at = 8 + len(ifd(first + pointers, 8))
    gps_at = detail_at + len(ifd(detail, detail_at))
    pointers = [long(0x8769, detail_at)] + ([long(0x8825, gps_at)] if location else [])
    block = header + ifd(first + pointers, 8) + ifd(detail, detail_at)
    if location:
        block += ifd(_gps(location), gps_at)
    return block.ljust(EXIF_SIZE, b"\0")


def _gps(location: tuple[float, float, float]) -> list[Entry]:
    latitude, longitude, altitude = location
    return [
        (0x0000, BYTE, 4, b"\2\3\0\0"),
        text(0x0001, "N" if latitude >= 0 else "S"),
        rational(0x0002, *_degrees(latitude)),
        text(0x0003, "E" if longitude >= 0 else "W"),
        rational(0x0004, *_degrees(longitude)),
        (0x0005, BYTE, 1, b"\0" if altitude >= 0 else b"\1"),
        rational(0x0006, abs(altitude)),
    ]


def _degrees(value: float) -> tuple[float, float, float]:
    value = abs(value)
    minutes = value % 1 * 60
    return float(int(value)), float(int(minutes)), minutes % 1 * 60


@functools.cache
def _strip(width: int, height: int) -> bytes:
    return b"".join(
        struct.pack(">3H", x * 600, y * 900, (x ^ y) * 400)
        for y in range(height)
        for x in range(width)
    )


def dng(taken: datetime, unique: str, width: int = 96, height: int = 64) -> bytes:
    """A linear 16-bit DNG without compression; the same size for every asset."""
    strip = _strip(width, height)
    entries: list[Entry] = [
        long(0x00FE, 0),
        long(0x0100, width),
        long(0x0101, height),
        short(0x0102, 16, 16, 16),
        short(0x0103, 1),
        short(0x0106, 34892),
        text(0x010F, "Apple"),
        text(0x0110, "iPhone 15 Pro"),
        long(0x0111, 0),
        short(0x0112, 1),
        short(0x0115, 3),
        long(0x0116, height),
        long(0x0117, len(strip)),
        short(0x011C, 1),
        text(0x0132, taken.strftime("%Y:%m:%d %H:%M:%S")),
        (0xC612, BYTE, 4, b"\1\4\0\0"),
        (0xC613, BYTE, 4, b"\1\1\0\0"),
        text(0xC614, "iPhone15,2 back camera"),
        rational(0xC621, *(1.0, 0, 0, 0, 1.0, 0, 0, 0, 1.0), kind=SRATIONAL),
        rational(0xC628, 1.0, 1.0, 1.0),
        short(0xC65A, 21),
        (0xC65D, BYTE, 16, bytes.fromhex(unique[:32])),
    ]
    at = 8 + len(ifd(entries, 8))
    entries = [long(0x0111, at) if entry[0] == 0x0111 else entry for entry in entries]
    return b"MM\0*\0\0\0\x08" + ifd(entries, 8) + strip
