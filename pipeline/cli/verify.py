"""``outpour verify``."""

from __future__ import annotations

from typing import Annotated

import typer

from pipeline.cli import options as o
from pipeline.cli.answers import show_verified
from pipeline.cli.opening import opened, pipeline_of, require_ledger, resume_command
from pipeline.cli.output import answer
from pipeline.cli.working import working
from pipeline.runner import verify as verify_job
from pipeline.states import Exit

Download = Annotated[
    float | None,
    typer.Option(
        min=0,
        max=100,
        metavar="PERCENT",
        help="Also read back this share of the files where the sink lists checksums of its own; "
        "100 for all. Other sinks are always read back whole.",
    ),
]
AcceptLost = Annotated[
    bool,
    typer.Option(
        "--accept-lost",
        help="What is missing of photos that are no longer at the source, or not selected, is "
        "missing on purpose, say because you deleted it: it is neither made again nor named.",
    ),
]


def verify(
    config: o.Config = None,
    for_: o.Row = None,
    from_: o.From = None,
    to: o.To = None,
    download: Download = None,
    accept_lost: AcceptLost = False,
    json: o.Json = False,
) -> int:
    """Check every confirmed copy again, byte for byte.

    Names what is missing or changed; the next run brings it again. What could not be read is
    named too, and stays as it was.
    """
    pipeline = pipeline_of(config, from_, to, for_)
    require_ledger(pipeline.name)
    part = None if download is None else download / 100
    with opened(pipeline, may_leave_out=True) as (job, ledger), working(json=json) as at:
        found = verify_job(
            job,
            ledger,
            at.screen,
            stop=at.stop,
            download=part,
            accept_lost=accept_lost,
            prompter=at.prompter,
        )
    wrong, hint = "some copies are not as they were", "outpour run brings them again"
    if any(sink.acceptable for sink in found.sinks):
        hint += ", or what helps stands in their line"
    if found.exit in (Exit.NEEDS_PERSON, Exit.NO_ROOM, Exit.FATAL):
        wrong = "; ".join(sink.away for sink in found.sinks if sink.away)
        hint = f"then again: {resume_command()}"
    elif not any(sink.wrong for sink in found.sinks):
        wrong, hint = "some copies could not be read", "nothing else is known of them: verify again"
    return answer(found, show_verified, wrong, hint, json=json)
