"""A source in memory: a library with a journal of changes, albums and a bin."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

from connectors.abilities import Album, Binned, Capacity
from connectors.base import Asset, Page, Resource, Stream
from connectors.errors import CursorLost, InBin, ItemError, NotFound, OutpourError
from connectors.streams import BytesStream

_PAGE = 100


@dataclass
class Library:
    """What a memory source lists. Outlives the sources over it; every access is under ``lock``.

    ``changed`` holds the number of each asset's last change; the newest is the cursor.
    """

    assets: dict[str, Asset] = field(default_factory=dict)
    contents: dict[tuple[str, str], bytes] = field(default_factory=dict)
    bin: dict[str, Asset] = field(default_factory=dict)
    albums: dict[Album, tuple[str, ...]] = field(default_factory=dict)
    changed: dict[str, int] = field(default_factory=dict)
    changes: int = 0
    lock: threading.RLock = field(default_factory=threading.RLock)

    def put(self, asset: Asset, contents: Mapping[str, bytes]) -> Asset:
        """Add or replace an asset; ``contents`` by resource id. Returns it as listed."""
        with self.lock:
            self._journal(asset.id)
            asset = replace(asset, revision=str(self.changes))
            self.assets[asset.id] = asset
            self.contents |= {(asset.id, resource): data for resource, data in contents.items()}
            return asset

    def trash(self, asset_id: str) -> None:
        """To the bin; fine if it is there already. Raises NotFound."""
        with self.lock:
            if asset_id in self.assets:
                self._journal(asset_id)
                self.bin[asset_id] = self.assets.pop(asset_id)
            elif asset_id not in self.bin:
                raise NotFound(f"no asset {asset_id}")

    def restore(self, asset_id: str) -> None:
        """Back from the bin; fine if it was not in it. Raises NotFound."""
        with self.lock:
            if asset_id in self.bin:
                self._journal(asset_id)
                self.assets[asset_id] = self.bin.pop(asset_id)
            elif asset_id not in self.assets:
                raise NotFound(f"no asset {asset_id}")

    def since(self, cursor: str | None) -> tuple[list[str], str]:
        """Ids in the order of their last change after ``cursor``, and the cursor of now."""
        with self.lock:
            if cursor is not None and not (cursor.isdecimal() and int(cursor) <= self.changes):
                raise CursorLost(f"no change is numbered {cursor}")
            after = 0 if cursor is None else int(cursor)
            # ``changed`` is ordered: a change moves its asset to the end.
            ids = [key for key, number in self.changed.items() if number > after]
            return ids, str(self.changes)

    def _journal(self, asset_id: str) -> None:
        self.changes += 1
        self.changed.pop(asset_id, None)
        self.changed[asset_id] = self.changes


class MemorySource:
    """Lists a ``Library``; changes by cursor, albums, a bin, and the bytes it holds."""

    emptying = "Empty the bin of this memory library."

    def __init__(self, name: str, library: Library) -> None:
        self.name = name
        self._library = library

    def pages(self, since: str | None = None) -> Iterator[Page]:
        library = self._library
        full = since is None
        with library.lock:
            ids, cursor = library.since(since)
            expected = len(library.assets) if full else None
        for at in range(0, max(1, len(ids)), _PAGE):
            part = ids[at : at + _PAGE]
            with library.lock:
                assets = tuple(library.assets[key] for key in part if key in library.assets)
                gone = () if full else tuple(key for key in part if key not in library.assets)
            last = at + _PAGE >= len(ids)
            yield Page(assets, gone, (), expected, cursor if last else None, full)

    def open(self, asset_id: str, resource: Resource, offset: int = 0) -> Stream:
        with self._library.lock:
            data = self._library.contents.get((asset_id, resource.id))
        if data is None:
            raise NotFound(f"no file {resource.id} of asset {asset_id}")
        return BytesStream(data, offset)

    def close(self) -> None:
        """Nothing to release."""

    def capacity(self) -> Capacity:
        with self._library.lock:
            return Capacity(sum(map(len, self._library.contents.values())))

    def albums(self) -> Iterator[Album]:
        with self._library.lock:
            albums = list(self._library.albums)
        yield from albums

    def members(self, album: Album) -> Iterator[str]:
        with self._library.lock:
            members = self._library.albums.get(album, ())
        yield from members

    def check_trash(self) -> None:
        return  # it has no settings that matter

    def trash(self, assets: Sequence[tuple[str, str | None]]) -> list[OutpourError | None]:
        return [_answer(partial(self._trash, *pair)) for pair in assets]

    def restore(self, asset_ids: Sequence[str]) -> list[OutpourError | None]:
        return [_answer(partial(self._library.restore, key)) for key in asset_ids]

    def binned(self, ours: Collection[str]) -> Iterator[Binned]:  # noqa: ARG002 - it shows all
        with self._library.lock:
            assets = list(self._library.bin.values())
        yield from (Binned(a.id, sum(r.size or 0 for r in a.resources)) for a in assets)

    def _trash(self, asset_id: str, revision: str | None) -> None:
        with self._library.lock:
            asset = self._library.assets.get(asset_id)
            if asset and revision is not None and asset.revision != revision:
                raise ItemError(f"{asset_id} changed since it was listed")
            if asset_id in self._library.bin:
                raise InBin(f"{asset_id} was deleted already")
            self._library.trash(asset_id)


def _answer(action: Callable[[], None]) -> OutpourError | None:
    try:
        action()
    except OutpourError as error:
        return error
    return None
