"""Copies that a run made and that went away with their folder before it ended."""

from __future__ import annotations

from connectors.abilities import HasFolders
from connectors.base import Sink
from pipeline.ledger.copies import checks
from pipeline.ledger.goal import Goal
from pipeline.runner.places.same_place import Ask
from pipeline.stages.context import Run
from pipeline.wording import counted


def withdraw_copies(run: Run, sink: Sink, goal: Goal, ask: Ask) -> None:
    """Let what this run put into folders that are gone by now wait for the next one. What was
    in them before is for verify to find."""
    if not isinstance(sink, HasFolders):
        return
    for folder in ask(sink.vanished):
        lost = checks.withdraw(run.ledger, sink.name, folder, run.id, goal)
        where = f"the folder {folder}" if folder else "its folder"
        run.notice(
            "error",
            f"{where} was put into the bin or deleted during this run; what went into it does not "
            f"count and waits for the next run: {counted(lost, 'file')}",
            sink.name,
            "Bring it back or not, and run again; outpour verify finds what else was in it.",
        )
