"""What a run tells while it runs. The engine speaks, a display or a JSON writer listens."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Progress:
    """A snapshot. Bytes and counts are of this run; ``*_total`` are None until known."""

    phase: str  # "listing", "adopting", "moving", "finishing", ...
    unit: str = "asset"  # what ``assets_done`` counts: "file" while copies are verified
    listed: int = 0
    listed_expected: int | None = None
    doing: str = ""  # what a listing does while it names nothing
    assets_done: int = 0
    assets_total: int | None = None
    bytes_downloaded: int = 0
    bytes_done: int = 0  # confirmed at every planned sink
    bytes_total: int | None = None
    failed: int = 0
    retries: int = 0
    staged_bytes: int = 0
    adopted: int = 0  # files that were at a sink already
    places: dict[str, str] = field(default_factory=dict)  # name -> "", "waiting 12 s", "full"


@dataclass(frozen=True, slots=True)
class Notice:
    """A change of state worth one line: a place is full, throttles, expired, is back."""

    level: str  # "info", "warning", "error"
    text: str
    place: str = ""
    hint: str = ""


@dataclass(frozen=True, slots=True)
class ItemEvent:
    """One asset reached an end in this run."""

    asset: str
    filename: str
    state: str
    reason: str = ""
    bytes: int = 0


class Tell(Protocol):
    """How a change of state is told."""

    def __call__(self, level: str, text: str, place: str = "", hint: str = "") -> None: ...


class Observer(Protocol):
    """Called from the engine's threads; must return quickly and never raise."""

    def progress(self, progress: Progress) -> None: ...
    def notice(self, notice: Notice) -> None: ...
    def item(self, event: ItemEvent) -> None: ...


def telling(observer: Observer) -> Tell:
    """What tells it to this observer alone."""

    def tell(level: str, text: str, place: str = "", hint: str = "") -> None:
        observer.notice(Notice(level, text, place, hint))

    return tell
