"""``outpour status``."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.text import Text

from connectors.abilities import Capacity, HasCapacity
from connectors.base import Sink, Source
from connectors.errors import OutpourError
from connectors.private import state_path
from pipeline.cli import options as o
from pipeline.cli.answers import show_capacity
from pipeline.cli.opening import job_of, ledger_path, pipeline_of
from pipeline.cli.output import complain, emit, paper
from pipeline.display.connecting import addressed
from pipeline.ledger import Ledger
from pipeline.reclaim.prospect import Prospect, prospect
from pipeline.report.standing import Standing, standing
from pipeline.runner.job import Job
from pipeline.runner.places.same_place import why_elsewhere
from pipeline.states import Exit, RunState
from pipeline.wording import counted, local_time, printable, show_size


def status(
    config: o.Config = None,
    for_: o.Row = None,
    from_: o.From = None,
    to: o.To = None,
    json: o.Json = False,
) -> int:
    """Show how full each place is and where the pipeline stands.

    Without arguments: all pipelines that ever ran here, without asking any place.
    """
    if config is None and not from_ and not to and for_ is None:
        found = [at for at in map(_standing, _ledgers()) if at]
        if json:
            emit({"pipelines": [asdict(one) for one in found]})
        else:
            with paper() as console:
                for one in found:
                    _show_standing(console, one)
                if not found:
                    console.print("No pipeline ran here yet. Try: outpour demo")
        return _unread(found)
    pipeline = pipeline_of(config, from_, to, for_)
    with job_of(pipeline) as job, ThreadPoolExecutor(8) as asking:
        away, ahead = _by_ledger(job)
        every: list[Source | Sink] = [*job.sources, *job.sinks]
        rooms = list(asking.map(_room, every, [away.get(end.name) for end in every]))
    now = _standing(ledger_path(pipeline.name))
    if json:
        emit(
            {
                "pipeline": asdict(now) if now else None,
                "places": [_data(*room) for room in rooms],
                "reclaim": asdict(ahead) if ahead else None,
            }
        )
        return _unread([now] if now else [])
    ends = [f"--from={end}" for end in from_ or ()] + [f"--to={end}" for end in to or ()]
    places = shlex.join([str(config), *o.chosen(for_)] if config else ends)
    with paper() as console:
        if now:
            _show_standing(console, now)
        else:
            console.print(f"{pipeline.name}: has not run yet")
        for name, capacity, trouble in rooms:
            show_capacity(console, name, capacity, trouble)
        if ahead:
            _show_prospect(console, ahead, places)
    return _unread([now] if now else [])


def _unread(found: Sequence[Standing]) -> int:
    """Tell of the ledgers that could not be read, whose pipelines are not shown."""
    told = [one.error for one in found if one.error]
    return complain("\n".join(told), "", Exit.ITEMS_FAILED) if told else Exit.OK


def _ledgers() -> list[Path]:
    """Of all pipelines that ran here. Raises OSError where they cannot be listed."""
    try:
        found = state_path("pipelines").iterdir()
        return sorted(one for one in found if one.suffix == ".sqlite" and not one.is_dir())
    except FileNotFoundError:
        return []


def _room(place: Source | Sink, away: OutpourError | None) -> tuple[str, Capacity | None, str]:
    try:
        if away is not None:
            raise away
        return place.name, place.capacity() if isinstance(place, HasCapacity) else None, ""
    except OutpourError as error:
        return place.name, None, addressed(error.advice)


def _data(name: str, capacity: Capacity | None, trouble: str) -> dict[str, Any]:
    return {"name": name, "capacity": asdict(capacity) if capacity else None, "error": trouble}


def _by_ledger(job: Job) -> tuple[Mapping[str, OutpourError], Prospect | None]:
    """Why places are away, also those in whose stead something else is; and what could be freed."""
    path = ledger_path(job.pipeline.name)
    if not path.exists():
        return job.away, None
    try:
        with Ledger.open(path, exclusive=False) as ledger:
            here = [sink for sink in job.sinks if sink.name not in job.away]
            found = {sink.name: why_elsewhere(ledger, job.pipeline, sink) for sink in here}
            away = {**job.away, **{name: why for name, why in found.items() if why}}
            return away, prospect(replace(job, away=away), ledger)
    except OutpourError:
        return job.away, None  # what is wrong with the ledger is said where it stands


def _show_prospect(console: Console, ahead: Prospect, places: str) -> None:
    """What would make room at the source: now, and after a move. ``places`` names the pipeline."""
    name = printable(ahead.source)
    flag = " --copies 1" if ahead.copies == 1 else ""
    if ahead.now.assets:
        where = "at two places" if ahead.copies > 1 else "at one place"
        text = f"{show_size(ahead.now.bytes)} of {name} could be freed: {counted(ahead.now.assets)}"
        command = f"outpour reclaim {printable(places)}{flag}"
        console.print(f"\n{text} proven {where} ({command})", soft_wrap=True)
    if ahead.moved.assets:
        text = f"{show_size(ahead.moved.bytes)} more once moved ({counted(ahead.moved.assets)})"
        console.print(f"Up to {text}", style="dim", soft_wrap=True)


def _standing(path: Path) -> Standing | None:
    if not path.exists():
        return None
    try:
        with Ledger.open(path, exclusive=False) as ledger:
            found = standing(ledger)
        if found.run_state == RunState.RUNNING and not Ledger.in_use(path):
            return replace(found, run_state=RunState.INTERRUPTED)  # killed
        return found
    except OutpourError as error:
        return Standing(path.stem, error=str(error))


def _show_standing(console: Console, at: Standing) -> None:
    line = Text(printable(at.name), style="bold")
    if at.error:
        line.append(f"  {at.error}", style="not bold red")
    else:
        never = "not run since its rebuild" if at.rebuilt else "never ran"
        line.append(f"  {at.run_state.replace('_', ' ') or never}", style="not bold")
        line.append(f"  {local_time(at.since or at.rebuilt)}", style="not bold dim")
    console.print(line, soft_wrap=True)
    for state, totals in at.assets.items():
        console.print(f"  {state:<12} {counted(totals.assets)}, {show_size(totals.bytes)}")
