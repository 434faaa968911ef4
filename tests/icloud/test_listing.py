"""Nothing a listing meets loses an asset, ends the listing, or goes unsaid."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import tenacity

from connectors.base import Asset, Kind, Page, Problem, Role
from connectors.errors import Misconfigured, SessionExpired, Transient, Unready
from connectors.icloud import patience
from connectors.icloud.cloudkit import Record, Zone
from connectors.icloud.gather import Gather
from connectors.icloud.listing import Listing
from connectors.icloud.settings import Library as Choice
from connectors.icloud.source import ICloudSource
from connectors.icloud.window import Window
from sandbox.icloud import zones
from sandbox.icloud.queries import Queries
from sandbox.icloud.wire import error_item
from sandbox.library import Library
from tests.cases import wide_after
from tests.icloud.rig import Rig, listing, rig
from tests.pointing import Point

SEVERAL = 420  # assets: five windows


@pytest.fixture(scope="module")
def library() -> Library:
    return Library(SEVERAL)


@pytest.fixture
def big(use_sandbox: Point, library: Library) -> Iterator[Rig]:
    with rig(use_sandbox, library) as made:
        made.faults.retry_after = 0
        made.connect()
        yield made


TOGETHER = (
    "short_page:0.1,empty_page:0.1,split_pair:0.1,duplicate_record:0.1,"
    "error_item:0.1,throttle:0.05,reset:0.05,cut_stream:0.05"
)
FAULTS = {
    "all of it": TOGETHER,
    "halves of pairs that get lost": "short_page:0.3,split_pair:0.3,duplicate_record:0.3,"
    "cut_stream:0.15",
    "no service": "unavailable:0.3",
    "short pages": "short_page:0.4",
    "empty pages": "empty_page:0.3",
    "a rank that is always empty": "empty_page@*/200",
    "pairs on different pages": "split_pair:0.2",
    "records twice": "duplicate_record:0.3",
    "fields that cannot be decoded": "undecodable_field:0.3",
    "error items": "error_item:0.2",
    "throttling in a good answer": "throttled_inside_200:0.2",
    "throttling": "throttle:0.2",
    "resets": "reset:0.2",
    "answers cut short": "cut_stream:0.2",
}
SEEDS = (29, 99, 116)  # other than 7


@pytest.mark.parametrize(
    ("spec", "seed"),
    wide_after(3, [*((spec, 7) for spec in FAULTS.values()), *((TOGETHER, n) for n in SEEDS)]),
    ids=[*FAULTS, *(f"all of it, {n}" for n in SEEDS)],
)
def test_every_asset_is_listed_once_whatever_happens(big: Rig, spec: str, seed: int) -> None:
    big.faults.seed = seed
    for part in spec.split(","):
        name, _, rate = part.partition(":")
        name, _, key = name.partition("@")
        big.faults.add(name, float(rate or 1), key or "*")
    source = big.source()
    pages = begun(source)
    found = Counter(asset.id for page in pages for asset in page.assets)
    assert set(found) == big.ids("shown", "hidden")
    assert set(found.values()) == {1}
    assert not any(page.problems for page in pages)
    assert pages[-1].expected == len(found) and pages[-1].full and pages[-1].cursor
    assert any(big.faults.counts.values()), "the fault was met"
    source.close()


def begun(source: ICloudSource) -> list[Page]:
    """A listing; what meets its very first requests is the engine's to repeat, as here."""
    for _ in range(50):
        pages: list[Page] = []
        try:
            for page in source.pages():
                pages.append(page)
            return pages
        except Transient:
            assert not pages, "a listing under way does not break"
    raise AssertionError("never begun")


def test_halves_of_other_pairs_make_no_short_answer_longer() -> None:
    """Else the ranks they are counted for would never be asked about."""

    def asset(number: int) -> Record:
        master = {"value": {"recordName": f"master-{number}"}, "type": "REFERENCE"}
        return {
            "recordName": f"asset-{number}",
            "recordType": "CPLAsset",
            "fields": {"masterRef": master},
        }

    def master(number: int) -> Record:
        return {"recordName": f"master-{number}", "recordType": "CPLMaster", "fields": {}}

    def covered(*records: Record) -> int:
        rig: Any = None  # nothing is asked
        return Gather(rig, rig, Zone()).take(records)

    assert covered(master(1), asset(1), asset(7), asset(8)) == 1
    assert covered(master(1), asset(1), master(7), master(8)) == 1
    assert covered(asset(7)) == 0
    full = [record for number in range(100) for record in (master(number), asset(number))]
    assert Gather(None, None, Zone()).take([master(1), asset(1), master(2)], most=1) == 1  # type: ignore[arg-type]
    assert covered(*full) == covered(*full[1:]) == covered(*full[:-1]) == 100


def test_a_listing_asks_for_nothing_it_does_not_need(big: Rig) -> None:
    """One request for the token, one for each 100 assets, and two that must find nothing past
    Apple's own count."""
    source = big.source(hidden=False)
    big.sandbox.latency = 0.02  # else a needless request may be taken back before it is sent
    big.icloud.reset_counts()
    list(source.pages())
    assert big.icloud.counts["query"] == 1 + math.ceil(len(big.library.view("listed")) / 100) + 2


def test_a_window_whose_pairs_came_apart_is_read_again_where_assets_are_missing() -> None:
    """A half that went to another page can get lost there, both times that it is looked for."""
    asked: list[int] = []

    def fetch(start: int, end: int) -> Window:
        asked.append(start)
        window = Window(start, end, torn=start == 100)
        window.problems = [Problem("7", "iCloud does not give its record")] if start == 0 else []
        missing = {7} if asked.count(100) > 2 else {7, 150}
        window.assets = [an_asset(n) for n in range(start, min(end, 300)) if n not in missing]
        return window

    with ThreadPoolExecutor(1) as workers:
        listing = Listing(workers, fetch, 300, most=2)
        windows = list(listing)
        while listing.found < 300:
            windows += listing.again()
    assert sorted(int(one.id) for window in windows for one in window.assets) == sorted(
        set(range(300)) - {7}
    )
    assert [problem.id for window in windows for problem in window.problems] == ["7"]
    assert asked == [0, 100, 200, 300, 400, 100, 100]


def test_a_window_that_is_read_again_late_doubles_nothing() -> None:
    """However many came since."""

    def fetch(start: int, end: int) -> Window:
        window = Window(start, end, torn=start == 100)
        window.assets = [an_asset(n) for n in range(start, min(end, 60_000)) if n != 150]
        return window

    with ThreadPoolExecutor(1) as workers:
        listing = Listing(workers, fetch, 60_000, most=2)
        windows = [*listing, *listing.again()]
    found = [int(one.id) for window in windows for one in window.assets]
    assert found == [number for number in range(60_000) if number != 150]


def an_asset(number: int) -> Asset:
    return Asset(str(number), Kind.PHOTO, None, ())


def test_without_apple_s_count_no_listing_passes_for_a_whole_one(
    big: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else what it misses would be taken for deleted."""
    count = Queries.count
    monkeypatch.setattr(Queries, "count", lambda *_: {"records": []})
    pages = list(big.source().pages())
    assert pages[-1].full and not pages[-1].problems, "the record of the library tells"
    big.faults.add("bad_index", key="index/history/*")
    pages = list(big.source().pages())
    assert not pages[-1].full
    assert any("Apple does not tell it" in problem.reason for problem in pages[-1].problems)
    throttled = [error_item("count", "THROTTLED", "Too many requests")]
    monkeypatch.setattr(Queries, "count", lambda *_: {"records": throttled})
    with pytest.raises(Transient):
        list(big.source().pages())
    monkeypatch.setattr(Queries, "count", count)
    big.faults.clear()
    assert list(big.source().pages())[-1].full


def test_a_record_that_never_comes_is_named(big: Rig) -> None:
    lost = big.library.get(big.library.view("shown")[150]).id
    big.faults.add("error_item", key=f"record/{lost}")
    big.icloud.cloudkit.indexed = lambda name: name != lost
    pages = list(big.source().pages())
    assert [problem.id for page in pages for problem in page.problems] == [lost]
    assert {a.id for p in pages for a in p.assets} == big.ids("shown", "hidden") - {lost}


@pytest.mark.wide
@pytest.mark.parametrize("spec", ["busy_record:0.3", "busy_record@record/*:40x"])
def test_a_record_that_is_busy_is_asked_for_again(
    big: Rig, spec: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Named as one that cannot be had, it would cost a listing of everything the next time."""
    monkeypatch.setattr("connectors.patience._backoff", tenacity.wait_none())
    big.faults.include(f"error_item:0.2,split_pair:0.2,{spec}")
    with monkeypatch.context() as longer:  # the turns of threads may give it all to one record
        longer.setattr(patience, "ATTEMPTS", 50)
        pages = begun(big.source())
    assert pages[-1].full and not any(page.problems for page in pages)
    assert big.faults.counts["busy_record"]
    big.faults.add("busy_record")  # for good
    pages = begun(big.source())
    assert any("TRY_AGAIN_LATER" in problem.reason for page in pages for problem in page.problems)
    assert not pages[-1].full


def test_a_listing_that_falls_short_does_not_pass_for_a_full_one(big: Rig) -> None:
    """Else what it does not name would be taken for deleted."""
    big.faults.add("bad_index", key="index/history/*")
    big.faults.add("empty_page", key="list/CPLAssetAndMasterByAssetDateWithoutHiddenOrDeleted/*")
    pages = list(big.source().pages())
    listed = sum(len(page.assets) for page in pages)
    assert pages[-1].expected is not None and listed < pages[-1].expected
    assert not pages[-1].full


def test_one_undecodable_field_costs_only_that_field(ready: Rig) -> None:
    before = {asset.id: asset for asset in listing(ready.source())[0]}
    ready.faults.add("undecodable_field")
    after = {asset.id: asset for asset in listing(ready.source())[0]}
    assert set(before) == set(after)
    for key, asset in after.items():
        assert asset.created == before[key].created
        assert asset.metadata == before[key].metadata
        assert [r.checksum for r in asset.resources] == [r.checksum for r in before[key].resources]
        assert asset.resources[0].filename.startswith("IMG_")


@pytest.mark.parametrize("fault", ["unpadded_name", "plain_name"])
def test_a_name_that_is_not_clean_base64_is_read_all_the_same(fault: str, ready: Rig) -> None:
    before = {asset.id: asset for asset in listing(ready.source())[0]}
    ready.faults.add(fault)
    after = {asset.id: asset for asset in listing(ready.source())[0]}
    assert ready.faults.counts[fault] and after == before


def test_assets_are_what_their_owner_sees(ready: Rig) -> None:
    """Originals, edits, Live Photo videos, RAW twins, sidecars; favourites, captions, places."""
    for asset in listing(ready.source())[0]:
        truth = ready.library.find(asset.id)
        assert asset.kind == Kind(truth.kind)
        assert Counter(r.role for r in asset.resources) == Counter(
            Role(file.role) for file in truth.files
        )
        for resource in asset.resources:
            file = truth.file(str(resource.role))
            assert file is not None and resource.checksum is not None
            assert resource.size == file.size
            suffixes = {Path(name).suffix.upper() for name in (resource.filename, file.filename)}
            assert len(suffixes) == 1
            assert resource.checksum.value == file.fingerprint
        assert asset.resources[0].filename == truth.original.filename
        assert len({r.filename for r in asset.resources}) == len(asset.resources)
        assert asset.created is not None
        assert asset.created.timestamp() == pytest.approx(truth.created / 1000)
        told = asset.metadata
        assert (told.title, told.caption) == (truth.title or None, truth.caption or None)
        assert told.keywords == truth.keywords
        assert (told.favorite, told.hidden) == (truth.favorite, truth.hidden)
        assert told.utc_offset == truth.utc_offset
        assert told.burst == truth.burst
        assert (told.location is None) == (truth.location is None)
        if told.location and truth.location:
            place = (told.location.latitude, told.location.longitude, told.location.altitude)
            assert place == pytest.approx(truth.location)


def test_hidden_and_trashed_as_asked_for(ready: Rig) -> None:
    assert {a.id for a in listing(ready.source())[0]} == ready.ids("shown", "hidden")
    assert {a.id for a in listing(ready.source(hidden=False))[0]} == ready.ids("shown")
    assert {a.id for a in listing(ready.source(trashed=True))[0]} == ready.ids(
        "shown", "hidden", "trashed"
    )


def test_shared_libraries(ready: Rig) -> None:
    shared = ready.ids("shown", "hidden", shared=True)
    assert shared
    found = listing(ready.source(library=Choice.SHARED))[0]
    assert {asset.id.rpartition("/")[2] for asset in found} == shared
    assert all(asset.library.startswith("SharedSync-") for asset in found)
    both = listing(ready.source(library=Choice.ALL))[0]
    assert len(both) == len(shared) + len(ready.ids("shown", "hidden"))


def test_a_shared_library_that_is_left_out_is_told(ready: Rig) -> None:
    """Photos that were moved there are nowhere else."""
    shared = len(ready.ids("shown", shared=True))
    *_, last = ready.source().pages()
    assert last.notices and last.notices[0].startswith(f"{shared} photos and videos of a Shared")
    for library in (Choice.ALL, Choice.SHARED):
        *_, last = ready.source(library=library).pages()
        assert not last.notices


def test_what_is_left_out_matters_to_no_listing(ready: Rig) -> None:
    ready.faults.add("unavailable", key="zones/*")
    *_, last = ready.source().pages()
    assert last.full and last.cursor and not last.notices


def test_no_shared_library_is_a_clear_line(ready: Rig) -> None:
    double = ready.icloud
    other = zones.Zone(
        "CMM-1234", ready.library, double.links
    )  # a link somebody shared, no library
    double.cloudkit.zones["shared"] = {other.name: other}
    with pytest.raises(Misconfigured, match="no shared library"):
        list(ready.source(library=Choice.SHARED).pages())


def test_apple_still_indexing_is_a_wait(ready: Rig) -> None:
    ready.account.indexing = True
    with pytest.raises(Unready) as caught:
        list(ready.source().pages())
    assert caught.value.retry_after and "hours" in caught.value.hint


def test_the_session_may_end_in_the_middle_of_a_listing(
    big: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the password at hand it goes on by itself, asking for no code."""
    monkeypatch.setenv("OUTPOUR_ICLOUD_PASSWORD", "sandbox-password")
    source, found = big.source(), 0
    big.faults.add("expired_session", key="cloudkit/records/query", times=1)
    for page in source.pages():
        found += len(page.assets)
    assert found == len(big.ids("shown", "hidden"))
    assert big.account.codes_sent == 0


def test_without_the_password_a_person_is_needed(big: Rig) -> None:
    source = big.source(parallel=1)  # else every page may be here before the session ends
    pages = source.pages()
    next(pages)
    big.icloud.expire_sessions(forget_trust=True)
    with pytest.raises(SessionExpired) as caught:
        list(pages)
    assert "outpour connect icloud:demo@example.com" in caught.value.hint
