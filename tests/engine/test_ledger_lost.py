"""Promise: what cannot be written down is not done: the run ends, says why, and goes on later."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import count
from pathlib import Path

import pytest

from connectors.base import (
    Asset,
    Body,
    Checkpoint,
    Metadata,
    Put,
    Receipt,
    Resource,
    Sink,
    Source,
    Stream,
    Transferred,
)
from connectors.errors import (
    CapacityExceeded,
    Fatal,
    ItemError,
    NotFound,
    OutpourError,
    PathConflict,
    Transient,
)
from connectors.local import LocalSink
from connectors.memory import Library, MemorySink, MemorySource, Shelf
from pipeline.keep.xmp import Albums, render
from pipeline.limits import Gate
from pipeline.runner import Outcome
from pipeline.runner.attention import Attention
from pipeline.stages import sidecars
from pipeline.stages.already_there import AlreadyThere, Suspect
from pipeline.stages.parcel import Parcel
from pipeline.states import Exit
from pipeline.stopping import Stop
from tests.engine.rig import contents, ending, fill, go, job
from tests.ledger.disk import Disk, disk

pytestmark = pytest.mark.wide

COUNT = 30


class Trap:
    """At the ``at``-th look the disk of the ledger breaks, and the ledger soon knows."""

    def __init__(self, below: Disk, at: int) -> None:
        self.below = below
        self.left = at
        self.lock = threading.Lock()

    def step(self) -> bool:
        """Whether the disk is broken now."""
        with self.lock:
            self.left -= 1
        if self.left == 0:
            self.below.trouble = "read-only"
            time.sleep(0.2)
        return self.left <= 0


class Trapped(MemorySink):
    """Answers ``error`` once the trap has sprung; with none it goes on as if nothing were."""

    traits = replace(MemorySink.traits, commit_batch=2)

    def __init__(self, shelf: Shelf, trap: Trap, step: str, error: Exception | None) -> None:
        super().__init__("to", shelf)
        self.trap = trap
        self.step = step
        self.error = error

    def meet(self, step: str) -> None:
        if step == self.step and self.trap.step() and self.error is not None:
            raise self.error

    def transfer(self, put: Put, body: Body, token: str | None, keep: Checkpoint) -> Transferred:
        self.meet("transfer")
        return super().transfer(put, body, token, keep)

    def commit(self, items: Sequence[Transferred]) -> list[Receipt | OutpourError]:
        self.meet("commit")
        return super().commit(items)


class TrappedSource(MemorySource):
    def __init__(self, library: Library, trap: Trap, error: Exception | None) -> None:
        super().__init__("from", library)
        self.trap = trap
        self.error = error

    def open(self, asset_id: str, resource: Resource, offset: int = 0) -> Stream:
        if self.trap.step() and self.error is not None:
            raise self.error
        return super().open(asset_id, resource, offset)


class World:
    """A library on its way to a shelf, whose ledger lies ``below``."""

    def __init__(self, below: Disk, folder: Path) -> None:
        self.below = below
        self.folder = folder
        self.library, self.shelf = Library(), Shelf()
        fill(self.library, COUNT)

    def run(self, source: Source | None = None, sink: Sink | None = None) -> Outcome:
        work = job(
            source or MemorySource("from", self.library),
            [sink or MemorySink("to", self.shelf)],
            staging=self.folder / "s",
            attempts=3,
        )
        return go(work, self.folder / "l.sqlite")

    def check(self, source: Source | None = None, sink: Sink | None = None) -> None:
        """It ends with the ledger's trouble and no thread left over; again, it does the rest."""
        before = set(threading.enumerate())
        ended = ending(lambda: self.run(source, sink))
        assert isinstance(ended, Fatal), ended
        assert "cannot write the ledger" in str(ended) and ended.hint
        left = {thread.name for thread in set(threading.enumerate()) - before}
        assert not left, "these never ended"
        self.check_again()

    def check_again(self) -> None:
        """The next run does the rest."""
        self.below.trouble = ""
        again = ending(self.run)
        assert isinstance(again, Outcome) and again.exit is Exit.OK
        assert Counter(contents(self.shelf).values()) == Counter(self.library.contents.values())


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with disk() as below:
        yield World(below, tmp_path)


ERRORS = [
    None,
    CapacityExceeded("full"),
    ItemError("odd"),
    NotFound("gone"),
    PathConflict("taken"),
    Transient("it broke"),
    ZeroDivisionError(),
]


def named(value: object) -> str:
    return type(value).__name__ if isinstance(value, Exception | None) else str(value)


@pytest.mark.parametrize("error", ERRORS, ids=named)
@pytest.mark.parametrize("step", ["transfer", "commit"])
def test_a_lane_ends_each_file_though_nothing_of_it_can_be_recorded(
    step: str, error: Exception | None, world: World
) -> None:
    world.check(sink=Trapped(world.shelf, Trap(world.below, 5), step, error))


@pytest.mark.parametrize("error", [None, ItemError("odd"), Transient("it broke")], ids=named)
def test_a_download_that_cannot_be_recorded_ends_the_run(
    error: Exception | None, world: World
) -> None:
    world.check(TrappedSource(world.library, Trap(world.below, 10), error))


def test_a_file_that_cannot_be_recorded_before_it_is_sent_ends_the_run(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Looking for a copy of it that may be there already is written down, too."""
    trap, suspect = Trap(world.below, 5), AlreadyThere.suspect

    def trapped(self: AlreadyThere, parcel: Parcel) -> Suspect | None:
        if trap.step():
            parcel.work.asset.run.ledger.flush()
        return suspect(self, parcel)

    with monkeypatch.context() as patched:
        patched.setattr(AlreadyThere, "suspect", trapped)
        ended = ending(world.run)
    assert isinstance(ended, Fatal) and "cannot write the ledger" in str(ended)
    world.check_again()


def test_a_defect_before_a_file_is_sent_costs_that_file_alone(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls, suspect = count(1), AlreadyThere.suspect

    def defective(self: AlreadyThere, parcel: Parcel) -> Suspect | None:
        if next(calls) == 5:
            raise ZeroDivisionError
        return suspect(self, parcel)

    with monkeypatch.context() as patched:
        patched.setattr(AlreadyThere, "suspect", defective)
        ended = ending(world.run)
    assert isinstance(ended, Outcome) and ended.exit is Exit.ITEMS_FAILED
    assert len(contents(world.shelf)) >= len(world.library.contents) - 2
    world.check_again()


def test_a_sidecar_that_cannot_be_recorded_ends_the_run(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    trap = Trap(world.below, 3)

    def trapped(asset: Asset, filename: str, albums: Albums) -> bytes:
        trap.step()
        return render(asset, filename, albums)

    for asset in list(world.library.assets.values()):
        world.library.put(replace(asset, metadata=Metadata(title=asset.id)), {})
    there = world.folder / "Photos"
    monkeypatch.setattr(sidecars, "render", trapped)
    ended = ending(lambda: world.run(sink=LocalSink("to", there)))
    assert isinstance(ended, Fatal) and "cannot write the ledger" in str(ended)
    world.below.trouble = ""
    again = ending(lambda: world.run(sink=LocalSink("to", there)))
    assert isinstance(again, Outcome) and again.exit is Exit.OK
    landed = Counter(p.read_bytes() for p in there.rglob("*.*") if p.suffix in (".HEIC", ".MOV"))
    assert landed == Counter(world.library.contents.values())
    assert len(list(there.rglob("*.xmp"))) == COUNT


def test_what_cannot_be_told_ends_the_work_before_anybody_leaves(world: World) -> None:
    """Whoever watches is not to go while threads still use what he would close."""
    stop = Stop()
    place = Gate("to", 1, stop)
    place.troubled(Transient("locked", hint="Unlock it."))
    left: list[bool] = []

    def tell(level: str, text: str, place: str = "", hint: str = "") -> None:
        raise Fatal("cannot write the ledger")

    def work() -> None:
        try:
            stop.sleep(20)
        finally:
            left.append(True)

    attention = Attention([(place, MemorySink("to", world.shelf))], stop, None, tell)
    ended = ending(lambda: attention.during(work))
    assert isinstance(ended, Fatal) and left
