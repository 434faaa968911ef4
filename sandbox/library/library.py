"""A photo library of any size: generated on demand, changed by hand, watched by its servers."""

from __future__ import annotations

import bisect
import dataclasses
import functools
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any
from uuid import UUID

from sandbox.library import cast
from sandbox.library.albums import Albums
from sandbox.library.content import Content
from sandbox.library.model import Album, Asset, Event, Traits
from sandbox.library.recipe import NEWEST, Recipe, details_of, make_file

Predicate = Callable[[Traits], bool]


def _shown(traits: Traits) -> bool:
    return traits.trashed is None and not traits.hidden


def _indexed(traits: Traits) -> bool:
    return _shown(traits) and not traits.stacked


VIEWS: dict[str, Predicate] = {
    "shown": _shown,  # to whoever looks into each burst
    "hidden": lambda traits: traits.trashed is None and traits.hidden,
    "trashed": lambda traits: traits.trashed is not None,
    # As icloud.com lists them: of a burst the picture in front.
    "all listed": lambda traits: traits.trashed is None and not traits.stacked,
    "listed": _indexed,
    "hidden listed": lambda traits: traits.trashed is None and traits.hidden and not traits.stacked,
    "trashed listed": lambda traits: traits.trashed is not None and not traits.stacked,
    "favorite": lambda traits: _indexed(traits) and traits.favorite,
    "live": lambda traits: _indexed(traits) and traits.kind == "live",
    "video": lambda traits: _indexed(traits) and traits.kind == "video",
    "burst": lambda traits: _indexed(traits) and traits.burst is not None,
    **{
        subtype: functools.partial(lambda name, t: _indexed(t) and t.subtype == name, subtype)
        for subtype in ("screenshot", "panorama", "slomo", "timelapse")
    },
}


class Library:
    """``count`` generated assets, and the cast of awkward ones unless ``plain``.

    ``size`` fixes the size in bytes of every generated original. ``shared`` puts some assets
    into a shared library. Every method may be called from any thread; ``events`` grows with
    every change and is never cut.
    """

    def __init__(
        self,
        count: int = 300,
        *,
        seed: int = 1,
        size: int | None = None,
        plain: bool = False,
        shared: bool = True,
    ) -> None:
        self.count = count
        self.events: list[Event] = []
        self.albums = Albums(self._happened, None if plain else seed)
        self._recipe = Recipe(seed, size=size, plain=plain, shared=shared and not plain)
        self._changed: dict[int, Asset] = {}
        self._gone: set[int] = set()
        self._next = count
        self._lock = threading.RLock()
        self._base: dict[tuple[str, bool], list[int]] = {}
        self._views: dict[tuple[str, bool], Sequence[int]] = {}
        self._built = functools.lru_cache(maxsize=2048)(self._recipe.asset)
        if not plain:
            for part in cast.members(NEWEST - 1000):
                self._cast(part)
            self.events.clear()  # the cast was there from the beginning

    # --- reading -------------------------------------------------------------------------

    @property
    def sequence(self) -> int:
        return len(self.events)

    @property
    def top(self) -> int:
        """The first number never given."""
        return self._next

    def get(self, number: int) -> Asset:
        """KeyError when there is none (any more)."""
        if number in self._gone or not 0 <= number < self._next:
            raise KeyError(number)
        found = self._changed.get(number)
        return found if found is not None else self._built(number)

    def name(self, number: int) -> str:
        """The id of what has, or had, a number."""
        return self._recipe.id(number)

    def find(self, asset_id: str) -> Asset:
        """KeyError when there is none (any more)."""
        number = self._recipe.number(asset_id)
        if number is None:
            raise KeyError(asset_id)
        return self.get(number)

    def __iter__(self) -> Iterator[Asset]:
        """Everything, hidden, trashed and shared too."""
        for number in range(self._next):
            if number not in self._gone:
                yield self.get(number)

    def __len__(self) -> int:
        return self._next - len(self._gone)

    def view(self, name: str, *, shared: bool = False) -> Sequence[int]:
        """The numbers in one of ``VIEWS``, newest first."""
        with self._lock:
            known = self._views.get((name, shared))
            if known is None:
                known = self._views[name, shared] = self._select(name, shared)
            return known

    def members(self, album: Album, *, shared: bool = False) -> Sequence[int]:
        """The numbers in an album, newest first; without hidden and trashed ones."""
        key = f"album {album.id}"
        with self._lock:
            known = self._views.get((key, shared))
            if known is None:
                shown = self.view("shown", shared=shared)
                known = [number for number in shown if self.albums.holds(album, number)]
                self._views[key, shared] = known
            return known

    def used(self) -> int:
        """Bytes it takes: each original once, trashed ones too."""
        total, seen = 0, set()
        for asset in self:
            for file in asset.files:
                if file.content.tag not in seen:
                    seen.add(file.content.tag)
                    total += file.size
        return total

    def warm(self) -> None:
        """Compute every fingerprint now, so that no first listing waits for large files."""
        for asset in self:
            for file in asset.files:
                file.content.fingerprint()

    # --- changing ------------------------------------------------------------------------

    def add(
        self,
        filename: str,
        kind: str = "photo",
        form: str = "jpeg",
        extras: Sequence[tuple[str, str]] = (),
        *,
        size: int | None = None,
        unique: str = "",
        data: bytes | None = None,
        **attributes: Any,
    ) -> Asset:
        """A new asset named ``filename`` (without suffix). ``attributes`` are Asset's own.

        Assets with the same ``unique`` (32 hex digits) and ``taken`` (the moment written into
        the file, else ``created``) have the same original. ``data`` are
        the original's bytes where they are given (an upload; the name is then complete).
        """
        with self._lock:
            number, self._next = self._next, self._next + 1
            mark = unique or self._recipe.digest(number)[:16].hex()
            created = attributes.pop("created", NEWEST + number * 1000)
            offset = attributes.pop("utc_offset", 7200)
            where = attributes.get("location")
            taken = attributes.pop("taken", created)
            details = details_of(taken, offset, mark, kind == "live", where)
            first = "raw" if "original" in dict(extras) else "original"
            files = [make_file(first, form, filename, mark, size, 4096, details)]
            if data is not None:
                content = Content.of(data)
                files[0] = dataclasses.replace(files[0], filename=filename, content=content)
            for role, other in extras:
                owner = self._recipe.id(number) if role.startswith("edited") else mark
                files.append(
                    make_file(role, other, filename, f"{owner}/{role}", None, 2048, details)
                )
            asset = Asset(
                number=number,
                id=self._recipe.id(number),
                kind=kind,
                created=created,
                added=attributes.pop("added", created + 4000),
                utc_offset=offset,
                files=tuple(files),
                **attributes,
            )
            self._changed[number] = asset
            self._happened("asset", asset.id, shared=asset.shared)
            return asset

    def change(self, asset_id: str, **attributes: Any) -> Asset:
        """Set attributes of an asset; its revision grows."""
        with self._lock:
            before = self.find(asset_id)
            asset = dataclasses.replace(before, **attributes, revision=before.revision + 1)
            self._changed[asset.number] = asset
            self._happened("asset", asset.id, shared=asset.shared)
            return asset

    def edit(self, asset_id: str) -> Asset:
        """Edit it (again): it has an edited rendition, with new bytes."""
        asset = self.find(asset_id)
        video = asset.kind == "video"
        role, form = ("edited_video", "mov") if video else ("edited", "jpeg")
        tag = f"{asset.id}/{role}/{asset.revision + 1}"
        unique = UUID(asset.id).hex
        details = details_of(asset.created, asset.utc_offset, unique, False, asset.location)
        name = asset.original.filename.rpartition(".")[0]
        file = make_file(role, form, name, tag, None, 3000, details)
        others = tuple(other for other in asset.files if other.role != role)
        return self.change(asset_id, files=(*others, file))

    def trash(self, asset_id: str, when: int = NEWEST) -> Asset:
        return self.change(asset_id, trashed=when)

    def restore(self, asset_id: str) -> Asset:
        return self.change(asset_id, trashed=None)

    def share(self, asset_id: str) -> Asset:
        """Move it to the shared library."""
        with self._lock:
            self._happened("asset", asset_id)
            return self.change(asset_id, shared=True, moved=True)

    def purge(self, asset_id: str) -> None:
        """Gone for good."""
        with self._lock:
            asset = self.find(asset_id)
            self._gone.add(asset.number)
            self._changed.pop(asset.number, None)
            self._happened("gone", asset.id, shared=asset.shared)

    def bring(self, asset: Asset) -> None:
        """An asset arrives that a library of the same seed has, and that was purged here."""
        with self._lock:
            self._gone.discard(asset.number)
            self._changed[asset.number] = asset
            self._happened("asset", asset.id, shared=asset.shared)

    def put(self, asset_id: str, album: Album) -> None:
        self.albums.put(album, self.find(asset_id).number, asset_id)

    def take(self, asset_id: str, album: Album) -> None:
        self.albums.take(album, self.find(asset_id).number, asset_id)

    # --- inside --------------------------------------------------------------------------

    def _happened(self, what: str, name: str, *, album: str = "", shared: bool = False) -> None:
        with self._lock:
            self.events.append(Event(len(self.events) + 1, what, name, album, shared))
            self._views.clear()

    def _cast(self, part: cast.Part) -> None:
        self.add(
            part.filename,
            part.kind,
            part.form,
            part.extras,
            unique=part.unique,
            **part.attributes,
        )

    def _select(self, name: str, shared: bool) -> list[int]:
        wanted = VIEWS[name]
        base = self._base.get((name, shared))
        if base is None:
            base = []
            for number in range(self.count):
                traits = self._recipe.draw(number)
                if traits.shared == shared and wanted(traits):
                    base.append(number)
            self._base[name, shared] = base
        if not self._changed and not self._gone:
            return base
        found = [n for n in base if n not in self._changed and n not in self._gone]
        for number, asset in self._changed.items():
            if asset.shared == shared and wanted(asset):
                bisect.insort(found, number, key=self._rank)
        return found

    def _rank(self, number: int) -> tuple[int, int]:
        changed = self._changed.get(number)
        created = changed.created if changed else self._recipe.created(number)
        return -created, number
