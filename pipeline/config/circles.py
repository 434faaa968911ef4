"""Do pipelines copy each other's copies? What one puts into the source of another, and that one
into the source of the first, may be new to both: it would come round again at each run."""

from __future__ import annotations

import graphlib
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from pipeline.config.models import Pipeline, Place

Folder = tuple[str, str]  # the type of the place, the path
Edge = tuple[int, int]  # the pipeline that fills, the one that lists


class Circles:
    """Which pipelines fill what others list. Asks only the file system, for links."""

    def __init__(self, pipelines: Sequence[Pipeline]) -> None:
        self._pipelines = pipelines
        self._known: dict[tuple[str, str], str | None] = {}
        self._filled: dict[int, set[int]] = {number: set() for number in range(len(pipelines))}
        self._deeper: list[Edge] = []  # the sink lies below the source
        self._around: list[Edge] = []  # the source lies below the sink: the template may lead there
        self._connect()

    def growing(self) -> list[Pipeline]:
        """Pipelines of which each fills the source of the next, and the last that of the first,
        one of them deeper than its sink: each run would copy the copies of the last."""
        for filling, listing in self._deeper:
            way = self._way(listing, filling)
            if way:
                return [self._pipelines[number] for number in way]
        return []

    def doubtful(self) -> list[Pipeline]:
        """Pipelines that go round as well, where it depends on their folders: two that are kept
        alike may hold the same already, a template may lead elsewhere."""
        fed = {number: set(others) for number, others in self._filled.items()}
        for filling, listing in self._around:
            if filling != listing:
                fed[filling].add(listing)
        try:
            graphlib.TopologicalSorter(fed).prepare()
        except graphlib.CycleError as found:
            backwards = found.args[1]  # the last is the first once more
            return [self._pipelines[number] for number in reversed(backwards[1:])]
        return []

    def _connect(self) -> None:
        sources: defaultdict[Folder, list[_End]] = defaultdict(list)
        sinks: defaultdict[Folder, list[_End]] = defaultdict(list)
        for number, pipeline in enumerate(self._pipelines):
            for places, ends in ((pipeline.sources, sources), (pipeline.sinks, sinks)):
                for place in places:
                    for folder in _folders(place)[:1]:
                        ends[folder].append((number, place, repr(place.settings)))
        for folder, filling in sinks.items():
            for depth, around in enumerate(_around(folder)):
                for sink in filling:
                    for source in sources.get(around, ()):
                        if self._lists(source, sink) == "":
                            self._filled[sink[0]].add(source[0])
                            self._deeper += [(sink[0], source[0])] if depth else []
        for folder, listing in sources.items():
            for around in _around(folder)[1:]:
                self._around += [
                    (sink[0], source[0])
                    for source in listing
                    for sink in sinks.get(around, ())
                    if self._lists(source, sink)
                ]

    def _lists(self, source: _End, sink: _End) -> str | None:
        key = source[2], sink[2]
        if key not in self._known:
            self._known[key] = source[1].settings.lists(sink[1].settings)
        return self._known[key]

    def _way(self, start: int, end: int) -> list[int]:
        """From one pipeline to another, each of which fills the source of the next; empty if
        there is none."""
        came: dict[int, int | None] = {start: None}
        waiting = [start]
        for here in waiting:
            for number in self._filled[here] - came.keys():
                came[number] = here
                waiting.append(number)
        found: list[int] = []
        at: int | None = end if end in came else None
        while at is not None:
            found.insert(0, at)
            at = came[at]
        return found


_End = tuple[int, Place, str]
"""A place with the number of its pipeline and its settings as text."""


def _folders(place: Place) -> list[Folder]:
    """The folder that a place is, and those that it lies in, inmost first; none of one that is
    no folder."""
    kind, location = place.identity
    path = Path(location)
    if not path.is_absolute():
        return []
    try:
        return _around((kind, str(path.resolve())))
    except (OSError, RuntimeError):  # RuntimeError: a loop of links, until 3.13
        return []


def _around(folder: Folder) -> list[Folder]:
    kind, path = folder
    return [(kind, str(one)) for one in (Path(path), *Path(path).parents)]
