"""``outpour batch``."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.text import Text

from connectors.errors import Misconfigured
from pipeline.batch import Batch, Ended, Result, Task
from pipeline.cli import options as o
from pipeline.cli.opening import resume_command
from pipeline.cli.output import complain, postscript, told
from pipeline.cli.signals import Interrupts
from pipeline.cli.tell import headline
from pipeline.config.load import load_all
from pipeline.config.sizes import show_size
from pipeline.display import board
from pipeline.display.words import count, files, printable
from pipeline.states import Exit
from pipeline.stopping import Stop

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
        "each row. Of a folder all *.yaml in it.",
    ),
]
What = Annotated[Do, typer.Option("--do", help="What to do with each pipeline.")]
Jobs = Annotated[
    int, typer.Option("--jobs", "-j", min=1, max=64, help="How many are under way at once.")
]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress; only what is wrong.")]


def batch(
    files_: Files, do: What = Do.RUN, jobs: Jobs = 4, json: o.Json = False, quiet: Quiet = False
) -> int:
    """Run many pipelines, some at once, each on its own.

    The same command goes on after an interruption, and moves what is new. What is wrong with
    one pipeline does not stop the others; the end names each that is not confirmed.

    \b
    outpour batch staff.yaml
    outpour batch accounts/ --jobs 8
    outpour batch staff.yaml --do verify
    """
    tasks = _tasks(files_, do)
    stop = Stop()
    screen = board.choose(len(tasks), _told(do), machine=json, quiet=quiet)
    many = Batch(tasks, jobs, screen, stop)

    def stopping() -> None:
        screen.say("stopping: what is in flight is finished or dropped (Ctrl-C again: at once)")

    with Interrupts(stop, stopping, many.kill)(), screen:
        result = many.run()
    if isinstance(screen, board.Events):
        by_exit = {int(code): number for code, number in result.by_exit.items()}
        left = [task.name for task in result.left]
        screen.machine.write(
            "summary", {"by_exit": by_exit, "not_started": left, "exit": int(result.exit)}
        )
        if screen.machine.unwritten:
            complain(told(screen.machine.unwritten), "", result.exit)
    else:
        with postscript() as console:
            _show(console, result, do)
    if result.exit is Exit.OK:
        return 0
    short = len(result.left) + len(result.ended) - result.by_exit[Exit.OK]
    text = f"{files(short, 'pipeline')} not {_GOOD[do]}"
    again = f"go on with: {resume_command()}"
    if do is Do.VERIFY and not result.interrupted:
        again = "outpour batch without --do verify brings again what the sources have"
    return complain(text, again, result.exit)


def _tasks(paths: Sequence[Path], do: Do) -> list[Task]:
    """One for each pipeline. Misconfigured if any of them is not right, or two are one."""
    tasks: list[Task] = []
    called: dict[str, str] = {}
    for path in {path.resolve(): path for path in _files(paths)}.values():
        for row, pipeline in load_all(path):
            this = f"{path}" if row is None else f"{row} of {path}"
            other = called.setdefault(pipeline.name.casefold(), this)
            if other is not this:
                raise Misconfigured(
                    f"{other} and {this} are both called {pipeline.name!r}",
                    hint="Each has a ledger of its own: give one of them another name:",
                )
            # Joined, and never beginning with a dash: neither is then taken for an option.
            file = f"./{path}" if str(path).startswith("-") else str(path)
            chosen = [] if row is None else [f"--for={row}"]
            tasks.append(Task(pipeline.name, [do.value, file, *chosen]))
    return tasks


def _files(paths: Iterable[Path]) -> Iterable[Path]:
    for path in paths:
        if not path.is_dir():
            yield path
            continue
        found = sorted(one for one in path.iterdir() if _is_pipeline(one))
        if not found:
            raise Misconfigured(f"{path}: no pipeline file (*.yaml) is in this folder")
        yield from found


def _is_pipeline(path: Path) -> bool:
    """Not what a system hides, or puts beside a file for itself (._family.yaml)."""
    named = path.suffix.lower() in (".yaml", ".yml") and not path.name.startswith(".")
    return named and path.is_file()


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
        said = ended.error or _BAD.get(ended.exit, "")
        if ended.exit is Exit.OK and ended.answer is not None:
            said = _numbers(do, ended.answer)
        hint = f" ({ended.hint})" if ended.hint else ""
        return f"{ended.task.name}: {said}{hint}"

    return tell


def _numbers(do: Do, answer: Mapping[str, Any]) -> str:
    if do is Do.RUN:
        if answer.get("idle"):
            return str(answer["idle"])
        confirmed = answer["assets"].get("confirmed", 0)
        return f"{files(confirmed)} confirmed, {show_size(answer['confirmed_bytes'])}"
    if do is Do.PLAN:
        return f"{files(answer['assets'])} to move, {show_size(answer['bytes'])}"
    checked = sum(sink["checked"] for sink in answer["sinks"])
    return f"{files(checked, 'copy')} checked, all as they were"


def _show(console: Console, result: Result, do: Do) -> None:
    good, all_of = result.by_exit[Exit.OK], len(result.ended) + len(result.left)
    if result.exit is Exit.OK:
        text = f"{files(all_of, 'pipeline')} {_GOOD[do]}"
        idle = sum(bool(one.answer and one.answer.get("idle")) for one in result.ended)
        later = f"; {count(idle)} not due, nothing was done there" if idle else ""
        headline(console, "✔", "green", (text if all_of == 1 else f"All {text}") + later)
    else:
        headline(console, "✘", "red", f"{count(good)} of {files(all_of, 'pipeline')} {_GOOD[do]}")
    tell = _told(do)
    for code, words in _BAD.items():
        group = [one for one in result.ended if one.exit is code]
        if group:
            console.print(Text(f"  {words}: {files(len(group), 'pipeline')}", style="red"))
        for one in group[:_NAMED]:
            console.print(Text(f"    {printable(tell(one))}"), soft_wrap=True)
        if len(group) > _NAMED:
            console.print(f"    and {count(len(group) - _NAMED)} more")
    if result.left:
        console.print(f"  not started: {files(len(result.left), 'pipeline')}")
