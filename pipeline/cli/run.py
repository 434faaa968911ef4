"""``outpour run`` and ``outpour plan``."""

from __future__ import annotations

import shlex
from dataclasses import asdict

from pipeline import display
from pipeline.cli import options as o
from pipeline.cli.answers import show_plan, show_summary
from pipeline.cli.failure import told
from pipeline.cli.opening import job_of, ledger_path, opened, pipeline_of, resume_command
from pipeline.cli.output import complain, emit, paper, postscript
from pipeline.cli.working import working
from pipeline.display.connecting import addressed
from pipeline.display.machine import Machine
from pipeline.events import Notice
from pipeline.runner import Outcome, Plan
from pipeline.runner import plan as plan_job
from pipeline.runner import run as run_job
from pipeline.states import Exit
from pipeline.wording import counted, show_size


def run(
    config: o.Config = None,
    for_: o.Row = None,
    from_: o.From = None,
    to: o.To = None,
    since: o.Since = None,
    until: o.Until = None,
    album: o.Album = None,
    kind: o.Kind = None,
    favorites: o.Favorites = None,
    path: o.Template = None,
    json: o.Json = False,
    quiet: o.Quiet = False,
) -> int:
    """Move what is not confirmed yet.

    The same command goes on after an interruption, and moves what is new.

    \b
    outpour run family.yaml
    outpour run --from icloud:ann@example.com --to ./Photos
    """
    pipeline = pipeline_of(
        config, from_, to, for_,
        since=since, until=until, albums=album, kinds=kind, favorites=favorites, path=path,
    )  # fmt: skip
    screen = display.choose(machine=json, quiet=quiet)
    with (
        opened(pipeline, writing=True, may_leave_out=True) as (job, ledger),
        working(screen, json=json, stopping=lambda: screen.notice(_stopping())) as at,
    ):
        outcome = run_job(job, ledger, screen, stop=at.stop, prompter=at.prompter)
    if isinstance(screen, Machine):
        said = {"idle": outcome.idle, "error": addressed(outcome.error), "short": outcome.short}
        numbers = {"lost": outcome.lost, "exit": int(outcome.exit)}
        screen.write("summary", {**asdict(outcome.summary), **said, **numbers})
        if screen.unwritten:
            complain(told(screen.unwritten), "", outcome.exit)
    elif not (quiet and outcome.exit is Exit.OK):
        with postscript() as console:
            if outcome.idle:
                console.print(f"Nothing was done: {outcome.idle}", soft_wrap=True)
            else:
                show_summary(console, outcome.summary)
    _explain(outcome, pipeline.name)
    return int(outcome.exit)


def plan(
    config: o.Config = None,
    for_: o.Row = None,
    from_: o.From = None,
    to: o.To = None,
    since: o.Since = None,
    until: o.Until = None,
    album: o.Album = None,
    kind: o.Kind = None,
    favorites: o.Favorites = None,
    path: o.Template = None,
    json: o.Json = False,
) -> int:
    """Show what would move, how many bytes, and whether it fits. Changes nothing."""
    pipeline = pipeline_of(
        config, from_, to, for_,
        since=since, until=until, albums=album, kinds=kind, favorites=favorites, path=path,
    )  # fmt: skip
    with job_of(pipeline) as job, working(json=json) as at:
        found = plan_job(job, ledger_path(pipeline.name), at.screen, stop=at.stop)
    if json:
        emit({**asdict(found), "fits": found.fits})
    else:
        with paper() as console:
            show_plan(console, found)
    if found.fits:
        return int(Exit.OK)
    return complain(_too_much(found), f"what does not fit: {found.if_full}", Exit.NO_ROOM)


def _too_much(found: Plan) -> str:
    lacking = [f"{show_size(sink.lacking)} at {sink.name}" for sink in found.sinks if sink.lacking]
    if found.unplaced:
        lacking.append(f"{show_size(found.unplaced)} at all sinks together")
    if not found.staging.fits:
        short = found.staging.needed - found.staging.free
        lacking.append(f"{show_size(short)} in the staging folder")
    return f"not everything fits: {', '.join(lacking)} too much"


def _stopping() -> Notice:
    return Notice(
        "warning",
        "stopping: what is in flight is finished or dropped",
        hint="Ctrl-C again: at once",
    )


def _explain(outcome: Outcome, name: str) -> None:
    """What is wrong and what to do next, on standard error."""
    if outcome.exit is Exit.OK:
        return
    code = outcome.exit
    again = f"go on with: {resume_command()}"
    if code is Exit.USAGE:
        complain(outcome.error, "", code)  # the same command would end in the same way
    elif code is Exit.INTERRUPTED:
        complain("stopped before the end", again, code)
    elif code is Exit.ITEMS_FAILED:
        if missing := outcome.summary.missing:
            text = f"{counted(missing)} that the source counts were not in its listing"
            complain(text, f"try again later: {resume_command()}", code)
        if outcome.summary.confirmed < outcome.summary.total or outcome.summary.problem_count:
            report = f"all of them: outpour report {shlex.quote(name)}; "
            report += f"try again: {resume_command()}"
            complain("not everything is confirmed", report, code)
        if lost := outcome.lost:
            text = f"{counted(lost, 'copy')} missing of what the source has no more"
            complain(text, "which, and what helps: outpour verify", code)
        if outcome.short:
            complain(outcome.short, f"try again later: {resume_command()}", code)
    elif code is Exit.NO_ROOM:
        waiting = "; ".join(f"{why} for {counted(n)}" for why, n in outcome.summary.waiting.items())
        complain(outcome.error or waiting, f"make room there, then {again}", code)
    else:
        complain(outcome.error or f"the run ended as {outcome.state}", again, code)
