"""Does a run write where its own source looks? Then each run would copy the copies of the last."""

from __future__ import annotations

from connectors.errors import Misconfigured
from pipeline.config.models import Pipeline
from pipeline.ledger import Ledger, work


def check_paths(ledger: Ledger, pipeline: Pipeline, without: work.LeftOut) -> None:
    """Misconfigured where a file that is to be copied would lie in what a source lists.

    A sink within its source is refused with the configuration; this is for a source within its
    sink, where it depends on the path template.
    """
    for sink in pipeline.sinks:
        for source in pipeline.sources:
            folder = source.settings.lists(sink.settings)
            path = work.missing_below(ledger, sink.name, folder, without) if folder else None
            if path is not None:
                raise Misconfigured(
                    f"{sink.name}: {path} would lie within the source, which would list it as new",
                    hint="Choose a folder outside the source, or another path template.",
                )
