"""What ``outpour reclaim`` tells a person: what would go, what went, and what that frees."""

from __future__ import annotations

from datetime import UTC, datetime

from rich.console import Console
from rich.text import Text

from pipeline.cli.answers import headline
from pipeline.cli.opening import resume_command
from pipeline.reclaim import Aftermath, Done, Policy, Survey
from pipeline.wording import count, counted, local_time, printable, share, show_size


def show_survey(
    console: Console, chosen: Survey, policy: Policy, *, acting: bool, asking: bool
) -> None:
    """The list of what would go, and why the rest stays; ``acting``: it goes right after;
    ``asking``: after a person said so."""
    for remark in chosen.remarks:
        console.print(printable(remark), style="yellow", soft_wrap=True)
    if not chosen.candidates:
        reached = chosen.wanted == 0
        text = "Nothing to free: the goal is reached" if reached else "Nothing may go"
        headline(console, "✔", "green", text)
    for candidate in chosen.candidates:
        day = (candidate.created or "")[:10]
        sinks = sorted({copy.sink for file in candidate.files for copy in file.copies})
        line = Text.assemble((f"  {day:<10} {show_size(candidate.size):>8}  ", "dim"))
        line.append(printable(candidate.filename))
        line.append(f"  {', '.join(map(printable, sinks))}", style="dim")
        console.print(line, soft_wrap=True)
    if chosen.candidates:
        number = counted(len(chosen.candidates))
        headline(console, "→", "cyan", f"{number} would go, {show_size(chosen.bytes)}")
    if chosen.candidates and chosen.left:
        cap = f"--limit {policy.limit}"
        console.print(f"  {show_size(chosen.left)} more is left to the next run ({cap})")
    for why, total in chosen.kept.items():
        text = f"  {count(total.assets)} {why} ({show_size(total.bytes)})"
        console.print(text, style="dim", soft_wrap=True)
    if chosen.candidates and not acting:
        note = "Every copy is checked again just before. Nothing was changed yet."
        console.print(note, style="dim", soft_wrap=True)
        if policy.has_goal and not asking:
            console.print(f"To do it: {resume_command()} --yes", style="dim", soft_wrap=True)


def show_done(console: Console, done: Done) -> None:
    """What went, and what did not."""
    mark, style = ("✔", "green") if done.whole else ("…", "yellow")
    moved = f"{counted(done.assets)}, {show_size(done.bytes)}, moved to the bin"
    headline(console, mark, style, moved, (f"  run {done.run}", "dim"))
    _failures(console, done, "stayed without proof")
    if done.unclear:
        text = f"  {counted(done.unclear)} without an answer: the next run asks what became of them"
        console.print(text, style="yellow", soft_wrap=True)


def show_undone(console: Console, done: Done) -> None:
    """What came back, and what did not."""
    mark, style = ("✔", "green") if done.whole else ("…", "yellow")
    text = f"{counted(done.assets)} of run {done.run} came back, {show_size(done.bytes)}"
    headline(console, mark, style, text)
    _failures(console, done, "stayed")
    if done.unclear:
        console.print(f"  {counted(done.unclear)} without an answer: undo again", style="yellow")


def _failures(console: Console, done: Done, word: str) -> None:
    for label, failed in ((word, done.withdrawn), ("refused", done.refused)):
        for name, why in failed:
            line = Text.assemble((f"  {label}", "yellow"), f"  {printable(name)}")
            line.append(f"  {printable(why)}", style="dim")
            console.print(line, soft_wrap=True)


def show_aftermath(console: Console, after: Aftermath) -> None:
    """How full the source is still, why, and what would free it at once."""
    source, room = printable(after.source), after.capacity
    if room is not None and room.total:
        used = f"{show_size(room.used)} of {show_size(room.total)}"
        console.print(f"{source}: {used} used ({share(room.used, room.total)})", soft_wrap=True)
    if after.binned is None:
        ours = counted(after.ours.assets)
        text = f"{source} does not tell what lies in its bin; {ours} from here"
        console.print(f"{text}, {show_size(after.ours.bytes)}", soft_wrap=True)
        return
    if not after.binned.assets:
        console.print(f"The bin of {source} is empty.")
        return
    inside = f"{counted(after.binned.assets)}, {show_size(after.binned.bytes)}"
    console.print(
        f"In the bin of {source}: {inside} ({count(after.ours.assets)} from here). "
        f"They count as used until they leave{_when(after.first, after.last)}.",
        soft_wrap=True,
    )
    text = f"To free {show_size(after.binned.bytes)} now, for good: {after.emptying}"
    console.print(text, soft_wrap=True)


def _when(first: datetime | None, last: datetime | None) -> str:
    if first is None or last is None or last <= datetime.now(UTC):
        return ""
    if first <= datetime.now(UTC):
        return f", by {local_time(last.isoformat())[:10]}"
    days = [local_time(moment.isoformat())[:10] for moment in (first, last)]
    return f", on {days[0]}" if days[0] == days[1] else f", from {days[0]} to {days[1]}"
