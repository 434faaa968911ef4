"""Promise: nothing is doubled, also where a source tells nothing of its files' bytes. A photo that
comes again as another asset has its copies still, which its download tells."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from connectors.base import Asset, Metadata, Resource, Role, Sink, Stream
from connectors.errors import ItemError
from connectors.local.sink import LocalSink
from connectors.memory import Library, MemorySink, MemorySource, Shelf
from pipeline.config.models import Select
from pipeline.states import Exit
from tests.engine.rig import Recorder, apple, contents, fill, go, job

pytestmark = pytest.mark.wide

COUNT = 9


class World:
    """A library without checksums, a ledger, and one run after another."""

    def __init__(self, tmp_path: Path) -> None:
        self.library, self.ledger = Library(), tmp_path / "l.sqlite"
        self.staging, self.root = tmp_path / "s", tmp_path / "sink"
        fill(self.library, COUNT)
        for asset in list(self.library.assets.values()):
            self.list(asset.id, asset)

    def list(self, key: str, asset: Asset, **changes: bytes) -> None:
        """As it is now, under this id; ``changes`` are new contents by the file's id."""
        data = {one.id: self.library.contents[asset.id, one.id] for one in asset.resources}
        data |= changes
        files = tuple(
            replace(one, checksum=None, size=len(data[one.id])) for one in asset.resources
        )
        self.library.put(replace(asset, id=key, resources=files), data)

    def renumber(self, key: str, filename: str, **changes: bytes) -> None:
        """It leaves the library and comes again as another asset, of another name."""
        asset = self.library.assets[key]
        names = tuple(
            replace(one, filename=filename + one.filename[-5:]) for one in asset.resources
        )
        self.list(f"{key}-again", replace(asset, resources=names), **changes)
        self.library.trash(key)

    def run(self, *sinks: Sink, select: Select | None = None) -> int:
        """How many files were found there already."""
        source = MemorySource("from", self.library)
        work = job(source, sinks, staging=self.staging, select=select)
        seen = Recorder()
        outcome = go(work, self.ledger, seen)
        assert outcome.exit is Exit.OK, [notice.text for notice in seen.notices]
        return outcome.summary.adopted_files

    def files(self) -> dict[str, bytes]:
        found = (path for path in self.root.rglob("*") if path.is_file())
        return {str(path.relative_to(self.root)): path.read_bytes() for path in found}


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def test_a_cloud_keeps_what_it_has(world: World) -> None:
    shelf = Shelf()
    world.run(MemorySink("to", shelf))
    before = contents(shelf)
    for key in list(world.library.assets):
        world.renumber(key, f"{key}-renamed")
    assert world.run(MemorySink("to", shelf)) == len(before)
    assert contents(shelf) == before
    assert world.run(MemorySink("to", shelf)) == 0


def test_a_folder_keeps_what_it_has_once_it_was_read_again(world: World) -> None:
    world.run(LocalSink("to", world.root))
    before = world.files()
    damaged = next(path for path in before if path.endswith(".HEIC"))
    data = before[damaged]
    (world.root / damaged).write_bytes(bytes(len(data)))
    for key in list(world.library.assets):
        world.renumber(key, f"{key}-renamed")
    assert world.run(LocalSink("to", world.root)) == len(before) - 1
    after = world.files()
    assert len(after) == len(before) + 1, "the damaged one stays, and is no copy"
    assert sorted({*before.values(), bytes(len(data))}) == sorted(after.values())


def test_what_was_edited_meanwhile_comes_beside(world: World) -> None:
    shelf = Shelf()
    world.run(MemorySink("to", shelf))
    before = contents(shelf)
    world.renumber("asset-00003", "renamed", live=b"another video")
    assert world.run(MemorySink("to", shelf)) == 1
    new = {path: data for path, data in contents(shelf).items() if path not in before}
    assert list(new.values()) == [b"another video"]
    stem = next(path for path, data in before.items()
                if data == world.library.contents["asset-00003-again", "original"])  # fmt: skip
    assert next(iter(new)).startswith(stem.rpartition(".")[0])


def test_a_folder_that_is_read_back_keeps_what_it_has_too(world: World) -> None:
    world.run(LocalSink("to", world.root, readback=True))
    before = world.files()
    world.renumber("asset-00001", "renamed")
    assert world.run(LocalSink("to", world.root, readback=True)) == 1
    assert world.files() == before


def test_halves_that_come_in_different_runs_stand_together(world: World) -> None:
    """The first took the copy of the one that is gone; so does the second, whenever it comes."""

    class Half(MemorySource):
        def open(self, asset_id: str, resource: Resource, offset: int = 0) -> Stream:
            if resource.role is Role.LIVE_VIDEO:
                raise ItemError("not today")
            return super().open(asset_id, resource, offset)

    sink = LocalSink("to", world.root)
    world.run(sink)
    before = world.files()
    world.renumber("asset-00003", "renamed")
    half = job(Half("from", world.library), [sink], staging=world.staging)
    assert go(half, world.ledger).exit is Exit.ITEMS_FAILED
    assert world.run(sink) == 1
    assert world.files() == before


@pytest.mark.parametrize("known", ["original", "live"])
def test_where_the_bytes_of_one_half_only_are_known_before(world: World, known: str) -> None:
    asset = world.library.assets["asset-00003"]
    files = tuple(
        replace(one, checksum=apple(world.library.contents[asset.id, one.id]))
        if one.id == known
        else one
        for one in asset.resources
    )
    world.library.put(replace(asset, resources=files), {})
    sink = LocalSink("to", world.root)
    world.run(sink)
    before = world.files()
    again = tuple(replace(one, filename=f"new{one.filename[-5:]}") for one in files)
    data = {one.id: world.library.contents[asset.id, one.id] for one in files}
    world.library.put(replace(asset, id="again", resources=again), data)
    world.library.trash(asset.id)
    assert world.run(sink) == 2
    assert world.files() == before


def test_also_where_it_was_looked_for_while_it_was_in_doubt(world: World) -> None:
    """Its own copy was taken for one that nobody has, and is no other file's for that."""
    shelf = Shelf()
    world.run(MemorySink("to", shelf))
    before = contents(shelf)
    asset = world.library.assets["asset-00001"]
    told = replace(asset, metadata=Metadata(caption="new"))
    world.library.put(told, {})
    world.run(MemorySink("to", shelf), select=Select(min_size=1))
    world.renumber("asset-00001", "renamed")
    assert world.run(MemorySink("to", shelf), select=Select(min_size=1)) == 1
    assert contents(shelf) == before


def test_two_new_ones_with_these_bytes_do_not_share_one_copy(world: World) -> None:
    shelf = Shelf()
    world.run(MemorySink("to", shelf))
    before = contents(shelf)
    asset = world.library.assets["asset-00001"]
    world.list("twin", asset)
    world.renumber(asset.id, "renamed")
    data = world.library.contents["twin", "original"]
    assert world.run(MemorySink("to", shelf)) == 1
    assert len(shelf.visible) == len(before) + 1
    assert list(contents(shelf).values()).count(data) == 2


def test_a_copy_that_went_meanwhile_is_made_again(world: World) -> None:
    shelf = Shelf()
    world.run(MemorySink("to", shelf))
    before = contents(shelf)
    shelf.visible.clear()
    world.renumber("asset-00001", "renamed")
    world.run(MemorySink("to", shelf))
    data = world.library.contents["asset-00001-again", "original"]
    assert list(contents(shelf).values()).count(data) == 1
    assert data in before.values()
