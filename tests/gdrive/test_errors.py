"""Every refusal of Google's gets the error that says what to do."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import pytest

from connectors.errors import (
    CapacityExceeded,
    DailyLimit,
    Fatal,
    ItemError,
    LimitReached,
    NotFound,
    OutpourError,
    SessionExpired,
    Throttled,
    Transient,
)
from connectors.gdrive.errors import Malformed, error_of
from sandbox.gdrive import GoogleDrive as Double
from sandbox.gdrive import SharedDrive
from tests.conformance.making import Bench, content
from tests.gdrive.bench import DrivePlace, held

MIB = 1024 * 1024


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def said(reason: str, message: str = "No.", code: int = 403) -> bytes:
    error = {"code": code, "message": message, "errors": [{"reason": reason, "message": message}]}
    return json.dumps({"error": error}).encode()


@pytest.mark.parametrize(
    ("status", "reason", "kind"),
    [
        (401, "authError", SessionExpired),
        (403, "storageQuotaExceeded", CapacityExceeded),
        (403, "quotaExceeded", CapacityExceeded),
        (403, "teamDriveFileLimitExceeded", LimitReached),
        (403, "activeItemCreationLimitExceeded", LimitReached),
        (403, "dailyLimitExceeded", DailyLimit),
        (403, "userRateLimitExceeded", Throttled),
        (403, "rateLimitExceeded", Throttled),
        (429, "rateLimitExceeded", Throttled),
        (429, "", Throttled),
        (403, "numChildrenInNonRootLimitExceeded", ItemError),
        (403, "myDriveHierarchyDepthLimitExceeded", ItemError),
        (403, "insufficientFilePermissions", Fatal),
        (403, "accessNotConfigured", Fatal),
        (403, "CONSUMER_SUSPENDED", Fatal),
        (403, "CONSUMER_INVALID", Fatal),
        (403, "downloadQuotaExceeded", ItemError),
        (403, "cannotDownloadAbusiveFile", ItemError),
        (403, "somethingNew", ItemError),
        (403, "", ItemError),
        (404, "notFound", NotFound),
        (413, "", ItemError),
        (400, "badRequest", Malformed),
        (408, "", Transient),
        (500, "backendError", Transient),
        (502, "", Transient),
    ],
)
def test_by_reason(status: int, reason: str, kind: type[OutpourError]) -> None:
    error = error_of(status, {}, said(reason, code=status), "an upload", upload=True)
    assert type(error) is kind
    assert error.hint or kind in (Transient, Throttled, NotFound, DailyLimit) or status == 400


def test_a_full_account_of_a_service_account_is_no_lack_of_room() -> None:
    body = said("storageQuotaExceeded", "Service Accounts do not have storage quota.")
    assert type(error_of(403, {}, body, "an upload")) is Fatal


def test_the_750_gb_of_a_day_are_tried_again_before_long() -> None:
    """Google says the same of too many requests at once, now and then."""
    body = said("userRateLimitExceeded", "User rate limit exceeded.")
    error = error_of(403, {}, body, "an upload", upload=True)
    assert isinstance(error, DailyLimit) and error.resume_at
    assert timedelta(0) < error.resume_at - datetime.now(UTC) <= timedelta(hours=1)
    assert type(error_of(403, {}, body, "a listing")) is Throttled


def test_a_page_of_google_s_front_door_is_no_answer_of_drive() -> None:
    page = b"<html>We're sorry... automated queries</html>"
    assert type(error_of(403, {}, page, "a download")) is Transient


def test_a_daily_limit_ends_at_midnight_in_california() -> None:
    error = error_of(403, {}, said("dailyLimitExceeded"), "a listing")
    assert isinstance(error, DailyLimit) and error.resume_at
    assert timedelta(0) < error.resume_at - datetime.now(UTC) <= timedelta(hours=25)
    assert (error.resume_at.hour, error.resume_at.minute) == (0, 0)


def test_retry_after_in_both_forms() -> None:
    error = error_of(503, {"retry-after": "17"}, b"", "it")
    assert isinstance(error, Transient) and error.retry_after == 17
    later = format_datetime(datetime.now(UTC) + timedelta(seconds=60), usegmt=True)
    error = error_of(429, {"retry-after": later}, b"", "it")
    assert isinstance(error, Throttled) and error.retry_after and 50 < error.retry_after <= 60
    error = error_of(429, {"retry-after": "soon"}, b"", "it")
    assert isinstance(error, Throttled) and error.retry_after is None


def test_the_newer_form_of_errors() -> None:
    error = {
        "code": 403,
        "message": "Google Drive API has not been used in project 1 before or it is disabled.",
        "status": "PERMISSION_DENIED",
        "errors": [{"reason": "forbidden", "message": "disabled"}],
        "details": [{"@type": "x"}, {"@type": "y", "reason": "SERVICE_DISABLED"}],
    }
    found = error_of(403, {}, json.dumps({"error": error}).encode(), "it")
    assert type(found) is Fatal and "Enable" in found.hint


@pytest.mark.parametrize("reason", ["CONSUMER_SUSPENDED", "CONSUMER_INVALID"])
def test_a_project_that_was_suspended_is_none_of_the_file_s_fault(reason: str) -> None:
    """Otherwise every photo of a library would be downloaded, refused and named as failed."""
    error = {
        "code": 403,
        "message": "Permission denied: Consumer 'projects/1' has been suspended.",
        "errors": [{"reason": "forbidden", "message": "Consumer 'projects/1' ... suspended."}],
        "details": [{"@type": "x", "reason": reason, "domain": "googleapis.com"}],
    }
    found = error_of(403, {}, json.dumps({"error": error}).encode(), "an upload", upload=True)
    assert type(found) is Fatal and "project in Google's console" in found.hint


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        ("rate", Throttled),
        ("throttle_bare", Throttled),
        ("unavailable", Transient),
        ("daily_limit", DailyLimit),
        ("upload_limit", DailyLimit),
        ("unknown_403", ItemError),
    ],
)
@pytest.mark.parametrize("size", [5000, 6 * MIB])
def test_over_the_wire(
    double: Double, place: DrivePlace, bench: Bench, fault: str, kind: type[OutpourError], size: int
) -> None:
    """One request, one error: the connector itself repeats nothing."""
    sink = place.open()
    bench.place(sink, "before.jpg", content(10))
    double.calls.clear()
    double.faults.once(fault, "upload.*")
    with pytest.raises(OutpourError) as caught:
        bench.place(sink, "a.jpg", content(size))
    assert type(caught.value) is kind
    assert sum(double.calls.values()) <= 1
    assert "Outpour/a.jpg" not in held(double)
    bench.place(sink, "a.jpg", content(size))


@pytest.mark.parametrize("fault", ["rate", "unavailable", "upload_limit"])
def test_a_refused_chunk_keeps_its_session(
    double: Double, place: DrivePlace, bench: Bench, fault: str
) -> None:
    double.faults.once(fault, "upload.session")
    put, body = bench.stage("a.mov", content(6 * MIB))
    with pytest.raises(OutpourError):
        place.open().transfer(put, body, None, bench.keep)
    place.open().transfer(put, body, bench.tokens[-1], bench.keep)
    assert double.calls["upload.resumable"] == 1


def test_a_session_refused_for_good_is_given_up(
    double: Double, place: DrivePlace, bench: Bench
) -> None:
    """Any other 4xx: a new session once, then the error; the token holds no session then."""
    double.faults.add("unknown_403", 1.0, "upload.session")
    put, body = bench.stage("a.mov", content(6 * MIB))
    with pytest.raises(ItemError):
        place.open().transfer(put, body, None, bench.keep)
    assert not bench.tokens[-1].startswith("{")


def test_a_full_drive_at_the_start(double: Double, place: DrivePlace, bench: Bench) -> None:
    place.fill_up(0)
    with pytest.raises(CapacityExceeded) as caught:
        bench.place(place.open(), "a.jpg", content(10))
    assert caught.value.hint and not held(double)
    capacity = place.open().capacity()
    assert capacity.free == 0 and capacity.total == capacity.used


def test_capacity_counts_mail_and_the_bin(double: Double, place: DrivePlace, bench: Bench) -> None:
    double.store.limit, double.store.other = 1_000_000, 200_000
    sink = place.open()
    bench.place(sink, "a.jpg", content(10_000))
    bench.place(sink, "b.jpg", content(5_000))
    double.store.paths()["Outpour/b.jpg"][0].trashed = True
    capacity = sink.capacity()
    assert (capacity.used, capacity.total, capacity.free) == (215_000, 1_000_000, 785_000)
    assert capacity.by_kind == {"drive": 10_000, "bin": 5_000, "other": 200_000}
    double.store.limit = None
    assert sink.capacity().free is None


def test_a_folder_that_takes_no_more(use_sandbox: object, double: Double, bench: Bench) -> None:
    double.store.most_children = 2
    place = DrivePlace(double)
    sink = place.open()
    for n in range(2):
        bench.place(sink, f"{n}.jpg", content(10 + n))
    with pytest.raises(ItemError) as caught:
        bench.place(sink, "2.jpg", content(12))
    assert "layout" in caught.value.hint


def test_a_shared_drive(double: Double, bench: Bench) -> None:
    double.store.drives["0AShared"] = SharedDrive("0AShared", "Family")
    place = DrivePlace(double, drive="0AShared")
    sink = place.open()
    bench.place(sink, "2024/a.jpg", content(10))
    bench.place(sink, "2024/b.mov", content(6 * MIB))
    fresh = place.open()
    assert fresh.stat("2024/a.jpg") and len(list(fresh.inventory())) == 2
    assert all(node.drive == "0AShared" for node in double.store.nodes.values())
    assert fresh.capacity().free is None and double.store.used == 0
    receipt = fresh.stat("2024/a.jpg")
    assert receipt and b"".join(fresh.read(receipt)) == content(10)


@pytest.mark.parametrize("role", ["reader", "commenter", ""])
def test_a_shared_drive_without_rights(double: Double, bench: Bench, role: str) -> None:
    double.store.drives["0AShared"] = SharedDrive("0AShared", "Family", role)
    with pytest.raises(OutpourError) as caught:
        bench.place(DrivePlace(double, drive="0AShared").open(), "a.jpg", content(10))
    assert isinstance(caught.value, Fatal) and caught.value.hint
    assert not double.store.nodes


def test_a_sign_in_for_less_than_is_asked(double: Double, bench: Bench) -> None:
    place = DrivePlace(double, "https://www.googleapis.com/auth/drive.readonly")
    with pytest.raises(SessionExpired, match=r"not cover 'scope: drive\.file'"):
        bench.place(place.open(), "a.jpg", content(10))


def test_reading_what_is_gone(double: Double, place: DrivePlace, bench: Bench) -> None:
    sink = place.open()
    receipt = bench.place(sink, "a.jpg", content(10))
    double.store.delete(double.store.paths()["Outpour/a.jpg"][0])
    with pytest.raises(NotFound):
        list(sink.read(receipt))


def test_reading_is_cut(double: Double, place: DrivePlace, bench: Bench) -> None:
    sink = place.open()
    receipt = bench.place(sink, "a.jpg", content(3 * MIB))
    double.faults.once("cut_stream", "files.get")
    with pytest.raises(Transient):
        b"".join(sink.read(receipt))
