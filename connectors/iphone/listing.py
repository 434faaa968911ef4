"""Lists the phone, folder by folder: what the library says, held against what is there.

One folder's names and rows are in memory at a time. Files nobody speaks of (the library is
behind, or is not to be had) become assets of their own, with what the file system knows.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Coroutine, Iterable, Iterator
from dataclasses import replace
from operator import itemgetter
from typing import Any, Protocol, TypeVar

from connectors.base import Asset, Page, Problem
from connectors.iphone import names
from connectors.iphone.assembly import (
    Found,
    assemble,
    edit_folder,
    plain,
    sized,
    unsized,
    was_edited,
)
from connectors.iphone.device import Files, Stat
from connectors.iphone.library import Library, Row
from connectors.iphone.link import Link
from connectors.iphone.trouble import Denied, Missing

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)
_PAGE = 500
_SHARED_SCOPES = {2, 3}  # shared albums, Shared with You: not the person's own photos
_AT_ONCE = 200  # questions under way


class _Question(Protocol[T_co]):
    def __call__(self, files: Files, path: str) -> Coroutine[Any, Any, T_co]: ...


class Listing:
    """One pass over the phone. ``library`` None is the plain walk."""

    def __init__(self, link: Link, library: Library | None, *, trashed: bool) -> None:
        self._link = link
        self._library = library
        self._trashed = trashed
        self._visited: set[str] = set()
        self._problems: list[Problem] = []

    def pages(self) -> Iterator[Page]:
        """All assets, at most ``_PAGE`` a page. Raises as the link."""
        assets = itertools.chain(self._known(), self._strays())
        while True:
            part = tuple(itertools.islice(assets, _PAGE))
            problems, self._problems = tuple(self._problems), []
            yield Page(part, problems=problems)
            if len(part) < _PAGE:
                return

    # --- what the library knows --------------------------------------------------------

    def _known(self) -> Iterator[Asset]:
        if self._library is None:
            return
        for folder, group in itertools.groupby(self._library.rows(), itemgetter("directory")):
            rows = [row for row in group if row["scope"] not in _SHARED_SCOPES]
            if rows:
                yield from self._folder(folder or "", rows)

    def _folder(self, folder: str, rows: list[Row]) -> Iterator[Asset]:
        try:
            there = self._names(names.checked_folder(folder)) if folder else []
        except names.BadName as bad:
            self._problems += [Problem(_name(row), str(bad)) for row in rows]
            return
        self._visited.add(folder)
        by_stem = _by_stem(there)
        taken = {row["filename"] for row in rows}
        claimed = set(taken)
        for part in _parts(rows, _PAGE):
            for row, asset in self._assembled(folder, part, by_stem, taken):
                claimed |= {path.rpartition("/")[2] for path in _paths(asset)}
                if self._trashed or not row["trashed"]:
                    yield asset
        stems = {names.split(name)[0] for name in taken if name}
        yield from self._unclaimed(
            folder,
            [
                name
                for name in there
                if name not in claimed
                # An edit shown under a name of its own, of an asset that is listed.
                and not (names.owner(name)[1] and names.owner(name)[0] in stems)
            ],
        )

    def _assembled(
        self, folder: str, rows: list[Row], by_stem: dict[str, list[str]], taken: set[str]
    ) -> list[tuple[Row, Asset]]:
        """One batch: its resources, keywords, edits and unknown sizes are asked for together."""
        assert self._library is not None
        rows = [row for row in rows if self._sound(row)]
        resources = self._library.resources(row["key"] for row in rows)
        keywords = self._library.keywords(row["attributes"] for row in rows if row["attributes"])
        edits = self._edits(folder, rows, resources)
        assets = []
        for row in rows:
            name = row["filename"] or ""
            same = by_stem.get(names.split(name)[0], []) if name else []
            beside = [other for other in same if other == name or other not in taken]
            where = edit_folder(folder, name)
            found = Found(folder, beside, where, edits.get(where, []))
            words = keywords.get(row["attributes"], ())
            assets.append(assemble(row, resources.get(row["key"], []), words, found))
        return list(zip(rows, self._complete(assets), strict=True))

    def _sound(self, row: Row) -> bool:
        try:
            if row["filename"] is not None:
                names.checked_name(row["filename"])
            if not row["id"]:
                raise names.BadName("the phone's library has an asset without an id")
        except names.BadName as bad:
            self._problems.append(Problem(_name(row), str(bad)))
            return False
        return True

    def _edits(
        self, folder: str, rows: list[Row], resources: dict[int, list[Row]]
    ) -> dict[str, list[str]]:
        wanted = [
            edit_folder(folder, row["filename"])
            for row in rows
            if row["filename"] and was_edited(row, resources.get(row["key"], []))
        ]
        return {path: found for path, found in self._ask(wanted, _listed) if found}

    # --- what only the file system knows -----------------------------------------------

    def _strays(self) -> Iterator[Asset]:
        """Folders of photos the library has nothing in."""
        for above in (names.DCIM, names.SYNCED):
            for name in sorted(self._names(above)):
                folder = f"{above}/{name}"
                if folder not in self._visited and not name.startswith("."):
                    yield from self._unclaimed(folder, self._names(folder))

    def _unclaimed(self, folder: str, there: list[str]) -> Iterator[Asset]:
        if not any(map(names.is_media, there)):
            return
        paths = [f"{folder}/{name}" for name in there]
        stats = {path.rpartition("/")[2]: stat for path, stat in self._ask(paths, _stat) if stat}
        files = [name for name in there if name in stats and not stats[name].folder]
        for part in _parts(list(_by_stem(files).values()), _PAGE):
            assets = []
            for rest in part:
                while any(map(names.is_media, rest)):
                    asset = plain(folder, rest, None)
                    used = {path.rpartition("/")[2] for path in _paths(asset)}
                    first = stats[asset.resources[0].filename]
                    assets.append(replace(asset, created=min(first.born, first.modified)))
                    rest = [name for name in rest if name not in used]
            sizes = {f"{folder}/{name}": stat.size for name, stat in stats.items()}
            yield from (sized(asset, sizes) for asset in assets)

    # --- asking the phone ----------------------------------------------------------------

    def _complete(self, assets: list[Asset]) -> list[Asset]:
        unknown = [path for asset in assets for path in unsized(asset)]
        sizes = {path: stat.size for path, stat in self._ask(unknown, _stat) if stat}
        return [sized(asset, sizes) if unsized(asset) else asset for asset in assets]

    def _names(self, folder: str) -> list[str]:
        return self._link.call(lambda files: _listed(files, folder))

    def _ask(self, paths: list[str], question: _Question[T]) -> Iterator[tuple[str, T]]:
        """(path, answer) for each path, many at a time."""
        for part in _parts(paths, _AT_ONCE):
            asked = [functools.partial(question, path=path) for path in part]
            yield from zip(part, self._link.each(asked), strict=True)


async def _listed(files: Files, path: str) -> list[str]:
    """Names in a folder; none where there is no such folder."""
    try:
        return await files.names(path)
    except (Missing, Denied):
        return []


async def _stat(files: Files, path: str) -> Stat | None:
    try:
        return await files.stat(path)
    except (Missing, Denied):
        return None


def _by_stem(there: Iterable[str]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for name in there:
        found.setdefault(names.owner(name)[0], []).append(name)
    return found


def _paths(asset: Asset) -> list[str]:
    return [resource.handle for resource in asset.resources if resource.handle]


def _parts(items: list[Any], size: int) -> Iterator[list[Any]]:
    for at in range(0, len(items), size):
        yield items[at : at + size]


def _name(row: Row) -> str:
    return str(row["id"] or f"asset {row['key']}")
