"""Lists the phone, folder by folder: what the library says, held against what is there.

One folder's names and rows are in memory at a time. Files nobody speaks of (the library is
behind, or is not to be had) become assets of their own, with what the file system knows.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from operator import itemgetter
from typing import Any

from connectors.base import Asset, Page, Problem
from connectors.iphone import names
from connectors.iphone.asking import Asking
from connectors.iphone.assembly import assemble, was_edited
from connectors.iphone.found import Found, edit_folder
from connectors.iphone.library import Library, Row
from connectors.iphone.link import Link
from connectors.iphone.strays import Strays, by_stem

_PAGE = 500
_SHARED_SCOPES = {1, 2, 3}  # iCloud links, shared albums, Shared with You: not the person's own


class Listing:
    """One pass over the phone. ``library`` None is the plain walk."""

    def __init__(self, link: Link, library: Library | None, *, trashed: bool) -> None:
        self._asking = Asking(link)
        self._strays = Strays(self._asking)
        self._library = library
        self._trashed = trashed
        self._visited: set[str] = set()

    def pages(self) -> Iterator[Page]:
        """All assets, at most ``_PAGE`` a page. Raises as the link."""
        assets = itertools.chain(self._known(), self._unknown())
        while True:
            part = tuple(itertools.islice(assets, _PAGE))
            problems, self._asking.problems = tuple(self._asking.problems), []
            yield Page(part, problems=problems)
            if len(part) < _PAGE:
                return

    # --- what the library knows --------------------------------------------------------

    def _known(self) -> Iterator[Asset]:
        if self._library is None:
            return
        for directory, group in itertools.groupby(self._library.rows(), itemgetter("directory")):
            folder, rows, others = directory or "", [], set()
            for row in group:
                if row["scope"] in _SHARED_SCOPES:
                    others.add(row["filename"])
                else:
                    rows.append(row)
            if rows or folder.startswith((f"{names.DCIM}/", f"{names.SYNCED}/")):
                yield from self._folder(folder, rows, others)

    def _folder(self, folder: str, rows: list[Row], others: set[str | None]) -> Iterator[Asset]:
        """``others`` are the files there of assets that are not the person's own."""
        try:
            looked = self._asking.each_names([names.checked_folder(folder)] if folder else [])
        except names.BadName as bad:
            self._asking.problems += [Problem(_name(row), str(bad)) for row in rows]
            return
        self._visited.add(folder)
        there = looked.get(folder, [])
        edited = self._edited(folder) if folder else set()
        taken = {row["filename"] for row in rows} | others
        shown = not folder or folder in looked
        here = _Folder(folder, by_stem(there) if shown else None, taken, edited)
        stems = Counter(names.split(name)[0] for name in here.taken if name)
        here.shared = {stem for stem, count in stems.items() if count > 1}
        foreign = {names.split(name)[0] for name in others if name}
        claimed = set(here.taken)
        for part in _parts(rows, _PAGE):
            for row, asset in self._assembled(here, part):
                claimed |= {path.rpartition("/")[2] for path in _paths(asset)}
                if self._trashed or not row["trashed"]:
                    yield asset
        rest = [
            name
            for name in there
            if name not in claimed
            # An edit shown under a name of its own, of an asset that is listed.
            and not (names.owner(name)[1] and names.owner(name)[0] in stems)
            and not names.helps(name, stems)
            and names.owner(name)[0] not in foreign
        ]
        yield from self._strays.assets(folder, rest, edited - here.claimed - foreign)

    def _edited(self, folder: str) -> set[str]:
        """Stems of the files of a folder that have edits."""
        return set(self._asking.names(f"{names.MUTATIONS}/{folder}"))

    def _assembled(self, here: _Folder, rows: list[Row]) -> list[tuple[Row, Asset]]:
        """One batch: its resources, keywords, edits and unknown sizes are asked for together."""
        assert self._library is not None
        rows = [row for row in rows if self._sound(row)]
        resources = self._library.resources(row["key"] for row in rows)
        keywords = self._library.keywords(row["attributes"] for row in rows if row["attributes"])
        wanted = {
            stem
            for row in rows
            for stem in [names.split(row["filename"] or "")[0]]
            if stem in here.edited
            # The library may be behind; of two assets with one stem it alone knows whose it is.
            and (stem not in here.shared or was_edited(row, resources.get(row["key"], [])))
        }
        here.claimed |= wanted
        edits = self._asking.each_names([edit_folder(here.path, stem) for stem in sorted(wanted)])
        assets = []
        for row in rows:
            name, own = row["filename"] or "", resources.get(row["key"], [])
            stem = names.split(name)[0]
            beside = None
            if here.by_stem is not None:
                same = here.by_stem.get(stem, []) if name else []
                beside = [other for other in same if other == name or other not in here.taken]
            where = edit_folder(here.path, stem)
            mine = stem not in here.shared or was_edited(row, own)
            found = Found(here.path, beside, where, edits.get(where, []) if mine else [])
            assets.append(assemble(row, own, keywords.get(row["attributes"], ()), found))
        return list(zip(rows, self._asking.complete(assets), strict=True))

    def _sound(self, row: Row) -> bool:
        try:
            if row["filename"] is not None:
                names.checked_name(row["filename"])
            if not row["id"]:
                raise names.BadName("the phone's library has an asset without an id")
        except names.BadName as bad:
            self._asking.problems.append(Problem(_name(row), str(bad)))
            return False
        return True

    # --- what only the file system knows -----------------------------------------------

    def _unknown(self) -> Iterator[Asset]:
        """Folders of photos, and of edits, that the library has nothing in."""
        for above in (names.DCIM, names.SYNCED):
            edited = self._asking.names(f"{names.MUTATIONS}/{above}")
            there = self._asking.names(above)
            # Folders have no ending there.
            loose = [name for name in there if names.split(name)[1] and names.is_media(name)]
            yield from self._strays.assets(above, loose, set())
            for name in sorted({*there, *edited} - set(loose)):
                folder = f"{above}/{name}"
                if folder not in self._visited and not name.startswith("."):
                    stems = self._edited(folder) if name in edited else set()
                    yield from self._strays.assets(folder, self._asking.names(folder), stems)


@dataclass(slots=True)
class _Folder:
    """One folder while it is listed. ``taken`` are the file names the library gives to assets,
    ``edited`` the stems that have edits, ``claimed`` those given to an asset so far, ``shared``
    the stems of several assets."""

    path: str
    by_stem: dict[str, list[str]] | None  # None where the phone does not show them
    taken: set[str | None]
    edited: set[str]
    claimed: set[str] = field(default_factory=set)
    shared: set[str] = field(default_factory=set)


def _paths(asset: Asset) -> list[str]:
    return [resource.handle for resource in asset.resources if resource.handle]


def _parts(items: list[Any], size: int) -> Iterator[list[Any]]:
    for at in range(0, len(items), size):
        yield items[at : at + size]


def _name(row: Row) -> str:
    return str(row["id"] or f"asset {row['key']}")
