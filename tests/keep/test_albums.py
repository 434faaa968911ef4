"""Albums through the whole engine: in sidecars and in the index, and what refuses to tell them."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from unicodedata import normalize

import pytest

from connectors.abilities import Album
from connectors.base import Body, Checkpoint, Put, Transferred
from connectors.errors import CapacityExceeded, Fatal, ItemError, OutpourError, Transient
from connectors.local import LocalSink
from connectors.memory import MemorySink, Shelf
from pipeline.config.models import Keep, Select
from pipeline.states import Exit
from tests.engine.rig import contents
from tests.keep.reading import read
from tests.keep.rig import GARDEN, NORWAY, Careful, World

pytestmark = pytest.mark.wide


def test_albums_that_broke_off_are_read_again(world: World) -> None:
    class Broken(Careful):
        def members(self, album: Album) -> Iterator[str]:
            raise Transient("connection reset")

    world.attempts = 1
    whole, world.source = world.source, Broken("from", world.library)
    assert world.run().exit is not Exit.OK
    world.source = whole
    whole.albums_changed = False
    assert world.run().exit is Exit.OK
    assert world.tags("asset-00001") == ["Albums/Trips/Norway"]


def test_the_index_names_the_files_of_each_album(world: World) -> None:
    world.keep = Keep(albums="index", sidecars="never")
    world.library.albums[GARDEN] = ()
    assert world.run().exit is Exit.OK
    told = json.loads((world.root / "albums.json").read_text())
    assert told["albums"] == [
        {"path": ["Garden"], "files": []},
        {"path": ["Trips", "Norway"], "files": [
            "2024/05/IMG_0000.HEIC", "2024/05/IMG_0000.MOV", "2024/05/IMG_0001.HEIC"]},
    ]  # fmt: skip
    text = (world.root / "albums.txt").read_text()
    assert "Trips / Norway (3)\n    2024/05/IMG_0000.HEIC\n" in text
    before = (world.root / "albums.json").stat().st_ino
    assert world.run().exit is Exit.OK
    assert (world.root / "albums.json").stat().st_ino == before, "written only when it changes"


def test_the_index_follows_the_albums_and_leaves_an_edit_alone(world: World) -> None:
    world.keep = Keep(albums="index")
    world.run()
    world.library.albums[GARDEN] = ("asset-00004",)
    assert world.run().exit is Exit.OK
    assert "IMG_0004.HEIC" in (world.root / "albums.json").read_text()
    (world.root / "albums.txt").write_text("mine")
    world.source.albums_changed = False
    assert world.run().exit is Exit.OK
    assert any("albums.txt" in notice.text for notice in world.recorder.notices)
    world.source.albums_changed = True
    world.library.albums[GARDEN] = ("asset-00005",)
    assert world.run().exit is Exit.OK
    assert (world.root / "albums.txt").read_text() == "mine"
    assert "IMG_0005.HEIC" in (world.root / "albums.json").read_text()
    assert any("albums.txt" in notice.text for notice in world.recorder.notices)


class Refusing(LocalSink):
    """A folder where the index, and nothing else, cannot be written."""

    error: OutpourError = CapacityExceeded("albums: No space left on device")

    def transfer(self, put: Put, body: Body, token: str | None, keep: Checkpoint) -> Transferred:
        if put.path.startswith("albums."):
            raise self.error
        return super().transfer(put, body, token, keep)


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (CapacityExceeded("albums: No space left on device"), Exit.NO_ROOM),
        (ItemError("albums: Permission denied"), Exit.ITEMS_FAILED),
    ],
)
def test_an_index_that_cannot_be_written_fails_nothing_else(
    world: World, error: OutpourError, code: Exit
) -> None:
    """Promise 1: what was asked for is not all there, and what is there is called so."""
    world.keep = Keep(albums="index")
    sink = Refusing("here", world.root)
    sink.error = error
    outcome = world.run(sink)
    assert outcome.exit is code and not outcome.error
    assert outcome.summary.confirmed == 6
    (said,) = [n for n in world.recorder.notices if "index" in n.text]
    assert said.place == "here" and str(error) in said.text
    assert world.run().exit is Exit.OK and (world.root / "albums.json").is_file()


def test_what_left_the_source_stays_in_its_albums_where_it_is_kept(world: World) -> None:
    """Space that is freed at the source must not cost the albums of what was copied."""
    world.keep = Keep(albums="index")
    world.library.albums = {NORWAY: ("asset-00000", "asset-00001"), GARDEN: ("asset-00002",)}
    assert world.run().exit is Exit.OK
    index = (world.root / "albums.json").read_text()
    tags = world.tags("asset-00000")
    for key in ("asset-00000", "asset-00002"):
        world.library.trash(key)
    world.library.albums = {NORWAY: ("asset-00001",)}  # an empty album may go too
    assert world.run().exit is Exit.OK
    assert (world.root / "albums.json").read_text() == index
    assert world.tags("asset-00000") == tags
    for key in ("asset-00000", "asset-00002"):  # brought back, and one out of its album
        world.library.restore(key)
    world.library.albums = {NORWAY: ("asset-00001",), GARDEN: ("asset-00002",)}
    assert world.run().exit is Exit.OK
    assert "IMG_0000" not in (world.root / "albums.json").read_text()
    assert not world.tags("asset-00000") and world.tags("asset-00002") == ["Albums/Garden"]


def test_what_is_selected_no_more_stays_in_the_index_while_it_is_kept(world: World) -> None:
    world.keep = Keep(albums="index")
    world.library.albums = {NORWAY: ("asset-00000", "asset-00001"), GARDEN: ("asset-00002",)}
    assert world.run().exit is Exit.OK
    index = (world.root / "albums.json").read_text()
    world.select = Select(albums=("Garden",))
    assert world.run().exit is Exit.OK
    assert (world.root / "albums.json").read_text() == index
    world.library.trash("asset-00000")
    world.select = Select()
    assert world.run().exit is Exit.OK
    assert (world.root / "albums.json").read_text() == index


class Silent(Careful):
    """Refuses to tell its albums, while it is ``silent``."""

    silent = True

    def albums(self) -> Iterator[Album]:
        if self.silent:
            raise Fatal("BAD_REQUEST")
        return super().albums()


class Once(MemorySink):
    """Keeps what it was given first."""

    def __init__(self, name: str, shelf: Shelf) -> None:
        super().__init__(name, shelf)
        self.traits = replace(self.traits, replaces=False)


def test_where_a_sidecar_stays_as_it_is_it_waits_for_albums_that_are_refused(world: World) -> None:
    """The photos do not; and where it can be made whole later, it does not either."""
    world.source = source = Silent("from", world.library)
    world.keep = Keep(sidecars="always")
    shelf = Shelf()
    assert world.run(Once("to", shelf)).exit is Exit.ITEMS_FAILED
    assert sorted(contents(shelf).values()) == sorted(world.library.contents.values())
    source.silent = False
    assert world.run(Once("to", shelf)).exit is Exit.OK
    told = [read(data) for path, data in contents(shelf).items() if path.endswith(".xmp")]
    albums = [one.lists.get("digiKam:TagsList") for one in told]
    assert len(told) == 6 and albums.count(["Albums/Trips/Norway"]) == 2


def test_a_photo_that_is_new_since_the_last_listing_asks_for_no_albums(world: World) -> None:
    """Not even where the copies were checked since: that lists nothing."""
    world.run()
    added = datetime.now(UTC)
    world.source.albums_changed = False
    time.sleep(1)  # the ledger counts in seconds
    world.verify()
    asked = world.source.asked
    photo = world.library.assets["asset-00001"]
    data = {file.id: b"new" for file in photo.resources}
    files = tuple(replace(file, size=3, checksum=None) for file in photo.resources)
    metadata = replace(photo.metadata, added=added)
    world.library.put(replace(photo, id="new", resources=files, metadata=metadata), data)
    assert world.run().exit is Exit.OK
    assert world.source.asked == asked


def test_selected_albums_are_read_only_once_they_changed(world: World) -> None:
    """A photo that joined one is brought by the very run that hears of it."""
    world.select = Select(albums=("Trips/Norway",))
    assert world.run().summary.confirmed == 2
    world.source.albums_changed = False
    world.run()  # the first listing was of everything, and may have had changed albums
    asked = world.source.asked
    assert world.run().summary.confirmed == 2 and world.source.asked == asked
    world.library.albums[NORWAY] = ("asset-00001", "asset-00004")
    world.source.albums_changed = True
    outcome = world.run()
    assert (outcome.exit, outcome.summary.confirmed) == (Exit.OK, 2)
    assert world.source.asked == asked + 1
    assert set(world.sidecars()) == {"asset-00000", "asset-00001", "asset-00004"}


def test_a_name_finds_its_album_in_any_spelling_of_its_letters(world: World) -> None:
    world.library.albums = {Album("a3", (normalize("NFD", "Crème"), "Café")): ("asset-00003",)}
    world.select = Select(albums=(normalize("NFC", "Crème"),))
    assert world.run().summary.confirmed == 1


def test_an_album_that_nobody_knows_yet_is_asked_for(world: World) -> None:
    world.run()
    world.source.albums_changed = False
    world.run()
    world.library.albums[GARDEN] = ("asset-00005",)
    world.select = Select(albums=("Garden",))
    assert world.run().summary.confirmed == 1
