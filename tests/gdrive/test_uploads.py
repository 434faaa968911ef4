"""Every byte arrives once, whatever happens to requests and answers."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from connectors.base import Receipt
from connectors.checksums import Algorithm
from connectors.errors import ItemError, Leftover, PathConflict, Transient
from connectors.gdrive import properties
from sandbox.gdrive import GoogleDrive as Double
from sandbox.gdrive import SharedDrive
from tests.conformance.making import Bench, content, only
from tests.gdrive.bench import DrivePlace, broken, held

MIB = 1024 * 1024


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def test_a_small_file_costs_one_request(double: Double, place: DrivePlace, bench: Bench) -> None:
    """Ids a thousand at a time, a new folder known to be empty: one request for each file."""
    sink = place.open()
    tokens = sink.reserve(40)
    bench.place(sink, "2024/06/first.jpg", content(10))
    before = double.calls.copy()
    for n, token in enumerate(tokens):
        put, body = bench.stage(f"2024/06/IMG_{n}.jpg", content(5000 + n))
        sink.transfer(put, body, token, bench.keep)
    assert double.calls - before == {"upload.multipart": 40}
    assert double.calls["files.generateIds"] == 1


def test_a_folder_that_was_there_is_listed_once(
    double: Double, place: DrivePlace, bench: Bench
) -> None:
    for n in range(5):
        bench.place(place.open(), f"2024/IMG_{n}.jpg", content(10 + n))
    again = place.open()
    double.calls.clear()
    for n in range(5, 30):
        bench.place(again, f"2024/IMG_{n}.jpg", content(10 + n))
    assert double.calls["upload.multipart"] == 25
    assert double.calls["files.list"] <= 3  # our folder by its name, what is in it, what is in 2024


def test_what_the_owner_would_miss_is_kept(double: Double, place: DrivePlace, bench: Bench) -> None:
    """Dates, description and properties, so that a lost ledger can be rebuilt from Drive."""
    sink = place.open()
    put, body = bench.stage("old.jpg", content(100))
    fingerprint = "AUVi" * 7
    put = replace(
        put,
        modified=datetime(1962, 3, 4, 5, 6, 7, 890_123, UTC),
        description="Grandma “Ada”\nat sea",
        properties={"asset": "é" * 150, "apple": fingerprint, "sha256": "a" * 64},
    )
    sink.commit([sink.transfer(put, body, None, bench.keep)])
    (node,) = double.store.paths()["Outpour/old.jpg"]
    assert node.created == node.modified == datetime(1962, 3, 4, 5, 6, 7, 890_000, UTC).timestamp()
    assert node.description == put.description and node.mime == "image/jpeg"
    (listed,) = place.open().inventory()
    assert dict(listed.properties) == dict(put.properties)
    assert listed.modified == datetime(1962, 3, 4, 5, 6, 7, 890_000, UTC)
    assert {c.algorithm for c in listed.checksums} == {Algorithm.MD5, Algorithm.SHA256}


def test_properties_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ItemError):
        properties.packed({"asset": "x" * 10_000})
    with pytest.raises(ItemError):
        properties.packed({"k" * 120: "x"})


@pytest.mark.parametrize("fault", ["lost_answer", "error_after"])
@pytest.mark.parametrize("size", [5000, 6 * MIB])
@pytest.mark.parametrize("lag", [False, True])
def test_a_lost_answer_makes_no_second_file(
    double: Double, place: DrivePlace, bench: Bench, fault: str, size: int, lag: bool
) -> None:
    """Also where listings do not show the file yet: its id finds it."""
    double.faults.once(fault, "create/IMG_1.jpg")
    if lag:
        double.faults.add("listing_lag", 1.0, "create/IMG_1.jpg")
    put, body = bench.stage("2024/IMG_1.jpg", content(size))
    with pytest.raises(Transient):
        place.open().transfer(put, body, None, bench.keep)
    received = double.received
    fresh = place.open()
    receipt = only(fresh.commit([fresh.transfer(put, body, bench.tokens[-1], bench.keep)]))
    assert receipt.size == size and held(double) == {"Outpour/2024/IMG_1.jpg": 1}
    assert double.received - received <= (5000 if lag and size == 5000 else 0)


def test_the_session_is_durable_before_bytes_flow(
    double: Double, place: DrivePlace, bench: Bench
) -> None:
    put, body = bench.stage("a.mov", content(6 * MIB))
    at_checkpoint: list[int] = []

    def keep(token: str, _held: int = 0) -> None:
        if token.startswith("{"):
            at_checkpoint.append(double.calls["upload.session"])

    place.open().transfer(put, body, None, keep)
    assert at_checkpoint[0] == 0


def test_another_process_sends_only_what_is_missing(
    double: Double, place: DrivePlace, bench: Bench
) -> None:
    put, body = bench.stage("a.mov", content(9 * MIB + 5))
    double.faults.add("unavailable", 1.0, "upload.session", times=1)
    with pytest.raises(Transient):
        place.open().transfer(put, body, None, bench.keep)
    token = json.loads(bench.tokens[-1])
    double.faults.once("cut_upload", "upload.session")
    with pytest.raises(Transient):
        place.open().transfer(put, body, json.dumps(token), bench.keep)
    have = double.received
    assert 0 < have < put.size
    fresh = place.open()
    fresh.commit([fresh.transfer(put, body, json.dumps(token), bench.keep)])
    assert double.received == put.size, "bytes were sent twice"
    assert double.calls["upload.resumable"] == 1


def test_how_much_drive_has_is_told_after_each_answer(
    double: Double, place: DrivePlace, bench: Bench
) -> None:
    """The token stays the same; what grows is what the session holds."""
    put, body = bench.stage("a.mov", content(9 * MIB))
    double.faults.add("cut_upload", 1.0, "upload.session", times=2)
    told: list[int] = []

    def keep(token: str, held: int = 0) -> None:
        bench.keep(token)
        told.append(held)
        assert held == double.received

    for _ in range(2):
        with pytest.raises(Transient):
            place.open().transfer(put, body, bench.tokens[-1] if bench.tokens else None, keep)
    place.open().transfer(put, body, bench.tokens[-1], keep)
    assert told == [0, 0, *(number * MIB for number in (1, 2, 4, 6, 8))]


@pytest.mark.parametrize("size", [100, 300_000])
def test_a_small_file_whose_connection_ends_is_sent_again(
    double: Double, place: DrivePlace, bench: Bench, size: int
) -> None:
    double.faults.once("cut_upload", "upload.multipart")
    put, body = bench.stage("a.jpg", content(size))
    sink = place.open()
    with pytest.raises(Transient):
        sink.transfer(put, body, None, bench.keep)
    sink.transfer(put, body, bench.tokens[-1], bench.keep)
    assert held(double) == {"Outpour/a.jpg": 1}


def test_what_drive_says_it_has_is_believed(
    double: Double, place: DrivePlace, bench: Bench
) -> None:
    double.faults.add("partial_chunk", 1.0, times=2)
    sink = place.open()
    bench.place(sink, "a.mov", content(9 * MIB + 5))
    assert double.faults.counts["partial_chunk"] == 2
    assert b"".join(sink.read(sink.stat("a.mov") or Receipt("", 0))) == content(9 * MIB + 5)


def test_a_session_that_accepts_nothing_ends_in_an_error(
    double: Double, place: DrivePlace, bench: Bench
) -> None:
    double.faults.add("partial_chunk")
    with pytest.raises(Transient):
        bench.place(place.open(), "a.mov", content(5 * MIB + 1))


def test_a_file_that_drive_has_whole_is_asked_for(
    double: Double, place: DrivePlace, bench: Bench
) -> None:
    """The answer to its last bytes may be the same as to those before."""
    double.faults.once("late_seal", "upload.session")
    bench.place(place.open(), "a.mov", content(9 * MIB + 5))
    assert double.faults.counts["late_seal"] == 1
    assert double.received == 9 * MIB + 5 and not broken(double)


def test_a_chunk_that_is_refused_costs_no_date(
    double: Double, place: DrivePlace, bench: Bench
) -> None:
    put, body = bench.stage("a.mov", content(5 * MIB + 1))
    double.faults.once("session_refused", "upload.session")
    sink = place.open()
    with pytest.raises(Transient):
        sink.transfer(put, body, None, bench.keep)
    only(sink.commit([sink.transfer(put, body, bench.tokens[-1], bench.keep)]))
    (node,) = double.store.paths()["Outpour/a.mov"]
    assert put.modified is not None and node.modified == int(put.modified.timestamp())


def test_a_session_that_was_begun_for_another_folder_is_not_gone_on_with(
    double: Double, place: DrivePlace, bench: Bench
) -> None:
    """Drive would put the file there, whatever folder the pipeline names now."""
    put, body = bench.stage("2024/IMG.mov", content(place.large))
    double.faults.add("cut_upload", 1.0, "upload.session", times=1)
    with pytest.raises(Transient):
        place.open().transfer(put, body, None, bench.keep)
    place.settings = place.settings.model_copy(update={"folder": "Elsewhere"})
    sink = place.open()
    only(sink.commit([sink.transfer(put, body, bench.tokens[-1], bench.keep)]))
    assert held(double) == {"Elsewhere/2024/IMG.mov": 1}


def test_an_expired_session_begins_afresh(double: Double, place: DrivePlace, bench: Bench) -> None:
    put, body = bench.stage("a.mov", content(6 * MIB))
    double.faults.once("cut_upload", "upload.session")
    with pytest.raises(Transient):
        place.open().transfer(put, body, None, bench.keep)
    double.sessions.expire()
    fresh = place.open()
    fresh.transfer(put, body, bench.tokens[-1], bench.keep)
    assert held(double) == {"Outpour/a.mov": 1} and double.calls["upload.resumable"] == 2


@pytest.mark.parametrize("size", [5000, 6 * MIB])
def test_a_damaged_upload_stays_not_visible(
    double: Double, place: DrivePlace, bench: Bench, size: int
) -> None:
    double.faults.add("stored_flip", 1.0, times=1)
    put, body = bench.stage("a.mov", content(size))
    sink = place.open()
    with pytest.raises(Transient):
        sink.transfer(put, body, None, bench.keep)
    assert sink.stat("a.mov") is None
    sink.transfer(put, body, bench.tokens[-1], bench.keep)
    assert held(double) == {"Outpour/a.mov": 1}


@pytest.mark.parametrize("size", [5000, 6 * MIB])
def test_a_file_that_was_changed_is_not_sent_again_in_vain(
    double: Double, place: DrivePlace, bench: Bench, size: int
) -> None:
    """What was verified is no more: only reading it anew would help."""
    put, body = bench.stage("a.mov", content(size))
    body.path.write_bytes(content(size, 1))
    sink = place.open()
    with pytest.raises(ItemError, match="changed since it was read") as caught:
        sink.transfer(put, body, None, bench.keep)
    assert not isinstance(caught.value, Transient)
    assert sink.stat("a.mov") is None and not held(double)


@pytest.mark.parametrize("size", [5000, 6 * MIB])
def test_a_damaged_upload_is_put_aside_where_the_bin_is_refused(
    double: Double, bench: Bench, size: int
) -> None:
    """A contributor of a shared drive may rename, and put nothing into the bin."""
    double.store.drives["0AShared"] = SharedDrive("0AShared", "Family", "writer")
    place = DrivePlace(double, drive="0AShared")
    double.faults.add("stored_flip", 1.0, times=1)
    put, body = bench.stage("a.mov", content(size))
    put = replace(put, properties={"asset": "one"})
    sink = place.open()
    with pytest.raises(Leftover) as caught:
        sink.transfer(put, body, None, bench.keep)
    assert "a.mov.damaged" in str(caught.value) and "Content manager" in caught.value.hint
    sink.transfer(put, body, bench.tokens[-1], bench.keep)
    assert held(double) == {"Outpour/a.mov": 1, "Outpour/a.mov.damaged": 1}
    found = {receipt.path: receipt for receipt in place.open().inventory()}
    assert found["a.mov"].properties and not found["a.mov.damaged"].properties


def test_a_damaged_upload_that_nobody_may_touch_gives_way_by_name(
    double: Double, bench: Bench
) -> None:
    double.store.drives["0AShared"] = SharedDrive("0AShared", "Family", "writer")
    double.faults.add("stored_flip", 1.0, times=1)
    double.faults.add("no_right", 1.0, "files.update")
    sink = DrivePlace(double, drive="0AShared").open()
    with pytest.raises(PathConflict):
        bench.place(sink, "a.mov", content(5000))
    bench.place(sink, "a (2).mov", content(5000))


def test_a_damaged_upload_is_removed_after_a_crash_too(
    double: Double, place: DrivePlace, bench: Bench
) -> None:
    """Damaged, and then even the request to the bin failed."""
    double.faults.add("stored_flip", 1.0, times=1)
    double.faults.add("unavailable", 1.0, "files.update", times=1)
    put, body = bench.stage("a.jpg", content(5000))
    with pytest.raises(Transient):
        place.open().transfer(put, body, None, bench.keep)
    token = bench.tokens[-1]
    for _ in range(2):  # the first try finds and removes it, the second uploads
        sink = place.open()
        try:
            sink.transfer(put, body, token, bench.keep)
        except Transient:
            token = bench.tokens[-1]
    (node,) = double.store.paths()["Outpour/a.jpg"]
    assert node.md5 == put.digests[Algorithm.MD5]


@pytest.mark.parametrize("size", [5000, 6 * MIB])
def test_a_damaged_upload_that_no_listing_shows_is_removed(
    double: Double, place: DrivePlace, bench: Bench, size: int
) -> None:
    """Damaged, its answer lost, and not listed yet: its id finds it."""
    double.faults.add("stored_flip", 1.0, times=1)
    double.faults.once("lost_answer", "create/a.jpg")
    double.faults.add("listing_lag", 1.0, "create/a.jpg")
    put, body = bench.stage("a.jpg", content(size))
    for _ in range(2):  # the answer is lost; then the damage is found and goes
        with pytest.raises(Transient):
            place.open().transfer(put, body, bench.tokens[-1] if bench.tokens else None, bench.keep)
    place.open().transfer(put, body, bench.tokens[-1], bench.keep)
    (node,) = double.store.paths()["Outpour/a.jpg"]
    assert node.md5 == put.digests[Algorithm.MD5]


def test_a_file_without_sha256_is_accepted_by_its_md5(
    double: Double, place: DrivePlace, bench: Bench
) -> None:
    double.faults.add("no_sha256")
    receipt = bench.place(place.open(), "a.jpg", content(500))
    assert [checksum.algorithm for checksum in receipt.checksums] == [Algorithm.MD5]


def test_the_right_content_of_another_maker_is_taken_as_it_is(
    double: Double, place: DrivePlace, bench: Bench
) -> None:
    """Two files of one name: the one with the right bytes counts, nothing is sent."""
    sink = place.open()
    bench.place(sink, "a.jpg", content(500))
    bench.place(sink, "b.jpg", content(600))
    other = double.store.paths()["Outpour/b.jpg"][0]
    double.store.move(other, other.parent, "a.jpg")
    received = double.received
    receipt = bench.place(place.open(), "a.jpg", content(600))
    assert receipt.id == other.id and double.received == received
    assert len([entry for entry in sink.inventory() if entry.path == "a.jpg"]) == 2


def test_what_lies_in_the_bin_is_not_there(double: Double, place: DrivePlace, bench: Bench) -> None:
    sink = place.open()
    put, body = bench.stage("a.jpg", content(500))
    sink.transfer(put, body, None, bench.keep)
    double.store.paths()["Outpour/a.jpg"][0].trashed = True
    fresh = place.open()
    assert fresh.stat("a.jpg") is None and list(fresh.inventory()) == []
    fresh.transfer(put, body, bench.tokens[-1], bench.keep)
    assert held(double) == {"Outpour/a.jpg": 1}
