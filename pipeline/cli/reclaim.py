"""``outpour reclaim``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, fields
from datetime import UTC, datetime
from typing import Annotated, Any, Literal, TypeVar

import typer
from typer.core import TyperCommand

from connectors.errors import Misconfigured
from pipeline.cli import options as o
from pipeline.cli.failure import failure
from pipeline.cli.opening import opened, pipeline_of, require_ledger, resume_command
from pipeline.cli.output import complain, emit, paper
from pipeline.cli.prompter import TerminalPrompter
from pipeline.cli.reclaim_answers import show_aftermath, show_done, show_survey, show_undone
from pipeline.cli.working import Working, working
from pipeline.config.sizes import parse_share, parse_size
from pipeline.display import Display
from pipeline.reclaim import Done, Policy, Session, Survey, reclaiming
from pipeline.reclaim.policy import KEEP, LIMIT, moment
from pipeline.states import Exit
from pipeline.wording import show_size

T = TypeVar("T")

Free = Annotated[
    str | None,
    typer.Option(metavar="SIZE", help="Free this much, for example 12GB."),
]
Until = Annotated[
    str | None,
    typer.Option(
        metavar="PERCENT",
        help="Free until no more than this share of the source is used, for example 80%.",
    ),
]
OlderThan = Annotated[
    str | None,
    typer.Option(
        metavar="AGE|DATE",
        help="Only what was captured before: 2y, 6 months, 90d or 2020-01-31. "
        "Without --free or --until: all of it.",
    ),
]
By = Annotated[
    Literal["largest", "oldest"] | None,
    typer.Option(
        "--order", help="Which go first; with --older-than alone the oldest, else the largest."
    ),
]
Copies = Annotated[
    int,
    typer.Option(
        min=1,
        help="Independent sinks that must hold every file of an asset.",
    ),
]
Keep = Annotated[
    str,
    typer.Option(
        metavar="AGE|DATE",
        help="What was captured or added since stays: 30d, 6 months, 2025-01-01.",
    ),
]
Favorites = Annotated[bool, typer.Option("--favorites", help="Favourites may go too.")]
BySize = Annotated[
    bool,
    typer.Option(
        "--trust-size",
        help="Also what the source gave no checksum for and only the size proves.",
    ),
]
SameDisk = Annotated[
    bool,
    typer.Option(
        "--same-disk",
        help="Count two folders on one disk, or in one account, as two copies, "
        "though it fails as a whole.",
    ),
]
Incomplete = Annotated[
    bool,
    typer.Option(
        "--incomplete",
        help="Also where the source goes on counting more assets than it lists.",
    ),
]
At = Annotated[
    str | None,
    typer.Option(metavar="SOURCE", help="The source to be freed, where more than one could be."),
]
Limit = Annotated[int, typer.Option(min=1, max=10_000, help="Most assets that one run deletes.")]
Yes = Annotated[bool, typer.Option("--yes", help="Do it. Without: show what would go.")]
Back = Annotated[
    str | None,
    typer.Option(
        "--undo", metavar="[RUN]", help="Bring back what a run freed; the last one by default."
    ),
]


class Command(TyperCommand):
    """``--undo`` may stand alone: then it means the last run."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        for at, word in enumerate(args):
            if word == "--undo" and not (at + 1 < len(args) and args[at + 1].isdecimal()):
                args = [*args[: at + 1], "last", *args[at + 1 :]]
        return super().parse_args(ctx, args)


def reclaim(
    config: o.Config = None,
    for_: o.Row = None,
    from_: o.From = None,
    to: o.To = None,
    at: At = None,
    free: Free = None,
    until: Until = None,
    older_than: OlderThan = None,
    order: By = None,
    copies: Copies = 2,
    keep: Keep = KEEP,
    favorites: Favorites = False,
    trust_size: BySize = False,
    same_disk: SameDisk = False,
    incomplete: Incomplete = False,
    limit: Limit = LIMIT,
    yes: Yes = False,
    undo: Back = None,
    json: o.Json = False,
) -> int:
    """Free space at the source: only what is proven to be elsewhere.

    What goes can be brought back with --undo.

    Shows what would go and changes nothing, unless --yes is given or you confirm it.

    \b
    outpour reclaim family.yaml --free 12GB
    outpour reclaim family.yaml --until 80% --yes
    outpour reclaim family.yaml --undo
    """
    pipeline = pipeline_of(config, from_, to, for_)
    require_ledger(pipeline.name)
    if undo is not None:
        _check_no_goal({"--free": free, "--until": until, "--older-than": older_than})
    now = datetime.now(UTC)
    policy = Policy(
        fresh=_parsed("--keep", keep, lambda text: moment(text, now)) or now,
        free=_parsed("--free", free, parse_size),
        until=_parsed("--until", until, parse_share),
        before=_parsed("--older-than", older_than, lambda text: moment(text, now)),
        copies=copies,
        favorites=favorites,
        by_size=trust_size,
        same_disk=same_disk,
        incomplete=incomplete,
        order=order,
        limit=limit,
    )
    if yes and undo is None and not policy.has_goal:
        raise Misconfigured(
            "what is to be freed? Give --free, --until or --older-than",
            hint="Without --yes all that could go is shown.",
        )
    with (
        opened(pipeline, may_leave_out=True) as (job, ledger),
        working(json=json) as work,
        reclaiming(
            job,
            ledger,
            work.screen,
            at=at,
            stop=work.stop,
            prompter=work.prompter,
            undoing=undo is not None,
        ) as session,
    ):
        if undo is not None:
            done = session.undo(_run(undo))
            return _end(session, done, work.screen, json=json, verb="restored")
        return _free(session, policy, work, yes=yes, json=json)


def _free(session: Session, policy: Policy, at: Working, *, yes: bool, json: bool) -> int:
    """From what would go to what went."""
    chosen = session.survey(policy)
    if not json:
        with at.screen.pause(), paper() as console:
            asking = at.prompter is not None
            show_survey(console, chosen, policy, acting=yes, asking=asking)
    may_ask = chosen.candidates and policy.has_goal
    if not (yes or (may_ask and _agreed(at.prompter, len(chosen.candidates)))):
        if json:
            emit({"would_free": _survey(chosen)})
        return int(Exit.OK)
    done = session.free(policy, chosen)
    left = chosen.left if policy.has_goal else 0
    return _end(session, done, at.screen, json=json, verb="freed", left=left)


def _agreed(prompter: TerminalPrompter | None, number: int) -> bool:
    if prompter is None:
        return False
    answer = prompter.ask(
        f"Type 'free {number}' to move them to the source's bin; anything else changes nothing"
    )
    return answer == f"free {number}"


def _end(
    session: Session, done: Done, screen: Display, *, json: bool, verb: str, left: int = 0
) -> int:
    """Tell what was done, then raise what ended it early; ``left`` are bytes of the goal that
    are left to the next run."""
    after = session.aftermath(done)
    code = _code(done, left)
    if json:
        emit({verb: _done(done, code), "bin": asdict(after) if after else None})
    else:
        with screen.pause(), paper() as console:
            (show_done if verb == "freed" else show_undone)(console, done)
            if after:
                show_aftermath(console, after)
    if done.error:
        raise done.error
    if done.interrupted:
        return complain("stopped before the end", f"again: {resume_command()}", code)
    if done.whole and left:
        text = f"{show_size(left)} of what was asked for is left to the next run"
        return complain(text, f"again: {resume_command()}", code)
    return int(code)


def _code(done: Done, left: int) -> Exit:
    if done.error:
        return failure(done.error).exit
    if done.interrupted:
        return Exit.INTERRUPTED
    return Exit.OK if done.whole and not left else Exit.ITEMS_FAILED


def _parsed(option: str, text: str | None, parse: Callable[[str], T]) -> T | None:
    if text is None:
        return None
    try:
        return parse(text)
    except ValueError as error:
        raise Misconfigured(f"{option}: {error}") from None


def _check_no_goal(goals: Mapping[str, str | None]) -> None:
    for option, value in goals.items():
        if value is not None:
            raise Misconfigured(f"--undo brings back all that a run freed: leave out {option}")


def _run(text: str) -> int | None:
    if text == "last":
        return None
    if not text.isdecimal():
        raise Misconfigured(f"--undo: {text!r} is no run; write its number, or nothing")
    return int(text)


def _done(done: Done, code: Exit) -> dict[str, Any]:
    data = {field.name: getattr(done, field.name) for field in fields(done)}
    error = failure(done.error).text if done.error else ""
    return data | {"error": error, "exit": int(code)}


def _survey(chosen: Survey) -> dict[str, Any]:
    return {
        "assets": [
            {
                "asset": candidate.asset,
                "filename": candidate.filename,
                "created": candidate.created,
                "bytes": candidate.size,
                "copies": sorted({copy.sink for file in candidate.files for copy in file.copies}),
            }
            for candidate in chosen.candidates
        ],
        "bytes": chosen.bytes,
        "goal": chosen.wanted,
        "possible": asdict(chosen.possible),
        "kept": {why.name.lower(): asdict(total) for why, total in chosen.kept.items()},
        "remarks": chosen.remarks,
    }
