"""The promises of the engine, over memory places."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import pytest
from sqlalchemy import select

from connectors.base import Page
from connectors.errors import Transient
from connectors.memory import Library, MemorySink, MemorySource, Shelf
from pipeline.config.models import Select
from pipeline.ledger import Ledger, schema
from pipeline.runner import Outcome
from pipeline.states import AssetState, Exit, RunState
from tests.cases import wide_after
from tests.engine.rig import (
    BadDay,
    Recorder,
    ShakySink,
    ShakySource,
    contents,
    ending,
    fill,
    go,
    job,
)


def states(path: Path) -> Counter[str]:
    with Ledger.open(path, exclusive=False) as ledger, ledger.read() as connection:
        return Counter(connection.execute(select(schema.assets.c.state)).scalars())


def flat(held: dict[str, list[bytes]]) -> Counter[bytes]:
    return Counter(data for group in held.values() for data in group)


def test_everything_lands_once_and_is_confirmed(tmp_path: Path) -> None:
    library, shelf = Library(), Shelf()
    held = fill(library, 250)
    work = job(MemorySource("from", library), [MemorySink("to", shelf)], staging=tmp_path / "s")
    watcher = Recorder()
    outcome = go(work, tmp_path / "l.sqlite", watcher)
    assert (outcome.exit, outcome.state) == (Exit.OK, RunState.COMPLETE)
    assert Counter(contents(shelf).values()) == flat(held)
    assert states(tmp_path / "l.sqlite") == {AssetState.CONFIRMED: 250}
    assert len(watcher.items) == 250
    assert list(work.staging.iterdir()) == []


def test_a_second_run_moves_nothing(tmp_path: Path) -> None:
    library, shelf = Library(), Shelf()
    fill(library, 30)
    work = job(MemorySource("from", library), [MemorySink("to", shelf)], staging=tmp_path / "s")
    go(work, tmp_path / "l.sqlite")
    before = contents(shelf)
    watcher = Recorder()
    assert go(work, tmp_path / "l.sqlite", watcher).exit is Exit.OK
    assert contents(shelf) == before
    assert watcher.last is not None and watcher.last.bytes_downloaded == 0


def test_new_assets_are_added_by_the_next_run(tmp_path: Path) -> None:
    library, shelf = Library(), Shelf()
    fill(library, 10)
    work = job(MemorySource("from", library), [MemorySink("to", shelf)], staging=tmp_path / "s")
    go(work, tmp_path / "l.sqlite")
    held = fill(library, 25)
    outcome = go(work, tmp_path / "l.sqlite")
    assert outcome.exit is Exit.OK
    assert Counter(contents(shelf).values()) == flat(held)


@pytest.mark.parametrize("seed", wide_after(2, range(12)))
def test_a_bad_connection_costs_nothing_but_time(tmp_path: Path, seed: int) -> None:
    """Nothing lost, nothing corrupt, nothing doubled, whatever fails on the way."""
    library, shelves = Library(), [Shelf(), Shelf()]
    held = fill(library, 40, seed=seed)
    day = BadDay(seed, 0.12)
    sinks = [ShakySink(f"to{n}", shelf, day) for n, shelf in enumerate(shelves)]
    work = job(ShakySource("from", library, day), sinks, staging=tmp_path / "s", attempts=12)
    for _ in range(5):
        outcome = go(work, tmp_path / "l.sqlite")
        if outcome.exit is Exit.OK:
            break
    assert outcome.exit is Exit.OK, outcome
    for shelf in shelves:
        assert Counter(contents(shelf).values()) == flat(held)


def test_bytes_that_contradict_the_checksum_are_quarantined(tmp_path: Path) -> None:
    library, shelf = Library(), Shelf()
    fill(library, 3)
    library.contents[("asset-00001", "original")] = bytes(
        len(library.contents[("asset-00001", "original")])
    )
    work = job(MemorySource("from", library), [MemorySink("to", shelf)], staging=tmp_path / "s")
    outcome = go(work, tmp_path / "l.sqlite")
    assert outcome.exit is Exit.ITEMS_FAILED
    assert states(tmp_path / "l.sqlite") == {AssetState.CONFIRMED: 2, AssetState.QUARANTINED: 1}
    reason = next(f.reason for f in outcome.summary.failures if f.state == "quarantined")
    assert reason.count("apple:") == 2, "both digests are named"
    assert not any("IMG_0001" in path for path in contents(shelf))


def test_what_is_not_selected_is_named_and_left_alone(tmp_path: Path) -> None:
    library, shelf = Library(), Shelf()
    fill(library, 9)
    select_live = Select.model_validate({"kinds": "live"})
    source, sink = MemorySource("from", library), MemorySink("to", shelf)
    assert (
        go(
            job(source, [sink], staging=tmp_path / "s", select=select_live), tmp_path / "l.sqlite"
        ).exit
        is Exit.OK
    )
    assert states(tmp_path / "l.sqlite") == {AssetState.CONFIRMED: 3, AssetState.EXCLUDED: 6}
    # A wider selection takes up what was left out, without anything being listed as changed.
    assert go(job(source, [sink], staging=tmp_path / "s"), tmp_path / "l.sqlite").exit is Exit.OK
    assert states(tmp_path / "l.sqlite") == {AssetState.CONFIRMED: 9}


def test_other_content_at_the_path_stays_and_the_photo_lands_beside_it(tmp_path: Path) -> None:
    library, shelf = Library(), Shelf()
    held = fill(library, 1)
    work = job(MemorySource("from", library), [MemorySink("to", shelf)], staging=tmp_path / "s")
    go(work, tmp_path / "first.sqlite")
    paths = contents(shelf)
    shelf.visible.clear()
    other_library, other = Library(), Shelf()
    fill(other_library, 1, seed=99)
    go(job(MemorySource("from", other_library), [MemorySink("to", other)], staging=tmp_path / "s"),
       tmp_path / "other.sqlite")  # fmt: skip
    shelf.visible.update(other.visible)
    assert set(contents(shelf)) == set(paths), "the rig should make a clash"
    outcome = go(work, tmp_path / "second.sqlite")
    assert outcome.exit is Exit.OK
    assert Counter(contents(shelf).values()) == flat(held) + Counter(contents(other).values())


def test_a_staging_budget_smaller_than_a_file_still_moves_it(tmp_path: Path) -> None:
    library, shelf = Library(), Shelf()
    held = fill(library, 20, size=200_000)
    work = job(
        MemorySource("from", library), [MemorySink("to", shelf)], staging=tmp_path / "s", budget=1
    )
    assert go(work, tmp_path / "l.sqlite").exit is Exit.OK
    assert Counter(contents(shelf).values()) == flat(held)


class Breaking(MemorySource):
    """Its listing breaks at the same point each time; ``begun`` counts how often."""

    begun = 0

    def pages(self, since: str | None = None) -> Iterator[Page]:
        self.begun += 1
        yield from islice(super().pages(since), 2)
        raise Transient("500")


def test_a_listing_that_never_gets_past_a_point_ends_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The good pages before it, read again each time, are no progress."""
    monkeypatch.setattr("pipeline.retry._FIRST", 0.001)
    library = Library()
    fill(library, 250)
    source = Breaking("from", library)
    work = job(source, [MemorySink("to", Shelf())], staging=tmp_path / "s", attempts=3)
    outcome = ending(lambda: go(work, tmp_path / "l.sqlite"))
    assert isinstance(outcome, Outcome) and outcome.exit is Exit.FATAL
    assert source.begun == 3
