"""iCloud Photos as a sink: nothing twice, nothing unproven, and a full account is waited for."""

from __future__ import annotations

import random
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from connectors.base import Receipt
from connectors.errors import NotFound, Transient
from connectors.icloud import sink as module
from pipeline.cli.app import invoke
from sandbox.library import Library, apple_fingerprint
from tests.conformance.making import Bench, content, only
from tests.icloud.rig import ACCOUNT, PASSWORD, Rig, rig
from tests.pointing import Point
from tests.rehearsal.rig import struck_in_transit


@pytest.fixture
def cloud(use_sandbox: Point, monkeypatch: pytest.MonkeyPatch) -> Iterator[Rig]:
    """An account with an empty library, signed in to; the password stands in the environment,
    so that other processes get in too."""
    monkeypatch.setenv("OUTPOUR_ICLOUD_PASSWORD", PASSWORD)
    with rig(use_sandbox, Library(0, plain=True)) as made:
        made.connect()
        yield made


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


@pytest.fixture
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_PATIENCE", (0.0, 0.01, 0.01))


def held(rig: Rig) -> Counter[str]:
    """Fingerprints of what somebody can see in the library."""
    return Counter(a.original.fingerprint for a in rig.library if a.trashed is None)


def prints(*bodies: bytes) -> Counter[str]:
    return Counter(apple_fingerprint(iter([body])) for body in bodies)


def forget_index(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    """A new computer: signed in anew, and nothing known of earlier uploads."""
    monkeypatch.setenv("XDG_STATE_HOME", str(folder))


def test_what_apple_has_is_recognised_by_its_fingerprint_on_a_new_computer_too(
    cloud: Rig, bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    photo = content(70_000)
    bench.place(cloud.sink(), "2024/IMG_1.jpg", photo)
    sent = cloud.icloud.uploads.received
    forget_index(monkeypatch, tmp_path / "elsewhere")
    cloud.connect()
    receipt = bench.place(cloud.sink(), "other/name.jpg", photo)
    assert cloud.icloud.uploads.received == sent == 70_000
    assert held(cloud) == prints(photo)
    assert [str(c) for c in receipt.checksums] == [f"apple:{next(iter(prints(photo)))}"]


def test_what_was_there_before_can_be_looked_at_again_by_the_path_it_was_listed_under(
    cloud: Rig, bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is adopted under that path, and freeing space asks whether it is still there."""
    bench.place(cloud.sink(), "2024/IMG_1.jpg", content(70_000))
    forget_index(monkeypatch, tmp_path / "elsewhere")
    cloud.connect()
    (listed,) = cloud.sink().inventory()
    assert listed.path != "2024/IMG_1.jpg"
    again = cloud.sink()
    assert again.stat(listed.path) == listed
    assert b"".join(again.read(listed)) == content(70_000)
    assert [receipt.path for receipt in again.inventory()] == [listed.path]


def test_a_photo_in_recently_deleted_is_brought_back_and_not_sent(cloud: Rig, bench: Bench) -> None:
    photo = content(5000)
    bench.place(cloud.sink(), "IMG_1.jpg", photo)
    (asset,) = list(cloud.library)
    cloud.library.trash(asset.id)
    assert cloud.sink().stat("IMG_1.jpg") is None, "what is in the bin is not held"
    bench.place(cloud.sink(), "IMG_1.jpg", photo)
    assert held(cloud) == prints(photo)
    assert cloud.icloud.uploads.received == 5000


def test_after_recently_deleted_is_emptied_it_is_sent_again(cloud: Rig, bench: Bench) -> None:
    bench.place(cloud.sink(), "IMG_1.jpg", content(5000))
    (asset,) = list(cloud.library)
    cloud.library.trash(asset.id)
    cloud.icloud.empty_trash()
    bench.place(cloud.sink(), "IMG_1.jpg", content(5000))
    assert held(cloud) == prints(content(5000))
    assert cloud.icloud.uploads.received == 10_000


def test_an_answer_that_got_lost_registers_nothing_twice(cloud: Rig, bench: Bench) -> None:
    sink = cloud.sink()
    sent = bench.send(sink, "IMG_1.jpg", content(5000))
    cloud.faults.once("lost_answer")
    with pytest.raises(Transient):
        sink.commit([sent])
    assert isinstance(only(cloud.sink().commit([sent])), Receipt)
    assert held(cloud) == prints(content(5000))
    assert cloud.icloud.uploads.received == 5000


def test_a_photo_that_apple_does_not_show_yet_is_waited_for(
    cloud: Rig, bench: Bench, hurried: None
) -> None:
    cloud.icloud.uploads.index_after = 5
    sink = cloud.sink()
    sent = bench.send(sink, "IMG_1.jpg", content(5000))
    (first,) = sink.commit([sent])
    assert isinstance(first, Transient) and first.retry_after
    registered = cloud.icloud.counts["upload"]
    receipt = only(sink.commit([sent]))
    assert receipt.size == 5000
    assert cloud.icloud.counts["upload"] == registered, "registered once"


def test_the_wait_for_it_can_be_broken_off(
    cloud: Rig, bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_PATIENCE", (0.0, 50.0))
    cloud.icloud.uploads.index_after = 5
    sink = cloud.sink()
    sent = bench.send(sink, "IMG_1.jpg", content(5000))
    threading.Timer(0.3, sink.interrupt).start()
    began = time.monotonic()
    assert isinstance(sink.commit([sent])[0], Transient)
    assert time.monotonic() - began < 25
    cloud.icloud.uploads.hidden.clear()
    assert isinstance(only(cloud.sink().commit([sent])), Receipt), "nothing was lost by it"


def test_bytes_apple_no_longer_has_are_sent_again(cloud: Rig, bench: Bench) -> None:
    sink = cloud.sink()
    sent = bench.send(sink, "IMG_1.jpg", content(5000))
    cloud.icloud.uploads._slots.clear()
    (answer,) = sink.commit([sent])
    assert isinstance(answer, NotFound)


# --- through the command line ---------------------------------------------------------------


def photos(folder: Path, count: int, size: int = 20_000) -> list[bytes]:
    folder.mkdir(parents=True)
    bodies = [random.Random(n).randbytes(size + n) for n in range(count)]
    for number, body in enumerate(bodies):
        (folder / f"IMG_{number:04}.JPG").write_bytes(body)
    return bodies


def arguments(folder: Path, *more: str) -> list[str]:
    return ["run", "--from", str(folder), "--to", f"icloud:{ACCOUNT}", *more]


def test_a_folder_lands_in_icloud_each_photo_once(cloud: Rig, tmp_path: Path) -> None:
    bodies = photos(tmp_path / "Photos", 12)
    (tmp_path / "Photos" / "again.jpg").write_bytes(bodies[0])
    assert invoke(arguments(tmp_path / "Photos")) == 0
    assert held(cloud) == prints(*bodies)
    assert cloud.icloud.uploads.received == sum(map(len, bodies))
    assert invoke(arguments(tmp_path / "Photos")) == 0
    assert cloud.icloud.uploads.received == sum(map(len, bodies))
    verify = ["verify", *arguments(tmp_path / "Photos")[1:]]
    assert invoke(verify) == 0
    cloud.library.trash(next(iter(cloud.library)).id)
    assert invoke(verify) == 1, "what was deleted there is missed"


def test_a_folder_with_edits_and_sidecars_ends_well_without_them(
    cloud: Rig, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Photos keeps no such files: one line says so, and every picture that it can keep is there."""
    bodies = photos(tmp_path / "Photos", 3)
    (tmp_path / "Photos" / "IMG_0000.AAE").write_bytes(b"<aae>")
    (tmp_path / "Photos" / "IMG_0001.JPG.xmp").write_bytes(b"<xmp>")
    assert invoke(arguments(tmp_path / "Photos")) == 0
    assert held(cloud) == prints(*bodies)
    said = capsys.readouterr()
    told = said.out + said.err
    assert told.count("keeps no sidecar files; left out there: 2") == 1


PIPELINE = """
source: {folder}
sinks: [{{type: icloud, account: {account}}}{more}]
route: {route}
"""


def pipeline(tmp_path: Path, route: str, more: str = "") -> Path:
    path = tmp_path / "to-icloud.yaml"
    path.write_text(
        PIPELINE.format(folder=tmp_path / "Photos", account=ACCOUNT, route=route, more=more)
    )
    return path


def test_a_full_icloud_is_waited_for_and_goes_on_when_there_is_room(
    cloud: Rig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipeline.rooms._FIRST_LOOK", 0.1)
    bodies = photos(tmp_path / "Photos", 8)
    old = cloud.library.add("OLD.JPG", data=content(150_000))
    used = cloud.library.used() + cloud.account.other_used
    cloud.account.total = used + 60_000
    freed = threading.Event()

    def make_room() -> None:
        while len(held(cloud)) < 3:
            time.sleep(0.05)
        cloud.library.trash(old.id)
        cloud.icloud.empty_trash()
        freed.set()

    threading.Thread(target=make_room, daemon=True).start()
    assert invoke(["run", str(pipeline(tmp_path, "{to: first, full: wait}"))]) == 0
    assert freed.is_set()
    assert held(cloud) == prints(*bodies)
    assert cloud.icloud.uploads.received == sum(map(len, bodies)), "no byte sent in vain"


def test_what_does_not_fit_into_icloud_spills_to_the_next_sink(cloud: Rig, tmp_path: Path) -> None:
    bodies = photos(tmp_path / "Photos", 8)
    cloud.account.total = cloud.library.used() + cloud.account.other_used + 65_000
    spill = f", {tmp_path / 'Spill'}"
    assert invoke(["run", str(pipeline(tmp_path, "{to: first}", spill))]) == 0
    spilled = [p.read_bytes() for p in (tmp_path / "Spill").rglob("*.JPG")]
    assert held(cloud) + prints(*spilled) == prints(*bodies)
    assert len(held(cloud)) == 3


def killed_many_times(cloud: Rig, folder: Path, kills: int, seed: int) -> None:
    """Whatever the moment, the next run completes the library and nothing is there twice."""
    bodies = photos(folder, 40)
    command = [sys.executable, "-m", "pipeline.cli", *arguments(folder)]
    cloud.sandbox.latency = 0.02
    total = sum(map(len, bodies))
    struck_in_transit(command, lambda: cloud.icloud.uploads.received, total, kills, seed)
    cloud.sandbox.latency = 0
    assert invoke(arguments(folder)) == 0
    assert held(cloud) == prints(*bodies)


@pytest.mark.wide
def test_killed_and_run_again(cloud: Rig, tmp_path: Path) -> None:
    killed_many_times(cloud, tmp_path / "Photos", 3, seed=1)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(10))
def test_killed_a_hundred_times(cloud: Rig, tmp_path: Path, seed: int) -> None:
    killed_many_times(cloud, tmp_path / "Photos", 10, seed)


@pytest.mark.wide
@pytest.mark.parametrize(
    "trouble", ["throttle@upload*:4x", "unavailable@upload*:3x", "cut_upload:3x", "lost_answer:1x"]
)
def test_trouble_on_the_way_loses_and_doubles_nothing(
    cloud: Rig, tmp_path: Path, hurried: None, trouble: str
) -> None:
    bodies = photos(tmp_path / "Photos", 12)
    cloud.faults.include(trouble)
    cloud.icloud.uploads.index_after = 1
    assert invoke(arguments(tmp_path / "Photos")) == 0
    assert sum(cloud.faults.counts.values()) == int(trouble[-2]), "the trouble was met"
    assert held(cloud) == prints(*bodies)
