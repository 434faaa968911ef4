"""What a photo library is made of, whoever serves it (iCloud, a phone).

Nothing here knows a wire format. Times are Unix milliseconds, UTC.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

from sandbox.library.content import Content

ROLES = (
    "original",
    "live_video",
    "raw",  # the other half of a RAW + JPEG pair
    "sidecar",
    "edited",
    "edited_video",
    "edited_live_video",
)


@dataclass(frozen=True, slots=True)
class File:
    """One file of an asset. ``uti`` is Apple's type name."""

    role: str
    filename: str
    uti: str
    width: int
    height: int
    content: Content

    @property
    def size(self) -> int:
        return self.content.size

    @property
    def fingerprint(self) -> str:
        return self.content.fingerprint()


class Traits(Protocol):
    """What decides which lists an asset is in; cheap to know without its files."""

    @property
    def kind(self) -> str: ...
    @property
    def subtype(self) -> str: ...
    @property
    def favorite(self) -> bool: ...
    @property
    def hidden(self) -> bool: ...
    @property
    def trashed(self) -> int | None: ...
    @property
    def shared(self) -> bool: ...
    @property
    def burst(self) -> str | None: ...
    @property
    def stacked(self) -> bool: ...


@dataclass(frozen=True, slots=True)
class Asset:
    """One photo or video.

    ``kind`` is photo, live or video; ``subtype`` is "", screenshot, panorama, slomo or
    timelapse. ``trashed`` is when it was put into Recently Deleted. ``shared`` assets are in
    the shared library; those ``moved`` there were the person's own before. Of the pictures of a
    ``burst`` all but one are ``stacked`` behind it. Assets whose originals are equal share them.
    ``revision`` grows with every change.
    """

    number: int
    id: str
    kind: str
    created: int
    added: int
    utc_offset: int
    files: tuple[File, ...]
    subtype: str = ""
    favorite: bool = False
    hidden: bool = False
    trashed: int | None = None
    shared: bool = False
    moved: bool = False
    burst: str | None = None
    stacked: bool = False
    title: str | None = None
    caption: str | None = None
    keywords: tuple[str, ...] = ()
    location: tuple[float, float, float] | None = None
    revision: int = 0

    def file(self, role: str) -> File | None:
        return next((file for file in self.files if file.role == role), None)

    @property
    def original(self) -> File:
        """The file iCloud calls original; of a RAW + JPEG pair that may be the RAW one."""
        return self.files[0]

    @property
    def size(self) -> int:
        return sum(file.size for file in self.files)


@dataclass(slots=True)
class Album:
    """An album, or a folder of albums. ``share`` of all assets are members by chance, beside
    those put in by hand."""

    id: str
    title: str
    parent: str | None = None
    folder: bool = False
    share: float = 0.0
    position: int = 0
    added: set[int] = field(default_factory=set)
    removed: set[int] = field(default_factory=set)
    deleted: bool = False


@dataclass(frozen=True, slots=True)
class Event:
    """Something changed. ``what`` is asset, gone, album, album_gone, member or member_gone."""

    seq: int
    what: str
    id: str
    album: str = ""
    shared: bool = False
