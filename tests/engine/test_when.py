"""A pipeline acts only when its ``when`` says so; else nothing moves and all is well."""

from __future__ import annotations

from pathlib import Path

import pytest

from connectors.abilities import Capacity
from connectors.memory import Library, MemorySink, MemorySource, Shelf
from pipeline.config.models import When
from pipeline.runner import Job, Outcome
from pipeline.states import Exit, RunState
from tests.engine.rig import contents, fill, go, job


class Gauge(MemorySource):
    """A memory source of a given size that says itself whether it is full."""

    total: int | None = 1000
    used = 0
    full = False

    def capacity(self) -> Capacity:
        free = None if self.total is None else self.total - self.used
        return Capacity(self.used, self.total, free, full=self.full)


def start(tmp_path: Path, when: When, **gauge: object) -> tuple[Outcome, Shelf]:
    library, shelf = Library(), Shelf()
    fill(library, 3)
    source = Gauge("from", library)
    for name, value in gauge.items():
        setattr(source, name, value)
    work = job(source, [MemorySink("to", shelf)], staging=tmp_path / "s")
    waiting = Job(work.pipeline.model_copy(update={"when": when}), work.sources, work.sinks)
    return go(waiting, tmp_path / "l.sqlite"), shelf


@pytest.mark.parametrize(
    ("when", "gauge", "due"),
    [
        (When(), {}, True),
        (When(full=True), {"full": True}, True),
        (When(full=True), {"used": 1000}, True),
        (When(full=True), {"used": 999}, False),
        (When(used_above={"from": 0.95}), {"used": 951}, True),
        (When(used_above={"from": 0.95}), {"used": 950}, False),
    ],
)
def test_a_run_is_due_or_does_nothing(
    tmp_path: Path, when: When, gauge: dict[str, object], due: bool
) -> None:
    outcome, shelf = start(tmp_path, when, **gauge)
    assert (outcome.state, outcome.exit) == (RunState.COMPLETE, Exit.OK)
    assert bool(contents(shelf)) is due
    assert bool(outcome.idle) is not due


def test_why_nothing_was_done_is_said_in_numbers(tmp_path: Path) -> None:
    outcome, _ = start(tmp_path, When(used_above={"from": 0.95}), used=600)
    assert outcome.idle == "from is 60.0% used, not above 95%"


def test_a_place_without_a_limit_is_a_mistake_of_the_file(tmp_path: Path) -> None:
    outcome, shelf = start(tmp_path, When(used_above={"from": 0.5}), total=None)
    assert outcome.exit is Exit.USAGE and "from has no limit" in outcome.error
    assert not contents(shelf)
