"""Live progress on a terminal: three lines that stay below whatever is worth keeping."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from math import ceil

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from pipeline.display.plain import amount, sentence
from pipeline.display.rates import Rates
from pipeline.events import ItemEvent, Notice, Progress
from pipeline.wording import count, counted, duration, printable, share, show_size

_STYLES = {"info": "", "warning": "yellow", "error": "red"}


def redraws(console: Console) -> bool:
    """Whether what is shown there can change."""
    return console.is_terminal and not console.is_dumb_terminal


class Terminal:
    """Draws the last snapshot a few times a second, whatever the engine's pace."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._lock = threading.Lock()
        self._rates = Rates()
        self._progress: Progress | None = None
        self._live = self._make_live()

    def __enter__(self) -> Terminal:
        self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop()

    @contextlib.contextmanager
    def pause(self) -> Iterator[None]:
        self._stop()
        try:
            yield
        finally:
            self._live = self._make_live()
            self._live.start()

    def progress(self, progress: Progress) -> None:
        with self._lock:
            self._progress = progress
            self._rates.feed(progress)

    def notice(self, notice: Notice) -> None:
        self._keep(sentence(notice), _STYLES.get(notice.level, ""))

    def item(self, event: ItemEvent) -> None:
        """Counted in the snapshots; the summary names what failed."""

    def _make_live(self) -> Live:
        return Live(
            console=self._console,
            get_renderable=self._draw,
            refresh_per_second=6,
            transient=True,  # the summary takes its place
        )

    def _stop(self) -> None:
        with contextlib.suppress(OSError):  # the terminal is gone; the engine need not be
            self._live.stop()

    def _keep(self, text: str, style: str) -> None:
        with contextlib.suppress(OSError):
            self._console.print(Text(printable(text), style=style), soft_wrap=True)

    def _draw(self) -> RenderableType:
        with self._lock:
            progress = self._progress
            if progress is None:
                return Text("starting …", style="dim")
            if progress.phase == "listing":
                return _listing(progress, self._rates)
            if progress.phase == "adopting":
                return _adopting(progress)
            return _moving(progress, self._rates)


def _listing(progress: Progress, rates: Rates) -> RenderableType:
    text = Text.assemble(("Listing ", "bold"), count(progress.listed))
    if progress.listed_expected:
        text.append(f" of {count(progress.listed_expected)}")
    if progress.doing:
        text.append(f"  {printable(progress.doing)}", style="dim")
    elif rates.listed_per_second >= 1:
        text.append(f"  {count(round(rates.listed_per_second))}/s", style="dim")
    bar = _bar(progress.listed, progress.listed_expected)
    return Group(bar, text, *_state(progress))


def _adopting(progress: Progress) -> RenderableType:
    text = Text("Looking at what is there already: ", style="bold")
    text.append(f"{counted(progress.adopted, 'file')} proven", style="not bold")
    return Group(_bar(0, None), text, *_state(progress))


def _moving(progress: Progress, rates: Rates) -> RenderableType:
    done, total = progress.assets_done, progress.assets_total
    use_bytes = bool(progress.bytes_total)
    part, whole = (progress.bytes_done, progress.bytes_total) if use_bytes else (done, total)
    head = Text(f"{progress.phase.capitalize()} ", style="bold")
    head.append(amount(progress), style="not bold")
    pace = Text(style="cyan")
    if progress.bytes_downloaded:
        pace.append(f"{show_size(rates.bytes_per_second)}/s  ")
    pace.append(f"{rates.assets_per_second:.0f} {progress.unit}s/s")
    if (left := rates.seconds_left) is not None:
        pace.append(f"  {duration(ceil(left))} left")
    return Group(_bar(part, whole), head, pace, *_state(progress))


def _state(progress: Progress) -> list[Text]:
    """A line on what is not as smooth as it could be, if anything is."""
    parts = [
        (f"{count(progress.failed)} failed", "red") if progress.failed else None,
        (f"{count(progress.retries)} tried again", "dim") if progress.retries else None,
        *((f"{name}: {state}", "yellow") for name, state in progress.places.items() if state),
    ]
    shown = [part for part in parts if part]
    return [Text("  ").join(Text(text, style=style) for text, style in shown)] if shown else []


def _bar(part: int, whole: int | None) -> RenderableType:
    grid = Table.grid(expand=True, padding=(0, 1))
    grid.add_column(ratio=1)
    grid.add_column(justify="right", width=5)
    bar = ProgressBar(
        total=whole or None,
        completed=part,
        pulse=whole is None,
        complete_style="green",
        finished_style="green",
        pulse_style="green",
    )
    grid.add_row(bar, share(part, whole) if whole else "")
    return grid
