"""What only the file system of the phone knows: files, and edits, that no library speaks of."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from connectors.base import Asset, Problem
from connectors.iphone import names
from connectors.iphone.asking import Asking
from connectors.iphone.assembly import orphan, plain, sized
from connectors.iphone.device import Stat
from connectors.iphone.found import Found, edit_folder

_AT_ONCE = 500  # assets made together


class Strays:
    """Makes assets of such files, a folder at a time."""

    def __init__(self, asking: Asking) -> None:
        self._asking = asking

    def assets(self, folder: str, files: list[str], edited: set[str]) -> Iterator[Asset]:
        """``files`` are names in ``folder``, ``edited`` the stems that have an edit. Raises as
        the link."""
        if not edited and not any(map(names.is_media, files)):
            return
        stats = self._stats(folder, files)
        groups = by_stem(stats)
        for stem in sorted(edited - groups.keys()):
            groups[stem] = []
        stems = list(groups)
        for at in range(0, len(stems), _AT_ONCE):
            part = stems[at : at + _AT_ONCE]
            edits = self._asking.each_names([edit_folder(folder, s) for s in part if s in edited])
            made = [
                asset
                for stem in part
                for asset in _of_stem(folder, stem, groups[stem], stats, edits)
            ]
            yield from self._asking.complete(made)

    def _stats(self, folder: str, files: Iterable[str]) -> dict[str, Stat]:
        """What is known of each real file, by name; links are named as problems."""
        found = {}
        for path, stat in self._asking.stats([f"{folder}/{name}" for name in files]).items():
            if stat.link and names.is_media(path.rpartition("/")[2]):
                self._asking.problems.append(Problem(path, "it is a link, which is not followed"))
            elif not stat.link and not stat.folder:
                found[path.rpartition("/")[2]] = stat
        return found


def by_stem(files: Iterable[str]) -> dict[str, list[str]]:
    """File names by the stem of the asset they belong to."""
    found: dict[str, list[str]] = {}
    for name in files:
        found.setdefault(names.owner(name)[0], []).append(name)
    return found


def _of_stem(
    folder: str,
    stem: str,
    rest: list[str],
    stats: dict[str, Stat],
    edits: dict[str, list[str]],
) -> Iterator[Asset]:
    where = edit_folder(folder, stem)
    found = Found(folder, [], where, edits.get(where, []))
    while any(map(names.is_media, rest)):
        asset = plain(replace(found, beside=rest))
        found = replace(found, edits=[])  # they belong to one of them
        used = {part.handle.rpartition("/")[2] for part in asset.resources}
        first = stats[asset.resources[0].filename]
        known = {f"{folder}/{name}": stats[name].size for name in used if name in stats}
        yield sized(replace(asset, created=min(first.born, first.modified)), known)
        rest = [name for name in rest if name not in used]
    alone = orphan(found, stem)
    if alone is not None:
        yield alone
