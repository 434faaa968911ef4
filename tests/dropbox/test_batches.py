"""Many small files in one request, and what happens where that is not to be had."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from connectors.abilities import BatchTransfers
from connectors.base import Body, Put, Receipt, Transferred
from connectors.dropbox.sink import DropboxSink
from connectors.errors import (
    ItemError,
    NotFound,
    PathConflict,
    Throttled,
    Transient,
    Unreadable,
)
from sandbox.dropbox import Dropbox as Double
from tests.conformance.making import Bench, content, only
from tests.dropbox.bench import DropboxPlace, all_sent, held

START = "files/upload_session/start"
APPEND = "files/upload_session/append_batch"
Item = tuple[Put, Body, str | None]


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def staged(bench: Bench, count: int, size: int = 1000, folder: str = "2024/06") -> list[Item]:
    return [(*bench.stage(f"{folder}/{n}.jpg", content(size, n)), None) for n in range(count)]


def finish(sink: DropboxSink, double: Double, items: list[Item]) -> None:
    """Send and commit; everything must be there."""
    sent = all_sent(sink.transfer_many(items))
    assert all(isinstance(answer, Receipt) for answer in sink.commit(sent))
    expected = {f"/Outpour/{put.path}": body.path.read_bytes() for put, body, _ in items}
    assert held(double) == expected


def test_a_hundred_files_cost_a_handful_of_requests(
    double: Double, place: DropboxPlace, bench: Bench
) -> None:
    sink = place.open()
    assert isinstance(sink, BatchTransfers)
    finish(sink, double, staged(bench, 100))
    del double.counts["oauth2/token"]
    assert double.counts == {
        "files/list_folder": 1,
        "files/upload_session/start_batch": 1,
        APPEND: 1,
        "files/upload_session/finish_batch_v2": 1,
    }


def test_batches_grow_while_they_are_taken(
    double: Double, place: DropboxPlace, bench: Bench
) -> None:
    sink = place.open()
    finish(sink, double, staged(bench, 700, 10))
    assert double.counts[APPEND] == 3  # 100, 200, 400


def test_without_the_routes_every_file_goes_by_itself(
    double: Double, place: DropboxPlace, bench: Bench
) -> None:
    double.batch_routes = False
    sink = place.open()
    items = staged(bench, 30)
    finish(sink, double, items)
    finish(sink, double, [*items, *staged(bench, 5, folder="more")])
    assert double.counts["files/upload_session/start_batch"] == 1, "the probe is made once"
    assert double.counts[START] == 35, "the first thirty are there already"
    assert double.refusals.pop((400, "unknown_route")) == 1


@pytest.mark.parametrize("route", ["start_batch", "append_batch"])
@pytest.mark.parametrize("fault", ["route_denied", "access_denied", "transport_limit"])
def test_routes_that_are_not_open_are_as_good_as_none(
    double: Double, place: DropboxPlace, bench: Bench, fault: str, route: str
) -> None:
    double.faults.add(fault, key=f"files/upload_session/{route}")
    finish(place.open(), double, staged(bench, 30))
    assert double.counts[START] == 30
    assert 1 <= double.faults.counts[fault] <= 3


@pytest.mark.parametrize("limit", ["header_limit", "body_limit"])
def test_batches_shrink_to_what_is_taken(
    double: Double, place: DropboxPlace, bench: Bench, limit: str
) -> None:
    setattr(double, limit, 4000 if limit == "header_limit" else 60_000)
    sink = place.open()
    items = staged(bench, 100)
    assert len(sink.transfer_many(items)) == 100
    refused = sum(double.refusals[status, limit] for status in (413, 431))
    assert 1 <= refused <= 3
    finish(sink, double, items)
    assert sum(double.refusals[status, limit] for status in (413, 431)) == refused
    assert double.counts[START] == 0


def test_where_hardly_any_are_taken_every_file_goes_by_itself(
    double: Double, place: DropboxPlace, bench: Bench
) -> None:
    double.header_limit = 700
    finish(place.open(), double, staged(bench, 40))
    assert double.counts[START] == 40


def test_somebody_who_hangs_up_on_long_headers_is_understood(
    double: Double, place: DropboxPlace, bench: Bench
) -> None:
    double.header_limit, double.header_refusal = 4000, 0
    sink, items = place.open(), staged(bench, 100)
    for _ in range(5):
        try:
            sink.transfer_many(items)
            break
        except Transient:
            continue
    else:
        pytest.fail("it never tried with fewer")
    finish(sink, double, items)


def test_each_file_has_its_own_answer(double: Double, place: DropboxPlace, bench: Bench) -> None:
    sink = place.open()
    bench.place(sink, "there.jpg", content(500))
    bench.place(sink, "taken.jpg", content(500))
    sent = bench.send(sink, "sent.jpg", content(400))
    short = bench.stage("short.jpg", content(300))
    short[1].path.write_bytes(content(299))
    before = double.received
    fresh = place.open()
    answers = fresh.transfer_many(
        [
            (*bench.stage("new.jpg", content(100)), None),
            (*bench.stage("there.jpg", content(500)), None),
            (*bench.stage("taken.jpg", content(501)), None),
            (sent.put, bench.stage("sent.jpg", content(400))[1], sent.token),
            (*short, "no token of ours"),
            (*bench.stage("empty.jpg", b""), None),
        ]
    )
    kinds = [type(answer) for answer in answers]
    assert kinds == [Transferred, Transferred, PathConflict, Transferred, Unreadable, Transferred]
    there, known = answers[1], answers[3]
    assert isinstance(there, Transferred) and there.receipt is not None
    assert isinstance(known, Transferred) and known.token == sent.token
    assert double.received - before == 100, "only the new one was sent"
    good = [answer for answer in answers if isinstance(answer, Transferred)]
    assert [only([answer]).path for answer in fresh.commit(good)] == [
        "new.jpg", "there.jpg", "sent.jpg", "empty.jpg"
    ]  # fmt: skip


@pytest.mark.parametrize("size", [1000, 5 * 1024 * 1024], ids=["one block", "two blocks"])
def test_a_file_changed_since_it_was_hashed_fails_alone(
    double: Double, place: DropboxPlace, bench: Bench, size: int
) -> None:
    """A person's own file, of the same length as before: none of it is ever seen."""
    sink, items = place.open(), [*staged(bench, 2), *staged(bench, 1, size, "changed")]
    items[-1][1].path.write_bytes(content(size, 9))
    *sent, changed = sink.transfer_many(items)
    assert isinstance(changed, ItemError) and changed.hint == "Run again to take it."
    assert double.received == 2000, "it is not even sent"
    assert all(isinstance(answer, Receipt) for answer in sink.commit(all_sent(sent)))
    assert held(double).keys() == {"/Outpour/2024/06/0.jpg", "/Outpour/2024/06/1.jpg"}
    assert double.tree.writes == 2


def test_a_session_lost_at_once_concerns_its_file_alone(
    double: Double, place: DropboxPlace, bench: Bench
) -> None:
    sink, items = place.open(), staged(bench, 20)
    double.faults.once("gone_session")
    answers = sink.transfer_many(items)
    assert sum(isinstance(answer, Transient) for answer in answers) == 1
    finish(sink, double, items)


def test_what_was_sent_before_a_refusal_counts(
    double: Double, place: DropboxPlace, bench: Bench
) -> None:
    sink, items = place.open(), staged(bench, 150, 10)
    double.faults.retry_after = 7

    def refuse_the_second(name: str, key: str = "", ask: Any = double.faults.hit) -> bool:
        return ask(name, key) or ((name, key, double.counts[APPEND]) == ("throttle", APPEND, 1))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(double.faults, "hit", refuse_the_second)
        answers = sink.transfer_many(items)
        sent = [answer for answer in answers if isinstance(answer, Transferred)]
        refused = [answer for answer in answers if isinstance(answer, Throttled)]
        assert (len(sent), len(refused)) == (100, 50)
        assert all(answer.retry_after == 7 for answer in refused)
        with pytest.raises(Throttled):
            sink.transfer_many(items[100:])
    finish(sink, double, items)


def test_an_answer_that_got_lost_doubles_nothing(
    double: Double, place: DropboxPlace, bench: Bench
) -> None:
    sink, items = place.open(), staged(bench, 20)
    double.faults.once("lost_answer", APPEND)
    with pytest.raises(Transient):
        sink.transfer_many(items)
    finish(sink, double, items)
    assert double.tree.writes == 20


def test_a_batch_committed_late_is_found_missing(
    double: Double, place: DropboxPlace, bench: Bench
) -> None:
    sink = place.open()
    sent = all_sent(sink.transfer_many(staged(bench, 3)))
    later = double.sessions.clock() + 8 * 24 * 3600
    double.sessions.clock = lambda: later
    assert all(isinstance(answer, NotFound) for answer in sink.commit(sent))
    assert held(double) == {}
