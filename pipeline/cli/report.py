"""``outpour report``."""

from __future__ import annotations

import stat
import sys
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text

from connectors.errors import Misconfigured, is_full
from connectors.private import replace_private
from pipeline.cli import options as o
from pipeline.cli.opening import ledger_path, pipeline_of, require_ledger
from pipeline.cli.output import paper
from pipeline.ledger import Ledger
from pipeline.report import document
from pipeline.report.rows import problems, rows
from pipeline.report.standing import standing
from pipeline.states import AssetState
from pipeline.wording import counted, printable, show_size, without_name

Target = Annotated[
    str | None,
    typer.Argument(
        metavar="PIPELINE.yaml|NAME",
        help="A pipeline file, or a name that outpour status lists.",
        show_default=False,
    ),
]
States = Annotated[
    list[AssetState] | None,
    typer.Option("--state", help="Only assets in this state; may be given several times."),
]
Page = Annotated[
    Path | None,
    typer.Option(
        "--html", metavar="FILE", help="Write one HTML page that needs nothing else.",
        show_default=False,
    ),
]  # fmt: skip


def report(
    target: Target = None,
    for_: o.Row = None,
    from_: o.From = None,
    to: o.To = None,
    state: States = None,
    html: Page = None,
    json: o.Json = False,
) -> int:
    """Name every asset with its state and the reason.

    Reads the ledger alone; no place is asked.
    """
    name = _name(target, from_, to, for_)
    require_ledger(name)
    with Ledger.open(ledger_path(name), exclusive=False) as ledger:
        if html is not None:
            _write(html, document.as_page(ledger, state or ()))
        elif json:
            with paper():
                for part in document.as_json(ledger, state or ()):
                    sys.stdout.write(part)
        else:
            _text(ledger, state or ())
    return 0


def _name(
    target: str | None, from_: list[str] | None, to: list[str] | None, row: str | None
) -> str:
    if target is not None and Path(target).suffix not in (".yaml", ".yml"):
        if "/" in target or not target.strip("."):
            raise Misconfigured(f"{target}: is neither a pipeline file nor the name of one")
        if row is not None:
            raise Misconfigured("--for goes with a pipeline file, not with a name")
        return target
    return pipeline_of(Path(target) if target else None, from_, to, row).name


def _write(path: Path, parts: Iterable[str]) -> None:
    """Whole or not at all; private, since it names a person's photos."""
    try:
        _check_page(path)
        replace_private(path, (part.encode() for part in parts))
    except OSError as error:
        if is_full(error):
            raise OSError(error.errno, error.strerror, str(path)) from None
        raise Misconfigured(f"{path}: cannot be written ({error.strerror})") from None
    with paper() as console:
        console.print(f"Written: {path}", soft_wrap=True)


def _check_page(path: Path) -> None:
    """Misconfigured if something else than an earlier page would be replaced. Raises OSError."""
    try:
        status = path.lstat()
    except FileNotFoundError:
        return
    example = "for example report.html"
    if not stat.S_ISREG(status.st_mode):
        raise Misconfigured(f"{path}: is no plain file; name a file, {example}")
    if not document.is_page(path):
        raise Misconfigured(
            f"{path}: is there already and is no report of ours; name another file, {example}"
        )


def _text(ledger: Ledger, states: Collection[AssetState]) -> None:
    """One line an asset, tab-free, states in colour; the totals at the end."""
    with paper() as console:
        for row in rows(ledger, states):
            line = Text(f"{row.state:<12}", style=_STYLES.get(AssetState(row.state), "green"))
            date = (row.created or "")[:10]
            line.append(f" {date:<10} {show_size(row.size):>8}  ", style="dim")
            line.append(printable(row.filename), style="not dim default")
            if row.reason:
                line.append(f"  {printable(without_name(row.filename, row.reason))}", style="dim")
            console.print(line, soft_wrap=True)
        for name, reason in problems(ledger):
            console.print(Text(f"unreadable   {printable(f'{name}  {reason}')}"), soft_wrap=True)
        for at, totals in standing(ledger).assets.items():
            text = f"{at:<12} {counted(totals.assets):>17} {show_size(totals.bytes):>9}"
            console.print(text, style="bold")


_STYLES = {
    AssetState.FAILED: "red",
    AssetState.QUARANTINED: "red",
    AssetState.UNAVAILABLE: "red",
    AssetState.WAITING: "yellow",
    AssetState.PENDING: "yellow",
    AssetState.EXCLUDED: "dim",
    AssetState.GONE: "dim",
}
