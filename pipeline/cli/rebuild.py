"""``outpour rebuild``."""

from __future__ import annotations

from typing import Annotated

import typer

from pipeline import display
from pipeline.cli import options as o
from pipeline.cli.opening import opened, pipeline_of, resume_command
from pipeline.cli.output import answer, complain
from pipeline.cli.prompter import TerminalPrompter, at_terminal
from pipeline.cli.signals import Interrupts
from pipeline.cli.tell import show_rebuilt
from pipeline.runner import rebuild as rebuild_job
from pipeline.states import Exit
from pipeline.stopping import Stop, Stopped

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
    stop = Stop()
    screen = display.choose(machine=False, quiet=json)
    interrupts = Interrupts(stop, lambda: None)
    prompter = None
    if at_terminal() and not json:
        prompter = TerminalPrompter(screen.pause, interrupts)
    try:
        with opened(pipeline) as (job, ledger), interrupts(), screen:
            found = rebuild_job(
                job, ledger, screen, stop=stop, prompter=prompter, download=download
            )
    except Stopped:
        return complain("stopped before the end", f"again: {resume_command()}", Exit.INTERRUPTED)
    wrong, hint = "not everything was found at the sinks", "outpour run brings the rest"
    if found.missing:
        hint = "outpour verify says which, then outpour run brings them"
    return answer(found, show_rebuilt, wrong, hint, json=json)
