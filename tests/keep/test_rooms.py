"""Sidecars where places are full, or do not keep every kind of file."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from connectors.memory import Library, MemorySink, MemorySource, Shelf
from pipeline.config.models import Keep, Route
from pipeline.runner import Outcome
from pipeline.states import Exit
from tests.engine.rig import contents, fill, go, job


class Moved:
    """A titled library on its way to the first of two places that has room."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.library = Library()
        fill(self.library, 6)
        for asset in list(self.library.assets.values()):
            self.say(asset.id, "as it was")
        self.first, self.second = Shelf(), Shelf()

    def say(self, key: str, title: str) -> None:
        asset = self.library.assets[key]
        told = replace(asset.metadata, title=title)
        self.library.put(replace(asset, metadata=told), {})

    def run(self, keep: Keep) -> Outcome:
        sinks = [MemorySink("first", self.first), MemorySink("second", self.second)]
        source = MemorySource("from", self.library)
        work = job(source, sinks, staging=self.folder / "s", route=Route(to="first"))
        work = replace(work, pipeline=work.pipeline.model_copy(update={"keep": keep}))
        return go(work, self.folder / "ledger")


def test_a_sidecar_belongs_beside_its_photo_also_where_there_is_no_room(tmp_path: Path) -> None:
    """Promise 3: sidecars that came later, and a full first disk, copy no photo a second time."""
    moved = Moved(tmp_path)
    assert moved.run(Keep(sidecars="never")).exit is Exit.OK
    moved.first.limit = moved.first.used
    outcome = moved.run(Keep(sidecars="always"))
    assert not contents(moved.second), "photos were copied again for the sake of their sidecars"
    assert outcome.exit is Exit.NO_ROOM
    moved.first.limit = None
    assert moved.run(Keep(sidecars="always")).exit is Exit.OK
    assert len([path for path in contents(moved.first) if path.endswith(".xmp")]) == 6


def test_a_new_title_beside_a_full_disk_copies_nothing_again(tmp_path: Path) -> None:
    moved = Moved(tmp_path)
    assert moved.run(Keep(sidecars="always")).exit is Exit.OK
    moved.first.limit = moved.first.used
    moved.say("asset-00002", "another title, and a longer one")
    assert moved.run(Keep(sidecars="always")).exit is Exit.NO_ROOM
    assert not contents(moved.second)
