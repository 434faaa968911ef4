"""The part of the sink suite for sinks that take many small files at once."""

from __future__ import annotations

from typing import Protocol

import pytest

from connectors.abilities import BatchTransfers
from connectors.base import Receipt, Sink, Transferred
from connectors.checksums import Checksum
from connectors.errors import CapacityExceeded, OutpourError, PathConflict, Throttled
from tests.conformance.making import Bench, agree, content, only
from tests.conformance.places import SinkPlace


class BatchingSink(Sink, BatchTransfers, Protocol):
    """A sink that takes batches."""


class BatchTests:
    @pytest.fixture
    def batching(self, sink: Sink) -> BatchingSink:
        if not isinstance(sink, BatchTransfers):
            pytest.skip("this sink takes no batches")
        traits = sink.traits
        assert traits.batch_files > 1
        assert 0 < traits.batch_below <= traits.batch_bytes
        return sink

    def test_a_batch_is_as_good_as_many_transfers(
        self, place: SinkPlace, batching: BatchingSink, bench: Bench
    ) -> None:
        sizes = [0, 1, 5000, batching.traits.batch_below][: batching.traits.batch_files]
        staged = [bench.stage(f"{n % 2}/{n}.jpg", content(size)) for n, size in enumerate(sizes)]
        sent = batching.transfer_many([(put, body, None) for put, body in staged])
        for (put, _), item, size in zip(staged, sent, sizes, strict=True):
            assert isinstance(item, Transferred), item
            assert item.put == put
            # In another process: the token is all there is of it.
            other = place.open()
            receipt = only(other.commit([Transferred(put, item.token)]))
            agree(other, receipt, content(size))
            if algorithm := batching.traits.algorithm:
                assert Checksum(algorithm, put.digests[algorithm]) in receipt.checksums

    def test_a_full_batch(self, batching: BatchingSink, bench: Bench) -> None:
        count = min(batching.traits.batch_files, 500)
        staged = [bench.stage(f"{n}.jpg", content(100, n)) for n in range(count)]
        sent = batching.transfer_many([(put, body, None) for put, body in staged])
        assert all(isinstance(item, Transferred) for item in sent) and len(sent) == count
        size = batching.traits.commit_batch
        for at in range(0, count, size):
            receipts = batching.commit(
                [s for s in sent[at : at + size] if isinstance(s, Transferred)]
            )
            assert [only([r]).path for r in receipts] == [p.path for p, _ in staged[at : at + size]]

    def test_each_item_of_a_batch_has_its_own_answer(
        self, place: SinkPlace, batching: BatchingSink, bench: Bench
    ) -> None:
        bench.place(batching, "taken.jpg", content(300))
        bench.place(batching, "same.jpg", content(301))
        good = bench.stage("good.jpg", content(302))
        short, body = bench.stage("short.jpg", content(303))
        body.path.write_bytes(b"less")
        staged = [
            bench.stage("taken.jpg", content(300, 1)),
            bench.stage("same.jpg", content(301)),
            good,
            (short, body),
        ]
        answers = batching.transfer_many([(*pair, f"unknown-{n}") for n, pair in enumerate(staged)])
        results = [_end(batching, answer) for answer in answers]
        assert isinstance(results[0], PathConflict)
        assert isinstance(results[3], OutpourError)
        agree(batching, only([results[1]]), content(301))
        agree(batching, only([results[2]]), content(302))
        there = batching.stat("taken.jpg")
        assert there is not None
        agree(place.open(), there, content(300))
        assert batching.stat("short.jpg") is None

    def test_an_empty_batch(self, batching: BatchingSink) -> None:
        assert batching.transfer_many([]) == []

    def test_a_batch_at_a_full_place_leaves_nothing(
        self, place: SinkPlace, batching: BatchingSink, bench: Bench
    ) -> None:
        size = min(batching.traits.batch_below, 60_000)
        place.fill_up(size // 2)
        put, body = bench.stage("too big.jpg", content(size))
        with pytest.raises(CapacityExceeded):
            (answer,) = batching.transfer_many([(put, body, None)])
            only([_end(batching, answer)])
        assert place.open().stat("too big.jpg") is None

    def test_a_throttled_batch_carries_how_long(
        self, place: SinkPlace, batching: BatchingSink, bench: Bench
    ) -> None:
        wait = place.throttle()
        put, body = bench.stage("IMG_1.jpg", content(500))
        with pytest.raises(Throttled) as caught:
            (answer,) = batching.transfer_many([(put, body, None)])
            only([_end(batching, answer)])
        assert caught.value.retry_after == wait


def _end(sink: Sink, answer: Transferred | OutpourError) -> Receipt | OutpourError:
    return answer if isinstance(answer, OutpourError) else sink.commit([answer])[0]
