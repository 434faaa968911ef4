"""Does a run write where its own source looks? Then each run would copy the copies of the last."""

from __future__ import annotations

from collections.abc import Callable

from connectors.errors import Misconfigured
from connectors.spelling import folded
from pipeline.config.models import Pipeline
from pipeline.ledger import Ledger, work
from pipeline.ledger.goal import ExcludedRoles


def check_paths(ledger: Ledger, pipeline: Pipeline, excluded: ExcludedRoles) -> None:
    """Misconfigured where a file that is to be copied would lie in what a source lists.

    A sink within its source is refused with the configuration; this is for a source within its
    sink, where it depends on the path template.
    """
    for sink in pipeline.sinks:
        for folder in _listed(pipeline, sink.name):
            path = work.missing_below(ledger, sink.name, folder, excluded)
            if path is not None:
                raise Misconfigured(
                    f"{sink.name}: {path} would lie within the source, which would list it as new",
                    hint="Choose a folder outside the source, or another path template.",
                )


def in_sources(pipeline: Pipeline, sink: str) -> Callable[[str], bool]:
    """Whether a path of the sink is in a folder that a source lists: what lies there is no copy."""
    folders = tuple(f"{folded(folder)}/" for folder in _listed(pipeline, sink))
    return lambda path: folded(path).startswith(folders)


def _listed(pipeline: Pipeline, sink: str) -> list[str]:
    """Folders of the sink that a source lists."""
    place = pipeline.sink(sink)
    settings = [source.settings for source in pipeline.sources] if place else []
    return [found for one in settings if place and (found := one.lists(place.settings))]
