"""What the names of files on a phone mean. No two systems of it agree, so it stands alone."""

from __future__ import annotations

import mimetypes
import re
from collections.abc import Container

DCIM = "DCIM"
SYNCED = "PhotoData/CPLAssets"
MUTATIONS = "PhotoData/Mutations"

VIDEOS = {"mov", "mp4", "m4v", "3gp", "avi", "mpg", "mpeg", "mts", "webm"}
RAWS = {
    "dng", "cr2", "cr3", "crw", "raf", "nef", "nrw", "orf", "raw", "rw2", "pef", "srw", "arw",
    "3fr", "rwl",
}  # fmt: skip
SIDECARS = {"aae", "xmp"}
# What lies beside photos and is none.
_NOT_MEDIA = {
    "data", "dat", "thm", "plist", "db", "sqlite", "xml", "txt", "log", "ithmb", "nomedia",
}  # fmt: skip
_TYPES = {
    "heic": "image/heic", "heif": "image/heif", "avif": "image/avif", "webp": "image/webp",
    "mov": "video/quicktime", "m4v": "video/x-m4v", "aae": "application/xml",
    "xmp": "application/rdf+xml",
}  # fmt: skip
# What a phone keeps beside an original until it is finished, or to change it later: a first picture
# (D), what lies around the frame (S), another rendering (X).
_HELPERS = re.compile(r"(?P<stem>[A-Z]{3}_\d{4,}|[0-9A-F-]{36})(?:[DSX]|videometadata)")
_EXTRA = re.compile(r"(?P<head>[A-Z]{3}_)(?P<mark>[EO])(?P<number>\d{4,})")


class BadName(Exception):
    """A name or path in the database that cannot be one."""


def split(name: str) -> tuple[str, str]:
    """(stem, suffix in small letters without its dot)."""
    stem, dot, suffix = name.rpartition(".")
    return (stem, suffix.lower()) if dot else (name, "")


def owner(name: str) -> tuple[str, str]:
    """(stem of the asset a file belongs to, mark): ``IMG_E0001`` and ``IMG_O0001`` are the
    edited and the as-captured companions of ``IMG_0001``; the mark is E, O or empty."""
    stem = split(name)[0]
    found = _EXTRA.fullmatch(stem)
    return (found["head"] + found["number"], found["mark"]) if found else (stem, "")


def helps(name: str, stems: Container[str]) -> bool:
    """Whether a file is a part of an asset of one of these stems, and no photo of its own."""
    found = _HELPERS.fullmatch(split(name)[0])
    return found is not None and found["stem"] in stems


def is_media(name: str) -> bool:
    """Whether a file nobody speaks of is a photo or video of its own."""
    suffix = split(name)[1]
    return not name.startswith(".") and suffix not in _NOT_MEDIA | SIDECARS


def media_type(name: str) -> str | None:
    suffix = split(name)[1]
    if suffix in RAWS:
        return f"image/x-{suffix}"
    return _TYPES.get(suffix) or mimetypes.types_map.get(f".{suffix}")


def with_suffix(name: str, other: str, addition: str = "") -> str:
    """``name`` with the suffix of ``other``, in capitals where its own is; ``addition`` goes
    before it."""
    stem, dot, own = name.rpartition(".")
    suffix = other.rpartition(".")[2]
    if not dot:
        stem, own = name, ""
    return f"{stem}{addition}.{suffix.upper() if own == own.upper() else suffix}"


def checked_name(name: str) -> str:
    """A file name, or BadName."""
    if not name or "/" in name or "\0" in name or name in {".", ".."}:
        raise BadName(f"the phone's library has a file named {name!r}")
    return name


def checked_folder(path: str) -> str:
    """A path below Media, or BadName."""
    parts = path.split("/")
    if "\0" in path or any(part in {"", ".", ".."} for part in parts):
        raise BadName(f"the phone's library has a folder named {path!r}")
    return path
