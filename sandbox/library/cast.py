"""The awkward ones: what breaks other tools, at least once in every small library."""

from __future__ import annotations

import hashlib
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

NAMES = (
    "Überraschung am Strand",
    "家族写真 2019",
    "party 🎉🦄",
    unicodedata.normalize("NFD", "Crème brûlée"),
    "long " + "ä" * 123,  # 251 bytes in UTF-8; 255 with its suffix
    "a?b:c",
    "CON",
    "../../x",
    "trailing dot. ",
    "-rf *",
    "img_0001",  # beside IMG_0001: the same name on macOS and Windows
    "IMG_0001",
    '<b>"quoted"</b> | 100%',
    ".hidden",
)


@dataclass(frozen=True)
class Part:
    """What ``Library.add`` is given."""

    filename: str
    kind: str = "photo"
    form: str = "jpeg"
    extras: tuple[tuple[str, str], ...] = ()
    unique: str = ""
    attributes: dict[str, Any] = field(default_factory=dict)


def members(day: int) -> Iterator[Part]:
    """Every member of the cast; ``day`` is the Unix time in milliseconds they were taken."""

    def part(
        index: int,
        filename: str,
        kind: str = "photo",
        form: str = "jpeg",
        extras: tuple[tuple[str, str], ...] = (),
        unique: str = "",
        **attributes: Any,
    ) -> Part:
        mark = unique or hashlib.blake2b(f"cast {index}".encode(), digest_size=16).hexdigest()
        attributes.setdefault("created", day - index * 60_000)
        return Part(filename, kind, form, extras, mark, attributes)

    for index, name in enumerate(NAMES):
        yield part(index, name)
    # Different content under one name, of one size, at one moment.
    for index in (20, 21):
        yield part(index, "IMG_7777", created=day - 20 * 60_000, size=20_000)
    # One original, three assets; the edit belongs to one of them.
    twin = hashlib.blake2b(b"twin", digest_size=16).hexdigest()
    yield part(30, "IMG_8001", "photo", "heic", unique=twin, taken=day)
    yield part(31, "IMG_8001", "photo", "heic", unique=twin, taken=day)
    yield part(32, "IMG_8001", "photo", "heic", (("edited", "jpeg"),), twin, taken=day)
    yield part(40, "IMG_8100", "live", "heic", (("live_video", "mov"),), favorite=True)
    yield part(41, "IMG_8101", "video", "mov", (("edited_video", "mov"),), caption="cut shorter")
    yield part(
        42,
        "IMG_8102",
        "live",
        "heic",
        (("live_video", "mov"), ("edited", "jpeg"), ("edited_live_video", "mov")),
        keywords=("family", "Garten"),
    )
    yield part(43, "IMG_8103", "photo", "jpeg", (("raw", "dng"),), utc_offset=20700)
    yield part(44, "IMG_8104", "photo", "heic", (("sidecar", "xmp"),))
    yield part(45, "IMG_8105", hidden=True)
    yield part(46, "IMG_8106", trashed=day + 5000)
    yield part(47, "IMG_8107", created=-86_400_000 * 365 * 40)  # taken in 1930
    yield part(48, "IMG_8108", created=32_503_680_000_000)  # a camera that thinks it is 3000
    yield part(49, "IMG_8109", title="a title of its own", caption="line one\nline two")
    # Here the RAW half is the one iCloud calls original.
    yield part(54, "IMG_8110", "photo", "dng", (("original", "jpeg"),))
    for index in range(50, 53):
        name, burst = f"IMG_82{index}", "00000000-0000-4000-8000-00000000B057"
        yield part(index, name, burst=burst, stacked=index > 50)
