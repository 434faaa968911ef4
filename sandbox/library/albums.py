"""Albums in folders, with members by chance and by hand."""

from __future__ import annotations

import hashlib
import threading
from typing import Protocol
from uuid import UUID

from sandbox.library.model import Album

# title, the title of its folder, whether it is a folder, share of all assets
_TREE: tuple[tuple[str, str | None, bool, float], ...] = (
    ("Journeys", None, True, 0),
    ("2019", "Journeys", True, 0),
    ("Norway", "2019", False, 0.05),
    ("Crème brûlée 🍮", "2019", False, 0.02),
    ("Asia", "Journeys", False, 0.04),
    ("Family", None, False, 0.1),
    ("Family", None, False, 0.02),  # two albums of one name
    ("a/b: c?", None, False, 0.03),
    ("Empty", None, False, 0),
)


class _Happened(Protocol):
    def __call__(self, what: str, name: str, *, album: str = "", shared: bool = False) -> None: ...


class Albums:
    """All albums and folders, in their order. A ``seed`` of None starts without any."""

    def __init__(self, happened: _Happened, seed: int | None) -> None:
        self._happened = happened
        self._all: dict[str, Album] = {}
        self._lock = threading.RLock()
        ids: dict[str | None, str] = {}
        for index, (title, parent, folder, share) in enumerate(_TREE if seed is not None else ()):
            mark = hashlib.blake2b(f"album {seed} {index}".encode(), digest_size=16)
            album_id = str(UUID(bytes=mark.digest())).upper()
            ids.setdefault(title, album_id)
            above = ids[parent] if parent else None
            self._all[album_id] = Album(album_id, title, above, folder, share, (index + 1) * 8)

    def all(self) -> list[Album]:
        """Without the deleted ones."""
        return [album for album in list(self._all.values()) if not album.deleted]

    def children(self, parent: str | None) -> list[Album]:
        return [album for album in self.all() if album.parent == parent]

    def get(self, album_id: str) -> Album:
        """KeyError when there is none; deleted ones are still known."""
        return self._all[album_id]

    def named(self, title: str) -> Album:
        return next(album for album in self.all() if album.title == title)

    def add(
        self,
        title: str,
        parent: Album | None = None,
        *,
        folder: bool = False,
        album_id: str = "",
    ) -> Album:
        with self._lock:
            mark = hashlib.blake2b(f"{len(self._all)} {title}".encode(), digest_size=16)
            album_id = album_id or str(UUID(bytes=mark.digest())).upper()
            above = parent.id if parent else None
            place = (len(self._all) + 1) * 8
            album = Album(album_id, title, above, folder, position=place)
            self._all[album_id] = album
            self._happened("album", album_id)
            return album

    def rename(self, album: Album, title: str) -> None:
        album.title = title
        self._happened("album", album.id)

    def delete(self, album: Album) -> None:
        """The album goes, its assets stay."""
        album.deleted = True
        self._happened("album_gone", album.id)

    def put(self, album: Album, number: int, asset_id: str) -> None:
        album.removed.discard(number)
        album.added.add(number)
        self._happened("member", asset_id, album=album.id)

    def take(self, album: Album, number: int, asset_id: str) -> None:
        album.added.discard(number)
        album.removed.add(number)
        self._happened("member_gone", asset_id, album=album.id)

    def holds(self, album: Album, number: int) -> bool:
        if number in album.added:
            return True
        if not album.share or number in album.removed:
            return False
        mark = hashlib.blake2b(f"{album.id}{number}".encode(), digest_size=4).digest()
        return int.from_bytes(mark, "big") < album.share * (1 << 32)
