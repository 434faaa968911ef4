"""How much goes: goals, order, caps, and clear words where a goal cannot be met."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from connectors.abilities import Binned, Capacity
from connectors.errors import Misconfigured
from connectors.memory import MemorySink, MemorySource, Shelf
from pipeline.ledger import Ledger, trash
from pipeline.reclaim import reclaiming
from pipeline.reclaim.policy import moment
from pipeline.runner import Job
from pipeline.stopping import Stop
from tests.engine.rig import START, Recorder, go
from tests.reclaim.rig import NOW, World, ask


def sizes(world: World) -> dict[str, int]:
    return {key: sum(map(len, data)) for key, data in world.held.items()}


def test_free_takes_the_largest_until_it_is_enough(tmp_path: Path) -> None:
    world = World(tmp_path, count=20)
    largest = sorted(sizes(world).values(), reverse=True)
    goal = sum(largest[:5]) - 1
    _, done = world.reclaim(free=goal, before=None)
    assert (done.assets, done.bytes) == (5, sum(largest[:5]))


def test_oldest_first_when_asked(tmp_path: Path) -> None:
    world = World(tmp_path, count=20)
    goal = sum(sizes(world)[key] for key in list(sizes(world))[:3])
    world.reclaim(free=goal, order="oldest", before=None)
    assert set(world.library.bin) == {f"asset-{n:05}" for n in range(3)}


def test_older_than_takes_all_that_is_older(tmp_path: Path) -> None:
    world = World(tmp_path, count=20)
    world.reclaim(before=START + timedelta(minutes=7))
    assert set(world.library.bin) == {f"asset-{n:05}" for n in range(7)}


def test_a_run_has_a_cap_and_says_what_is_left(tmp_path: Path) -> None:
    world = World(tmp_path, count=20)
    chosen, done = world.reclaim(limit=6)
    assert done.assets == 6 and chosen.left == chosen.possible.bytes - chosen.bytes > 0
    _, done = world.reclaim(limit=50)
    assert done.assets == 14


def test_a_goal_that_cannot_be_met_says_what_can(tmp_path: Path) -> None:
    world = World(tmp_path, count=10)
    first = world.library.assets["asset-00000"]
    world.library.put(replace(first, metadata=replace(first.metadata, favorite=True)), {})
    with pytest.raises(Misconfigured) as told:
        world.reclaim(free=10**9, before=None)
    left = sum(sizes(world).values()) - sizes(world)["asset-00000"]
    assert f"1.0 GB cannot be freed: {left / 1000:.1f} kB can (9 assets)" in str(told.value)
    assert "1 are favourites" in str(told.value)
    assert len(world.present()) == 10


class Full(MemorySource):
    """A source of 100,000 bytes, with a bin whose content leaves after 30 days."""

    others = 0  # what others put into the bin

    def capacity(self) -> Capacity:
        return Capacity(80_000 + self.others, 100_000, 20_000 - self.others)

    def binned(self, ours: Collection[str]) -> Iterator[Binned]:
        for item in super().binned(ours):
            yield replace(item, leaves=NOW + timedelta(days=30))
        if self.others:
            yield Binned("other", self.others, NOW + timedelta(days=2))


@pytest.mark.parametrize(("share", "others", "wanted"), [
    (0.75, 0, 5000), (0.75, 3000, 5000), (0.80, 0, 0), (0.80, 10_000, 0), (0.9, 0, 0),
])  # fmt: skip
def test_until_counts_what_the_bin_will_give_back(
    tmp_path: Path, share: float, others: int, wanted: int
) -> None:
    world = World(tmp_path, count=20)
    world.source = source = Full("from", world.library)
    source.others = others
    chosen, _ = world.reclaim(until=share, before=None)
    assert chosen.wanted == wanted
    assert bool(chosen.candidates) is bool(wanted)


def test_asking_twice_does_not_free_twice(tmp_path: Path) -> None:
    """Deleted assets count as used until they leave the bin: the goal is reached all the same."""
    world = World(tmp_path, count=20)
    world.source = Full("from", world.library)
    _, first = world.reclaim(until=0.75, before=None)
    _, second = world.reclaim(until=0.75, before=None)
    assert first.assets > 0 and second.assets == 0


def test_afterwards_the_truth_is_told(tmp_path: Path) -> None:
    world = World(tmp_path, count=20)
    world.source = source = Full("from", world.library)
    source.others = 3000
    with Ledger.open(world.ledger) as ledger, world.session(ledger) as session:
        done = session.free(ask(), session.survey(ask(limit=5)))
        after = session.aftermath(done)
    assert after is not None and after.binned is not None
    assert (after.ours.assets, after.ours.bytes) == (5, done.bytes)
    assert (after.binned.assets, after.binned.bytes) == (6, done.bytes + 3000)
    assert (after.first, after.last) == (NOW + timedelta(days=2), NOW + timedelta(days=30))
    assert after.emptying and after.capacity == source.capacity()


# --- bad input -----------------------------------------------------------------------------


class Plain:
    """A source that can only be read."""

    def __init__(self, inner: MemorySource) -> None:
        self.name, self.pages, self.open, self.close = (
            inner.name, inner.pages, inner.open, inner.close,
        )  # fmt: skip


def test_a_source_that_cannot_free_says_so_before_anything(tmp_path: Path) -> None:
    world = World(tmp_path, count=2)
    work = Job(world.job.pipeline, (Plain(world.source),), world.job.sinks)
    with (
        Ledger.open(world.ledger) as ledger,
        pytest.raises(Misconfigured, match="cannot free"),
        reclaiming(work, ledger, Recorder(), stop=Stop()),
    ):
        raise AssertionError("a session was begun")


def test_a_source_without_a_limit_has_no_share(tmp_path: Path) -> None:
    world = World(tmp_path, count=2)
    with pytest.raises(Misconfigured, match="--until: the source does not tell"):
        world.reclaim(until=0.5, before=None)


def test_undo_of_nothing_and_of_an_unknown_run(tmp_path: Path) -> None:
    world = World(tmp_path, count=4)
    with pytest.raises(Misconfigured, match="nothing is left to bring back"):
        world.undo()
    _, done = world.reclaim()
    with pytest.raises(Misconfigured, match="nothing of run 99") as told:
        world.undo(99)
    assert told.value.hint == f"Runs with assets in the bin: {done.run} (4)"


def test_what_has_left_the_bin_cannot_come_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = World(tmp_path, count=4)
    world.reclaim()
    del world.library.bin["asset-00001"]
    watcher = Recorder()
    monkeypatch.setattr(trash, "now", lambda: "2099-01-01T00:00:00+00:00")
    undone = world.undo(observer=watcher)
    assert undone.assets == 3 and not undone.whole
    assert sorted(event.state for event in watcher.items) == ["refused", *["restored"] * 3]
    assert watcher.last is not None and watcher.last.failed == 1
    assert [name for name, _ in undone.refused] == ["IMG_0001.HEIC"]
    assert len(world.present()) == 3
    with Ledger.open(world.ledger) as ledger:
        assert trash.bytes_since(ledger, None, "2098") == 0, "it went when it went"


def test_copies_at_a_sink_that_was_taken_out_do_not_count(tmp_path: Path) -> None:
    world = World(tmp_path, count=4)
    world.sinks = [world.sinks[0], MemorySink("new", Shelf(limit=1))]
    go(world.job, world.ledger)
    world.reclaim()
    assert len(world.present()) == 4


@pytest.mark.parametrize(
    ("text", "then"),
    [
        ("90d", datetime(2025, 12, 31, tzinfo=UTC)),
        ("2 weeks", datetime(2026, 3, 17, tzinfo=UTC)),
        ("1m", datetime(2026, 2, 28, tzinfo=UTC)),
        ("6 months", datetime(2025, 9, 30, tzinfo=UTC)),
        ("2Y", datetime(2024, 3, 31, tzinfo=UTC)),
        ("9000y", datetime.min.replace(tzinfo=UTC)),
    ],
)
def test_ages(text: str, then: datetime) -> None:
    assert moment(text, datetime(2026, 3, 31, tzinfo=UTC)) == then


@pytest.mark.parametrize("text", ["", "soon", "-3d", "3", "2020-13-01"])
def test_what_is_no_age_says_what_to_write(text: str) -> None:
    with pytest.raises(ValueError, match="write for example 90d"):
        moment(text, NOW)
