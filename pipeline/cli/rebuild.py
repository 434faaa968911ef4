"""``outpour rebuild``."""

from __future__ import annotations

from typing import Annotated

import typer

from pipeline.cli import options as o
from pipeline.cli.answers import show_rebuilt
from pipeline.cli.opening import opened, pipeline_of
from pipeline.cli.output import answer
from pipeline.cli.working import working
from pipeline.runner import rebuild as rebuild_job

Download = Annotated[
    bool,
    typer.Option(
        "--download/--no-download",
        help="Read back from a cloud what its listing cannot prove.",
    ),
]


def rebuild(
    config: o.Config = None,
    for_: o.Row = None,
    from_: o.From = None,
    to: o.To = None,
    download: Download = True,
    json: o.Json = False,
) -> int:
    """Rebuild a lost ledger from what the sinks hold. Moves nothing.

    Lists the source and the sinks, and counts as copies what is proven to be. What is missing
    comes with the next run.
    """
    pipeline = pipeline_of(config, from_, to, for_)
    with opened(pipeline) as (job, ledger), working(json=json) as at:
        found = rebuild_job(
            job, ledger, at.screen, stop=at.stop, prompter=at.prompter, download=download
        )
    wrong, hint = "not everything was found at the sinks", "outpour run brings the rest"
    if found.missing:
        hint = "outpour verify says which, then outpour run brings them"
    return answer(found, show_rebuilt, wrong, hint, json=json)
