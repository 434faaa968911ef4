"""What becomes visible at Dropbox, when, and under which name."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import pytest

from connectors.base import Receipt, Transferred
from connectors.dropbox.large import CONCURRENT
from connectors.errors import ItemError, NotFound, PathConflict, Transient
from sandbox.dropbox import Dropbox as Double
from sandbox.dropbox.tree import File
from tests.conformance.making import TAKEN, Bench, content, only
from tests.dropbox.bench import DropboxPlace, held

APPEND = "files/upload_session/append_v2"
FINISH = "files/upload_session/finish_batch_v2"


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


@pytest.mark.parametrize("fault", ["lost_answer", "error_after"])
@pytest.mark.parametrize("forget", [True, False])
def test_a_commit_whose_answer_got_lost_is_harmless_when_repeated(
    double: Double, place: DropboxPlace, bench: Bench, fault: str, forget: bool
) -> None:
    """Whether or not Dropbox still knows the sessions of what it committed."""
    double.uploads.forget = forget
    sink = place.open()
    sent = [bench.send(sink, f"{n}.jpg", content(100 + n)) for n in range(5)]
    double.faults.once(fault, FINISH)
    with pytest.raises(Transient):
        sink.commit(sent)
    again = place.open().commit(sent)
    assert all(isinstance(answer, Receipt) for answer in again)
    assert len(held(double)) == double.tree.writes == 5


@pytest.mark.parametrize("fault", ["busy_entry", "busy_write"])
def test_an_entry_dropbox_is_too_busy_for_fails_alone(
    double: Double, place: DropboxPlace, bench: Bench, fault: str
) -> None:
    sink = place.open()
    sent = [bench.send(sink, f"{n}.jpg", content(100 + n)) for n in range(5)]
    double.faults.once(fault, "*2.jpg")
    answers = sink.commit(sent)
    assert [type(a).__name__ for a in answers] == [*["Receipt"] * 2, "Throttled", *["Receipt"] * 2]
    assert isinstance(only(sink.commit([sent[2]])), Receipt) and double.tree.writes == 5


def test_one_commit_at_a_time(double: Double, place: DropboxPlace, bench: Bench) -> None:
    """Batches side by side would only meet too_many_write_operations."""
    sink = place.open()
    batches = [
        [bench.send(sink, f"{b}/{n}.jpg", content(50 + n, b)) for n in range(10)] for b in range(6)
    ]
    with ThreadPoolExecutor(6) as pool:
        answers = [answer for batch in pool.map(sink.commit, batches) for answer in batch]
    assert all(isinstance(answer, Receipt) for answer in answers) and len(held(double)) == 60


def test_bytes_that_dropbox_spoilt_do_not_stay(
    double: Double, place: DropboxPlace, bench: Bench
) -> None:
    double.faults.once("flip_stored")
    sink = place.open()
    sent = bench.send(sink, "a.jpg", content(500))
    with pytest.raises(Transient):
        only(sink.commit([sent]))
    assert not held(double) and sink.stat("a.jpg") is None
    bench.place(sink, "a.jpg", content(500))
    assert held(double) == {"/Outpour/a.jpg": content(500)}


def test_a_session_that_is_gone_at_commit_asks_for_the_bytes_again(
    double: Double, place: DropboxPlace, bench: Bench
) -> None:
    sink = place.open()
    sent = bench.send(sink, "a.jpg", content(500))
    double.sessions.forget_all()
    with pytest.raises(NotFound):
        only(sink.commit([sent]))


def test_an_upload_that_is_not_whole_is_not_committed(
    double: Double, place: DropboxPlace, bench: Bench
) -> None:
    double.faults.add("unavailable", 1.0, APPEND, times=1)
    put, body = bench.stage("a.mov", content(CONCURRENT))
    with pytest.raises(Transient):
        place.open().transfer(put, body, None, bench.keep)
    with pytest.raises(NotFound):
        only(place.open().commit([Transferred(put, bench.tokens[-1])]))
    assert not held(double)


# --- names and dates ---------------------------------------------------------------------


def test_names_that_differ_only_in_case_are_one(
    double: Double, place: DropboxPlace, bench: Bench
) -> None:
    sink = place.open()
    bench.place(sink, "2024/IMG_1.jpg", content(500))
    with pytest.raises(PathConflict):
        bench.place(sink, "2024/img_1.JPG", content(501))
    with pytest.raises(PathConflict):
        bench.place(place.open(), "2024/Img_1.jpg", content(501))
    assert held(double) == {"/Outpour/2024/IMG_1.jpg": content(500)}
    received = double.received
    assert bench.place(place.open(), "2024/img_1.jpg", content(500)).size == 500
    assert double.received == received, "what is there under another case was sent again"


@pytest.mark.parametrize("name", ["desktop.ini", ".DS_Store", "thumbs.db", ".dropbox"])
def test_names_dropbox_does_not_take(
    double: Double, place: DropboxPlace, bench: Bench, name: str
) -> None:
    """The item fails with a hint, others in its batch do not."""
    sink = place.open()
    sent = [bench.send(sink, path, content(99)) for path in ("a.jpg", f"2024/{name}", "b.jpg")]
    answers = sink.commit(sent)
    assert isinstance(answers[0], Receipt) and isinstance(answers[2], Receipt)
    assert isinstance(answers[1], ItemError) and "path template" in answers[1].hint
    assert "\n" not in str(answers[1])


def test_the_capture_time_is_the_files_time(
    double: Double, place: DropboxPlace, bench: Bench
) -> None:
    """client_modified: UTC, whole seconds."""
    bench.place(place.open(), "a.jpg", content(10))
    (node,) = [n for n in double.tree.nodes.values() if n.display.endswith("a.jpg")]
    assert isinstance(node, File) and node.client_modified == TAKEN.strftime("%Y-%m-%dT%H:%M:%SZ")
    (listed,) = place.open().inventory()
    assert listed.modified == TAKEN.astimezone(UTC) and isinstance(listed.modified, datetime)
