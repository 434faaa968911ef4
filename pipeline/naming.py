"""From an asset and a template to paths that every system accepts.

A path is relative, POSIX, NFC; each part is valid on Linux, macOS, Windows and Dropbox and at
most 240 bytes of UTF-8, which leaves room for what a sink puts before a name while it writes
(local disks take 255 bytes). All files of one asset share one stem, so that they stay
neighbours and programs that pair them by name still do:

    IMG_1.HEIC  IMG_1.MOV  IMG_1.DNG  IMG_1.AAE  IMG_1-edited.HEIC  IMG_1-edited.MOV

A sidecar that is named after a whole file (IMG_1.HEIC.xmp) stays named after it: programs
look for it there, and nowhere else.

Names depend on nothing but the asset and the template: no clock, no locale, no other asset.
"""

from __future__ import annotations

import base64
import hashlib
import re
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from functools import lru_cache
from itertools import takewhile
from pathlib import PurePosixPath
from string import Formatter

from pathvalidate import FileNameSanitizer

from connectors.base import Asset, Resource, Role
from connectors.errors import Misconfigured
from connectors.spelling import folded

COMPANIONS = (Role.SIDECAR, Role.METADATA)
"""Roles of files that are named after an asset's other files, and that say too little to tell one
asset from another."""
UNDATED = "undated"
_PART_BYTES = 240
_STEM_BYTES = 200  # + "-" + suffix + "-edited" + "-99" + "." + extension stays within a part
_EXTENSION_BYTES = 16
_LONGEST_NAME = 255  # bytes, of disks
SIDECAR = ".xmp"
_HINT = "Write for example {created:%Y/%m}/{filename}."

_MARKS = {
    Role.EDITED: "-edited",
    Role.EDITED_VIDEO: "-edited",
    Role.EDITED_LIVE_VIDEO: "-edited",
}


def beside(path: str, one: str, other: str) -> str:
    """What stands beside ``other`` as ``path`` does beside ``one``: the paths of two files of one
    asset by one template, and what the first of them is called by another."""
    ends = zip(reversed(one), reversed(other), strict=False)
    same = len(list(takewhile(lambda pair: pair[0] == pair[1], ends)))
    start = one[: len(one) - same]
    if not path.startswith(start):
        return path
    return other[: len(other) - same] + path.removeprefix(start)


def apart(path: str, first: str, suffix: str) -> str:
    """``path`` with a suffix to the stem that it shares with ``first``, the path of the file that
    names its asset."""
    together = beside(path, first, _with_suffix(first, suffix))
    return together if together != path else _with_suffix(path, suffix)


def _with_suffix(path: str, suffix: str) -> str:
    folder, slash, name = path.rpartition("/")
    stem, extension = _split(name)
    return f"{folder}{slash}{stem}-{suffix}" + (f".{extension}" if extension else "")


def suffix_for(key: str) -> str:
    """A short suffix (8 letters and digits) that depends on ``key`` alone."""
    return (
        base64.b32encode(hashlib.sha256(key.encode("utf-8", "replace")).digest()[:5])
        .decode("ascii")
        .lower()
    )


# --- one part of a path ------------------------------------------------------------------

_sanitizer = FileNameSanitizer(platform="universal", max_len=100_000)
# Windows reserves these with anything after a dot, and with spaces before it.
_RESERVED = re.compile(
    r"(con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³]|conin\$|conout\$) *(?=\.|$)", re.I
)
_PLAIN = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_-]*")
_JOINERS = "\u200c\u200d"  # invisible, but emoji families and Persian are made with them
_IGNORED_BY_SYNC = re.compile(r"~\$|\.")  # Dropbox skips "~$x"; a leading dot hides a file


@lru_cache(maxsize=4096)
def part(text: str, room: int = _PART_BYTES) -> str:
    """``text`` as one part of a path that is valid everywhere, at most ``room`` bytes."""
    if len(text) <= room and _PLAIN.fullmatch(text) and not _RESERVED.match(text):
        return text  # nearly all names, in a tenth of the time
    seen = "".join(filter(_visible, unicodedata.normalize("NFC", text)))
    name = _trimmed(_sanitizer.sanitize(_trimmed(seen), replacement_text="_"), room)
    if match := _IGNORED_BY_SYNC.match(name):
        name = "_" + name[match.end() :].lstrip(".")
    if match := _RESERVED.match(name):
        name = f"{name[: match.end()].rstrip()}_{name[match.end() :]}"
    name = _trimmed(name, room)
    return name or "_"


def _visible(character: str) -> bool:
    """False for what cannot be seen or stored: controls, direction overrides, surrogates."""
    return character in _JOINERS or unicodedata.category(character) not in ("Cc", "Cf", "Cs")


def _trimmed(text: str, room: int = 100_000) -> str:
    """Composed, without spaces at the ends or dots at the end, cut between characters."""
    text = unicodedata.normalize("NFC", text)
    cut = text.encode()[:room].decode("utf-8", "ignore")
    return cut.strip().rstrip(". \u200c\u200d").lstrip()


def _split(filename: str) -> tuple[str, str]:
    """Stem and extension (without its dot); what is too long to be an extension is none."""
    stem, dot, extension = filename.rpartition(".")
    clean = part(extension, _EXTENSION_BYTES)
    if not (dot and stem.strip(".") and clean == extension) or " " in extension:
        return filename, ""
    return stem, extension


# --- the template ------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Subject:
    """What the fields of a template are asked about."""

    asset: Asset
    stem: str
    extension: str
    taken: datetime | None  # in the zone of capture where that is known

    @classmethod
    def of(cls, asset: Asset) -> _Subject:
        first = lead(asset.resources)
        stem, extension = _split(first.filename)
        return cls(asset, stem, extension, _local(asset.created, asset.metadata.utc_offset))

    def date(self, style: str) -> str:
        if self.taken is None:
            return UNDATED
        # Not every system's strftime writes a year with four digits.
        years = {"%Y": f"{self.taken.year:04}", "%G": f"{self.taken.isocalendar().year:04}"}
        padded = re.sub("%.", lambda match: years.get(match[0], match[0]), style)
        return self.taken.strftime(padded)


_FIELDS: dict[str, Callable[[_Subject, str], str]] = {
    "created": lambda subject, style: subject.date(style or "%Y-%m-%d"),
    "year": lambda subject, _: subject.date("%Y"),
    "month": lambda subject, _: subject.date("%m"),
    "day": lambda subject, _: subject.date("%d"),
    "filename": lambda subject, _: ".".join(filter(None, (subject.stem, subject.extension))),
    "stem": lambda subject, _: subject.stem,
    "ext": lambda subject, _: subject.extension,
    "kind": lambda subject, _: str(subject.asset.kind),
    "library": lambda subject, _: subject.asset.library or "main",
    "asset_id": lambda subject, _: subject.asset.id,
}
_DATE_STYLE = re.compile(r"(?:[^%/]|%[aAbBdHIjmMpSuUVGwWyYzZ%])*")
_NEVER = re.compile(r'[<>:"|?*\\\x00-\x1f\x7f]')

_Piece = tuple[str, str, str]  # literal, then a field and its style


class Template:
    """A checked path template.

    Fields: ``created`` with a strftime style (``{created:%Y/%m}``), ``year``, ``month``,
    ``day``, ``filename``, ``stem``, ``ext``, ``kind``, ``library``, ``asset_id``. Dates are in
    the zone of capture where the source knows it; without a date they are ``undated``. The
    last part ends with ``{filename}`` or ``.{ext}``, so that each file keeps its extension.
    Raises Misconfigured with one sentence on anything else.
    """

    def __init__(self, text: str) -> None:
        self.text = text
        *folders, leaf = [list(_pieces(piece, text)) for piece in _slashes(text)]
        self._folders = folders
        self._leaf = _without_extension(leaf, text)

    def paths(
        self, asset: Asset, resources: Sequence[Resource], suffix: str = ""
    ) -> dict[str, str]:
        """Paths by resource id. ``suffix`` (see ``suffix_for``) sets the asset apart from
        another that wants the same names."""
        if not asset.resources:
            return {}
        subject = _Subject.of(asset)
        stem = part(_render(self._leaf, subject), _STEM_BYTES)
        stem = f"{stem}-{suffix}" if suffix else stem
        folder = "".join(f"{name}/" for name in self._folder(subject))
        # All names of the asset, so that a name does not depend on which files are wanted.
        names = _names(stem, sorted(asset.resources, key=_rank))
        return {resource.id: folder + names[resource.id] for resource in resources}

    def _folder(self, subject: _Subject) -> Iterator[str]:
        before = ""
        for pieces in self._folders:
            name = part(_render(pieces, subject))
            if not (name == before == UNDATED):  # one folder for them, not undated/undated
                yield name
            before = name


def sidecar(path: str) -> str:
    """Where the sidecar of the file at ``path`` stands: ``IMG_1.HEIC.xmp``.

    Of a name so long that nothing can be added, ``IMG_1.xmp``: an archive that was there
    before may have some.
    """
    beside = path + SIDECAR
    if len(beside.rpartition("/")[2].encode("utf-8", "surrogateescape")) <= _LONGEST_NAME:
        return beside
    return str(PurePosixPath(path).with_suffix(SIDECAR))


def lead(resources: Sequence[Resource]) -> Resource:
    """The file that names the asset."""
    return min(resources, key=_rank)


def _rank(resource: Resource) -> tuple[int, str]:
    """The file that names the asset comes first; the order does not change with listings."""
    return _ORDER.index(resource.role), resource.id


_ORDER = (Role.ORIGINAL, Role.RAW, *(r for r in Role if r not in (Role.ORIGINAL, Role.RAW)))


def _names(stem: str, resources: Sequence[Resource]) -> dict[str, str]:
    names: dict[str, str] = {}
    taken: set[str] = set()
    for resource in resources:
        extension = _split(resource.filename)[1]
        ending = f".{extension}" if extension else ""
        marked = _beside(resource, resources, names, ending) or (
            stem + _MARKS.get(resource.role, "")
        )
        name, number = marked + ending, 1
        while folded(name) in taken:
            number += 1
            name = f"{marked}-{number}{ending}"
        taken.add(folded(name))
        names[resource.id] = name
    return names


def _beside(
    resource: Resource, resources: Sequence[Resource], names: dict[str, str], ending: str
) -> str:
    """The name of the file that a sidecar is named after; empty if it is after none."""
    if resource.role is not Role.SIDECAR:
        return ""
    after = resource.filename.rpartition(".")[0].casefold()
    found = (names[r.id] for r in resources if r.id in names and r.filename.casefold() == after)
    name = next(found, "")
    return name if len(f"{name}-99{ending}".encode()) <= _PART_BYTES else ""


def _local(moment: datetime | None, offset: int | None) -> datetime | None:
    if moment is None or offset is None or abs(offset) >= 24 * 3600:
        return moment
    try:
        return moment.astimezone(timezone(timedelta(seconds=offset)))
    except OverflowError:  # the first or last day of the calendar
        return moment


def _render(pieces: Sequence[_Piece], subject: _Subject) -> str:
    return "".join(
        literal + (_FIELDS[field](subject, style) if field else "")
        for literal, field, style in pieces
    )


def _slashes(text: str) -> list[str]:
    """The parts of a template; a slash in a date style divides too."""
    whole = re.sub(
        r"\{(\w+):([^{}]*)\}",
        lambda match: "/".join(f"{{{match[1]}:{style}}}" for style in match[2].split("/")),
        text,
    )
    if not whole.strip():
        raise Misconfigured("the path template is empty", hint=_HINT)
    parts = whole.split("/")
    if not parts[0] or parts[0] == "~" or re.match(r"[A-Za-z]:", whole):
        raise Misconfigured(f"path template {text!r} must be relative to the sink", hint=_HINT)
    if any(piece.strip() in ("", ".", "..") for piece in parts):
        raise Misconfigured(f"path template {text!r} has an empty part, '.' or '..'", hint=_HINT)
    return parts


def _pieces(piece: str, text: str) -> Iterator[_Piece]:
    try:
        parsed = list(Formatter().parse(piece))
    except ValueError as wrong:
        raise Misconfigured(f"path template {text!r}: {wrong}", hint=_HINT) from None
    for literal, field, style, conversion in parsed:
        if never := _NEVER.search(literal):
            raise Misconfigured(
                f"path template {text!r} has {never[0]!r}, which not every system allows"
            )
        if field is not None and (field not in _FIELDS or conversion):
            raise Misconfigured(
                f"path template {text!r} has an unknown field {{{field}}}; "
                f"the fields are {', '.join(_FIELDS)}",
                hint=_HINT,
            )
        _check_style(field, style or "", text)
        yield literal, field or "", style or ""


def _check_style(field: str | None, style: str, text: str) -> None:
    if not style:
        return
    if field != "created":
        raise Misconfigured(f"path template {text!r}: {{{field}}} takes nothing after a colon")
    if "%" not in style or not _DATE_STYLE.fullmatch(style):
        raise Misconfigured(
            f"path template {text!r}: {style!r} is no date style", hint="Write for example %Y-%m."
        )


def _without_extension(leaf: list[_Piece], text: str) -> list[_Piece]:
    """The last part up to the extension, which each file brings itself."""
    literal, field, _ = leaf[-1]
    if field == "filename":
        return [*leaf[:-1], (literal, "stem", "")]
    if field == "ext" and literal.endswith("."):
        rest = [*leaf[:-1], (literal[:-1], "", "")]
        if any(part or field for part, field, _ in rest):
            return rest
    raise Misconfigured(
        f"path template {text!r} must end with {{filename}} or .{{ext}}", hint=_HINT
    )
