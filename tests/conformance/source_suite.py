"""What every source must keep. Subclass ``SourceSuite``, give it a ``place`` fixture, done.

    class Place(SourcePlace):
        def open(self): return MemorySource("here", self.library)
        def truth(self, asset, resource): return self.library.contents[asset.id, resource.id]

    class TestMemorySource(SourceSuite):
        @pytest.fixture
        def place(self): return Place()

``tests.conformance.places`` says what the test bench may arrange beyond that.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from connectors.abilities import HasAlbums, HasCapacity, Prefetches, Reclaims
from connectors.base import Asset, Kind, Page, Resource, Role, Source, Stream
from connectors.checksums import digest
from connectors.errors import (
    CursorLost,
    InBin,
    ItemError,
    SessionExpired,
    Throttled,
    Transient,
    Unreachable,
)
from tests.conformance.places import SourcePlace, assert_silent

CHUNK_LIMIT = 8 * 1024 * 1024


class SourceSuite:
    """The tests. All that is known of the place comes from ``place`` and the contract."""

    @pytest.fixture
    def place(self, tmp_path: Path) -> SourcePlace:
        raise NotImplementedError("give a place")

    @pytest.fixture
    def source(self, place: SourcePlace) -> Iterator[Source]:
        source = place.open()
        yield source
        source.close()

    # --- listing ---

    def test_it_is_a_source(self, source: Source) -> None:
        assert isinstance(source, Source)
        assert source.name

    def test_assets_are_stable_and_unique_over_two_listings(
        self, place: SourcePlace, source: Source
    ) -> None:
        first, second = listed(source), listed(place.open())
        assert len(first) >= 3
        assert len({asset.id for asset in first}) == len(first)
        assert {asset.id: asset for asset in first} == {asset.id: asset for asset in second}

    def test_every_asset_is_whole(self, source: Source) -> None:
        for asset in listed(source):
            assert asset.id and asset.resources, asset
            ids = [resource.id for resource in asset.resources]
            assert all(ids) and len(set(ids)) == len(ids), asset
            assert all(resource.filename for resource in asset.resources), asset
            assert all(r.size is None or r.size >= 0 for r in asset.resources), asset
            for moment in (asset.created, asset.metadata.added):
                assert moment is None or moment.tzinfo is not None, asset

    def test_a_live_photo_is_one_asset(self, place: SourcePlace, source: Source) -> None:
        live = [asset for asset in listed(source) if asset.kind is Kind.LIVE]
        assert bool(live) == place.has_live
        for asset in live:
            roles = {resource.role for resource in asset.resources}
            assert {Role.ORIGINAL, Role.LIVE_VIDEO} <= roles

    def test_pages_tell_where_the_listing_ends(self, source: Source) -> None:
        pages = list(source.pages())
        assert all(page.full for page in pages), "without a cursor, everything is named"
        assert all(page.cursor is None for page in pages[:-1])
        named = sum(len(page.assets) + len(page.problems) for page in pages)
        assert pages[-1].expected in (None, named)
        assert all((page.expected or 0) <= named for page in pages)

    def test_an_empty_place_still_gives_a_page(self, place: SourcePlace) -> None:
        place.empty()
        pages = list(place.open().pages())
        assert pages and not any(page.assets for page in pages)

    def test_a_listing_may_be_left_early(self, source: Source) -> None:
        pages = source.pages()
        page = next(page for page in pages if page.assets)
        assert isinstance(pages, Generator)
        pages.close()
        asset = page.assets[0]
        assert len(read(source, asset, asset.resources[0])) == asset.resources[0].size

    def test_what_cannot_be_read_is_named_and_stops_nothing(self, place: SourcePlace) -> None:
        before = {asset.id for asset in listed(place.open())}
        place.damage()
        pages = list(place.open().pages())
        problems = [problem for page in pages for problem in page.problems]
        assert problems and all(problem.id and problem.reason for problem in problems)
        assert before <= {asset.id for page in pages for asset in page.assets}

    # --- changes ---

    def test_an_unchanged_place_names_nothing_after_the_cursor(self, source: Source) -> None:
        cursor = last(source).cursor
        if cursor is None:
            pytest.skip("this source has no change token")
        pages = list(source.pages(cursor))
        assert pages and not any(page.assets or page.gone for page in pages)
        assert not any(page.full for page in pages)
        assert pages[-1].cursor

    def test_what_changed_comes_after_the_cursor(self, place: SourcePlace, source: Source) -> None:
        cursor = last(source).cursor
        if cursor is None:
            pytest.skip("this source has no change token")
        changed, removed = place.change(), place.remove()
        pages = list(place.open().pages(cursor))
        named = {asset.id for page in pages for asset in page.assets}
        assert changed in named
        if all(page.full for page in pages):  # a source may name everything instead
            assert removed not in named
        else:
            assert removed in {key for page in pages for key in page.gone}
        again = list(place.open().pages(pages[-1].cursor))
        assert not any(page.assets or page.gone for page in again)

    def test_what_was_deleted_is_no_longer_listed(self, place: SourcePlace) -> None:
        before = {asset.id for asset in listed(place.open())}
        removed = place.remove()
        assert {asset.id for asset in listed(place.open())} == before - {removed}

    def test_a_change_gives_another_revision(self, place: SourcePlace) -> None:
        before = {asset.id: asset.revision for asset in listed(place.open())}
        changed = place.change()
        after = {asset.id: asset.revision for asset in listed(place.open())}
        if after[changed] is None:
            pytest.skip("this source has no revisions")
        assert before.get(changed) != after[changed]

    def test_an_unknown_cursor_is_lost(self, source: Source) -> None:
        if last(source).cursor is None:
            pytest.skip("this source has no change token")
        with pytest.raises(CursorLost):
            next(iter(source.pages("no such cursor")))

    # --- bytes ---

    def test_sizes_and_checksums_match_the_bytes(self, place: SourcePlace, source: Source) -> None:
        for asset, resource in files(source):
            stream = source.open(asset.id, resource)
            data = taken(stream)
            assert stream.offset == 0
            assert stream.total in (None, len(data))
            assert resource.size in (None, len(data)), resource
            truth = place.truth(asset, resource)
            assert truth is None or data == truth, resource
            if resource.checksum and resource.checksum.verifiable:
                assert digest([data]).agrees(resource.checksum), resource

    def test_reading_from_an_offset_gives_the_tail(self, source: Source) -> None:
        asset, resource, data = largest(source)
        for offset in (0, 1, len(data) // 2, len(data) - 1, len(data)):
            stream = source.open(asset.id, resource, offset)
            tail = taken(stream)
            assert stream.offset in (offset, 0)
            assert tail == data[stream.offset :], f"from {offset}"
            assert stream.total in (None, len(data))

    def test_chunks_are_small(self, source: Source) -> None:
        asset, resource, _ = largest(source)
        stream = source.open(asset.id, resource)
        try:
            assert all(0 < len(chunk) <= CHUNK_LIMIT for chunk in stream)
        finally:
            stream.close()

    def test_a_resource_opens_in_another_process(self, place: SourcePlace, source: Source) -> None:
        asset, resource, data = largest(source)
        source.close()
        assert read(place.open(), asset, resource) == data

    def test_many_files_at_once(self, source: Source) -> None:
        wanted = files(source)[:24]
        alone = [read(source, asset, resource) for asset, resource in wanted]
        with ThreadPoolExecutor(8) as pool:
            together = list(pool.map(lambda pair: read(source, *pair), wanted))
        assert together == alone

    def test_an_unknown_asset_is_an_item_error(self, source: Source) -> None:
        asset, resource = files(source)[0]
        with pytest.raises(ItemError):
            taken(source.open("no-such-asset", replace(resource, id="no-such-file", handle="")))
        assert read(source, asset, resource), "and the source goes on"

    def test_a_prefetch_hint_never_fails(self, source: Source) -> None:
        if not isinstance(source, Prefetches):
            pytest.skip("this source takes no hints")
        wanted = files(source)[:5]
        before = [read(source, asset, resource) for asset, resource in wanted]
        unknown = ("no-such-asset", replace(wanted[0][1], id="no-such-file", handle=""))
        source.prefetch([(asset.id, resource) for asset, resource in wanted] + [unknown])
        assert [read(source, asset, resource) for asset, resource in wanted] == before

    def test_a_stream_closes_twice_and_in_the_middle(self, source: Source) -> None:
        asset, resource, data = largest(source)
        stream = source.open(asset.id, resource)
        assert data.startswith(next(iter(stream)))
        stream.close()
        stream.close()
        assert read(source, asset, resource) == data

    # --- the place says no ---

    def test_a_cut_stream_is_transient(self, place: SourcePlace, source: Source) -> None:
        asset, resource, data = largest(source)
        place.cut()
        got = b""
        with pytest.raises(Transient) as raised:
            for chunk in source.open(asset.id, resource):
                got += chunk
        assert not isinstance(raised.value, Unreachable), "it was reached, and will be again"
        assert data.startswith(got), "what came before the cut is right"
        stream = source.open(asset.id, resource, len(got))
        assert got[: stream.offset] + taken(stream) == data

    def test_throttling_carries_how_long(self, place: SourcePlace, source: Source) -> None:
        asset, resource = files(source)[0]
        wait = place.throttle()
        with pytest.raises(Throttled) as caught:
            taken(source.open(asset.id, resource))
        assert caught.value.retry_after == wait
        assert_silent(place, str(caught.value) + caught.value.hint)

    def test_an_expired_session_says_so(self, place: SourcePlace, source: Source) -> None:
        asset, resource = files(source)[0]
        place.expire()
        with pytest.raises(SessionExpired) as caught:
            list(source.pages())
        assert caught.value.hint
        assert_silent(place, str(caught.value) + caught.value.hint)
        with pytest.raises(SessionExpired):
            taken(source.open(asset.id, resource))

    # --- optional abilities ---

    def test_albums_name_listed_assets(self, source: Source) -> None:
        if not isinstance(source, HasAlbums):
            pytest.skip("this source has no albums")
        known = {asset.id for asset in listed(source)}
        albums = list(source.albums())
        assert len({album.id for album in albums}) == len(albums)
        for album in albums:
            assert album.path and all(album.path)
            members = list(source.members(album))
            assert len(set(members)) == len(members)
            assert set(members) <= known

    def test_capacity_makes_sense(self, source: Source) -> None:
        if not isinstance(source, HasCapacity):
            pytest.skip("this source tells no capacity")
        capacity = source.capacity()
        assert capacity.used >= 0
        assert (capacity.total is None) == (capacity.free is None)
        if capacity.total is not None and capacity.free is not None:
            assert 0 <= capacity.free <= capacity.total

    def test_the_bin_takes_and_gives_back(self, source: Source) -> None:
        if not isinstance(source, Reclaims):
            pytest.skip("this source cannot free space")
        before = {asset.id: asset for asset in listed(source)}
        asset = next(iter(before.values()))
        pair = (asset.id, asset.revision)
        assert source.trash([pair]) == [None]
        assert {a.id for a in listed(source)} == set(before) - {asset.id}
        (again,) = source.trash([pair])
        assert isinstance(again, InBin), "whether we put it there is not the place's to know"
        assert source.restore([asset.id]) == [None]
        assert {a.id for a in listed(source)} == set(before)

    def test_an_asset_that_changed_is_not_trashed(self, source: Source) -> None:
        if not isinstance(source, Reclaims):
            pytest.skip("this source cannot free space")
        one, other = listed(source)[:2]
        source.check_trash()
        refused, done = source.trash([(one.id, "another revision"), (other.id, other.revision)])
        assert isinstance(refused, ItemError) and done is None
        assert one.id in {asset.id for asset in listed(source)}

    # --- manners ---

    def test_close_twice(self, place: SourcePlace, source: Source) -> None:
        asset, resource, data = largest(source)
        source.close()
        source.close()
        assert read(place.open(), asset, resource) == data

    def test_nothing_secret_is_told(self, place: SourcePlace, source: Source) -> None:
        _, resource = files(source)[0]
        text = repr(source) + str(source)
        text += repr([r.handle for _, r in files(source)])
        with pytest.raises(ItemError) as caught:
            taken(source.open("no-such-asset", replace(resource, id="no-such-file", handle="")))
        assert_silent(place, text + str(caught.value) + repr(caught.value))


def listed(source: Source) -> list[Asset]:
    return [asset for page in source.pages() for asset in page.assets]


def last(source: Source) -> Page:
    *_, page = source.pages()
    return page


def files(source: Source) -> list[tuple[Asset, Resource]]:
    """All resources the source can give."""
    return [(a, r) for a in listed(source) for r in a.resources if r.local]


def largest(source: Source) -> tuple[Asset, Resource, bytes]:
    asset, resource = max(files(source), key=lambda pair: pair[1].size or 0)
    return asset, resource, read(source, asset, resource)


def read(source: Source, asset: Asset, resource: Resource) -> bytes:
    return taken(source.open(asset.id, resource))


def taken(stream: Stream) -> bytes:
    """All the stream gives; closes it."""
    try:
        return b"".join(stream)
    finally:
        stream.close()
