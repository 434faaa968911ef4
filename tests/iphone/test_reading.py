"""Reading: every byte, or an error; whatever happens to the cable and to the file."""

from __future__ import annotations

import contextlib
import random
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from connectors.base import Asset, Resource, Role, Source
from connectors.checksums import Algorithm, Checksum, digest
from connectors.errors import NotFound, OutpourError, Paused, SessionExpired, Transient
from sandbox.iphone import OnPhone, Phone
from tests.iphone.conftest import Open, Plug, listed, read
from tests.rehearsal.rig import sha

pytest.importorskip("pymobiledevice3")

MIB = 1024 * 1024
PATH = "DCIM/100APPLE/IMG_0001.MOV"


def film(size: int | None = None, path: str = PATH, **fields: Any) -> Resource:
    return Resource("original", Role.ORIGINAL, "IMG_0001.MOV", size, handle=path, **fields)


@pytest.fixture
def phone(plug: Plug) -> Phone:
    phone = Phone(away=0.1)
    plug(phone)
    return phone


def take(source: Source, resource: Resource, offset: int = 0) -> bytes:
    stream = source.open("asset", resource, offset)
    try:
        return b"".join(stream)
    finally:
        stream.close()


def noise(size: int) -> bytes:
    return random.Random(size).randbytes(size)


def closed(phone: Phone) -> bool:
    """Whether no file is left open on the phone, soon."""
    deadline = time.monotonic() + 2
    while phone.open_handles and time.monotonic() < deadline:
        time.sleep(0.01)
    return phone.open_handles == 0


@pytest.mark.parametrize(
    "size", [0, 1, MIB - 1, MIB, MIB + 1, 4 * MIB - 1, 4 * MIB, 4 * MIB + 1, 9 * MIB + 7]
)
def test_files_around_every_boundary(phone: Phone, open_source: Open, size: int) -> None:
    data = noise(size)
    phone.media.add(PATH, data)
    source = open_source()
    for told in (size, None):
        assert take(source, film(told)) == data
    assert take(source, film(size), size // 2) == data[size // 2 :]
    assert closed(phone)


def test_a_small_file_costs_three_operations(phone: Phone, open_source: Open) -> None:
    """No stat where the library knows the size."""
    phone.media.add(PATH, noise(50_000))
    source = open_source()
    take(source, film(50_000))
    assert closed(phone)
    assert phone.operations == {"open": 1, "read": 1, "close": 1}


def test_a_slow_cable_is_not_taken_for_a_phone_that_is_silent(
    phone: Phone, open_source: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What many readers ask for together may take longer than any one answer should."""
    monkeypatch.setattr("connectors.iphone.device._ANSWER", 1.0)
    phone.bandwidth = 10 * MIB  # a second; all that is under way takes three
    paths = [f"DCIM/100APPLE/IMG_000{number}.MOV" for number in range(4)]
    for path in paths:
        phone.media.add(path, noise(9 * MIB))
    source = open_source()
    with ThreadPoolExecutor(len(paths)) as readers:
        got = readers.map(lambda path: take(source, film(9 * MIB, path)), paths)
        assert all(data == noise(9 * MIB) for data in got)
    assert closed(phone)


def test_a_read_that_gets_no_answer_ends_whatever_else_is_answered(
    phone: Phone, open_source: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("connectors.iphone.device._ANSWER", 1.0)
    monkeypatch.setattr("connectors.iphone.device._LONGEST_WAIT", 2.0)
    phone.bandwidth = MIB // 2  # one READ takes eight seconds
    phone.media.add(PATH, noise(5 * MIB))
    source = open_source()
    over = threading.Event()

    def chatter() -> None:
        while not over.is_set():
            with contextlib.suppress(OutpourError):
                source.capacity()
            time.sleep(0.05)

    with ThreadPoolExecutor(1) as others:
        others.submit(chatter)
        try:
            with pytest.raises(Transient, match="stopped answering"):
                take(source, film(5 * MIB))
        finally:
            over.set()


@pytest.mark.parametrize("size", [5_000, 9 * MIB])
def test_a_short_read_is_no_end_of_file(phone: Phone, open_source: Open, size: int) -> None:
    phone.media.add(PATH, noise(size))
    source = open_source()
    phone.faults.once("short_read")
    with pytest.raises(Transient, match="a read gave"):
        take(source, film(size))
    assert take(source, film(size)) == noise(size)
    assert closed(phone)


def test_a_file_that_changes_while_it_is_read_is_not_taken_torn(
    phone: Phone, open_source: Open
) -> None:
    size = 9 * MIB
    phone.media.add(PATH, noise(size))
    source = open_source()
    phone.faults.once("change_file")
    with pytest.raises(Transient, match="changed while it was read"):
        take(source, film(size))
    # The engine has all bytes and asks for what follows: it is told to begin again.
    stream = source.open("asset", film(size), size)
    assert stream.offset == 0
    assert b"".join(stream) == bytes(byte ^ 0xFF for byte in noise(size))
    stream.close()
    assert closed(phone)


def test_a_cut_goes_on_where_it_was_unless_the_file_is_another(
    phone: Phone, open_source: Open
) -> None:
    size = 12 * MIB
    phone.media.add(PATH, noise(size))
    source = open_source()
    phone.unplug_after(5 * MIB, back_after=0)
    got = bytearray()
    with pytest.raises(Transient, match="broke off"):
        for chunk in source.open("asset", film(size)):
            got += chunk
    assert got == noise(size)[: len(got)]
    stream = source.open("asset", film(size), len(got))
    assert stream.offset == len(got) > 0
    assert got + b"".join(stream) == noise(size)
    stream.close()
    phone.media.add(PATH, noise(size - 1))
    stream = source.open("asset", film(size), len(got))
    assert stream.offset == 0, "other bytes lie there now"
    stream.close()


def test_the_cable_can_be_pulled_after_so_many_mebibytes(phone: Phone, open_source: Open) -> None:
    phone.media.add(PATH, noise(12 * MIB))
    source = open_source()
    phone.faults.include("unplug_at@5")
    got = b""
    with pytest.raises(Transient):
        for chunk in source.open("asset", film(12 * MIB)):
            got += chunk
    assert len(got) == 4 * MIB and got == noise(12 * MIB)[: 4 * MIB]
    assert phone.faults.counts["unplug_at"] == 1


def test_another_process_trusts_a_beginning_only_with_a_checksum(
    phone: Phone, open_source: Open
) -> None:
    data = noise(5 * MIB)
    phone.media.add(PATH, data)
    checksum = Checksum(Algorithm.APPLE, digest([data])[Algorithm.APPLE])
    for known, offset in ((checksum, 1000), (None, 0)):
        stream = open_source().open("asset", film(len(data), checksum=known), 1000)
        assert stream.offset == offset
        stream.close()


def test_a_file_that_is_gone_is_an_error_of_that_file(phone: Phone, open_source: Open) -> None:
    source = open_source()
    for size in (None, 10):
        with pytest.raises(NotFound):
            take(source, film(size))


def test_closing_a_stream_in_the_middle_leaves_nothing_open(
    phone: Phone, open_source: Open
) -> None:
    phone.media.add(PATH, noise(20 * MIB))
    source = open_source()
    for _ in range(20):
        stream = source.open("asset", film())
        next(iter(stream))
        stream.close()
    assert closed(phone)


def test_the_cable_is_pulled_fifty_times_and_every_byte_arrives(
    on_phone: OnPhone, open_source: Open
) -> None:
    """At random moments, with several files under way."""
    phone, source = on_phone.phone, open_source(wait=20)
    phone.away = 0.01
    assets = [
        (asset, part)
        for asset in listed(source).values()
        for part in asset.resources
        if part.local and part.role is not Role.SIDECAR
    ]
    phone.faults.add("unplug", 0.25, times=50)

    def whole(pair: tuple[Asset, Resource]) -> bool:
        asset, part = pair
        assert part.size is not None and part.checksum is not None
        data = bytearray()
        while len(data) < part.size:
            try:
                stream = source.open(asset.id, part, len(data))
                del data[stream.offset :]
                for chunk in stream:
                    data += chunk
                stream.close()
            except Transient:
                time.sleep(0.01)
        return digest([bytes(data)]).agrees(part.checksum)

    with ThreadPoolExecutor(6) as pool:
        for _ in range(20):
            assert all(pool.map(whole, assets))
            if phone.faults.counts["unplug"] >= 50:
                break
    assert phone.faults.counts["unplug"] == 50


def test_a_phone_that_stays_away_needs_a_person(on_phone: OnPhone, open_source: Open) -> None:
    """While it is away the whole place waits; after a while that is for a person to mend."""
    source = open_source(wait=1)
    asset = next(asset for asset in listed(source).values() if asset.resources[0].local)
    on_phone.phone.unplug()
    with pytest.raises(Paused, match="no iPhone is plugged in; waiting up to 1 s") as first:
        read(source, asset)  # the caller waits, and can be interrupted
    assert first.value.retry_after and first.value.hint
    time.sleep(1.1)
    with pytest.raises(SessionExpired, match="no iPhone is plugged in") as caught:
        read(source, asset)
    assert "Plug the iPhone in" in caught.value.hint
    on_phone.phone.plug()
    assert sha(read(source, asset)) == sha(on_phone.library.find(asset.id).original.content.read())


def test_a_closed_source_says_so(phone: Phone, open_source: Open) -> None:
    phone.media.add(PATH, noise(10))
    source = open_source()
    assert take(source, film()) == noise(10)
    source.close()
    with pytest.raises(Transient, match="closed"):
        take(source, film())
