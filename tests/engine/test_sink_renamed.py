"""Promise: a sink that its owner calls otherwise is the same sink, with all that is known of it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import select

from connectors.base import Receipt, Transferred
from connectors.errors import Fatal, OutpourError
from connectors.local.sink import LocalSink
from pipeline.config.models import Keep
from pipeline.ledger import Ledger, album_indexes, schema
from pipeline.states import Exit
from tests.engine.rig import apple, go
from tests.keep.reading import read
from tests.keep.rig import GARDEN, World
from tests.reclaim.rig import World as Freeable

pytestmark = pytest.mark.wide

ID = "asset-00002"


class Unlisted(LocalSink):
    """Says what it is asked for; nobody looks through it."""

    def inventory(self) -> Iterator[Receipt]:
        raise AssertionError("it was looked through before")


def copies_at(world: World) -> set[tuple[str, str]]:
    """The sinks that the ledger knows copies at, and their states."""
    with Ledger.open(world.ledger) as ledger, ledger.read() as connection:
        rows = connection.execute(select(schema.copies.c.sink, schema.copies.c.state).distinct())
        return {(row.sink, row.state) for row in rows}


@pytest.fixture
def world(tmp_path: Path) -> World:
    world = World(tmp_path)
    world.keep = Keep(albums="index")
    world.say(ID, caption="one")
    assert world.run(LocalSink("old", world.root)).exit is Exit.OK
    return world


def test_it_is_not_looked_through_and_nothing_is_sent(world: World) -> None:
    before = {path: path.read_bytes() for path in world.root.rglob("*") if path.is_file()}
    outcome = world.run(Unlisted("new", world.root))
    assert outcome.exit is Exit.OK and outcome.summary.moved_bytes == 0
    assert {path: path.read_bytes() for path in before} == before


def test_its_sidecars_and_its_index_are_still_ours_to_write(world: World) -> None:
    """Also where what they say changed in that very step."""
    world.say(ID, caption="two")
    world.library.albums[GARDEN] = (ID,)
    assert world.run(LocalSink("new", world.root)).summary.yielded == 0
    sidecar = read(world.sidecars()[ID].read_bytes())
    assert "two" in str(sidecar.plain) + str(sidecar.lists)
    assert "Garden" in (world.root / "albums.txt").read_text()
    assert not [one for one in world.recorder.notices if "that stays" in one.text]


def test_nothing_is_remembered_under_its_former_name(world: World) -> None:
    world.run(LocalSink("new", world.root))
    with Ledger.open(world.ledger) as ledger, ledger.read() as connection:
        keys = connection.execute(select(schema.meta.c.key)).scalars().all()
    assert [key for key in keys if "old" in key.split()] == []
    assert copies_at(world) == {("new", "confirmed")}


def test_verify_knows_it_too(world: World) -> None:
    """It looks for the copies before any run did."""
    copies = len([path for path in world.root.rglob("*") if path.is_file()]) - len(
        album_indexes.NAMES
    )
    answer = world.verify()  # calls the sink "here"
    assert answer.exit is Exit.OK
    assert [one.checked for one in answer.sinks] == [copies]


def test_a_name_that_was_another_sinks_is_not_taken_over(tmp_path: Path, world: World) -> None:
    """Both stood for something: each is what is in it."""
    world.run(LocalSink("new", tmp_path / "Second"))
    (tmp_path / "Second").rename(tmp_path / "Third")
    assert world.run(LocalSink("new", world.root)).exit is Exit.OK
    assert len([*world.root.rglob("*.HEIC")]) == len(world.library.assets)


def test_another_place_under_its_name_is_looked_through(tmp_path: Path, world: World) -> None:
    """Beside the copies that show that it is the same it may hold what the first did not."""
    second = tmp_path / "Second"
    shutil.copytree(world.root, second)
    photo = world.library.assets[ID]
    new = replace(photo.resources[0], size=3, checksum=apple(b"new"))
    world.library.put(replace(photo, id="new", resources=(new,)), {new.id: b"new"})
    (second / "Elsewhere.HEIC").write_bytes(b"new")
    assert world.run(LocalSink("old", second)).exit is Exit.OK
    assert len([*second.rglob("*.HEIC")]) == len(world.library.assets)


def test_a_name_that_only_a_broken_run_used_takes_over_all_the_same(tmp_path: Path) -> None:
    """It had no place yet."""

    class Broken(LocalSink):
        def commit(self, items: Sequence[Transferred]) -> list[Receipt | OutpourError]:
            raise Fatal("it broke")

    world = World(tmp_path)
    assert world.run(Broken("first", world.root)).exit is Exit.FATAL
    assert world.run(LocalSink("second", world.root)).exit is Exit.OK
    outcome = world.run(Unlisted("first", world.root))
    assert outcome.exit is Exit.OK and outcome.summary.moved_bytes == 0
    assert copies_at(world) == {("first", "confirmed")}


def test_what_was_accepted_as_lost_is_not_missed_again(world: World) -> None:
    for path in world.root.rglob("*.HEIC"):
        path.unlink()
    for key in list(world.library.assets):
        world.library.trash(key)
    world.run(LocalSink("old", world.root))
    accepted = world.verify(accept_lost=True)
    assert [len(one.accepted) for one in accepted.sinks] == [6]
    assert world.run(LocalSink("another", world.root)).exit is Exit.OK
    assert world.verify().exit is Exit.OK


def test_reclaim_believes_its_copies_before_any_run(tmp_path: Path) -> None:
    world = Freeable(tmp_path)
    root = tmp_path / "Photos"
    world.sinks = [LocalSink("old", root)]
    assert go(world.job, world.ledger).exit is Exit.OK
    world.sinks = [LocalSink("new", root)]
    chosen, done = world.reclaim(copies=1)
    assert done.assets == len(chosen.candidates) == len(world.held)
