"""Albums with the folders above them, and how full iCloud is."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from connectors.abilities import HasAlbums, HasCapacity, Prefetches, Reclaims, Reconnects
from connectors.errors import OutpourError, Transient
from sandbox.icloud.queries import Queries
from sandbox.icloud.wire import error_item
from sandbox.library import Library
from tests.icloud.rig import Rig, rig
from tests.pointing import Point


@pytest.fixture
def large(use_sandbox: Point) -> Iterator[Rig]:
    """One album of three pages beside the library's own."""
    library = Library(250, plain=True, size=100)
    wedding = library.albums.add("Wedding")
    for asset in list(library):
        library.put(asset.id, wedding)
    with rig(use_sandbox, library) as made:
        made.connect()
        yield made


def test_everything_it_can_do_is_asked_for_with_isinstance(ready: Rig) -> None:
    for ability in (HasAlbums, HasCapacity, Prefetches, Reclaims, Reconnects):
        assert isinstance(ready.source(), ability)


def test_albums_lie_in_their_folders(ready: Rig) -> None:
    found = {album.path for album in ready.source().albums()}
    assert ("Journeys", "2019", "Norway") in found
    assert not any(part.startswith("----") for path in found for part in path)
    assert {len(path) for path in found} == {1, 2, 3}


def test_an_album_whose_record_fails_is_asked_for_by_name(ready: Rig) -> None:
    """Passed over, it would look deleted, and what was chosen by it would stay behind."""
    source = ready.source()
    before = list(source.albums())
    ready.faults.add("error_item", 0.5, "album/*")
    assert Counter(source.albums()) == Counter(before)
    assert ready.faults.counts["error_item"]


def test_an_album_that_apple_cannot_give_is_no_deleted_album(
    ready: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = ready.source()
    album, *_ = source.albums()
    ready.faults.add("error_item", key=f"album/{album.id}")
    refused = error_item(album.id, "ACCESS_DENIED", "Could not read the record")
    monkeypatch.setattr(Queries, "lookup", lambda *_: {"records": [refused]})
    with pytest.raises(OutpourError, match="Could not read the record"):
        list(source.albums())


def test_members_are_those_of_the_album(ready: Rig) -> None:
    source, library = ready.source(), ready.library
    for album in source.albums():
        truth = library.members(library.albums.get(album.id))
        assert sorted(source.members(album)) == sorted(library.get(n).id for n in truth)


@pytest.mark.parametrize(
    "faults",
    [
        "empty_page:0.3",
        "short_page:0.6",
        "throttle:0.3",
        "duplicate_record:0.3",
        "error_item:0.3",
        "short_page:0.3,empty_page:0.2,duplicate_record:0.3,error_item:0.2",
    ],
)
def test_no_member_is_lost_on_the_way(large: Rig, faults: str) -> None:
    source, library = large.source(), large.library
    large.faults.retry_after = 0
    albums = list(source.albums())
    large.faults.include(faults)
    for album in albums:
        truth = library.members(library.albums.get(album.id))
        assert sorted(source.members(album)) == sorted(library.get(n).id for n in truth)
    assert large.faults.counts


@pytest.mark.parametrize("silent", [2, 4])
def test_an_album_does_not_end_before_apple_s_count_of_it(ready: Rig, silent: int) -> None:
    source, library = ready.source(), ready.library
    for album in source.albums():
        truth = library.members(library.albums.get(album.id))
        ready.faults.add("empty_page", key="list/CPLContainerRelation*", times=silent)
        assert len(list(source.members(album))) == len(truth)
        ready.faults.clear()


def test_an_album_that_apple_does_not_count_is_listed_all_the_same(ready: Rig) -> None:
    source, library = ready.source(), ready.library
    for album in source.albums():
        truth = library.members(library.albums.get(album.id))
        ready.faults.add("throttled_inside_200", key="*count*", times=1)
        ready.faults.retry_after = 0
        assert len(list(source.members(album))) == len(truth)
        ready.faults.clear()


def test_an_album_that_does_not_tell_what_it_is_does_not_look_deleted(
    ready: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, query = ready.source(), Queries.query
    before = {album.path: set(source.members(album)) for album in source.albums()}

    def untold(self: Queries, zone: Any, body: Any) -> Any:
        answer = query(self, zone, body)
        for record in answer["records"]:
            record["fields"].pop("albumType", None)
        return answer

    monkeypatch.setattr(Queries, "query", untold)
    after = {album.path: set(source.members(album)) for album in source.albums()}
    assert before.items() <= after.items()
    assert not any(members for path, members in after.items() if path not in before)


def test_a_member_that_leaves_while_its_album_is_read_hides_no_other(
    large: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those behind it move up by one, over the edge of a page."""
    source, library = large.source(), large.library
    (album,) = (album for album in source.albums() if album.path == ("Wedding",))
    query, first = Queries.query, iter([min(library, key=lambda asset: asset.number).id])

    def leaving(self: Queries, zone: Any, body: Any) -> Any:
        answer = query(self, zone, body)
        if body["query"]["recordType"].startswith("CPLContainerRelation"):
            for asset_id in first:
                library.trash(asset_id)
        return answer

    monkeypatch.setattr(Queries, "query", leaving)
    found = set(source.members(album))
    wedding = library.albums.get(album.id)
    assert found == {library.get(number).id for number in library.members(wedding)}
    assert len(found) == 249


def test_a_member_that_one_answer_lacks_is_found_by_apple_s_count(
    large: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, library = large.source(), large.library
    (album,) = (album for album in source.albums() if album.path == ("Wedding",))
    query, lacked = Queries.query, f"{library.get(120).id}-IN-{album.id}"
    left = [lacked]

    def lacking(self: Queries, zone: Any, body: Any) -> Any:
        answer = query(self, zone, body)
        names = [one["recordName"] for one in answer["records"]]
        if left and lacked in names:
            left.clear()
            del answer["records"][names.index(lacked)]
        return answer

    monkeypatch.setattr(Queries, "query", lacking)
    assert len(set(source.members(album))) == 250 and not left


def test_capacity_is_read_afresh(ready: Rig) -> None:
    source = ready.source()
    first = source.capacity()
    assert first.total == ready.account.total and first.free == first.total - first.used
    assert first.by_kind["photos"] > 0 and not first.full
    ready.account.other_used = ready.account.total - first.by_kind["photos"] - 1000
    assert source.capacity().nearly_full
    ready.account.other_used = ready.account.total
    full = source.capacity()
    assert full.full and full.free == 0


def test_capacity_that_cannot_be_told_is_a_wait(ready: Rig) -> None:
    source = ready.source()
    source.capacity()
    ready.faults.add("unavailable", key="!setup*storage*", times=1)
    with pytest.raises(OutpourError) as caught:
        source.capacity()
    assert isinstance(caught.value, Transient)
    assert source.capacity().used
