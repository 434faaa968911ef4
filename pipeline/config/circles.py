"""Do pipelines copy each other's copies? What one puts into the source of another, and that one
into the source of the first, is new to both: it would come round again at each run."""

from __future__ import annotations

import graphlib
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from pipeline.config.models import Pipeline, Place


def circle(pipelines: Sequence[Pipeline]) -> list[Pipeline]:
    """Pipelines of which each fills what the next one lists, and the last what the first does;
    empty where there are none. Asks only the file system, for links."""
    listing: defaultdict[tuple[str, str], list[tuple[int, Place]]] = defaultdict(list)
    for number, pipeline in enumerate(pipelines):
        for source in pipeline.sources:
            for folder in _folders(source)[:1]:
                listing[folder].append((number, source))
    fed = {
        number: {
            other
            for sink in pipeline.sinks
            for folder in _folders(sink)
            for other, source in listing[folder]
            if source.settings.lists(sink.settings) == ""
        }
        for number, pipeline in enumerate(pipelines)
    }
    try:
        graphlib.TopologicalSorter(fed).prepare()
    except graphlib.CycleError as found:
        backwards = found.args[1]  # the last is the first once more
        return [pipelines[number] for number in reversed(backwards[1:])]
    return []


def _folders(place: Place) -> list[tuple[str, str]]:
    """The folder that a place is, and those that it lies in, inmost first; none of one that is
    no folder."""
    kind, location = place.identity
    path = Path(location)
    if not path.is_absolute():
        return []
    try:
        path = path.resolve()
    except (OSError, RuntimeError):  # RuntimeError: a loop of links, until 3.13
        return []
    return [(kind, str(one)) for one in (path, *path.parents)]
