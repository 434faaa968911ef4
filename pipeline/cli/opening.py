"""From arguments to a pipeline, its places and its ledger."""

from __future__ import annotations

import contextlib
import shlex
from collections.abc import Iterator, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import replace
from pathlib import Path
from typing import Any

from connectors.abilities import Checks
from connectors.base import Sink, Source
from connectors.errors import Misconfigured
from connectors.private import private_dir, state_path
from pipeline.config.load import load, one_shot
from pipeline.config.models import Pipeline, Place
from pipeline.config.passwords import Passwords
from pipeline.display.connecting import connect_by
from pipeline.ledger import Ledger
from pipeline.runner import Job
from pipeline.runner.places.sink_locks import exclusive_sinks
from pipeline.together.owning import claim

ARGUMENTS: ContextVar[Sequence[str]] = ContextVar("arguments", default=())
"""The command line of this command."""


def pipeline_of(
    config: Path | None,
    sources: Sequence[str] | None,
    sinks: Sequence[str] | None,
    row: str | None = None,
    **options: Any,
) -> Pipeline:
    """The pipeline that the arguments name: a file, or a ``row`` of its table; or --from and
    --to with ``options``."""
    given = {key: value for key, value in options.items() if value not in (None, [])}
    if config is not None:
        if sources or sinks or given:
            raise Misconfigured(
                "a pipeline file says everything itself: leave out --from, --to and the like",
                hint="Variables override it for once, for example OUTPOUR_SELECT__SINCE=2024-01-01",
            )
        of_row = [] if row is None else ["--for", row]
        connect_by(shlex.join(["outpour", "connect", str(config), *of_row]))
        return load(config, row)
    if row is not None:
        raise Misconfigured(
            "--for goes with a pipeline file", hint="outpour run staff.yaml --for ann"
        )
    if not sources or not sinks:
        raise Misconfigured(
            "what should move where? Name a pipeline file, or both --from and --to",
            hint="for example: outpour run --from icloud:ann@example.com --to ./Photos",
        )
    return one_shot(sources, sinks, _nested(given), current_folder())


def current_folder() -> Path:
    """Where the command was started; Misconfigured if that was removed since."""
    try:
        return Path.cwd()
    except FileNotFoundError:
        raise Misconfigured(
            "the current folder is gone", hint="Change into one that is there, then run again."
        ) from None


def _nested(options: Mapping[str, Any]) -> dict[str, Any]:
    chosen = {key: value for key, value in options.items() if key != "path"}
    nested: dict[str, Any] = {"select": chosen} if chosen else {}
    return nested | ({"path": options["path"]} if "path" in options else {})


@contextlib.contextmanager
def opened(
    pipeline: Pipeline, *, writing: bool = False, may_leave_out: bool = False
) -> Iterator[tuple[Job, Ledger]]:
    """The pipeline's places and ledger, closed at the end.

    Misconfigured if the ledger is in use, or belongs to another source, or if a place is not
    there or, with ``writing``, a sink takes nothing; Fatal if it was there before, or if another
    pipeline is writing there that has to be alone. With ``may_leave_out`` a pipeline that ran
    before goes on without that place.
    """
    ledger_at = ledger_path(pipeline.name)
    # The places first: what is wrong with their settings must not leave an empty ledger behind.
    with job_of(pipeline, writing=writing) as job:
        if not ledger_at.exists():
            job.require_all()
        _make_room_for(ledger_at)
        with contextlib.ExitStack() as stack:
            ledger = stack.enter_context(Ledger.open(ledger_at))
            claim(ledger, pipeline)
            known = job.after(ledger)
            if writing:
                occupied = stack.enter_context(exclusive_sinks(pipeline))
                known = replace(known, away={**known.away, **occupied})
            if not may_leave_out:
                known.require_all()
            yield known, ledger


def _make_room_for(ledger: Path) -> None:
    try:
        private_dir(ledger.parent)
    except OSError as error:
        raise Misconfigured(
            f"cannot keep a ledger in {ledger.parent}: {error.strerror}",
            hint="XDG_STATE_HOME names the folder in which it may be.",
        ) from None


@contextlib.contextmanager
def sources_of(places: Sequence[Place], beside: Sequence[Place] = ()) -> Iterator[list[Source]]:
    """The sources made; they are closed at the end. Misconfigured if one password would be tried
    at two accounts, of theirs or of the places ``beside`` them."""
    Passwords().check(*places, *beside)
    with contextlib.ExitStack() as stack:
        sources: list[Source] = []
        for place in places:
            sources.append(place.source())
            stack.callback(sources[-1].close)
        yield sources


@contextlib.contextmanager
def job_of(pipeline: Pipeline, *, writing: bool = False) -> Iterator[Job]:
    """The pipeline with its places made; they are closed at the end. Those that are not there, or
    with ``writing`` sinks that take nothing, are among them, and said to be away. Misconfigured if
    one password would be tried at two accounts."""
    with contextlib.ExitStack() as stack:
        sources = stack.enter_context(sources_of(pipeline.sources, pipeline.sinks))
        sinks: list[Sink] = []
        for place in pipeline.sinks:
            sinks.append(place.sink())
            stack.callback(sinks[-1].close)
        ends: list[Source | Sink] = [*sources, *sinks]
        away = {end.name: why for end in ends if (why := why_away(end, writing=writing))}
        yield Job(pipeline, tuple(sources), tuple(sinks), away)


def why_away(end: Source | Sink, *, writing: bool = False) -> Misconfigured | None:
    """Why it cannot be used as it is; None if it seems that it can."""
    try:
        if isinstance(end, Checks):
            end.check(writing=writing)
    except Misconfigured as error:
        return error
    return None


def ledger_path(name: str) -> Path:
    """Where the ledger of a pipeline is, or would be: whoever only reads makes no folder."""
    return state_path("pipelines", f"{name}.sqlite")


def require_ledger(name: str) -> None:
    """Misconfigured if this pipeline never ran here."""
    if not ledger_path(name).exists():
        raise Misconfigured(
            f"pipeline {name!r} has no ledger here: it never ran",
            hint="outpour status lists the pipelines that did.",
        )


def resume_command() -> str:
    """What to type to go on."""
    return shlex.join(["outpour", *ARGUMENTS.get()])
