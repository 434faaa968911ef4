"""Folders that files went into, asked in the end whether they are still there.

Drive takes files into a folder that is in the bin, and what it says of such a file need not
mention the bin (google-api-objectivec-client issue 70, googleworkspace/android-samples issue 66).
So each folder on the way is asked, from the outside in: what is below one that is gone is gone.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from itertools import groupby, islice

from connectors.errors import NotFound, Transient
from connectors.gdrive.api import Api

_PARENTS = 50  # in one question


class Used:
    """Thread-safe. Paths begin at the top of the drive."""

    def __init__(self) -> None:
        self._ids: dict[str, set[str]] = {}
        self._lock = threading.Lock()

    def note(self, path: str, ids: Iterable[str]) -> None:
        """Files go into the folder at ``path``, or into one below it."""
        with self._lock:
            self._ids.setdefault(path, set()).update(ids)

    def gone(self, api: Api) -> list[str]:
        """The outermost of the folders that are gone, or in the bin."""
        gone: set[str] = set()
        for depth, level in groupby(sorted(self._ids, key=_depth), key=_depth):
            paths = [path for path in level if gone.isdisjoint(_above(path))]
            shown = self._shown(api, paths) if depth else set()
            for path in paths:
                if not all(_is_there(api, identity) for identity in self._ids[path] - shown):
                    gone.add(path)
        return sorted(gone)

    def _shown(self, api: Api, paths: Iterable[str]) -> set[str]:
        """Ids of folders that a listing shows beside these."""
        above = iter(sorted({path.rpartition("/")[0] for path in paths}))
        parents = (identity for path in above for identity in self._ids[path])
        shown: set[str] = set()
        try:
            while some := list(islice(parents, _PARENTS)):
                shown |= {found["id"] for found in api.children(some, "id", folders=True)}
        except NotFound as error:
            raise Transient("a folder vanished from Google Drive just now") from error
        return shown


def _is_there(api: Api, identity: str) -> bool:
    found = api.get(identity)
    return found is not None and not found.get("trashed")


def _depth(path: str) -> int:
    return path.count("/")


def _above(path: str) -> Iterator[str]:
    while path := path.rpartition("/")[0]:
        yield path
