"""A pipeline over memory places, with faults: wrappers of the same type as what they wrap."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TypeVar

from connectors.abilities import Prompter
from connectors.base import (
    Asset,
    Body,
    Checkpoint,
    Kind,
    Page,
    Put,
    Receipt,
    Resource,
    Role,
    Sink,
    Source,
    Stream,
    Transferred,
)
from connectors.checksums import Algorithm, Checksum, digest
from connectors.errors import OutpourError, Throttled, Transient
from connectors.memory import Library, MemorySettings, MemorySink, MemorySource, Shelf, connector
from pipeline.config.models import Limits, Pipeline, Place, Route, Select, Staging
from pipeline.events import ItemEvent, Notice, Progress
from pipeline.ledger import Ledger
from pipeline.runner import Job, Outcome, run
from pipeline.stopping import Stop

T = TypeVar("T")
START = datetime(2024, 5, 1, 12, tzinfo=UTC)


def apple(data: bytes) -> Checksum:
    return Checksum(Algorithm.APPLE, digest([data])[Algorithm.APPLE])


def fill(
    library: Library, count: int, *, size: int = 2000, seed: int = 1
) -> dict[str, list[bytes]]:
    """``count`` assets, every third a Live Photo; returns the contents by asset id."""
    chance = random.Random(seed)
    held: dict[str, list[bytes]] = {}
    for number in range(count):
        key = f"asset-{number:05}"
        names = [("original", Role.ORIGINAL, f"IMG_{number:04}.HEIC")]
        if number % 3 == 0:
            names.append(("live", Role.LIVE_VIDEO, f"IMG_{number:04}.MOV"))
        contents = {name: chance.randbytes(chance.randint(1, size)) for name, _, _ in names}
        resources = tuple(
            Resource(name, role, filename, len(contents[name]), apple(contents[name]))
            for name, role, filename in names
        )
        kind = Kind.LIVE if len(names) == 2 else Kind.PHOTO
        library.put(Asset(key, kind, START + timedelta(minutes=number), resources), contents)
        held[key] = list(contents.values())
    return held


@dataclass
class Recorder:
    """An observer that keeps what it was told."""

    notices: list[Notice] = field(default_factory=list)
    items: list[ItemEvent] = field(default_factory=list)
    last: Progress | None = None

    def progress(self, progress: Progress) -> None:
        self.last = progress

    def notice(self, notice: Notice) -> None:
        self.notices.append(notice)

    def item(self, event: ItemEvent) -> None:
        self.items.append(event)


class BadDay:
    """Decides, from a seed, which call goes wrong and how."""

    def __init__(self, seed: int, rate: float) -> None:
        self._chance = random.Random(seed)
        self._rate = rate
        self._lock = threading.Lock()

    def strike(self, *kinds: str) -> str:
        with self._lock:
            return self._chance.choice(kinds) if self._chance.random() < self._rate else ""


class _DamagedStream:
    def __init__(self, inner: Stream, fault: str) -> None:
        self.offset, self.total = inner.offset, inner.total
        self._inner = inner
        self._fault = fault

    def __iter__(self) -> Iterator[bytes]:
        for chunk in self._inner:
            if self._fault == "cut":
                yield chunk[: len(chunk) // 2]
                raise Transient("connection reset")
            if self._fault == "short":
                yield chunk[: len(chunk) // 2]
                return
            if self._fault == "flip" and chunk:
                chunk = bytes([chunk[0] ^ 1]) + chunk[1:]
            yield chunk

    def close(self) -> None:
        self._inner.close()


class ShakySource(MemorySource):
    """A memory source over a bad connection."""

    def __init__(self, name: str, library: Library, day: BadDay) -> None:
        super().__init__(name, library)
        self._day = day

    def pages(self, since: str | None = None) -> Iterator[Page]:
        for page in super().pages(since):
            if self._day.strike("broken"):
                raise Transient("listing broke off")
            yield page

    def open(self, asset_id: str, resource: Resource, offset: int = 0) -> Stream:
        fault = self._day.strike("refuse", "throttle", "cut", "short", "flip", "restart")
        if fault == "refuse":
            raise Transient("503")
        if fault == "throttle":
            raise Throttled("429", retry_after=0.01)
        stream = super().open(asset_id, resource, 0 if fault == "restart" else offset)
        return _DamagedStream(stream, fault)


class ShakySink(MemorySink):
    """A memory sink over a bad connection: before, after, or in spite of having acted."""

    def __init__(self, name: str, shelf: Shelf, day: BadDay) -> None:
        super().__init__(name, shelf)
        self._day = day

    def transfer(self, put: Put, body: Body, token: str | None, keep: Checkpoint) -> Transferred:
        fault = self._day.strike("before", "after", "throttle")
        if fault == "before":
            raise Transient("connection refused")
        if fault == "throttle":
            raise Throttled("429", retry_after=0.01)
        sent = super().transfer(put, body, token, keep)
        if fault == "after":
            raise Transient("the answer was lost")
        return sent

    def commit(self, items: Sequence[Transferred]) -> list[Receipt | OutpourError]:
        fault = self._day.strike("before", "after", "one")
        if fault == "before":
            raise Transient("503")
        if fault == "one":
            answers: list[Receipt | OutpourError] = [Transient("too many writes")]
            return answers + super().commit(items[1:])
        done = super().commit(items)
        if fault == "after":
            raise Transient("the answer was lost")
        return done


def place(name: str) -> Place:
    return Place(name, "memory", connector, MemorySettings(store=name))


def job(
    source: Source,
    sinks: Sequence[Sink],
    *,
    staging: Path,
    select: Select | None = None,
    route: Route | None = None,
    attempts: int = 8,
    budget: int = 10**9,
    downloads: int = 4,
) -> Job:
    pipeline = Pipeline(
        name="test",
        sources=(place(source.name),),
        sinks=tuple(place(sink.name) for sink in sinks),
        select=select or Select(),
        route=route or Route(),
        staging=Staging(path=staging, size=budget),
        limits=Limits(downloads=downloads, uploads=4, attempts=attempts),
    )
    return Job(pipeline, (source,), tuple(sinks))


def go(
    job: Job,
    path: Path,
    observer: Recorder | None = None,
    stop: Stop | None = None,
    prompter: Prompter | None = None,
) -> Outcome:
    """One run over the ledger at ``path``, as one process would do it."""
    with Ledger.open(path) as ledger:
        return run(
            job,
            ledger,
            observer or Recorder(),
            stop=Stop() if stop is None else stop,
            prompter=prompter,
        )


def ending(work: Callable[[], T]) -> T | BaseException:
    """What work comes to, however it ends. That it never ends is a failure by itself."""
    answers: list[T | BaseException] = []

    def answer() -> None:
        try:
            answers.append(work())
        except BaseException as error:
            answers.append(error)

    thread = threading.Thread(target=answer, daemon=True)
    thread.start()
    thread.join(30)
    assert answers, "it hangs"
    return answers[0]


def contents(shelf: Shelf) -> dict[str, bytes]:
    return {path: data for path, (_, data) in shelf.visible.items()}
