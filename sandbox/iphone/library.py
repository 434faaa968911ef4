"""Puts a library on a phone: files in DCIM, CPLAssets and Mutations, and a Photos.sqlite.

Where each asset lies, and what the database knows of it, a ``Placement`` says. ``usual`` is a
phone with iCloud Photos: most in DCIM, some in CPLAssets, some optimised away.
"""

from __future__ import annotations

import base64
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from uuid import UUID

from sandbox.iphone.database import Entry, Row, build
from sandbox.iphone.media import File, Media
from sandbox.iphone.phone import DATABASE, Phone
from sandbox.iphone.schema import VERSIONS, Version
from sandbox.library import Album, Asset, Content, Library
from sandbox.library import File as SourceFile
from sandbox.library.edits import envelope

_PER_FOLDER = 999
_STAND_IN = b"\xff\xd8\xff\xdb" + b"a small picture that stands in for the original" + b"\xff\xd9"


@dataclass(frozen=True, slots=True)
class Placement:
    """``synced`` assets lie in CPLAssets. ``local`` False: the original is only in iCloud, and
    with ``stand_in`` a small picture lies under its name. ``scheme`` is what the database has
    for a fingerprint: 1, 2 (of a scheme nobody can recompute) or 0 (none yet)."""

    synced: bool = False
    local: bool = True
    stand_in: bool = False
    scheme: int = 1


Place = Callable[[Asset], Placement | None]
"""Where an asset lies on the phone; None if it is not there."""


def usual(asset: Asset) -> Placement:
    """One in four came from iCloud; one in ten of all has been optimised away."""
    away = asset.number % 10 == 3
    return Placement(
        synced=asset.number % 4 == 1,
        local=not away,
        stand_in=away and asset.number % 20 == 3,
    )


class OnPhone:
    """A library on a phone. ``update`` writes Photos.sqlite anew after the library changed."""

    def __init__(
        self, phone: Phone, library: Library, *, ios: int = 18, place: Place = usual
    ) -> None:
        self.phone = phone
        self.library = library
        self._version: Version = VERSIONS[ios]
        self._place = place
        self._paths: dict[str, tuple[str, str]] = {}
        self._written: set[str] = set()
        self._lies: dict[str, tuple[str, str]] = {}
        self._lock = threading.Lock()
        for folder in ("DCIM", "PhotoData/CPLAssets", "PhotoData/Mutations"):
            phone.media.folder(folder)
        phone.rewrite_database = self.update
        self.update()

    def update(self) -> None:
        """Bring files and database up to date with the library."""
        with self._lock:
            albums = [(album, self._members(album)) for album in self.library.albums.all()]
            main, log = build(self._version, self._rows(), albums)
            _replace(self.phone.media, DATABASE, main)
            _replace(self.phone.media, f"{DATABASE}-wal", log)
            _replace(self.phone.media, f"{DATABASE}-shm", bytes(32768))

    def lie(self, asset: Asset, directory: str, filename: str) -> None:
        """Let the database say that an asset lies elsewhere than it does."""
        self._lies[asset.id] = (directory, filename)
        self.update()

    def path(self, asset: Asset) -> str:
        """Where the original of an asset lies; KeyError if it is not on the phone."""
        return "/".join(self._paths[asset.id])

    def _members(self, album: Album) -> list[str]:
        if album.folder:
            return []
        return [self.library.get(number).id for number in self.library.members(album)]

    def _rows(self) -> Iterator[Row]:
        for asset in self.library:
            placement = None if asset.shared else self._place(asset)
            if placement is not None:
                yield self._put(asset, placement)

    def _put(self, asset: Asset, placement: Placement) -> Row:
        directory, filename = self._paths.setdefault(asset.id, self._name(asset, placement))
        stem = filename.rpartition(".")[0]
        row = Row(asset, *self._lies.get(asset.id, (directory, filename)))
        edits = f"PhotoData/Mutations/{directory}/{stem}/Adjustments"
        for file in asset.files:
            suffix = file.filename.rpartition(".")[2]
            edited = file.role.startswith("edited")
            path = (
                f"{edits}/FullSizeRender.{suffix.lower()}"
                if edited
                else (f"{directory}/{stem}.{'AAE' if file.role == 'sidecar' else suffix}")
            )
            local = placement.local or edited
            if local:
                self._write(path, file.content, asset)
            elif placement.stand_in and file is asset.original:
                self._write(path, Content.of(_STAND_IN), asset)
            if file.role != "sidecar":
                mark = _fingerprint(file.content, placement.scheme)
                row.entries.append(Entry(_kept_as(file, asset), file.size, mark, local))
        if any(file.role.startswith("edited") for file in asset.files):
            recipe = envelope(asset)
            self._write(f"{edits}/Adjustments.plist", recipe, asset)
            mark = _fingerprint(recipe, placement.scheme)
            row.entries.append(Entry("adjustments", recipe.size, mark))
        thumbnail = f"PhotoData/Thumbnails/V2/{directory}/{filename}/5005.JPG"
        self._write(thumbnail, Content.of(_STAND_IN), asset)
        return row

    def _name(self, asset: Asset, placement: Placement) -> tuple[str, str]:
        suffix = asset.original.filename.rpartition(".")[2]
        if placement.synced:
            group = UUID(asset.id).int % 256
            return f"PhotoData/CPLAssets/group{group}", f"{asset.id}.{suffix}"
        folder, number = divmod(asset.number, _PER_FOLDER)
        return f"DCIM/{100 + folder}APPLE", f"IMG_{number + 1:04}.{suffix}"

    def _write(self, path: str, content: Content, asset: Asset) -> None:
        # Files of the phone stay as they are unless their content is another.
        found = self.phone.media.find(path) if path in self._written else None
        if not isinstance(found, File) or found.content != content:
            self.phone.media.add(path, content, max(0.0, asset.added / 1000))
            self._written.add(path)


def _replace(media: Media, path: str, data: bytes) -> None:
    """New content in place: who has the file open reads on in the new bytes, as with SQLite."""
    found = media.find(path)
    content = Content.of(data)
    if isinstance(found, File):
        found.change(content)
    else:
        media.add(path, content)


def _kept_as(file: SourceFile, asset: Asset) -> str:
    """The role of a file in the database: either half of a RAW pair may be the main one."""
    if file is asset.original:
        return "original"
    return "alternate" if file.role in {"raw", "original"} else file.role


def _fingerprint(content: Content, scheme: int) -> str | None:
    if not scheme:
        return None
    mark = content.fingerprint()
    if scheme == 1:
        return mark
    raw = base64.b64decode(mark)
    return base64.b64encode(b"\x04" + raw[1:] + raw[1:13]).decode()
