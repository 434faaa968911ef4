"""Promise: what plan says is what a run then does."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from connectors.base import Metadata, Page, Receipt, Role, Transferred
from connectors.errors import Fatal, OutpourError
from connectors.local.sink import LocalSink
from connectors.memory import MemorySink, MemorySource, Shelf
from pipeline.cli.answers import show_plan
from pipeline.config.models import Route, Select
from pipeline.runner import Plan, plan
from pipeline.states import Exit
from pipeline.stopping import Stop
from tests.engine.rig import Recorder, contents, go
from tests.reclaim.rig import World


def planned(world: World) -> Plan:
    return plan(world.job, world.ledger, Recorder(), stop=Stop())


def shown(found: Plan) -> str:
    console = Console(file=StringIO(), width=200)
    show_plan(console, found)
    assert isinstance(console.file, StringIO)
    return console.file.getvalue()


def received(world: World) -> int:
    outcome = go(world.job, world.ledger)
    assert outcome.exit is Exit.OK
    return outcome.summary.downloaded_bytes


def test_only_the_files_that_are_due_are_counted(tmp_path: Path) -> None:
    world = World(tmp_path, select=Select(roles=(Role.ORIGINAL,)))
    world.select = None
    before = planned(world)
    assert before.assets == 3, "the Live Photos"
    assert before.bytes == received(world) > 0
    assert planned(world).assets == 0


class Slow(MemorySource):
    """Takes longer for its last page than it takes to tell how far it is."""

    def pages(self, since: str | None = None) -> Iterator[Page]:
        yield from super().pages(since)
        yield Page(doing="looking for more")
        time.sleep(0.5)


def test_how_far_the_listing_is_is_told_meanwhile(tmp_path: Path) -> None:
    """Of a large library it takes minutes."""
    world, recorder = World(tmp_path), Recorder()
    world.source = Slow("from", world.library)
    plan(world.job, world.ledger, recorder, stop=Stop())
    assert recorder.last is not None
    assert (recorder.last.phase, recorder.last.doing) == ("listing", "looking for more")


def test_what_only_needs_another_sidecar_moves_no_bytes(tmp_path: Path) -> None:
    world = World(tmp_path, sinks=1)
    world.sinks = [LocalSink("folder", tmp_path / "Photos")]
    assert go(world.job, world.ledger).exit is Exit.OK
    for asset in list(world.library.assets.values()):
        world.library.put(replace(asset, metadata=Metadata(caption="x")), {})
    found = planned(world)
    assert (found.assets, found.bytes) == (9, 0)
    assert found.sinks[0].needed == found.sinks[0].sidecars > 0
    assert received(world) == 0


@pytest.mark.wide
@pytest.mark.parametrize("to", ["all", "first"])
def test_of_a_file_that_one_of_two_sinks_lacks(tmp_path: Path, to: str) -> None:
    """It is due where each is to have it, and where one is enough it is not."""
    world = World(tmp_path, sinks=1)
    world.sinks = [*world.sinks, MemorySink("more", Shelf())]
    world.route = Route.model_validate({"to": to})
    all_of_it = sum(map(len, world.library.contents.values()))
    assert planned(world).bytes == (all_of_it if to == "all" else 0)
    assert received(world) == (all_of_it if to == "all" else 0)


@pytest.mark.wide
@pytest.mark.parametrize("to", ["all", "first", "spread"])
def test_of_a_file_that_one_of_two_sinks_does_not_keep(tmp_path: Path, to: str) -> None:
    world = World(tmp_path, sinks=1, select=Select(roles=(Role.ORIGINAL,)))
    picky = MemorySink("picky", Shelf())
    picky.traits = replace(picky.traits, refuses=frozenset({Role.LIVE_VIDEO}))
    world.sinks = [MemorySink("new", Shelf()), picky]
    world.select, world.route = None, Route.model_validate({"to": to})
    found = planned(world)
    assert found.bytes == found.staging.needed == received(world)


@pytest.mark.wide
def test_what_a_run_that_broke_off_only_began_is_owed_too(tmp_path: Path) -> None:
    class Broken(MemorySink):
        def commit(self, items: Sequence[Transferred]) -> list[Receipt | OutpourError]:
            raise Fatal("it broke")

    world, more = World(tmp_path), Shelf()
    two = world.sinks
    world.sinks = [*two, Broken("more", more)]
    assert go(world.job, world.ledger).exit is Exit.FATAL
    world.sinks = two
    assert go(world.job, world.ledger).exit is Exit.OK
    world.reclaim()
    freed = len(world.held) - len(world.present())
    world.sinks = [*two, MemorySink("more", more)]
    assert freed and planned(world).again >= freed
    assert go(world.job, world.ledger).exit is Exit.OK
    assert len(contents(more)) == len(contents(world.shelves[0]))


@pytest.mark.wide
@pytest.mark.parametrize("route", [Route(), Route(to="first", copies=3)])
def test_what_was_freed_goes_to_an_added_sink_too(tmp_path: Path, route: Route) -> None:
    world, more = World(tmp_path), Shelf()
    world.reclaim()
    world.sinks = [*world.sinks, MemorySink("more", more)]
    world.route = route
    found = planned(world)
    assert found.again and found.fits
    assert f"{found.again} copies to make again from another sink" in shown(found)
    needed = found.sinks[2].needed
    assert go(world.job, world.ledger).exit is Exit.OK
    assert sum(map(len, contents(more).values())) == needed
    after = planned(world)
    assert not after.again and "Nothing to move: everything asked for is confirmed" in shown(after)


@pytest.mark.wide
@pytest.mark.parametrize("route", [Route(), Route(to="first", copies=3)])
def test_and_it_is_said_if_it_does_not_fit_there(tmp_path: Path, route: Route) -> None:
    world = World(tmp_path)
    world.reclaim()
    world.sinks = [*world.sinks, MemorySink("more", Shelf(limit=100))]
    world.route = route
    found = planned(world)
    assert not found.fits and found.sinks[2].lacking == found.sinks[2].needed - 100
    seen = Recorder()
    assert go(world.job, world.ledger, seen).exit is Exit.NO_ROOM
    assert [one for one in seen.notices if "will not fit" in one.text]
