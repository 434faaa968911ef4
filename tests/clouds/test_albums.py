"""A sidecar names the albums that iCloud shows its photo in, whatever was hidden in between."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from sandbox.library import Album
from tests.keep.reading import read
from tests.rehearsal.fanout import FanOut

pytestmark = pytest.mark.wide

TAGS, TRIP = "digiKam:TagsList", ["Albums/Trip"]
LONG_AGO = 1_600_000_000_000


@pytest.fixture
def pipeline(job: FanOut) -> Callable[[str], None]:
    def write(more: str = "") -> None:
        sink = f"{{type: local, name: folder, path: {job.folder}}}"
        source = f"{{type: icloud, account: demo@example.com{more}}}"
        job.config.write_text(f"source: {source}\nsinks: [{sink}]\n")

    write()
    return write


@pytest.fixture
def trip(job: FanOut) -> Album:
    """An album of the first two photos, which are there for long."""
    library = job.world.cloud.library
    library.albums.add("Trip")
    album = library.albums.named("Trip")
    for asset in list(library)[:2]:
        library.put(library.change(asset.id, added=LONG_AGO).id, album)
    return album


def albums(job: FanOut, number: int = 0) -> list[str]:
    """What the photo's sidecar says, after a run."""
    assert job.run() == 0
    wanted = list(job.world.cloud.library)[number].id
    told = [read(path.read_bytes()) for path in job.folder.rglob("*.xmp")]
    (mine,) = [one for one in told if one.plain["dc:identifier"] == wanted]
    return mine.lists.get(TAGS, [])


def queries(job: FanOut) -> int:
    """How many a run makes; each listing of albums takes some."""
    before = job.world.cloud.counts["query"]
    assert job.run() == 0
    return job.world.cloud.counts["query"] - before


@pytest.mark.usefixtures("pipeline", "trip")
def test_a_photo_that_is_shown_again_is_in_its_albums_again(job: FanOut) -> None:
    library = job.world.cloud.library
    first = next(iter(library)).id
    library.change(first, hidden=True)
    assert albums(job) == []
    library.change(first, hidden=False)
    assert albums(job) == TRIP
    library.change(first, hidden=True)
    assert albums(job) == []


@pytest.mark.usefixtures("trip")
@pytest.mark.parametrize("how", ["hidden", "trashed"])
@pytest.mark.parametrize("known", [True, False], ids=["copied before", "never seen before"])
def test_a_photo_that_comes_back_is_in_its_albums(
    job: FanOut, pipeline: Callable[[str], None], how: str, known: bool
) -> None:
    pipeline(", hidden: false")
    library = job.world.cloud.library
    first = next(iter(library)).id
    if known:
        assert albums(job) == TRIP
    if how == "hidden":
        library.change(first, hidden=True)
    else:
        library.trash(first)
    assert job.run() == 0
    assert albums(job, 1) == TRIP
    if how == "hidden":
        library.change(first, hidden=False)
    else:
        library.restore(first)
    assert albums(job) == TRIP


@pytest.mark.usefixtures("pipeline", "trip")
def test_albums_are_not_listed_for_a_favourite_or_a_new_photo(job: FanOut) -> None:
    assert albums(job) == TRIP
    library = job.world.cloud.library
    first, unchanged = next(iter(library)).id, queries(job)
    library.change(first, favorite=True)
    assert queries(job) == unchanged
    library.add("NEW", added=int(time.time() * 1000))
    assert queries(job) == unchanged
    library.change(first, hidden=True)
    assert queries(job) > unchanged
