"""A folder that lists a photo anew, though its bytes are as they were, has nothing copied again."""

from __future__ import annotations

import pytest

from connectors.local.sink import LocalSink
from connectors.local.source import LocalSource
from connectors.memory import MemorySink, Shelf
from pipeline.config.models import Route
from pipeline.ledger import Ledger
from pipeline.runner import rebuild
from pipeline.states import Exit
from pipeline.stopping import Stop
from tests.engine.rig import Recorder, contents, go, job
from tests.ledger.earlier import as_version_two
from tests.local.rig import DECEMBER, NOVEMBER, Folders, Refusing

pytestmark = pytest.mark.wide


@pytest.fixture
def apart(folders: Folders) -> Folders:
    """With a copy that had to take another name."""
    folders.occupy("2020/11/IMG_1.jpg")
    folders.put("IMG_1.jpg", b"A photo")
    folders.run()
    assert len(folders.held()) == 2
    return folders


def test_a_copy_that_stands_apart_stays_alone_when_only_the_date_changed(apart: Folders) -> None:
    before = apart.held()
    apart.put("IMG_1.jpg", b"A photo", DECEMBER)
    apart.run()
    assert apart.held() == before
    assert apart.run().summary.downloaded_bytes == 0


def test_a_photo_is_not_even_read_when_a_sidecar_appears_beside_it(apart: Folders) -> None:
    before = apart.held()
    apart.template = "all/{filename}"
    apart.put("IMG_1.AAE", b"<edit/>")
    assert apart.run().summary.downloaded_bytes == len(b"<edit/>")
    photo = next(path for path in before if path != "2020/11/IMG_1.jpg")
    assert apart.held() == before | {photo.replace(".jpg", ".AAE"): b"<edit/>"}


def test_a_photo_of_an_earlier_ledger_is_recognised_and_not_copied(apart: Folders) -> None:
    """That does not know of what state each file of an asset was."""
    before = apart.held()
    as_version_two(apart.ledger)
    apart.template = "all/{filename}"
    apart.put("IMG_1.AAE", b"<edit/>")
    assert apart.run().summary.downloaded_bytes == len(b"<edit/>")
    assert len(apart.held()) == len(before) + 1
    assert apart.run().summary.downloaded_bytes == 0


def test_an_earlier_ledger_and_another_template_read_nothing(apart: Folders) -> None:
    before = apart.held()
    as_version_two(apart.ledger)
    apart.template = "all/{filename}"
    assert apart.run().summary.downloaded_bytes == 0
    assert apart.held() == before


def test_an_edit_of_the_same_size_is_copied_beside_what_was_there(apart: Folders) -> None:
    before = apart.held()
    apart.put("IMG_1.jpg", b"B photo", DECEMBER)
    apart.run()
    assert before.items() <= apart.held().items()
    assert sorted(apart.held().values()) == sorted([*before.values(), b"B photo"])


@pytest.mark.parametrize("gone", ["is gone", "was changed"])
def test_a_copy_that_was_lost_before_is_brought_back(apart: Folders, gone: str) -> None:
    """What the file held then proves nothing of a copy that is not there."""
    photo = next(path for path in apart.held() if path != "2020/11/IMG_1.jpg")
    if gone == "is gone":
        (apart.to / photo).unlink()
    else:
        (apart.to / photo).write_bytes(b"0 photo")
    assert apart.verify() == Exit.ITEMS_FAILED
    apart.put("IMG_1.jpg", b"A photo", DECEMBER)
    apart.run()
    assert b"A photo" in apart.held().values()
    assert apart.verify() == Exit.OK


@pytest.mark.parametrize("now", [b"A photo", b"B photo"])
def test_an_edit_that_was_read_and_came_no_further_stands_for_no_copy(
    apart: Folders, now: bytes
) -> None:
    before = apart.held()
    apart.put("IMG_1.jpg", b"B photo", DECEMBER)
    apart.run(Exit.ITEMS_FAILED, Refusing)
    apart.put("IMG_1.jpg", now, DECEMBER + 1)
    apart.run()
    assert set(apart.held().values()) == {*before.values(), now}
    assert len(apart.held()) == len({*before.values(), now})


def test_a_change_that_was_listed_twice_before_it_was_read_copies_nothing(apart: Folders) -> None:
    before = apart.held()
    for when in (DECEMBER, DECEMBER + 1):
        with Ledger.open(apart.ledger) as ledger:
            apart.put("IMG_1.jpg", b"A photo", when)
            rebuild(apart.job_with(LocalSink), ledger, Recorder(), stop=Stop())
    apart.template = "all/{filename}"
    apart.run(sink=Refusing)
    assert apart.held() == before


def test_of_sinks_that_share_the_photos_the_one_that_has_it_keeps_it(folders: Folders) -> None:
    """Also where another has more room by now."""
    folders.put("IMG_1.jpg", bytes(200))
    roomy, other = Shelf(1000), Shelf(900)
    work = job(
        LocalSource("from", folders.root / "from"),
        [MemorySink("roomy", roomy), MemorySink("other", other)],
        staging=folders.root / "staging",
        route=Route(to="spread", copies=1),
    )
    for when in (NOVEMBER, DECEMBER):
        folders.put("IMG_1.jpg", bytes(200), when)
        assert go(work, folders.ledger).exit is Exit.OK
        assert (len(contents(roomy)), len(contents(other))) == (1, 0)


def test_a_photo_that_a_full_sink_has_needs_no_room_there(folders: Folders) -> None:
    """Unless it turns out to be another."""
    folders.put("IMG_1.jpg", bytes(200))
    shelf = Shelf(200)
    work = job(
        LocalSource("from", folders.root / "from"),
        [MemorySink("full", shelf)],
        staging=folders.root / "staging",
        route=Route(full="stop"),
    )
    for when in (NOVEMBER, DECEMBER):
        folders.put("IMG_1.jpg", bytes(200), when)
        assert go(work, folders.ledger).exit is Exit.OK
    folders.put("IMG_1.jpg", b"x" * 200, NOVEMBER)
    assert go(work, folders.ledger).exit is Exit.NO_ROOM
    assert list(contents(shelf).values()) == [bytes(200)]
    shelf.limit = 400
    assert go(work, folders.ledger).exit is Exit.OK
    assert len(contents(shelf)) == 2
