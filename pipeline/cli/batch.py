"""``outpour batch``."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.text import Text

from pipeline.batch import Batch, Result
from pipeline.cli import options as o
from pipeline.cli.answers import headline
from pipeline.cli.failure import failure, told
from pipeline.cli.gathering import Gathering
from pipeline.cli.opening import resume_command
from pipeline.cli.outcomes import BAD, Do, answered, nothing_yet, outcome, tell, wrong
from pipeline.cli.output import complain, postscript
from pipeline.cli.signals import Interrupts
from pipeline.display import board
from pipeline.states import Exit
from pipeline.stopping import Stop
from pipeline.wording import count, counted, printable

_NAMED = 20  # pipelines of one kind that the end names

Files = Annotated[
    list[Path],
    typer.Argument(
        metavar="PIPELINE.yaml | FOLDER",
        help="Pipeline files; one with a table (each: people.csv) stands for one pipeline for "
        "each row. Of a folder all *.yaml and *.yml in it.",
    ),
]
What = Annotated[Do, typer.Option("--do", help="What to do with each pipeline.")]
Jobs = Annotated[
    int, typer.Option("--jobs", "-j", min=1, max=64, help="How many are under way at once.")
]


def batch(
    files_: Files, do: What = Do.RUN, jobs: Jobs = 4, json: o.Json = False, quiet: o.Quiet = False
) -> int:
    """Run many pipelines, some at once, each on its own.

    The same command goes on after an interruption, and moves what is new. What is wrong with
    one pipeline does not stop the others; the end names each that is not confirmed.

    \b
    outpour batch staff.yaml
    outpour batch accounts/ --jobs 8
    outpour batch staff.yaml --do status
    """
    with board.reading(machine=json, quiet=quiet):
        found = Gathering(files_, do.value)
    stop = Stop()
    screen = board.choose(len(found.tasks), partial(tell, do), machine=json, quiet=quiet)
    many = Batch(found.tasks, jobs, screen, stop)

    def stopping() -> None:
        screen.say("stopping: what is in flight is finished or dropped (Ctrl-C again: at once)")

    with Interrupts(stop, stopping, many.kill), screen:
        for remark in found.remarks:
            screen.say(remark, "yellow")
        result = many.run()
    if isinstance(screen, board.Events):
        by_exit = {int(code): number for code, number in result.by_exit.items()}
        left = [task.name for task in result.left]
        screen.machine.write(
            "summary", {"by_exit": by_exit, "not_started": left, "exit": int(result.exit)}
        )
        if (error := screen.machine.unwritten) is not None:
            complain(told(error), "", result.exit)
            # What a run does is done, whoever hears of it; the others only tell.
            if do is not Do.RUN and result.exit is Exit.OK:
                return failure(error).exit
    elif not (quiet and result.exit is Exit.OK):
        with postscript() as console:
            _show(console, result, do)
    if result.exit is Exit.OK:
        return 0
    short = len(result.left) + len(result.ended) - result.by_exit[Exit.OK]
    text = f"{counted(short, 'pipeline')} not {outcome(do).good}"
    return complain(text, _hint(result, do, files_), result.exit)


def _hint(result: Result, do: Do, paths: Sequence[Path]) -> str:
    short = do is Do.REBUILD and result.by_exit[Exit.ITEMS_FAILED]
    lost = do is Do.VERIFY and any(wrong(one) for one in result.ended)
    if (short or lost) and not result.interrupted:
        return f"bring what is missing: {shlex.join(['outpour', 'batch', *map(str, paths)])}"
    return f"go on with: {resume_command()}"


def _show(console: Console, result: Result, do: Do) -> None:
    good, all_of = result.by_exit[Exit.OK], len(result.ended) + len(result.left)
    words = outcome(do)
    if result.exit is Exit.OK:
        text = f"{counted(all_of, 'pipeline')} {words.good}"
        idle = sum(nothing_yet(one.answer) for one in result.ended)
        later = f"; nothing to do yet at {count(idle)} of them" if idle else ""
        headline(console, "✔", "green", (text if all_of == 1 else f"All {text}") + later)
    else:
        text = f"{count(good)} of {counted(all_of, 'pipeline')} {words.good}"
        headline(console, "✘", "red", text)
    for code, meaning in BAD.items():
        group = [one for one in result.ended if one.exit is code]
        if group:
            console.print(Text(f"  {meaning}: {counted(len(group), 'pipeline')}", style="red"))
        for one in group[:_NAMED]:
            console.print(Text(f"    {printable(tell(do, one))}"), soft_wrap=True)
        if len(group) > _NAMED:
            console.print(f"    and {count(len(group) - _NAMED)} more")
    if total := words.total([answer for answer in map(answered, result.ended) if answer]):
        console.print(f"  {total}", soft_wrap=True)
    if result.left:
        console.print(f"  not started: {counted(len(result.left), 'pipeline')}")
