"""The answers of the commands as a person reads them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rich.console import Console
from rich.padding import Padding
from rich.progress_bar import ProgressBar
from rich.text import Text

from connectors.abilities import Capacity
from pipeline.display.connecting import addressed
from pipeline.report.summary import UNFINISHED, Failure, Summary
from pipeline.runner import Plan, Rebuilt
from pipeline.runner.comparing import Compared
from pipeline.runner.verification import SinkCheck, Verified
from pipeline.states import WENT_WRONG, AssetState, RunState
from pipeline.wording import count, counted, duration, printable, share, show_size, without_name

_STRANGERS = 5  # files of somebody else's that are named: they may be a whole library
_OUTSIDE = {
    AssetState.EXCLUDED: "not selected",
    AssetState.GONE: "no longer at the source",
}


def show_summary(console: Console, summary: Summary) -> None:
    """The end of a run: first whether all is well, then the numbers, then what is not."""
    complete = summary.state is RunState.COMPLETE
    of = counted(summary.total)
    if complete and summary.whole:
        proven = "" if summary.unverifiable_files else ", byte for byte"
        all_of = of if summary.total == 1 else f"All {of}"
        text = f"{all_of} confirmed, {show_size(summary.confirmed_bytes)}{proven}"
        headline(console, "✔", "green", text if summary.total else "No assets to move")
    elif summary.total:
        text = f"{count(summary.confirmed)} of {of} confirmed"
        if summary.missing:
            text += f", {count(summary.missing)} more were not listed"
        headline(console, "✘" if complete else "…", "red" if complete else "yellow", text)
    for label, value in _numbers(summary):
        _number(console, label, value)
    _failures(console, summary)


def _numbers(summary: Summary) -> Iterable[tuple[str, str]]:
    for state in UNFINISHED:
        if state is AssetState.WAITING:
            for reason, number in summary.waiting.items():
                yield state, f"{counted(number)}: {printable(reason)}"
        elif count_of := summary.assets.get(state):
            yield state, counted(count_of)
    if summary.verified_files:
        yield "verified", f"{counted(summary.verified_files, 'file')} by the source's own checksum"
    if summary.unverifiable_files:
        sized = counted(summary.unverifiable_files, "file")
        yield "by size only", f"{sized}: the source gives no checksum anyone can recompute"
    if summary.adopted_files:
        yield "adopted", f"{counted(summary.adopted_files, 'file')} that were there already"
    for one in summary.spared:
        taken = f"{counted(one.files, 'file')}, {show_size(one.bytes)}"
        yield "spared", f"{one.instead}: {taken} came from {one.taken} instead"
    for sink in summary.sinks:
        beside = f" + {counted(sink.sidecars, 'sidecar')}" if sink.sidecars else ""
        yield sink.name, f"{counted(sink.copies, 'copy')}{beside}, {show_size(sink.bytes)}"
    if summary.yielded:
        theirs = counted(summary.yielded, "sidecar")
        yield "left as is", f"{theirs} that somebody else wrote or edited"
    for state, meaning in _OUTSIDE.items():
        if outside := summary.assets.get(state):
            yield state, f"{counted(outside)} {meaning}"
    if summary.expected is not None and summary.expected != summary.listed:
        counts = f"{count(summary.listed)} listed, the source counts {count(summary.expected)}"
        yield "differs", counts
    if summary.total or summary.state is RunState.COMPLETE:
        yield "this run", _this_run(summary)
        if overcome := _overcome(summary):
            yield "overcome", overcome


def _this_run(summary: Summary) -> str:
    parts = [f"{counted(summary.moved_assets)} in {duration(summary.seconds)}"]
    if summary.moved_assets and summary.seconds >= 0.1:
        pace = summary.downloaded_bytes / summary.seconds
        parts.append(f"{show_size(summary.downloaded_bytes)} at {show_size(pace)}/s")
        parts.append(f"{summary.moved_assets / summary.seconds:.0f} assets/s")
    return ", ".join(parts)


def _overcome(summary: Summary) -> str:
    """The trouble of this run, most of which nobody need do anything about."""
    parts = []
    if summary.retries:
        parts.append(f"{counted(summary.retries, 'request')} tried again")
    if summary.mismatches:
        parts.append(f"{counted(summary.mismatches, 'download')} refused: wrong checksum")
    return ", ".join(parts)


def _failures(console: Console, summary: Summary) -> None:
    _named(console, summary.failures, summary.failed)
    show_unshown(console, summary)
    if summary.quarantine and summary.assets.get(AssetState.QUARANTINED):
        text = f"\nWhat arrived differently is kept in {summary.quarantine}"
        console.print(text, soft_wrap=True)


def _named(console: Console, failures: Sequence[Failure], number: int) -> None:
    """Assets that went wrong: the first of so many."""
    if failures:
        console.print()
    for failure in failures:
        _failure(console, failure)
    _more(console, number - len(failures))
    if any(failure.state == AssetState.UNAVAILABLE for failure in failures):
        text = "What is unavailable comes with a later run once its source has it."
        console.print(f"  {text}", style="dim", soft_wrap=True)


def show_unshown(console: Console, found: Summary | Plan | Compared) -> None:
    """Items that a listing named and that could not be read."""
    if found.problem_count:
        console.print(f"\n{counted(found.problem_count, 'item')} the source could not show:")
        for problem in found.problems:
            _failure(console, problem)
        _more(console, found.problem_count - len(found.problems))


def _failure(console: Console, failure: Failure) -> None:
    style = "red" if failure.state in WENT_WRONG else "yellow"
    line = Text("  ")
    line.append(failure.state, style=style)
    name = failure.filename or failure.asset
    line.append(f"  {printable(name)}")
    if failure.reason:
        line.append(f"  {printable(without_name(name, failure.reason))}", style="dim")
    console.print(line, soft_wrap=True)


def _more(console: Console, number: int) -> None:
    if number > 0:
        console.print(f"  and {count(number)} more", style="dim")


def to_do(assets: int, size: int, again: int) -> str:
    """What a run would move, and make again from what another sink has."""
    moved = f"{counted(assets)} to move, {show_size(size)}"
    made = f"{counted(again, 'copy')} to make again from another sink" if again else ""
    return "; ".join(filter(None, (moved if assets or not again else "", made)))


def show_plan(console: Console, plan: Plan) -> None:
    """What would move, where to, and whether it fits."""
    if not plan.assets and not plan.again:
        whole = "" if plan.failed else ": everything asked for is confirmed"
        headline(console, "✔", "green", f"Nothing to move{whole}")
    else:
        text = to_do(plan.assets, plan.bytes, plan.again)
        fits = "✔ it fits" if plan.fits else "✘ it does not fit"
        headline(console, "→", "cyan", text, (f"  {fits}", "green" if plan.fits else "red"))
    for state, number in plan.by_state.items():
        if state != AssetState.PENDING:  # the headline says it
            _number(console, state, counted(number))
    if plan.expected is not None and plan.expected != plan.listed:
        counts = f"{count(plan.listed)} listed, the source counts {count(plan.expected)}"
        _number(console, "differs", counts)
    if plan.unproven:
        may_be = f"{counted(plan.unproven)} may be at several sources"
        _number(console, "not known", f"{may_be}: a run compares their bytes, and moves each once")
    _named(console, plan.failures, plan.failed)
    for sink in plan.sinks:
        lacking = f", {show_size(sink.lacking)} too much" if sink.lacking else ""
        beside = " with sidecars" if sink.sidecars else ""
        needs = f"needs {show_size(sink.needed)}{beside}{lacking}"
        show_capacity(console, sink.name, sink.capacity, needs)
    if not plan.staging.fits:
        room = f"needs {show_size(plan.staging.needed)}, {show_size(plan.staging.free)} free"
        console.print(f"\nstaging  {printable(plan.staging.path)}  {room}", soft_wrap=True)
    show_unshown(console, plan)
    if plan.unplaced:
        text = f"\n{show_size(plan.unplaced)} will fit nowhere"
        console.print(text, style="yellow", soft_wrap=True)
    if plan.unplaced or any(sink.lacking for sink in plan.sinks):
        console.print(f"\nWhat does not fit: {plan.if_full}.", style="yellow", soft_wrap=True)
    console.print("Nothing was changed.", style="dim")


def show_capacity(console: Console, name: str, capacity: Capacity | None, remark: str = "") -> None:
    """One place's room as a bar."""
    line = Text(f"\n{printable(name)}", style="bold")
    if capacity is not None or not remark:
        line.append(f"  {_room(capacity)}", style="not bold")
    if remark:
        line.append(f"  {remark}", style="not bold cyan")
    console.print(line)
    if capacity is None or not capacity.total:
        return
    tight = capacity.full or capacity.nearly_full or capacity.used >= 0.95 * capacity.total
    bar = ProgressBar(
        total=capacity.total,
        completed=min(capacity.used, capacity.total),
        complete_style="red" if tight else "green",
        finished_style="red",
    )
    console.print(Padding(bar, 0), width=min(60, console.width))
    if capacity.by_kind:
        kinds = sorted(capacity.by_kind.items(), key=lambda kind: -kind[1])
        console.print(
            ", ".join(f"{kind} {show_size(size)}" for kind, size in kinds if size), style="dim"
        )


def _room(capacity: Capacity | None) -> str:
    if capacity is None:
        return "does not tell how much room it has"
    if capacity.total is None:
        return f"{show_size(capacity.used)} used, no limit"
    used = f"{show_size(capacity.used)} of {show_size(capacity.total)} used"
    words = "full" if capacity.full else "nearly full" if capacity.nearly_full else ""
    free = capacity.total - capacity.used if capacity.free is None else capacity.free
    rest = words or f"{show_size(max(0, free))} free"
    return f"{used} ({share(capacity.used, capacity.total)}), {rest}"


def show_verified(console: Console, verified: Verified) -> None:
    """What every sink was found to hold."""
    for sink in verified.sinks:
        right = f"{counted(sink.checked, 'copy')} checked"
        read = f", {show_size(sink.bytes_read)} read back" if sink.bytes_read else ""
        bad = [(len(sink.wrong), "missing or changed"), (len(sink.unread), "could not be read")]
        told = ", ".join(f"{count(number)} {what}" for number, what in bad if number)
        mark, style = ("✘", "red") if told else ("✔", "green")
        text = f"{right}{read}, {told or 'all as they were'}"
        if not (sink.checked or told):
            mark, style, text = "…", "yellow", "no copies to check yet"
        if sink.away:
            left = (
                f"{right}{read}, {told or 'the others not'}"
                if sink.checked or told
                else "not checked"
            )
            mark, style, text = "✘", "red", f"{left}: {addressed(sink.away)}"
        headline(console, mark, style, f"{sink.name}: {text}")
        _wrong(console, sink)


def _wrong(console: Console, sink: SinkCheck) -> None:
    for path, reason in (*sink.wrong, *sink.unread):
        line = Text(f"  {printable(path)}  {printable(reason)}", style="red")
        console.print(line, soft_wrap=True)
    for path in sink.accepted:
        console.print(
            Text(f"  {printable(path)}  is accepted as lost", style="dim"), soft_wrap=True
        )
    for path in sink.doubled:
        console.print(Text(f"  {printable(path)}  is there twice", style="yellow"), soft_wrap=True)
    if sink.moved:
        number = counted(sink.moved, "copy")
        console.print(f"  {number} moved to another place there, unchanged", style="dim")
    if sink.edited:
        edited = counted(sink.edited, "sidecar")
        console.print(f"  {edited} edited since; they are left as they are", style="dim")
    if sink.foreign:
        number = counted(sink.foreign, "file")
        console.print(f"  {number} there that the ledger knows nothing of:", style="dim")
        for path in sink.strangers[:_STRANGERS]:
            console.print(Text(f"    {printable(path)}", style="dim"), soft_wrap=True)
        if (more := sink.foreign - _STRANGERS) > 0:
            console.print(f"    and {count(more)} more", style="dim")


def show_rebuilt(console: Console, rebuilt: Rebuilt) -> None:
    """What the sinks were found to hold, and what of the library is whole again."""
    proven = rebuilt.confirmed + rebuilt.unlabelled
    text = f"{count(proven)} of {counted(rebuilt.wanted)} confirmed from what is there"
    if rebuilt.missing:
        text = f"{counted(rebuilt.missing, 'copy')} not there that were confirmed before"
    whole = rebuilt.whole
    headline(console, "✔" if whole else "…", "green" if whole else "yellow", text)
    for sink in rebuilt.sinks:
        parts = [f"{counted(sink.files, 'copy')} found, {show_size(sink.bytes)}"]
        if sink.known:
            parts.append(f"{count(sink.known)} known before")
        if sink.missing:
            parts.append(f"{count(sink.missing)} missing")
        if sink.unproven:
            parts.append(f"{count(sink.unproven)} not proven")
        if sink.foreign:
            parts.append(f"{count(sink.foreign)} others")
        _number(console, sink.sink, ", ".join(parts))
    for state in UNFINISHED:
        number = rebuilt.assets.get(state, 0)
        number -= rebuilt.unlabelled if state is AssetState.WAITING else 0
        if number:
            _number(console, state, counted(number))
    if rebuilt.unlabelled:
        _number(console, "sidecars", f"of {counted(rebuilt.unlabelled)}: the next run sees to them")


def headline(console: Console, mark: str, style: str, text: str, *more: tuple[str, str]) -> None:
    """One line in bold behind a coloured mark."""
    if console.options.ascii_only:
        mark = {"✔": "OK", "✘": "FAILED", "→": ">", "…": "..."}[mark]
    line = Text.assemble((f"{mark} ", style), (text, "bold"), *more)
    console.print(line, soft_wrap=True)


def _number(console: Console, label: str, value: str) -> None:
    line = Text.assemble((f"  {printable(label):<13}", "cyan"), f" {value}")
    console.print(line, soft_wrap=True)
