"""Folders are made once, whoever dies in between and whoever else is at it."""

from __future__ import annotations

import errno
import os
import tempfile
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from connectors.base import Receipt
from connectors.errors import DiskFailed, DiskFull, Misconfigured, PathConflict, Transient
from connectors.gdrive import folders
from sandbox.gdrive import GoogleDrive as Double
from sandbox.gdrive.oauth import DRIVE
from sandbox.gdrive.store import FOLDER, Node
from tests.conformance.making import Bench, content
from tests.gdrive.bench import DrivePlace, held


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def folder(double: Double, name: str, parent: str = "") -> Node:
    """A folder that somebody else made."""
    (identity,) = double.store.issue(1)
    parent = parent or double.store.root
    node = Node(identity, name, FOLDER, parent, double.signin.client.id, 0.0, 0.0)
    double.store.add(node, None)
    return node


def test_sixteen_threads_make_each_folder_once(
    double: Double, place: DrivePlace, bench: Bench
) -> None:
    sink = place.open()
    staged = [bench.stage(f"20{n % 4}0/0{n % 3}/{n}.jpg", content(100 + n)) for n in range(32)]
    start = threading.Barrier(16)

    def work(part: int) -> None:
        start.wait()
        for put, body in staged[part::16]:
            sink.transfer(put, body, None, bench.keep)

    with ThreadPoolExecutor(16) as pool:
        list(pool.map(work, range(16)))
    made = double.store.folders()
    assert len(made) == len(set(made)) == 1 + 4 + 12
    assert double.calls["files.create"] == len(made)


@pytest.mark.parametrize(("number", "error"), [(errno.ENOSPC, DiskFull), (errno.EROFS, DiskFailed)])
def test_an_id_that_cannot_be_kept_is_trouble_of_this_computer(
    place: DrivePlace,
    bench: Bench,
    monkeypatch: pytest.MonkeyPatch,
    number: int,
    error: type[DiskFailed],
) -> None:
    """And no folder is made whose id a crash would lose."""

    def refused(*_: object, **__: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(tempfile, "mkstemp", refused)
    put, body = bench.stage("2024/06/1.jpg", content(100))
    with pytest.raises(error, match="the ids of folders in Google Drive"):
        place.open().transfer(put, body, None, bench.keep)
    assert not place.double.store.folders()


def test_two_processes_at_once_make_each_folder_once(
    double: Double, place: DrivePlace, bench: Bench
) -> None:
    """Also while listings lag behind: both use the id that was written down first."""
    double.faults.add("listing_lag")
    start = threading.Barrier(4)

    def work(n: int) -> None:
        put, body = bench.stage(f"2024/06/{n}.jpg", content(100 + n))
        sink = place.open()
        start.wait()
        sink.transfer(put, body, None, bench.keep)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, range(4)))
    assert double.store.folders() == ["Outpour", "Outpour/2024", "Outpour/2024/06"]
    assert len(held(double)) == 4


@pytest.mark.parametrize("fault", ["lost_answer", "error_after"])
@pytest.mark.parametrize("lag", [False, True])
@pytest.mark.parametrize("name", ["Outpour", "2024"])
def test_a_folder_whose_answer_was_lost_is_found(
    double: Double, place: DrivePlace, bench: Bench, fault: str, lag: bool, name: str
) -> None:
    double.faults.once(fault, f"create/{name}")
    if lag:
        double.faults.add("listing_lag", 1.0, f"create/{name}")
    with pytest.raises(Transient):
        bench.place(place.open(), "2024/a.jpg", content(10))
    bench.place(place.open(), "2024/a.jpg", content(10))
    assert place.open().stat("2024/a.jpg")
    assert double.store.folders() == ["Outpour", "Outpour/2024"]


def test_a_folder_that_others_doubled_is_one_to_us(
    double: Double, place: DrivePlace, bench: Bench
) -> None:
    bench.place(place.open(), "2024/a.jpg", content(10))
    second = folder(double, "2024", folder(double, "Outpour").id)
    other = folder(double, "Elsewhere")
    node = double.store.paths()["Outpour/2024/a.jpg"][0]
    double.store.move(node, second.id, "a.jpg")
    sink = place.open()
    received = double.received
    bench.place(sink, "2024/a.jpg", content(10))
    with pytest.raises(PathConflict):
        bench.place(sink, "2024/a.jpg", content(11))
    assert double.received == received and other.id
    assert [receipt.path for receipt in sink.inventory()] == ["2024/a.jpg"]


def test_our_folder_is_a_file(double: Double, place: DrivePlace, bench: Bench) -> None:
    """One clear line, nothing is made."""
    bench.place(place.open(), "a.jpg", content(10))
    node = double.store.paths()["Outpour/a.jpg"][0]
    double.store.move(node, double.store.root, "Photos")
    wrong = DrivePlace(double, folder="Photos").open()
    with pytest.raises(Misconfigured, match="'Photos' is a file") as caught:
        bench.place(wrong, "b.jpg", content(10))
    assert caught.value.hint and len(held(double)) == 1


def test_a_file_where_a_folder_belongs_is_a_conflict(place: DrivePlace, bench: Bench) -> None:
    sink = place.open()
    bench.place(sink, "2024", content(10))
    with pytest.raises(PathConflict):
        bench.place(sink, "2024/a.jpg", content(10))
    bench.place(sink, "2023/a.jpg", content(10))
    with pytest.raises(PathConflict):
        bench.place(sink, "2023", content(10))


def test_a_folder_deleted_in_mid_run_is_made_again(
    double: Double, place: DrivePlace, bench: Bench
) -> None:
    sink = place.open()
    bench.place(sink, "2024/a.jpg", content(10))
    top = next(n for n in double.store.nodes.values() if n.folder and n.name == "2024")
    double.store.delete(top)
    with pytest.raises(Transient):
        bench.place(sink, "2024/b.jpg", content(10))
    bench.place(sink, "2024/b.jpg", content(10))
    assert held(double) == {"Outpour/2024/b.jpg": 1}


@pytest.mark.parametrize("how", ["deleted", "in the bin"])
def test_a_folder_lost_in_mid_run_does_not_keep_new_ones_from_being_made_in_it(
    double: Double, place: DrivePlace, bench: Bench, how: str
) -> None:
    sink = place.open()
    bench.place(sink, "2024/01/a.jpg", content(10))
    lose(double, "2024", how)
    with pytest.raises(Transient, match="vanished"):
        bench.place(sink, "2024/02/b.jpg", content(10))
    bench.place(sink, "2024/02/b.jpg", content(10))
    assert held(double) == {"Outpour/2024/02/b.jpg": 1}
    assert sink.vanished() == ["2024"]


@pytest.mark.parametrize("size", [10, 6_000_000])
def test_a_file_that_went_into_the_bin_is_sent_again_elsewhere(
    double: Double, place: DrivePlace, bench: Bench, size: int
) -> None:
    """Also where its upload session could be asked again, which then tells of the same file."""
    sink = place.open()
    bench.place(sink, "2024/a.jpg", content(10))
    lose(double, "2024", "in the bin")
    put, body = bench.stage("2024/b.jpg", content(size))
    with pytest.raises(Transient, match="vanished"):
        sink.transfer(put, body, None, bench.keep)
    sent = sink.transfer(put, body, bench.tokens[-1], bench.keep)
    assert sent.receipt and held(double) == {"Outpour/2024/b.jpg": 1}


@pytest.mark.parametrize("lag", [False, True])
def test_folders_that_are_all_there_have_not_vanished(
    double: Double, place: DrivePlace, bench: Bench, lag: bool
) -> None:
    if lag:
        double.faults.add("listing_lag")
    sink = place.open()
    for n in range(8):
        bench.place(sink, f"20{n % 4}0/{n}/{n}.jpg", content(10 + n))
    before = double.calls.total()
    assert sink.vanished() == []
    if not lag:
        assert double.calls.total() - before == 3, "the top, the years, the months"


def test_folders_made_in_the_bin_have_vanished_with_it(
    double: Double, place: DrivePlace, bench: Bench
) -> None:
    """What Drive says of them need not mention the bin."""
    double.faults.add("bin_unseen")
    sink = place.open()
    bench.place(sink, "2023/1/a.jpg", content(10))
    bench.place(sink, "2024/1/a.jpg", content(10))
    lose(double, "2024", "in the bin")
    bench.place(sink, "2024/1/b.jpg", content(10))
    bench.place(sink, "2024/2/c.jpg", content(10))
    assert sink.vanished() == ["2024"]
    lose(double, "Outpour", "in the bin")
    assert sink.vanished() == [""]


def lose(double: Double, name: str, how: str) -> None:
    found = next(n for n in double.store.nodes.values() if n.folder and n.name == name)
    if how == "deleted":
        double.store.delete(found)
    else:
        found.trashed = True


def test_a_folder_in_the_bin_is_not_used(double: Double, place: DrivePlace, bench: Bench) -> None:
    bench.place(place.open(), "2024/a.jpg", content(10))
    next(n for n in double.store.nodes.values() if n.name == "Outpour").trashed = True
    bench.place(place.open(), "2024/b.jpg", content(10))
    assert held(double) == {"Outpour/2024/b.jpg": 1}


def test_with_full_access_a_moved_folder_stays_where_it_was_put(
    double: Double, bench: Bench
) -> None:
    place = DrivePlace(double, DRIVE, scope="drive", folder="Backups/Photos")
    bench.place(place.open(), "a.jpg", content(10))
    photos = next(n for n in double.store.nodes.values() if n.name == "Photos")
    double.store.move(photos, folder(double, "Attic").id, "Photos")
    bench.place(place.open(), "b.jpg", content(10))
    assert set(held(double)) == {"Attic/Photos/a.jpg", "Backups/Photos/b.jpg"}


def test_names_are_kept_within_bounds(
    double: Double, place: DrivePlace, bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A folder that was forgotten is listed again, and still nothing is doubled."""
    monkeypatch.setattr(folders, "_MOST_NAMES", 4)
    sink = place.open()
    for turn in range(2):
        for n in range(12):
            bench.place(sink, f"{n % 3}/{n}.jpg", content(10 + n))
        assert set(held(double).values()) == {1} and len(held(double)) == 12, turn


def test_a_folder_that_a_thread_is_at_keeps_its_names(
    double: Double, place: DrivePlace, bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever reads or adds to them would otherwise do so in vain."""
    sink = place.open()
    for n in range(3):
        bench.place(sink, f"{n}/a.jpg", content(10 + n))
    monkeypatch.setattr(folders, "_MOST_NAMES", 1)
    busy = sink._tree.ensure("0")
    with busy.lock, ThreadPoolExecutor(1) as other:
        put, body = bench.stage("1/b.jpg", content(20))
        other.submit(sink.transfer, put, body, None, bench.keep).result(30)
        assert busy.names is not None
    bench.place(sink, "2/b.jpg", content(21))
    assert busy.names is None


def test_a_slash_in_a_foreign_name_makes_no_folder(
    double: Double, place: DrivePlace, bench: Bench
) -> None:
    sink = place.open()
    bench.place(sink, "a.jpg", content(10))
    node = double.store.paths()["Outpour/a.jpg"][0]
    double.store.move(node, node.parent, "and/or.jpg")
    (listed,) = sink.inventory()
    assert isinstance(listed, Receipt) and listed.path == "and∕or.jpg"


# --- what Drive fails to show ---------------------------------------------------------------


@pytest.mark.parametrize("size", [100, 3 * 1024 * 1024])
def test_a_file_that_drive_has_taken_and_does_not_show_yet_is_not_made_twice(
    double: Double, place: DrivePlace, bench: Bench, size: int
) -> None:
    double.faults.once("lost_answer", "create/b.jpg")
    double.faults.add("listing_lag", 1.0, "create/b.jpg")
    double.faults.add("unseen", 1.0, "get/b.jpg", times=2)
    sink, staged = place.open(), bench.stage("b.jpg", content(size))
    with pytest.raises(Transient):
        sink.transfer(*staged, None, bench.keep)
    assert sink.transfer(*staged, bench.tokens[-1], bench.keep).receipt
    assert double.faults.counts["unseen"] == 2
    assert held(double) == {"Outpour/b.jpg": 1}


def test_a_folder_that_drive_has_taken_and_does_not_show_yet_is_not_made_twice(
    double: Double, place: DrivePlace, bench: Bench
) -> None:
    bench.place(place.open(), "a.jpg", content(10))
    double.faults.once("lost_answer", "create/2024")
    double.faults.add("listing_lag", 1.0, "create/2024")
    double.faults.add("unseen", 1.0, "get/2024", times=3)
    with pytest.raises(Transient):
        bench.place(place.open(), "2024/a.jpg", content(10))
    bench.place(place.open(), "2024/a.jpg", content(10))
    assert double.faults.counts["unseen"] == 3
    assert double.store.folders() == ["Outpour", "Outpour/2024"]


def test_a_new_folder_that_is_forgotten_and_not_shown_is_not_made_twice(
    double: Double, place: DrivePlace, bench: Bench
) -> None:
    """Somebody deletes another folder meanwhile, so that all of them are looked at afresh."""
    sink = place.open()
    bench.place(sink, "2023/a.jpg", content(10))
    double.faults.add("listing_lag", 1.0, "create/2024")
    bench.place(sink, "2024/a.jpg", content(11))
    other = next(node for node in double.store.nodes.values() if node.name == "2023")
    double.store.delete(other)
    double.faults.add("unseen", 1.0, "get/2024", times=2)
    with pytest.raises(Transient):
        bench.place(sink, "2023/b.jpg", content(12))
    bench.place(sink, "2024/b.jpg", content(13))
    assert double.store.folders() == ["Outpour", "Outpour/2024"]


def test_ids_that_what_was_deleted_used_up_are_given_up_at_the_first_try(
    double: Double, place: DrivePlace, bench: Bench
) -> None:
    """All folders and files of an earlier run, for good; that is waited for once."""
    staged = [bench.stage(f"2024/06/{n}.jpg", content(100 + n)) for n in range(3)]
    sink = place.open()
    made = [sink.transfer(*one, None, bench.keep) for one in staged]
    for node in list(double.store.nodes.values()):
        if node.name == "Outpour":
            double.store.delete(node)
    double.calls.clear()
    sink = place.open()
    for one, before in zip(staged, made, strict=True):
        assert sink.transfer(*one, before.token, bench.keep).receipt
    assert held(double) == {f"Outpour/2024/06/{n}.jpg": 1 for n in range(3)}
    assert double.store.folders() == ["Outpour", "Outpour/2024", "Outpour/2024/06"]
    assert double.calls["files.get"] <= 13, "each was waited for"


def test_two_folders_of_one_name_are_asked_one_by_one(
    double: Double, place: DrivePlace, bench: Bench
) -> None:
    """Drive's answer for both in one is empty now and then."""
    bench.place(place.open(), "2024/a.jpg", content(10))
    top = next(node for node in double.store.nodes.values() if node.name == "Outpour")
    second = folder(double, "2024", top.id)
    double.faults.add("or_missed")
    sink = place.open()
    assert sink.stat("2024/a.jpg") is not None
    assert [receipt.path for receipt in sink.inventory()] == ["2024/a.jpg"]
    bench.place(sink, "2024/a.jpg", content(10))
    assert held(double) == {"Outpour/2024/a.jpg": 1}
    double.store.delete(second)
    assert sink.vanished() == ["2024"]


def test_names_that_drive_misses_when_it_is_asked_for_them_are_found(
    double: Double, bench: Bench
) -> None:
    """By a listing of the folder: a name of another script was not found by asking for it."""
    place = DrivePlace(double, folder="Família")
    bench.place(place.open(), "2024/Ausflüge/Ñandú.jpg", content(10))
    double.faults.add("name_missed")
    sink = DrivePlace(double, folder="Família").open()
    assert sink.stat("2024/Ausflüge/Ñandú.jpg") is not None
    assert sink.stat("2024/Ausflüge/Nichts ähnliches.jpg") is None
    bench.place(sink, "2024/Ausflüge/Ñandú.jpg", content(10))
    assert held(double) == {"Família/2024/Ausflüge/Ñandú.jpg": 1}
