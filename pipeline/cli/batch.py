"""``outpour batch``."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.text import Text

from pipeline.batch import Batch, Ended, Result
from pipeline.cli import options as o
from pipeline.cli.failure import told
from pipeline.cli.gathering import Gathering
from pipeline.cli.opening import resume_command
from pipeline.cli.output import complain, postscript
from pipeline.cli.signals import Interrupts
from pipeline.cli.tell import headline
from pipeline.config.sizes import show_size
from pipeline.display import board
from pipeline.states import Exit
from pipeline.stopping import Stop
from pipeline.wording import count, counted, printable

_NAMED = 20  # pipelines of one kind that the end names


class Do(StrEnum):
    """What is done with each pipeline."""

    RUN = "run"
    PLAN = "plan"
    VERIFY = "verify"


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
    outpour batch staff.yaml --do verify
    """
    found = Gathering(files_, do.value)
    stop = Stop()
    screen = board.choose(len(found.tasks), _told(do), machine=json, quiet=quiet)
    many = Batch(found.tasks, jobs, screen, stop)

    def stopping() -> None:
        screen.say("stopping: what is in flight is finished or dropped (Ctrl-C again: at once)")

    with Interrupts(stop, stopping, many.kill)(), screen:
        for remark in found.remarks:
            screen.say(remark, "yellow")
        result = many.run()
    if isinstance(screen, board.Events):
        by_exit = {int(code): number for code, number in result.by_exit.items()}
        left = [task.name for task in result.left]
        screen.machine.write(
            "summary", {"by_exit": by_exit, "not_started": left, "exit": int(result.exit)}
        )
        if screen.machine.unwritten:
            complain(told(screen.machine.unwritten), "", result.exit)
    elif not (quiet and result.exit is Exit.OK):
        with postscript() as console:
            _show(console, result, do)
    if result.exit is Exit.OK:
        return 0
    short = len(result.left) + len(result.ended) - result.by_exit[Exit.OK]
    text = f"{counted(short, 'pipeline')} not {_GOOD[do]}"
    return complain(text, _hint(result, do, files_), result.exit)


def _hint(result: Result, do: Do, paths: Sequence[Path]) -> str:
    if do is Do.VERIFY and any(_wrong(one) for one in result.ended) and not result.interrupted:
        return f"bring them again: {shlex.join(['outpour', 'batch', *map(str, paths)])}"
    return f"go on with: {resume_command()}"


# --- how it ended, in words ---

_GOOD = {Do.RUN: "confirmed", Do.PLAN: "planned", Do.VERIFY: "as they were"}

_BAD = {
    Exit.ITEMS_FAILED: "not everything is right",
    Exit.USAGE: "could not begin",
    Exit.NEEDS_PERSON: "a person is needed",
    Exit.NO_ROOM: "no room",
    Exit.FATAL: "failed as a whole",
    Exit.INTERRUPTED: "stopped",
}


def _told(do: Do) -> Callable[[Ended], str]:
    def tell(ended: Ended) -> str:
        said, hint = ended.error or _BAD.get(ended.exit, ""), ended.hint
        if ended.exit is Exit.OK and ended.answer is not None:
            said = _numbers(do, ended.answer)
        elif do is Do.PLAN and ended.answer is not None and "assets" in ended.answer:
            said = f"{_numbers(do, ended.answer)}; {said}"
        elif do is Do.VERIFY and (lost := _wrong(ended)):
            said = f"{counted(lost, 'copy')} missing or changed"
            hint = f"which: {shlex.join(['outpour', *ended.task.arguments])}"
        return f"{ended.task.name}: {said}{f' ({hint})' if hint else ''}"

    return tell


def _numbers(do: Do, answer: Mapping[str, Any]) -> str:
    if do is Do.RUN:
        if answer.get("idle"):
            return str(answer["idle"])
        confirmed = answer["assets"].get("confirmed", 0)
        return f"{counted(confirmed)} confirmed, {show_size(answer['confirmed_bytes'])}"
    if do is Do.PLAN:
        return f"{counted(answer['assets'])} to move, {show_size(answer['bytes'])}"
    if _nothing_yet(answer):
        return "nothing was moved yet"
    checked = sum(sink["checked"] for sink in answer["sinks"])
    return f"{counted(checked, 'copy')} checked, all as they were"


def _wrong(ended: Ended) -> int:
    """Copies that a check found missing or changed."""
    sinks = (ended.answer or {}).get("sinks", ())
    return sum(len(sink.get("wrong", ())) for sink in sinks)


def _nothing_yet(answer: Mapping[str, Any] | None) -> bool:
    """Whether a pipeline has nothing to show: it is not due, or was never able to begin."""
    if answer is None:
        return False
    sinks = answer.get("sinks", ())
    unchecked = bool(sinks) and all(sink.get("checked") == 0 for sink in sinks)
    return unchecked or bool(answer.get("idle"))


def _show(console: Console, result: Result, do: Do) -> None:
    good, all_of = result.by_exit[Exit.OK], len(result.ended) + len(result.left)
    if result.exit is Exit.OK:
        text = f"{counted(all_of, 'pipeline')} {_GOOD[do]}"
        idle = sum(_nothing_yet(one.answer) for one in result.ended)
        later = f"; nothing to do yet at {count(idle)} of them" if idle else ""
        headline(console, "✔", "green", (text if all_of == 1 else f"All {text}") + later)
    else:
        headline(console, "✘", "red", f"{count(good)} of {counted(all_of, 'pipeline')} {_GOOD[do]}")
    tell = _told(do)
    for code, words in _BAD.items():
        group = [one for one in result.ended if one.exit is code]
        if group:
            console.print(Text(f"  {words}: {counted(len(group), 'pipeline')}", style="red"))
        for one in group[:_NAMED]:
            console.print(Text(f"    {printable(tell(one))}"), soft_wrap=True)
        if len(group) > _NAMED:
            console.print(f"    and {count(len(group) - _NAMED)} more")
    if do is Do.PLAN:
        told = (one.answer or {} for one in result.ended)
        answers = [answer for answer in told if "assets" in answer]  # else it is why there is none
        size = show_size(sum(answer["bytes"] for answer in answers))
        assets = counted(sum(answer["assets"] for answer in answers))
        console.print(f"  to move in all: {assets}, {size}")
    if result.left:
        console.print(f"  not started: {counted(len(result.left), 'pipeline')}")
