"""A small valid QuickTime movie: Photo-JPEG frames and Apple's metadata keys.

QuickTime File Format specification; the keys are Apple's
``com.apple.quicktime.content.identifier`` (which pairs a video with its still),
``creationdate`` and ``location.ISO6709``. Metadata are padded, so that a movie has the same
size whatever they say.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence

_EPOCH_1904 = 2_082_844_800
_MATRIX = struct.pack(">9i", 0x10000, 0, 0, 0, 0x10000, 0, 0, 0, 0x40000000)
_SCALE = 600
META_SIZE = 600


def box(kind: bytes, *parts: bytes) -> bytes:
    body = b"".join(parts)
    return struct.pack(">I4s", len(body) + 8, kind) + body


def full(kind: bytes, *parts: bytes, flags: int = 0) -> bytes:
    return box(kind, struct.pack(">I", flags), *parts)


def free(size: int) -> bytes:
    """The header of a ``free`` box that covers ``size`` bytes with itself (8 or more)."""
    if size < 1 << 32:
        return struct.pack(">I4s", size, b"free")
    return struct.pack(">I4sQ", 1, b"free", size)


def metadata(values: Mapping[str, str]) -> bytes:
    """A ``meta`` box and a ``free`` box, ``META_SIZE`` bytes together."""
    keys = [f"com.apple.quicktime.{name}".encode() for name in values]
    key_boxes = b"".join(struct.pack(">I4s", len(key) + 8, b"mdta") + key for key in keys)
    items = b"".join(
        box(struct.pack(">I", index), box(b"data", struct.pack(">II", 1, 0), value.encode()))
        for index, value in enumerate(values.values(), 1)
    )
    meta = box(
        b"meta",
        full(b"hdlr", struct.pack(">I4s12sx", 0, b"mdta", b"")),
        full(b"keys", struct.pack(">I", len(keys)), key_boxes),
        box(b"ilst", items),
    )
    rest = META_SIZE - len(meta)
    return meta + free(rest) + bytes(rest - 8)


def movie(
    frames: Sequence[bytes], width: int, height: int, values: Mapping[str, str], created: int
) -> bytes:
    """A movie with ``frames`` (JPEG files) at 10 per second; ``created`` is Unix time."""
    ftyp = box(b"ftyp", b"qt  ", struct.pack(">I", 0), b"qt  ")
    mdat = box(b"mdat", *frames)
    offsets, place = [], len(ftyp) + 8
    for frame in frames:
        offsets.append(place)
        place += len(frame)
    sizes = [len(frame) for frame in frames]
    return ftyp + mdat + _moov(offsets, sizes, width, height, values, created + _EPOCH_1904)


def _moov(
    offsets: Sequence[int],
    sizes: Sequence[int],
    width: int,
    height: int,
    values: Mapping[str, str],
    created: int,
) -> bytes:
    length = len(sizes) * _SCALE // 10
    mvhd = full(
        b"mvhd",
        struct.pack(">IIIIIH10x", created, created, _SCALE, length, 0x10000, 0x100),
        _MATRIX,
        struct.pack(">24xI", 2),
    )
    tkhd = full(
        b"tkhd",
        struct.pack(">IIIII8xHHHxx", created, created, 1, 0, length, 0, 0, 0),
        _MATRIX,
        struct.pack(">II", width << 16, height << 16),
        flags=3,
    )
    mdhd = full(b"mdhd", struct.pack(">IIIIHH", created, created, _SCALE, length, 0, 0))
    hdlr = full(b"hdlr", struct.pack(">4s4s12sx", b"mhlr", b"vide", b""))
    dref = full(b"dref", struct.pack(">I", 1), full(b"url ", flags=1))
    minf = box(
        b"minf",
        full(b"vmhd", struct.pack(">HHHH", 64, 0x8000, 0x8000, 0x8000), flags=1),
        full(b"hdlr", struct.pack(">4s4s12sx", b"dhlr", b"url ", b"")),
        box(b"dinf", dref),
        _stbl(offsets, sizes, width, height),
    )
    trak = box(b"trak", tkhd, box(b"mdia", mdhd, hdlr, minf))
    return box(b"moov", mvhd, trak, metadata(values))


def _stbl(offsets: Sequence[int], sizes: Sequence[int], width: int, height: int) -> bytes:
    entry = box(
        b"jpeg",
        struct.pack(">6xHHH4sII", 1, 0, 0, b"appl", 0, 512),
        struct.pack(">HHIIIH", width, height, 72 << 16, 72 << 16, 0, 1),
        b"\x0cPhoto - JPEG".ljust(32, b"\0"),
        struct.pack(">Hh", 24, -1),
    )
    count = len(sizes)
    return box(
        b"stbl",
        full(b"stsd", struct.pack(">I", 1), entry),
        full(b"stts", struct.pack(">III", 1, count, _SCALE // 10)),
        full(b"stsc", struct.pack(">IIII", 1, 1, 1, 1)),
        full(b"stsz", struct.pack(">II", 0, count), struct.pack(f">{count}I", *sizes)),
        full(b"stco", struct.pack(">I", count), struct.pack(f">{count}I", *offsets)),
    )
