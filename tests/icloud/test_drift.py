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


@pytest.mark.parametrize("change", [add_new, add_old, favour], ids=lambda one: one.__name__)
def test_a_photo_that_comes_meanwhile_does_not_stand_for_one_that_got_lost(
    made: Rig, monkeypatch: pytest.MonkeyPatch, change: Change
) -> None:
    lost = made.library.get(made.library.view("shown")[150]).id
    Meddling(made, monkeypatch, change, times=1, lost=lost)
    pages = list(made.source(parallel=1).pages())
    assert not pages[-1].full
    known = listed(pages)
    assert lost not in known
    assert pages[-1].expected == len(known) + 1, "one is missing, and that is said"


def test_a_photo_that_left_does_not_stand_for_one_that_got_lost_in_both_listings(
    made: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first of them has named it, the second has not; what was lost is in no later change."""
    lost = made.library.get(made.library.view("shown")[150]).id
    Meddling(made, monkeypatch, trash, times=1, lost=lost)
    pages = list(made.source(parallel=1).pages())
    assert lost not in listed(pages)
    assert not pages[-1].full and pages[-1].cursor is None
    (problem,) = pages[-1].problems
    assert "counts 1 more than it lists" in problem.reason


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


def test_a_library_that_never_rests_is_said_to_be_listed_in_part(
    made: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    meddling = Meddling(made, monkeypatch, trash, times=10_000)
    pages = list(made.source(parallel=1).pages())
    assert 2 <= meddling.passes <= 3
    assert not pages[-1].full
    assert [problem.id for problem in pages[-1].problems] == ["the library"]


def test_a_library_that_counts_more_than_it_shows_is_not_listed_again_and_again(
    made: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    count = Queries._count

    def high(queries: Queries, zone: Any, name: str) -> int:
        return count(queries, zone, name) + (5 if name == VISIBLE.count else 0)

    monkeypatch.setattr(Queries, "_count", high)
    meddling = Meddling(made, monkeypatch, favour, times=10_000)
    pages = list(made.source(parallel=1).pages())
    assert meddling.passes == 2
    assert not pages[-1].full and pages[-1].problems
    assert "counts 5 more than it lists" in pages[-1].problems[0].reason
    assert (pages[-1].expected, len(listed(pages))) == (301, 300), "it is said, and only once"


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
    (*_, last) = made.source().pages()
    assert (last.full, last.cursor, last.problems) == (False, None, ())
    monkeypatch.setattr(changes, "_delta", delta)
    (*_, last) = made.source().pages()
    assert last.full and last.cursor
