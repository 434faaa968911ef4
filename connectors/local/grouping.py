"""Which files of one folder are one asset. Knows names only, so it is quick and pure.

Files with one stem belong together: a still and its MOV (a Live Photo), a still and its RAW,
AAE and XMP sidecars (``IMG_1.AAE``, ``IMG_1.xmp``, ``IMG_1.HEIC.xmp``), and edits, named as
this program names them (``IMG_1-edited.HEIC``) or as a phone does (``IMG_E0001.HEIC``).
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath

from connectors.base import Kind, Role


def _words(text: str) -> list[str]:
    return text.split()


# The first of several stills with one stem is the one that names the asset.
_STILLS = _words(
    "heic heif hif jpg jpeg jpe jfif png tif tiff webp avif jxl jp2 gif bmp psd mpo insp"
)
_RAWS = _words(
    "dng cr2 cr3 crw nef nrw arw srf sr2 raf orf rw2 rwl pef srw x3f erf kdc dcr mrw 3fr fff "
    "iiq mos mef gpr raw"
)
_VIDEOS = _words(
    "mov mp4 m4v avi mkv mts m2ts mpg mpeg mpe m2v 3gp 3gpp 3g2 wmv asf webm flv ogv dv vob divx "
    "insv 360"
)
_SIDECARS = {"aae", "xmp"}
_LIVE = "mov"
_EDITED = re.compile(r"(?P<before>.+)-edited|(?P<camera>img_)e(?P<number>\d{4,})")


@dataclass(frozen=True, slots=True)
class Group:
    """The files of one asset with their roles; the first names the asset."""

    kind: Kind
    files: tuple[tuple[str, Role], ...]


def is_media(name: str) -> bool:
    """Whether a file is one that ``groups`` has a place for."""
    extension = _extension(name)
    known = extension in _STILLS or extension in _RAWS or extension in _VIDEOS
    return known or extension in _SIDECARS


def groups(names: Iterable[str]) -> Iterator[Group]:
    """Assets made of these files, sorted. A sidecar without its file is no asset."""
    stems: dict[str, list[str]] = defaultdict(list)
    for name in sorted(names):
        stems[_stem(name)].append(name)
    _join_sidecars(stems)
    bases = {stem: base for stem in stems if (base := _base(stem)) and _media(stems.get(base, ()))}
    edits: dict[str, list[str]] = defaultdict(list)
    for stem in bases:
        edits[_first(stem, bases)] += stems[stem]
    for stem, files in stems.items():
        if stem not in bases:
            yield from _assets(files, edits.get(stem, []))


def _first(stem: str, bases: dict[str, str]) -> str:
    """What an edit of an edit is an edit of."""
    while stem in bases:
        stem = bases[stem]
    return stem


def _join_sidecars(stems: dict[str, list[str]]) -> None:
    """``IMG_1.HEIC.xmp`` belongs with ``IMG_1.HEIC``."""
    for stem in [stem for stem, files in stems.items() if not _media(files)]:
        media, _, extension = stem.rpartition(".")
        if extension and media in stems and any(stem == f.casefold() for f in stems[media]):
            stems[media] += stems.pop(stem)


def _base(stem: str) -> str:
    """The stem an edit belongs to; empty if the name is not an edit's."""
    match = _EDITED.fullmatch(stem)
    if match is None:
        return ""
    return match["before"] or f"{match['camera']}{match['number']}"


def _assets(files: list[str], edits: list[str]) -> Iterator[Group]:
    stills = sorted(_of(files, _STILLS), key=lambda name: _STILLS.index(_extension(name)))
    raws, videos = list(_of(files, _RAWS)), list(_of(files, _VIDEOS))
    leads = stills or raws or videos
    if not leads:
        return
    lead = leads[0]
    parts = [(lead, Role.ORIGINAL)]
    live = next((name for name in videos if stills + raws and _extension(name) == _LIVE), None)
    if live:
        parts.append((live, Role.LIVE_VIDEO))
    if stills:
        parts += [(raw, Role.RAW) for raw in raws]
    video_lead = lead in videos
    for name in _of(edits, {*_STILLS, *_RAWS}):
        parts.append((name, Role.EDITED))
    for name in _of(edits, _VIDEOS):
        parts.append((name, Role.EDITED_VIDEO if video_lead else Role.EDITED_LIVE_VIDEO))
    parts += [(name, Role.SIDECAR) for name in (*_of(files, _SIDECARS), *_of(edits, _SIDECARS))]
    yield Group(Kind.VIDEO if video_lead else Kind.LIVE if live else Kind.PHOTO, tuple(parts))
    used = {name for name, _ in parts}
    for name in files:  # a second picture of that name is a picture of its own
        if name not in used:
            yield Group(
                Kind.VIDEO if _extension(name) in _VIDEOS else Kind.PHOTO,
                ((name, Role.ORIGINAL),),
            )


def _of(names: Iterable[str], extensions: Iterable[str]) -> Iterator[str]:
    return (name for name in names if _extension(name) in extensions)


def _media(names: Iterable[str]) -> bool:
    return any(_extension(name) not in _SIDECARS for name in names)


def _extension(name: str) -> str:
    return PurePosixPath(name).suffix[1:].casefold()


def _stem(name: str) -> str:
    return PurePosixPath(name).stem.casefold()
