"""What Dropbox refuses, by its meaning: what to do next, and for whom."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest
from dropbox import files

from connectors.dropbox.errors import entry_refused, throttled, write_refused
from connectors.errors import (
    CapacityExceeded,
    Fatal,
    ItemError,
    LimitReached,
    Misconfigured,
    NotFound,
    OutpourError,
    PathConflict,
    SessionExpired,
    Throttled,
    Transient,
)
from connectors.headers import retry_after
from sandbox.dropbox import Dropbox as Double
from sandbox.dropbox.content import Content
from sandbox.dropbox.tree import Commit
from sandbox.dropbox.wire import denied
from sandbox.messages import Answer
from tests.conformance.making import Bench, content, only
from tests.dropbox.bench import DropboxPlace, all_sent, held

MIB = 1024 * 1024
W = files.WriteError


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


# --- how long to wait --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("headers", "body", "wait"),
    [
        ({"retry-after": "15"}, None, 15),
        ({"retry-after": "300"}, "Too Many Requests", 300),
        ({}, {"error": {"reason": {".tag": "too_many_requests"}, "retry_after": 7}}, 7),
        ({"retry-after": "3"}, {"error": {"reason": {".tag": "x"}, "retry_after": 7}}, 7),
        ({"retry-after": "soon"}, {"error": {"reason": {".tag": "x"}}}, None),
        ({}, None, None),
        ({}, [], None),
    ],
)
def test_a_wait_is_read_from_header_or_body(
    headers: dict[str, str], body: Any, wait: float | None
) -> None:
    assert throttled(headers, body).retry_after == wait


def test_a_wait_may_be_a_date() -> None:
    later = format_datetime(datetime.now(UTC) + timedelta(seconds=90))
    assert 80 < (retry_after({"retry-after": later}) or 0) <= 90


@pytest.mark.parametrize("fault", ["throttle", "throttle_text", "busy_request"])
@pytest.mark.parametrize("size", [5000, 9 * MIB])
def test_429_in_each_form_is_one_request_and_keeps_its_wait(
    double: Double, place: DropboxPlace, bench: Bench, fault: str, size: int
) -> None:
    """JSON, plain text, and too many writes: the SDK's own endless retries are off."""
    double.faults.retry_after = 7
    double.faults.once(fault, "files/upload_session/start")
    with pytest.raises(Throttled) as caught:
        bench.send(place.open(), "a.jpg", content(size))
    assert caught.value.retry_after == 7
    assert double.counts["files/upload_session/start"] <= 1
    bench.place(place.open(), "a.jpg", content(size))


def test_a_commit_that_is_throttled_as_a_whole(
    double: Double, place: DropboxPlace, bench: Bench
) -> None:
    sink = place.open()
    sent = [bench.send(sink, f"{n}.jpg", content(100 + n)) for n in range(3)]
    double.faults.retry_after = 7
    double.faults.once("busy_request", "files/upload_session/finish_batch_v2")
    with pytest.raises(Throttled) as caught:
        sink.commit(sent)
    assert caught.value.retry_after == 7 and len(sink.commit(sent)) == 3


@pytest.mark.parametrize("status", ["unavailable", "reset", "error_after"])
def test_5xx_and_resets_are_one_request_and_transient(
    double: Double, place: DropboxPlace, bench: Bench, status: str
) -> None:
    double.faults.once(status, "files/upload_session/start")
    with pytest.raises(Transient) as caught:
        bench.send(place.open(), "a.jpg", content(100))
    assert not isinstance(caught.value, Throttled)
    assert double.counts["files/upload_session/start"] <= 1


# --- what cannot be written --------------------------------------------------------------

FULL = [W.insufficient_space, W.team_folder_insufficient_space, W.member_folder_insufficient_space]


@pytest.mark.parametrize("error", FULL, ids=lambda error: error._tag)
def test_full_in_each_of_its_words(error: Any) -> None:
    for found in (write_refused(error, "a"), _entry(error)):
        assert type(found) is CapacityExceeded and found.hint


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (W.upload_traffic_limit_reached, LimitReached),
        (W.too_many_write_operations, Throttled),
        (W.disallowed_name, ItemError),
        (W.malformed_path("x"), ItemError),
        (W.no_write_permission, Fatal),
        (W.access_restricted, Fatal),
        (W.operation_suppressed, ItemError),
        (W.team_folder, Fatal),
        (W.conflict(files.WriteConflictError.file), PathConflict),
        (W.conflict(files.WriteConflictError.folder), PathConflict),
        (W.conflict(files.WriteConflictError.file_ancestor), ItemError),
        (W.other, Transient),
    ],
    ids=lambda value: getattr(value, "_tag", None) or value.__name__,
)
def test_what_a_file_cannot_be_written_for(error: Any, kind: type[OutpourError]) -> None:
    for found in (write_refused(error, "2024/a.jpg"), _entry(error)):
        assert type(found) is kind and "\n" not in str(found)
        if isinstance(found, ItemError | Fatal) and not isinstance(found, PathConflict):
            assert found.hint


def test_an_entry_has_refusals_of_its_own() -> None:
    error = files.UploadSessionFinishError
    assert type(entry_refused(error.too_many_write_operations, "a")) is Throttled
    gone = error.lookup_failed(files.UploadSessionLookupError.not_found)
    assert type(entry_refused(gone, "a")) is NotFound
    assert type(entry_refused(error.concurrent_session_missing_data, "a")) is NotFound


def _entry(error: Any) -> OutpourError:
    return entry_refused(files.UploadSessionFinishError.path(error), "2024/a.jpg")


def test_the_months_traffic_is_used_up(double: Double, place: DropboxPlace, bench: Bench) -> None:
    double.faults.once("traffic_limit")
    with pytest.raises(LimitReached) as caught:
        bench.place(place.open(), "a.jpg", content(100))
    assert "month" in str(caught.value) and not held(double)


def test_a_full_account_is_capacity_exceeded_and_keeps_nothing(
    double: Double, place: DropboxPlace, bench: Bench
) -> None:
    place.fill_up(0)
    sink = place.open()
    assert sink.capacity().free == 0 and sink.capacity().full
    with pytest.raises(CapacityExceeded) as caught:
        bench.place(sink, "a.jpg", content(100))
    assert caught.value.hint and not held(double)


def test_full_in_the_middle_of_a_batch(double: Double, place: DropboxPlace, bench: Bench) -> None:
    """Each file has its own answer; bytes that did not fit need not be sent again."""
    place.fill_up(250)
    sink = place.open()
    sent = [bench.send(sink, f"{n}.jpg", content(100, n)) for n in range(4)]
    answers = sink.commit(sent)
    assert [isinstance(answer, CapacityExceeded) for answer in answers] == [0, 0, 1, 1]
    place.fill_up(10_000)
    received = double.received
    assert only(sink.commit([sent[3]])).size == 100 and double.received == received


def test_room_in_a_team(double: Double, place: DropboxPlace, bench: Bench) -> None:
    """A member's own limit counts where it stops uploads, otherwise the team's room does."""
    team = {
        ".tag": "team",
        "used": 700,
        "allocated": 1000,
        "user_within_team_space_allocated": 500,
        "user_within_team_space_limit_type": {".tag": "stop_sync"},
        "user_within_team_space_used_cached": 450,
    }
    double.allocation = team
    assert place.open().capacity().free == 50
    double.allocation = {**team, "user_within_team_space_limit_type": {".tag": "alert_only"}}
    assert place.open().capacity().free == 300
    double.allocation = {**team, "user_within_team_space_allocated": 0}
    assert place.open().capacity().free == 300


# --- folders -----------------------------------------------------------------------------


def test_a_folder_that_is_a_file(double: Double, place: DropboxPlace, bench: Bench) -> None:
    """Settings name a file: one clear line, and the file stays."""
    double.tree.write(Commit("/Outpour"), Content.of(b"notes", keep=True))
    for attempt in (
        lambda sink: bench.place(sink, "a.jpg", content(10)),
        lambda sink: list(sink.inventory()),
    ):
        with pytest.raises(Misconfigured) as caught:
            attempt(place.open())
        assert "is a file" in str(caught.value) and caught.value.hint
    assert held(double) == {"/Outpour": b"notes"}


def test_a_file_where_a_folder_has_to_be(double: Double, place: DropboxPlace, bench: Bench) -> None:
    sink = place.open()
    bench.place(sink, "2024", content(10))
    with pytest.raises(OutpourError) as caught:
        bench.place(place.open(), "2024/06/a.jpg", content(10))
    assert isinstance(caught.value, (ItemError, Misconfigured)) and caught.value.hint
    assert held(double) == {"/Outpour/2024": content(10)}


def test_an_account_that_is_not_let_in(double: Double, place: DropboxPlace, bench: Bench) -> None:
    double.faults.add("access_denied")
    with pytest.raises(Fatal) as caught:
        bench.place(place.open(), "a.jpg", content(10))
    assert "team" in caught.value.hint


@pytest.mark.parametrize("size", [10, 9_000_000, 40_000_000])
def test_a_team_s_uploads_of_a_month_that_are_used_up_are_told_as_that(
    double: Double, place: DropboxPlace, bench: Bench, size: int
) -> None:
    """Full like any other: another sink takes the rest. It is in Dropbox's own words."""
    double.faults.add("transport_limit")
    with pytest.raises(LimitReached, match="for the month") as caught:
        bench.place(place.open(), "a.jpg", content(size))
    assert "next month" in caught.value.hint


def test_of_many_small_files_too(double: Double, place: DropboxPlace, bench: Bench) -> None:
    double.faults.add("transport_limit")
    items = [(*bench.stage(f"{n}.jpg", content(1000, n)), None) for n in range(12)]
    answers = place.open().transfer_many(items)
    assert all(isinstance(answer, LimitReached) for answer in answers) and len(answers) == 12


def test_a_plan_without_a_feature_is_not_a_month_that_is_used_up(
    double: Double, place: DropboxPlace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """To wait for the next month would not help."""
    sink, refusal = place.open(), denied("feature", "This is not part of your plan.")
    monkeypatch.setattr(double, "handle", lambda request: refusal.answer)
    with pytest.raises(Fatal) as caught:
        sink.stat("a.jpg")
    assert not isinstance(caught.value, LimitReached) and "team's rules" in caught.value.hint


def test_a_gateway_that_refuses_a_request_is_not_dropbox(
    double: Double, place: DropboxPlace, bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    sink, handle = place.open(), double.handle
    answers = [Answer(403, {"Content-Type": "text/html"}, b"<html>Blocked</html>")]
    monkeypatch.setattr(
        double, "handle", lambda request: answers.pop() if answers else handle(request)
    )
    with pytest.raises(Transient):
        bench.place(sink, "a.jpg", content(10))
    bench.place(sink, "a.jpg", content(10))


def test_a_permission_taken_from_the_app_is_said_once_with_what_to_do(
    double: Double, place: DropboxPlace, bench: Bench
) -> None:
    double.faults.add("scope_taken", key="files/upload_session/*")
    with pytest.raises(SessionExpired, match=r"files\.content\.write") as caught:
        bench.place(place.open(), "a.jpg", content(10))
    assert "Permissions" in caught.value.hint
    double.refusals.pop((400, "scope_taken"))


def test_a_listing_that_is_reset_is_transient(
    double: Double, place: DropboxPlace, bench: Bench
) -> None:
    sink = place.open()
    staged = [bench.stage(f"{n}.jpg", content(9)) for n in range(3)]
    sink.commit(all_sent(sink.transfer_many([(put, body, None) for put, body in staged])))
    for n in range(2500):
        double.tree.write(Commit(f"/Outpour/more/{n}"), Content.of(b"", keep=True))
    double.faults.once("cursor_reset")
    with pytest.raises(Transient):
        list(place.open().inventory())
    assert len(list(place.open().inventory())) == 2503


def test_reading_what_is_gone_and_what_is_cut(
    double: Double, place: DropboxPlace, bench: Bench
) -> None:
    sink = place.open()
    receipt = bench.place(sink, "a.jpg", content(3 * MIB))
    double.faults.once("cut_stream", "files/download")
    with pytest.raises(Transient):
        b"".join(sink.read(receipt))
    assert b"".join(sink.read(receipt)) == content(3 * MIB)
    double.tree.remove("/outpour/a.jpg")
    with pytest.raises(NotFound):
        list(sink.read(receipt))
