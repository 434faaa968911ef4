"""What changes in iCloud while it is listed hides no photo: not by moving others out of sight, and
not by making up for them in number."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from connectors.base import Page
from connectors.icloud.listing import VISIBLE
from sandbox.icloud import changes
from sandbox.icloud.queries import Queries
from sandbox.library import Asset, Library
from tests.icloud.rig import Rig, rig
from tests.pointing import Point

pytestmark = pytest.mark.wide

SIZE = 300  # three windows
OLD = 315_532_800_000  # 1980
NEW = 1_900_000_000_000  # 2030
Change = Callable[[Library, Asset], object]


@pytest.fixture
def made(use_sandbox: Point) -> Iterator[Rig]:
    with rig(use_sandbox, Library(SIZE, plain=True)) as made:
        made.connect()
        yield made


class Meddling:
    """Changes the library after each of the first ``times`` answers of its main index, by turns
    with its ``changes``; leaves ``lost`` out of every answer."""

    def __init__(
        self, made: Rig, patch: pytest.MonkeyPatch, *changes: Change, times: int, lost: str = ""
    ) -> None:
        self.passes = 0
        done = 0
        query = Queries.query

        def meddled(queries: Queries, zone: Any, body: Any) -> Any:
            nonlocal done
            answer = query(queries, zone, body)
            if body["query"]["recordType"] != VISIBLE.record_type:
                return answer
            rank = body["query"]["filterBy"][0]["fieldValue"]["value"]
            self.passes += rank == 0
            if done < times:
                done += 1
                library = made.library
                for change in changes:
                    change(library, library.get(library.view("shown")[0]))
            kept = [one for one in answer["records"] if one["recordName"] != lost]
            return {**answer, "records": kept}

        patch.setattr(Queries, "query", meddled)


def trash(library: Library, newest: Asset) -> None:
    library.trash(newest.id)


def purge(library: Library, newest: Asset) -> None:
    library.purge(newest.id)


def hide(library: Library, newest: Asset) -> None:
    library.change(newest.id, hidden=True)


def favour(library: Library, newest: Asset) -> None:
    library.change(newest.id, favorite=True)


def add_old(library: Library, newest: Asset) -> None:
    library.add("OLD_SCAN", created=OLD)


def add_new(library: Library, newest: Asset) -> None:
    library.add("NEW", created=NEW)


def drop_album(library: Library, newest: Asset) -> None:
    for album in library.albums.all():
        library.albums.delete(album)


def listed(pages: list[Page]) -> set[str]:
    return {asset.id for page in pages for asset in page.assets}


@pytest.mark.parametrize(
    "changes",
    [(trash,), (trash, add_old), (purge, add_old), (hide,), (hide, add_old), (add_new,)],
    ids=lambda changes: " and ".join(change.__name__ for change in changes),
)
def test_ranks_that_move_while_all_is_listed_hide_no_photo(
    made: Rig, monkeypatch: pytest.MonkeyPatch, changes: tuple[Change, ...]
) -> None:
    before = made.ids("shown", "hidden")
    Meddling(made, monkeypatch, *changes, times=1)
    source = made.source(parallel=1)
    pages = list(source.pages())
    after = made.ids("shown", "hidden")
    assert pages[-1].full and not pages[-1].problems
    assert before & after <= listed(pages)
    assert pages[-1].expected == len(listed(pages)), "nothing is expected twice"
    # What came or left meanwhile is a change for the next time, if it is not known.
    more = list(source.pages(pages[-1].cursor))
    gone = {name for page in more for name in page.gone}
    assert listed(pages) | listed(more) >= after
    assert listed(pages) - after <= gone


@pytest.mark.parametrize("hidden", [True, False])
def test_what_is_hidden_and_shown_again_is_where_it_is_now(
    made: Rig, monkeypatch: pytest.MonkeyPatch, hidden: bool
) -> None:
    """Counted in one index, met in the other."""

    def show(library: Library, newest: Asset) -> None:
        library.change(library.get(library.view("hidden")[0]).id, hidden=False)
        hide(library, newest)

    made.library.change(made.library.get(made.library.view("shown")[7]).id, hidden=True)
    Meddling(made, monkeypatch, show, times=1)
    pages = list(made.source(parallel=1, hidden=hidden).pages())
    assert pages[-1].full
    unchanged = made.ids("shown", "hidden") if hidden else made.ids("shown")
    assert len(unchanged - listed(pages)) <= 1, "the one shown again, a change for the next time"


def refuse_history(made: Rig) -> None:
    """Then what is in no index cannot be found by its name either."""
    made.faults.add("bad_index", key="index/history/*")


@pytest.mark.parametrize("change", [add_new, add_old, favour, trash], ids=lambda one: one.__name__)
def test_a_photo_that_got_lost_on_the_way_is_found_by_its_name(
    made: Rig, monkeypatch: pytest.MonkeyPatch, change: Change
) -> None:
    """Whatever came or left meanwhile and stands for it in number."""
    lost = made.library.get(made.library.view("shown")[150]).id
    meddling = Meddling(made, monkeypatch, change, times=1, lost=lost)
    pages = list(made.source(parallel=1).pages())
    known = listed(pages)
    assert lost in known and meddling.passes == 1
    assert pages[-1].full and pages[-1].expected == len(known) and not pages[-1].notices


@pytest.mark.parametrize("change", [add_new, add_old, favour, trash], ids=lambda one: one.__name__)
def test_where_it_cannot_be_found_it_is_missing_and_that_is_said(
    made: Rig, monkeypatch: pytest.MonkeyPatch, change: Change
) -> None:
    """What was lost is in no later change."""
    refuse_history(made)
    before = made.ids("shown")
    lost = made.library.get(made.library.view("shown")[150]).id
    Meddling(made, monkeypatch, change, times=1, lost=lost)
    pages = list(made.source(parallel=1).pages())
    known = listed(pages)
    assert lost not in known
    assert not pages[-1].full and pages[-1].cursor is None
    assert pages[-1].expected == len(known | (before & made.ids("shown")))
    assert "cannot be looked for" in pages[-1].notices[0]


def test_a_photo_that_cannot_be_served_and_changes_meanwhile_is_not_taken_for_gone(
    made: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = made.library.get(made.library.view("shown")[150]).id
    made.faults.retry_after = 0
    made.faults.add("unservable", key=f"record/{broken}")

    def edit(library: Library, newest: Asset) -> None:
        library.change(broken, favorite=True)

    Meddling(made, monkeypatch, edit, times=1)
    pages = list(made.source(parallel=1).pages())
    assert any(page.problems for page in pages)
    assert broken not in listed(pages) and not pages[-1].full


def test_a_library_that_is_busy_when_its_changes_are_read_costs_no_second_listing(
    made: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer, left = changes._answer, iter(range(2))

    def busy(zone: Any, *rest: Any, **more: Any) -> Any:
        told = answer(zone, *rest, **more)
        if next(left, None) is None:
            return told
        return {"zoneID": told["zoneID"], "serverErrorCode": "THROTTLED", "reason": "slower"}

    monkeypatch.setattr(changes, "_answer", busy)
    meddling = Meddling(made, monkeypatch, times=0)
    pages = list(made.source(parallel=1).pages())
    assert pages[-1].full and meddling.passes == 1


def test_a_library_that_never_rests_is_listed_once(
    made: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = made.ids("shown")
    meddling = Meddling(made, monkeypatch, trash, times=10_000)
    pages = list(made.source(parallel=1).pages())
    assert meddling.passes == 1 and pages[-1].full and pages[-1].cursor
    assert before & made.ids("shown") <= listed(pages)


@pytest.mark.parametrize("times", [0, 10_000])
def test_a_library_that_counts_more_than_it_holds_is_whole_all_the_same(
    made: Rig, monkeypatch: pytest.MonkeyPatch, times: int
) -> None:
    """By the record of it, which costs a reading the first time only."""
    count = Queries._count

    def high(queries: Queries, zone: Any, name: str) -> int:
        return count(queries, zone, name) + (5 if name == VISIBLE.count else 0)

    monkeypatch.setattr(Queries, "_count", high)
    meddling = Meddling(made, monkeypatch, favour, times=times)
    source = made.source(parallel=1)
    pages = list(source.pages())
    assert meddling.passes == 1 and pages[-1].full and not pages[-1].problems
    assert pages[-1].expected == len(listed(pages)) == SIZE
    assert pages[-1].notices[0].startswith("Apple counts 5 more photos and videos than")
    made.icloud.reset_counts()
    assert not any(page.notices for page in source.pages(pages[-1].cursor))
    assert sum(made.icloud.counts.values()) == 1
    refuse_history(made)
    pages = list(source.pages())
    assert not pages[-1].full and pages[-1].expected == SIZE + 5


def test_a_record_of_the_library_that_is_cut_short_is_not_believed(
    made: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It has to name what the indexes do."""
    lost = made.library.get(made.library.view("shown")[250]).id
    history = changes._history

    def short(*arguments: Any) -> Any:
        records, after, _ = history(*arguments)
        return records, after, False

    Meddling(made, monkeypatch, times=0, lost=lost)
    monkeypatch.setattr(changes, "_history", short)
    pages = list(made.source().pages())
    assert lost not in listed(pages)
    assert not pages[-1].full and pages[-1].expected == SIZE
    assert "names fewer than it lists" in pages[-1].notices[0]


@pytest.mark.parametrize("change", [favour, add_old, drop_album], ids=lambda one: one.__name__)
def test_changes_that_hide_nothing_cost_no_second_listing(
    made: Rig, monkeypatch: pytest.MonkeyPatch, change: Change
) -> None:
    made.library.albums.add("Weekend")
    meddling = Meddling(made, monkeypatch, change, times=2)
    pages = list(made.source(parallel=1).pages())
    assert pages[-1].full and meddling.passes == 1


def test_a_library_that_changes_while_its_changes_are_read_is_listed_again_the_next_time(
    made: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whether all was listed cannot be told; and what was missed is in no later change."""
    delta = changes._delta

    def shrinking(*arguments: Any) -> Any:
        trash(made.library, made.library.get(made.library.view("shown")[0]))
        return delta(*arguments)

    monkeypatch.setattr(changes, "_delta", shrinking)
    refuse_history(made)
    (*_, last) = made.source().pages()
    assert (last.full, last.cursor, last.problems) == (False, None, ())
    monkeypatch.setattr(changes, "_delta", delta)
    (*_, last) = made.source().pages()
    assert last.full and last.cursor
