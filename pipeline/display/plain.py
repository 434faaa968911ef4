"""Occasional lines, for logs, pipes and terminals that cannot redraw."""

from __future__ import annotations

import contextlib
import threading
import time
from math import ceil
from typing import TextIO

from pipeline.display.connecting import addressed
from pipeline.display.rates import Rates
from pipeline.events import ItemEvent, Notice, Progress
from pipeline.states import WENT_WRONG
from pipeline.wording import count, counted, duration, printable, share, show_size, without_name

_EVERY = 15.0  # seconds between lines
_NAMED = 20  # failures that get a line each


class Plain:
    """Writes a line of progress now and then, and every notice."""

    def __init__(self, out: TextIO, *, quiet: bool = False, every: float = _EVERY) -> None:
        self._out = out
        self._quiet = quiet
        self._every = every
        self._lock = threading.Lock()
        self._rates = Rates()
        self._last = time.monotonic()
        self._phase = ""
        self._failures = 0

    def __enter__(self) -> Plain:
        return self

    def __exit__(self, *_: object) -> None: ...

    def pause(self) -> contextlib.AbstractContextManager[None]:
        return contextlib.nullcontext()

    def progress(self, progress: Progress) -> None:
        with self._lock:
            self._rates.feed(progress)
            now = time.monotonic()
            begun = progress.phase != self._phase
            if (
                self._quiet
                or nothing_yet(progress)
                or (now - self._last < self._every and not begun)
            ):
                return
            self._last, self._phase = now, progress.phase
            self._line(describe(progress, self._rates))

    def notice(self, notice: Notice) -> None:
        if self._quiet and notice.level == "info":
            return
        with self._lock:
            self._line(sentence(notice))

    def item(self, event: ItemEvent) -> None:
        if event.state not in WENT_WRONG:
            return
        with self._lock:
            self._failures += 1
            if self._failures <= _NAMED:
                reason = without_name(event.filename, event.reason)
                self._line(f"{event.state}: {event.filename}: {reason}")
            elif self._failures == _NAMED + 1:
                self._line("more items failed; the report will name them all")

    def _line(self, text: str) -> None:
        # What nobody can read, be it for a full disk, must not stop the engine.
        with contextlib.suppress(OSError, ValueError):
            self._out.write(f"{printable(text)}\n")
            self._out.flush()


def sentence(notice: Notice) -> str:
    """A notice on one line."""
    start = f"{notice.place}: " if notice.place else ""
    end = f" ({notice.hint})" if notice.hint else ""
    return addressed(f"{start}{notice.text}{end}")


def nothing_yet(progress: Progress) -> bool:
    """Whether a line could only say zero."""
    if progress.phase == "listing":
        return not (progress.listed or progress.listed_expected or _pauses(progress))
    if progress.phase == "adopting":
        return not (progress.adopted or _pauses(progress))
    counted = (progress.assets_total, progress.assets_done, progress.failed, progress.bytes_done)
    return not any(counted) and not any(progress.places.values())


def amount(progress: Progress) -> str:
    """How much is done: ``12 of 300 assets, 1.0 GB of 7.2 GB``; of bytes where there are any."""
    done, total = progress.assets_done, progress.assets_total
    text = counted(done, progress.unit)
    if total is not None:
        text = f"{count(done)} of {counted(total, progress.unit)}"
    if progress.bytes_total is not None:
        return f"{text}, {show_size(progress.bytes_done)} of {show_size(progress.bytes_total)}"
    return f"{text}, {show_size(progress.bytes_done)}" if progress.bytes_done else text


def describe(progress: Progress, rates: Rates) -> str:
    """A snapshot on one line."""
    if progress.phase == "listing":
        of = f" of {count(progress.listed_expected)}" if progress.listed_expected else ""
        doing = [progress.doing] if progress.doing else []
        return ", ".join([f"listing: {count(progress.listed)}{of}", *doing, *_pauses(progress)])
    if progress.phase == "adopting":
        proven = f"{counted(progress.adopted, 'file')} proven"
        return ", ".join([f"looking at what is there already: {proven}", *_pauses(progress)])
    parts = [amount(progress)]
    if progress.assets_total is not None:
        parts.insert(0, share(progress.assets_done, progress.assets_total))
    if rates.bytes_per_second:
        parts.append(f"{show_size(rates.bytes_per_second)}/s")
    if (left := rates.seconds_left) is not None:
        parts.append(f"{duration(ceil(left))} left")
    if progress.failed:
        parts.append(f"{count(progress.failed)} failed")
    parts += [f"{name} {state}" for name, state in progress.places.items() if state]
    return f"{progress.phase}: {', '.join(parts)}"


def _pauses(progress: Progress) -> list[str]:
    """Which places asked for a pause; of what else a place waits for a notice tells."""
    told = progress.places.items()
    return [f"{name} {state}" for name, state in told if state.startswith("asked to wait")]
