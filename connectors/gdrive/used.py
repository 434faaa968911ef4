"""Folders that files went into, asked in the end whether they are still there.

Drive takes files into a folder that is in the bin, and what it says of such a file need not
mention the bin (google-api-objectivec-client issue 70, googleworkspace/android-samples issue 66).
So each folder on the way is asked, all at once: what is below one that is gone is gone.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterable, Iterator, Set
from concurrent.futures import Executor, ThreadPoolExecutor
from itertools import groupby, islice

from connectors.errors import NotFound
from connectors.gdrive.api import Api

_PARENTS = 50  # in one question
_AT_ONCE = 8  # questions


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
        tops = [path for path in self._ids if not _depth(path)]
        levels = [list(paths) for _, paths in groupby(sorted(self._ids, key=_depth), key=_depth)]
        with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="folders") as asking:
            lists = [asking.submit(self._shown, api, level) for level in levels[1:]]
            gone = self._not_there(api, asking, tops, set())
            shown: set[str] = set().union(*(some.result() for some in lists))
            below = [path for path in self._ids if _depth(path) and gone.isdisjoint(_above(path))]
            gone |= self._not_there(api, asking, below, shown)
        return sorted(path for path in gone if gone.isdisjoint(_above(path)))

    def _not_there(
        self, api: Api, asking: Executor, paths: Iterable[str], shown: Set[str]
    ) -> set[str]:
        """Those of the paths that are gone: each is asked for that was not shown."""
        asked = [(path, identity) for path in paths for identity in self._ids[path] - shown]
        answers = asking.map(lambda one: _is_there(api, one[1]), asked)
        return {path for (path, _), there in zip(asked, answers, strict=True) if not there}

    def _shown(self, api: Api, paths: Iterable[str]) -> set[str]:
        """Ids of folders that a listing shows beside these."""
        above = iter(sorted({path.rpartition("/")[0] for path in paths}))
        parents = (identity for path in above for identity in self._ids[path])
        shown: set[str] = set()
        while some := list(islice(parents, _PARENTS)):
            with contextlib.suppress(NotFound):  # a folder is gone: each of these is asked for
                shown.update(api.folders_among(some))
        return shown


def _is_there(api: Api, identity: str) -> bool:
    found = api.get(identity)
    return found is not None and not found.get("trashed")


def _depth(path: str) -> int:
    return path.count("/")


def _above(path: str) -> Iterator[str]:
    while path := path.rpartition("/")[0]:
        yield path
