"""``outpour stranded``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from rich.console import Console
from rich.text import Text

from connectors.errors import Misconfigured
from pipeline.cli import options as o
from pipeline.cli.answers import headline, show_unshown
from pipeline.cli.opening import current_folder, ledger_path, pipeline_of, sources_of, why_away
from pipeline.cli.output import complain, emit, paper
from pipeline.cli.working import working
from pipeline.config.load import several_places
from pipeline.config.models import Limits, Pipeline, Place
from pipeline.report.whereabouts import Part, Whereabouts
from pipeline.runner.comparing import Compared, compare
from pipeline.states import Exit
from pipeline.wording import counted, local_time, printable, show_size


def stranded(
    config: o.Config = None, for_: o.Row = None, from_: o.From = None, json: o.Json = False
) -> int:
    """Show what only one source has, and would be lost with it.

    Lists the sources and reads no file. Changes nothing.

    \b
    outpour stranded family.yaml
    outpour stranded --from iphone --from icloud:ann@example.com
    """
    places, pipeline = _asked(config, from_, for_)
    with sources_of(places) as sources, working(json=json) as at:
        found = compare(
            sources,
            ledger_path(pipeline.name) if pipeline else None,
            at.screen,
            stop=at.stop,
            attempts=(pipeline.limits if pipeline else Limits()).attempts,
            prompter=at.prompter,
            pipeline=pipeline,
            away={source.name: why for source in sources if (why := why_away(source))},
        )
    if json:
        rest = {"problem_count": found.problem_count, "unlisted": found.unlisted}
        problems = [asdict(problem) for problem in found.problems]
        emit({**asdict(found.where), **rest, "problems": problems, "exit": int(found.exit)})
    else:
        with paper() as console:
            show(console, found)
    if found.exit is Exit.OK:
        return 0
    text = "what could not be listed is not compared: it may be stranded too"
    return complain(text, "outpour run lists it again, and copies what can be read.", found.exit)


def _asked(
    config: Path | None, from_: list[str] | None, row: str | None
) -> tuple[Sequence[Place], Pipeline | None]:
    """The sources to compare, and the pipeline whose they are, if they are of one."""
    if config is not None:
        pipeline = pipeline_of(config, from_, None, row)
        return pipeline.sources, pipeline
    if row is not None:
        raise Misconfigured("--for goes with a pipeline file")
    if not from_:
        raise Misconfigured(
            "what should be compared? Name a pipeline file, or --from twice",
            hint="for example: outpour stranded --from iphone --from icloud:ann@example.com",
        )
    return several_places(from_, current_folder()), None


def show(console: Console, compared: Compared) -> None:
    """The parts of the library by who has them, then the oldest photo that only one has, and
    what was not listed."""
    found = compared.where
    alone = [part for part in found.parts if len(part.sources) == 1]
    first = found.only(found.sources[0])
    if first is None and compared.exit is Exit.OK and not found.unproven:
        headline(console, "✔", "green", f"Nothing is stranded on {found.sources[0]}")
    elif first is None:
        headline(console, "…", "yellow", f"Nothing is known to be only on {found.sources[0]}")
    else:
        text = f"{counted(first.assets)}, {show_size(first.bytes)}, only on {found.sources[0]}"
        headline(console, "→", "yellow", text)
    for part in found.parts:
        _part(console, found, part)
    if found.unproven:
        text = f"{counted(found.unproven)}, {show_size(found.unproven_bytes)}"
        console.print(_line("not known", f"{text}: a run compares their bytes"), soft_wrap=True)
    for part in alone:
        when = f", {local_time(part.first)}" if part.first else ""
        text = f"{printable(part.oldest)}{when}"
        console.print(_line("oldest", f"only on {part.sources[0]}: {text}"), soft_wrap=True)
    if compared.unlisted:
        text = f"{counted(compared.unlisted)} more that a source counts"
        console.print(_line("not listed", text), soft_wrap=True)
    show_unshown(console, compared)


def _part(console: Console, found: Whereabouts, part: Part) -> None:
    if not part.sources:
        label = "nowhere"
    elif len(part.sources) == 1:
        label = f"only {part.sources[0]}"
    else:
        label = "both" if len(found.sources) == 2 else " and ".join(part.sources)
    dates = sorted({local_time(moment)[:10] for moment in (part.first, part.last) if moment})
    text = f"{counted(part.assets)}, {show_size(part.bytes)}"
    more = f"  {' to '.join(dates)}" if dates else ""
    console.print(_line(label, text + more), soft_wrap=True)


def _line(label: str, text: str) -> Text:
    return Text.assemble((f"  {printable(label):<13} ", "dim"), text)
