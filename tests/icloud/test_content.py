"""Bytes are passed on only when they are the wanted ones; everything else is named."""

from __future__ import annotations

import math
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from connectors.base import Asset, Resource, Role
from connectors.checksums import digest
from connectors.errors import ItemError, NotFound, Throttled, Transient, Unreadable
from connectors.icloud import content
from connectors.icloud.source import ICloudSource
from tests.icloud.rig import Rig, listing, read, truth


@pytest.fixture
def source(ready: Rig) -> ICloudSource:
    return ready.source()


@pytest.fixture
def assets(source: ICloudSource) -> list[Asset]:
    return listing(source)[0]


@pytest.fixture
def file(assets: list[Asset]) -> tuple[Asset, Resource]:
    asset = max(assets, key=lambda a: a.resources[0].size or 0)
    return asset, asset.resources[0]


def whole(rig: Rig, source: ICloudSource, file: tuple[Asset, Resource], offset: int = 0) -> bool:
    asset, resource = file
    data = truth(rig.library, asset, resource)
    stream = source.open(asset.id, resource, offset)
    with_start = data[: stream.offset] + b"".join(stream)
    stream.close()
    return with_start == data and stream.total == len(data)


@pytest.mark.parametrize("fault", ["ignore_range", "wrong_range", "range_416"])
def test_a_range_that_is_not_met_starts_again_at_0(
    ready: Rig, source: ICloudSource, file: tuple[Asset, Resource], fault: str
) -> None:
    ready.faults.add(fault)
    stream = source.open(file[0].id, file[1], 1000)
    assert stream.offset == 0
    stream.close()
    assert whole(ready, source, file, 1000)
    assert ready.faults.counts[fault] == 2


def test_a_range_is_resumed_where_it_should(
    ready: Rig, source: ICloudSource, file: tuple[Asset, Resource]
) -> None:
    stream = source.open(file[0].id, file[1], 1000)
    assert stream.offset == 1000
    stream.close()
    assert whole(ready, source, file, 1000)


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        ("cut_stream", Transient),
        ("reset", Transient),
        ("unavailable", Throttled),
        ("throttle", Throttled),
        ("throttle_bare", Throttled),
    ],
)
def test_what_goes_wrong_once_is_right_the_next_time(
    ready: Rig,
    source: ICloudSource,
    file: tuple[Asset, Resource],
    fault: str,
    error: type[Transient],
) -> None:
    ready.faults.once(fault, "content/*")
    with pytest.raises(error) as caught:
        read(source, *file)
    assert "icloud-content" not in str(caught.value)
    wait = ready.faults.retry_after if fault == "throttle" else None
    assert caught.value.retry_after == wait
    assert whole(ready, source, file)


@pytest.mark.parametrize("fault", ["short_length", "error_body"])
def test_another_length_is_no_stream_of_this_file(
    ready: Rig, source: ICloudSource, file: tuple[Asset, Resource], fault: str
) -> None:
    """Told before a byte where only the size can tell; else left to the checksum."""
    asset, resource = file
    ready.faults.add(fault, key="content/*")
    stream = source.open(asset.id, resource)
    assert stream.total not in {None, resource.size}
    assert resource.checksum and not digest(stream).agrees(resource.checksum)
    with pytest.raises(Transient, match="which has"):
        source.open(asset.id, replace(resource, checksum=None))
    ready.faults.clear()
    assert whole(ready, source, file)


def test_a_few_words_in_the_place_of_a_file_are_asked_about_again(
    ready: Rig, source: ICloudSource, file: tuple[Asset, Resource]
) -> None:
    """By a new address: the old one may be what is no longer good."""
    ready.icloud.reset_counts()
    ready.faults.once("error_body", "content/*")
    assert whole(ready, source, file)
    assert ready.icloud.counts["lookup"] == 1


def test_an_expired_address_is_renewed_unseen(
    ready: Rig, source: ICloudSource, file: tuple[Asset, Resource]
) -> None:
    ready.icloud.expire_links()
    assert whole(ready, source, file)
    ready.faults.add("gone", key="content/*", times=1)
    assert whole(ready, source, file)


def test_an_address_that_stays_gone_is_a_wait(
    ready: Rig, source: ICloudSource, file: tuple[Asset, Resource]
) -> None:
    ready.faults.add("gone", key="content/*")
    with pytest.raises(Transient, match="410"):
        read(source, *file)


def test_a_stalled_body_times_out(
    ready: Rig, file: tuple[Asset, Resource], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(content, "_READ_TIMEOUT", 0.3)
    ready.faults.stall_seconds = 60
    ready.faults.once("stall", "content/*")
    source, began = ready.source(), time.monotonic()
    with pytest.raises(Transient):
        read(source, *file)
    assert time.monotonic() - began < 30, "it waited for the server"
    assert whole(ready, source, file)


def test_a_waiting_reader_can_be_stopped_from_another_thread(
    ready: Rig, source: ICloudSource, file: tuple[Asset, Resource]
) -> None:
    """Ctrl-C must not wait for a server that says nothing."""
    ready.faults.stall_seconds = 60
    ready.faults.once("stall", "content/*")
    stream = source.open(file[0].id, file[1])
    timer = threading.Timer(0.2, stream.close)
    timer.start()
    began = time.monotonic()
    with pytest.raises(Transient):
        b"".join(stream)
    assert time.monotonic() - began < 30, "it waited for the server"
    timer.join()


def test_many_readers_share_few_lookups(
    ready: Rig, source: ICloudSource, assets: list[Asset]
) -> None:
    wanted = [(asset, asset.resources[0]) for asset in assets[:32]]
    fresh = ready.source()
    fresh.capacity()
    ready.icloud.reset_counts()
    ready.sandbox.latency = 0.1  # else one is answered before another reader asks
    with ThreadPoolExecutor(16) as pool:
        assert all(pool.map(lambda file: whole(ready, fresh, file), wanted))
    assert ready.icloud.counts["lookup"] <= 16
    assert ready.icloud.counts["content"] == 32


def test_prefetching_costs_one_lookup_for_all(
    ready: Rig, source: ICloudSource, assets: list[Asset]
) -> None:
    wanted = [(asset, resource) for asset in assets for resource in asset.resources]
    fresh = ready.source()
    ready.icloud.reset_counts()
    fresh.prefetch([(asset.id, resource) for asset, resource in wanted])
    assert all(whole(ready, fresh, file) for file in wanted)
    assert ready.icloud.counts["lookup"] == 1
    assert ready.icloud.counts["content"] == len(wanted)


def test_a_refused_lookup_says_how_long_to_wait(
    ready: Rig, source: ICloudSource, file: tuple[Asset, Resource]
) -> None:
    """Also to those who only waited for it."""
    fresh = ready.source()
    fresh.capacity()
    ready.faults.once("throttle", "lookup*")
    with pytest.raises(Throttled) as caught:
        whole(ready, fresh, file)
    assert caught.value.retry_after == ready.faults.retry_after
    assert whole(ready, fresh, file)


def test_where_apple_gives_fewer_records_at_once_fewer_are_asked_for(
    ready: Rig, assets: list[Asset]
) -> None:
    ready.account.most_lookups = 7
    fresh = ready.source()
    ready.icloud.reset_counts()
    fresh.prefetch([(asset.id, asset.resources[0]) for asset in assets])
    records = len({asset.resources[0].handle for asset in assets})
    asked = 3 + math.ceil(records / (records // 8))  # refused three times: all, half, a quarter
    assert ready.icloud.counts["lookup"] == asked
    assert all(whole(ready, fresh, (asset, asset.resources[0])) for asset in assets)
    assert ready.icloud.counts["lookup"] == asked


def test_a_listing_spares_the_lookups(
    ready: Rig, source: ICloudSource, assets: list[Asset]
) -> None:
    ready.icloud.reset_counts()
    assert whole(ready, source, (assets[0], assets[0].resources[0]))
    assert not ready.icloud.counts["lookup"]


def test_connections_are_used_again(ready: Rig, source: ICloudSource, assets: list[Asset]) -> None:
    read(source, assets[0], assets[0].resources[0])
    before = ready.sandbox.connections
    for asset in assets[:10]:
        read(source, asset, asset.resources[0])
    assert ready.sandbox.connections == before


def test_a_file_that_changed_since_is_not_taken_for_the_old_one(
    ready: Rig, source: ICloudSource, assets: list[Asset]
) -> None:
    edited = next(a for a in assets if any(r.id == "resJPEGFull" for r in a.resources))
    old = next(r for r in edited.resources if r.id == "resJPEGFull")
    ready.library.edit(edited.id)
    fresh = ready.source()
    with pytest.raises(ItemError, match="changed in iCloud") as caught:
        read(fresh, edited, old)
    assert caught.value.hint
    new = next(a for a in listing(fresh)[0] if a.id == edited.id)
    assert new.revision != edited.revision


def test_what_is_no_longer_there_is_not_found(
    ready: Rig, source: ICloudSource, assets: list[Asset]
) -> None:
    ready.library.purge(assets[0].id)
    for fresh in (source, ready.source()):
        with pytest.raises(NotFound):
            read(fresh, assets[0], assets[0].resources[0])


@pytest.mark.parametrize("handle", ["", "x", "a|b", "private|PrimarySync||", "|||||||"])
def test_a_handle_of_something_else_is_an_item_error(
    ready: Rig, source: ICloudSource, file: tuple[Asset, Resource], handle: str
) -> None:
    with pytest.raises(ItemError):
        read(source, file[0], replace(file[1], handle=handle))


def test_a_handle_that_makes_no_sense_is_unreadable(source: ICloudSource, file: object) -> None:
    with pytest.raises(Unreadable):
        source.open("x", Resource("a", Role.ORIGINAL, "a", 1, handle="?"))
