"""Sidecars where places are full, or do not keep every kind of file."""

from __future__ import annotations

import errno
import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from connectors.base import Body, Checkpoint, Put, Resource, Role, Transferred
from connectors.errors import ItemError, OutpourError
from connectors.memory import Library, MemorySink, MemorySource, Shelf
from pipeline.config.models import Keep, Route, Select
from pipeline.runner import Outcome
from pipeline.states import Exit
from tests.engine.rig import Recorder, apple, contents, fill, go, job

pytestmark = pytest.mark.wide


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


class PhotosOnly(MemorySink):
    """Refuses what its traits say it cannot keep, as a place does that knows only pictures."""

    traits = replace(MemorySink.traits, refuses=frozenset({Role.SIDECAR, Role.METADATA}))

    def transfer(self, put: Put, body: Body, token: str | None, keep: Checkpoint) -> Transferred:
        if put.path.endswith((".AAE", ".xmp")):
            raise ItemError("takes pictures only")
        return super().transfer(put, body, token, keep)

    def transfer_many(
        self, items: Sequence[tuple[Put, Body, str | None]]
    ) -> list[Transferred | OutpourError]:
        return [self._or_error(item) for item in items]

    def _or_error(self, item: tuple[Put, Body, str | None]) -> Transferred | OutpourError:
        try:
            return self.transfer(*item, lambda *_: None)
        except OutpourError as error:
            return error


def with_edits(library: Library, *keys: str) -> None:
    """Each gets an AAE, as a phone lists it."""
    for key in keys:
        asset = library.assets[key]
        aae = Resource("aae", Role.SIDECAR, "IMG.AAE", 5, apple(b"<aae>"))
        library.put(replace(asset, resources=(*asset.resources, aae)), {"aae": b"<aae>"})


def test_what_a_place_cannot_keep_is_left_out_there_alone_and_said_once(tmp_path: Path) -> None:
    """Promise 1: the run is whole, since nothing that the place could keep is missing."""
    library, photos, folder = Library(), Shelf(), Shelf()
    fill(library, 6)
    with_edits(library, "asset-00001", "asset-00004")
    sinks = [PhotosOnly("photos", photos), MemorySink("folder", folder)]
    source = MemorySource("from", library)
    for keep in (Keep(), Keep(sidecars="always")):
        work = job(source, sinks, staging=tmp_path / "s")
        work = replace(work, pipeline=work.pipeline.model_copy(update={"keep": keep}))
        recorder = Recorder()
        outcome = go(work, tmp_path / "ledger", recorder)
        assert outcome.exit is Exit.OK and outcome.summary.whole
        assert not [p for p in contents(photos) if p.endswith((".AAE", ".xmp"))]
        assert len([p for p in contents(folder) if p.endswith(".AAE")]) == 2
    (said,) = [n.text for n in recorder.notices if n.place == "photos"]
    assert said == "keeps no sidecar files; left out there: 2"


def test_an_asset_of_which_a_place_can_keep_nothing_is_not_called_confirmed(tmp_path: Path) -> None:
    library, photos = Library(), Shelf()
    fill(library, 3)
    with_edits(library, "asset-00001")
    select = Select(roles=(Role.SIDECAR,))
    sinks = [PhotosOnly("photos", photos)]
    work = job(MemorySource("from", library), sinks, staging=tmp_path / "s", select=select)
    for _ in range(2):
        outcome = go(work, tmp_path / "ledger")
        assert outcome.exit is Exit.ITEMS_FAILED and not contents(photos)
        (failure,) = outcome.summary.failures
        assert "takes pictures only" in failure.reason


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO])
def test_where_staging_takes_no_sidecar_the_run_ends_and_nothing_is_called_failed(
    code: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    moved = Moved(tmp_path)

    def refused(path: Path, data: bytes) -> int:
        raise OSError(code, os.strerror(code))

    with monkeypatch.context() as disk:
        disk.setattr(Path, "write_bytes", refused)
        outcome = moved.run(Keep(sidecars="always"))
    assert outcome.exit is (Exit.NO_ROOM if code == errno.ENOSPC else Exit.FATAL)
    assert f"staging in {tmp_path}/s" in outcome.error and outcome.summary.failed == 0
    assert moved.run(Keep(sidecars="always")).exit is Exit.OK
