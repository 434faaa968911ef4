"""Promise: every picture of a burst is copied, though icloud.com shows one of each.

That the others are in none of Apple's indexes is what people tell of icloud.com (icloudpd#758), and
what the name of the one for bursts says; nobody has recorded it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import tenacity

from connectors.base import Page
from connectors.errors import CursorLost, Transient
from connectors.icloud import history
from connectors.icloud.listing import VISIBLE
from connectors.icloud.settings import Library as Choice
from sandbox.icloud import changes
from sandbox.icloud.queries import Queries
from sandbox.icloud.wire import Refused
from sandbox.library import Asset, Library
from tests.icloud.rig import Rig, rig
from tests.pointing import Point

SIZE = 250
BURST = "B0000000-0000-4000-8000-00000000B057"


@pytest.fixture
def made(use_sandbox: Point) -> Iterator[Rig]:
    """Three windows of plain photos, and a burst of three."""
    with rig(use_sandbox, Library(SIZE, plain=True)) as made:
        for number in range(3):
            made.library.add(f"IMG_9{number:03}", burst=BURST, stacked=number > 0)
        made.connect()
        yield made


def named(pages: list[Page]) -> Counter[str]:
    return Counter(asset.id for page in pages for asset in page.assets)


def front(made: Rig) -> Asset:
    return next(one for one in made.library if one.burst and not one.stacked)


def behind(made: Rig) -> list[str]:
    """Pictures behind the one in front."""
    return [one.id for one in made.library if one.stacked]


def test_all_pictures_of_a_burst_are_listed_once(made: Rig) -> None:
    pages = list(made.source().pages())
    assert named(pages) == Counter(made.ids("shown"))
    bursts = [a.metadata.burst for page in pages for a in page.assets if a.metadata.burst]
    assert bursts == [BURST] * 3
    assert pages[-1].full and pages[-1].expected == SIZE + 3
    assert not any(page.notices or page.problems for page in pages)


def leave_out(patch: pytest.MonkeyPatch, lost: str, meanwhile: Callable[[], object]) -> None:
    """Of every list; something else happens after the first answer."""
    query, left = Queries.query, iter([lost])

    def meddled(queries: Queries, zone: Any, body: Any) -> Any:
        answer = query(queries, zone, body)
        if body["query"]["recordType"] == VISIBLE.record_type and next(left, None):
            meanwhile()
        kept = [one for one in answer["records"] if one["recordName"] != lost]
        return {**answer, "records": kept}

    patch.setattr(Queries, "query", meddled)


def test_they_are_where_only_the_index_of_bursts_tells_of_any(
    made: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The one in front is said to be in no other (icloudpd#758)."""
    leave_out(monkeypatch, front(made).id, lambda: None)
    pages = list(made.source().pages())
    assert named(pages) == Counter(made.ids("shown")) and pages[-1].full


@pytest.mark.parametrize("how", ["trashed", "hidden", "put into the bin from here"])
def test_they_are_found_where_the_one_in_front_is_away(made: Rig, how: str) -> None:
    source, first = made.source(hidden=False), front(made)
    if how == "hidden":
        made.library.change(first.id, hidden=True)
    elif how == "trashed":
        made.library.trash(first.id)
    else:
        found = (asset for page in source.pages() for asset in page.assets)
        asset = next(one for one in found if one.id == first.id)
        assert source.trash([(asset.id, asset.revision)]) == [None]
    pages = list(source.pages())
    assert named(pages) == Counter(made.ids("shown")) and set(behind(made)) <= set(named(pages))
    assert pages[-1].full


@pytest.mark.wide
@pytest.mark.parametrize("attribute", [{"hidden": True}, {"trashed": 1_600_000_000_000}])
def test_a_burst_that_leaves_meanwhile_does_not_stand_for_a_photo_that_got_lost(
    made: Rig, monkeypatch: pytest.MonkeyPatch, attribute: dict[str, Any]
) -> None:
    """Of the pictures behind the one in front, the lists of what is hidden and deleted tell
    nothing either."""
    others = [made.library.get(number).id for number in made.library.view("shown")[10:14]]
    for one in others:
        made.library.change(one, **attribute)

    def leave() -> None:
        for one in behind(made):
            made.library.change(one, **attribute)

    leave_out(monkeypatch, others[2], leave)
    pages = list(made.source(parallel=1, trashed=True).pages())
    assert others[2] in named(pages) and pages[-1].full


@pytest.mark.wide
@pytest.mark.parametrize("code", ["BAD_REQUEST", "NOT_FOUND", "no token"])
@pytest.mark.parametrize("always", [True, False])
def test_a_record_that_is_refused_as_a_whole_ends_no_listing(
    made: Rig, monkeypatch: pytest.MonkeyPatch, code: str, always: bool
) -> None:
    """Where it is the choice of records that is refused, all of them are read."""
    monkeypatch.setattr("connectors.patience._backoff", tenacity.wait_none())
    one = changes.Changes._one

    def meddled(self: changes.Changes, scope: str, item: Any, limit: int | None) -> Any:
        if "syncToken" in item or not (always or "desiredRecordTypes" in item):
            return one(self, scope, item, limit)
        if code != "no token":
            raise Refused(code, "Unexpected input")
        return {**one(self, scope, item, limit), "syncToken": None}

    monkeypatch.setattr(changes.Changes, "_one", meddled)
    pages = list(made.source().pages())
    found = named(pages)
    assert pages[-1].full is not always
    assert found == Counter(made.ids("shown")) - Counter(behind(made) if always else [])


def test_one_that_is_named_and_not_found_is_missing(made: Rig) -> None:
    """It has not gone by that: lookups may lag behind."""
    first, second = behind(made)
    made.icloud.cloudkit.indexed = lambda name: name != first
    pages = list(made.source().pages())
    assert [problem.id for page in pages for problem in page.problems] == [first]
    assert second in named(pages) and not pages[-1].full and pages[-1].cursor is None


def test_what_cannot_be_asked_about_it_then_ends_no_listing(
    made: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, _ = behind(made)
    made.icloud.cloudkit.indexed = lambda name: name != first
    one, read = changes.Changes._one, list[bool]()

    def meddled(self: changes.Changes, scope: str, item: Any, limit: int | None) -> Any:
        if read and "desiredRecordTypes" not in item:
            raise Refused("NOT_FOUND", "Unexpected input")
        if "desiredRecordTypes" in item:
            read.append(True)
        return one(self, scope, item, limit)

    monkeypatch.setattr(changes.Changes, "_one", meddled)
    pages = list(made.source().pages())
    assert [problem.id for page in pages for problem in page.problems] == [first]
    assert not pages[-1].full


@pytest.mark.wide
def test_a_broken_photo_known_by_its_rank_hides_no_broken_picture(made: Rig) -> None:
    plain = made.library.get(made.library.view("listed")[150]).id
    first, _ = behind(made)
    made.faults.retry_after = 0
    for broken in (plain, first):
        made.faults.add("unservable", key=f"record/{broken}")
    pages = list(made.source().pages())
    problems = [problem.id for page in pages for problem in page.problems]
    assert len(problems) == 2 and first in problems
    assert pages[-1].expected == SIZE + 3 and not pages[-1].full


@pytest.mark.wide
def test_many_that_apple_fails_over_are_not_each_asked_for_alone(
    made: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("connectors.patience._backoff", tenacity.wait_none())
    made.faults.retry_after = 0
    for number in range(100):
        one = made.library.add(f"B_{number:03}", burst=BURST, stacked=True)
        made.faults.add("unservable", key=f"record/{one.id}")
    made.icloud.reset_counts()
    pages = list(made.source().pages())
    assert len([problem for page in pages for problem in page.problems]) == 100
    assert set(behind(made)[:2]) <= set(named(pages)) and not pages[-1].full
    assert made.icloud.counts["lookup"] < 250


def test_the_bin_tells_of_those_put_there_from_here(made: Rig) -> None:
    """Apple's list of it shows the one in front."""
    source = made.source()
    bursts = [a for page in source.pages() for a in page.assets if a.metadata.burst]
    ours = [asset.id for asset in bursts]
    assert not any(source.trash([(asset.id, asset.revision) for asset in bursts]))
    assert {item.id for item in source.binned(())} == {front(made).id}
    assert Counter(item.id for item in source.binned(ours)) == Counter(ours)
    assert not any(source.restore(ours[:1]))
    assert {item.id for item in source.binned(ours)} == set(ours[1:])


def test_a_library_without_bursts_costs_nothing_more(made: Rig) -> None:
    for one in [one for one in made.library if one.burst]:
        made.library.purge(one.id)
    made.icloud.reset_counts()
    list(made.source().pages())
    assert made.icloud.counts["changes"] == 1, "whether something changed meanwhile"


def test_how_far_that_reading_is_is_told(made: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a large library it takes minutes in which no photo is named."""
    monkeypatch.setattr(history, "_EVERY", 1)
    told = [page.doing for page in made.source().pages() if page.doing]
    assert len(told) >= 2 and told[-1].endswith(f": {SIZE + 3}")


def test_they_cost_a_reading_of_the_record_the_first_time_only(made: Rig) -> None:
    source = made.source()
    *_, last = source.pages()
    made.icloud.reset_counts()
    assert not named(list(source.pages(last.cursor)))
    assert sum(made.icloud.counts.values()) == 1


def test_what_a_burst_loses_or_gets_is_a_change(made: Rig) -> None:
    source = made.source()
    *_, last = source.pages()
    first, second = behind(made)
    made.library.trash(first)
    more = made.library.add("IMG_9003", burst=BURST, stacked=True)
    pages = list(source.pages(last.cursor))
    assert set(named(pages)) == {more.id}
    assert {name for page in pages for name in page.gone} == {first}
    pages = list(source.pages())
    assert named(pages) == Counter(made.ids("shown")) and second in named(pages)


@pytest.mark.wide
@pytest.mark.parametrize("hidden", [True, False])
@pytest.mark.parametrize("trashed", [True, False])
def test_of_bursts_too_what_is_asked_for_is_taken(made: Rig, hidden: bool, trashed: bool) -> None:
    first, second = behind(made)
    made.library.change(first, hidden=True)
    made.library.trash(second)
    pages = list(made.source(hidden=hidden, trashed=trashed).pages())
    views = ["shown", *["hidden"] * hidden, *["trashed"] * trashed]
    assert named(pages) == Counter(made.ids(*views)) and pages[-1].full


def test_bursts_of_a_shared_library(use_sandbox: Point) -> None:
    with rig(use_sandbox, Library(20)) as made:
        made.connect()
        for number in range(3):
            made.library.add(f"IMG_9{number:03}", burst=BURST, stacked=number > 0, shared=True)
        pages = list(made.source(library=Choice.SHARED).pages())
        found = {name.rpartition("/")[2] for name in named(pages)}
        assert found == made.ids("shown", shared=True) and pages[-1].full


def test_where_they_cannot_be_looked_for_that_is_said(made: Rig) -> None:
    made.faults.add("bad_index", key="index/history/*")
    pages = list(made.source().pages())
    (problem,) = [problem for page in pages for problem in page.problems]
    assert problem.id == "pictures of bursts" and "may be missing" in problem.reason
    assert not pages[-1].full and pages[-1].cursor is None
    assert pages[-1].expected == SIZE + 2, "the ones listed and what may be missing"


def test_a_picture_that_leaves_before_it_is_asked_for_is_passed_over(
    made: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = behind(made)
    whole, left = changes._history, iter([first])

    def meddled(*arguments: Any) -> Any:
        told = whole(*arguments)
        if next(left, None):
            made.library.purge(first)
            made.library.trash(second)
        return told

    monkeypatch.setattr(changes, "_history", meddled)
    pages = list(made.source().pages())
    assert not set(named(pages)) & {first, second}
    assert pages[-1].full and not any(page.problems for page in pages)


@pytest.mark.wide
def test_one_that_apple_fails_over_costs_no_other(made: Rig) -> None:
    first, second = behind(made)
    made.faults.retry_after = 0
    made.faults.add("unservable", key=f"record/{first}")
    pages = list(made.source().pages())
    problems = [problem for page in pages for problem in page.problems]
    assert [problem.id for problem in problems] == [first]
    assert "could not decrypt bytes" in problems[0].reason
    assert named(pages) == Counter(made.ids("shown") - {first}) and second in named(pages)
    assert not pages[-1].full and pages[-1].expected == SIZE + 3


@pytest.mark.wide
def test_where_apple_fails_over_everything_no_picture_is_blamed(
    made: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("connectors.patience._backoff", tenacity.wait_none())
    source = made.source()
    list(source.pages())

    def failing(*_: Any) -> Any:
        raise Refused("INTERNAL_ERROR", "something broke")

    monkeypatch.setattr(Queries, "lookup", failing)
    made.icloud.reset_counts()
    with pytest.raises(Transient, match="something broke"):
        list(source.pages())
    assert made.icloud.counts["lookup"] < 20


@pytest.mark.wide
@pytest.mark.parametrize(
    "spec", ["error_item:0.5", "empty_page@changes/*:0.3", "throttle:0.2", "reset:0.2"]
)
def test_trouble_on_the_way_loses_none(made: Rig, spec: str) -> None:
    made.faults.retry_after = 0
    source = made.source()
    list(source.pages())  # connected, so that trouble is met later
    made.faults.include(spec)
    pages = list(source.pages())
    assert named(pages) == Counter(made.ids("shown")) and pages[-1].full


def test_a_ledger_from_before_is_completed(made: Rig) -> None:
    """Its cursor says that everything is known."""
    source = made.source()
    *_, last = source.pages()
    assert last.cursor
    with pytest.raises(CursorLost):
        list(source.pages(last.cursor.replace('"v": 4', '"v": 2')))
