"""What every sink must keep. Subclass ``SinkSuite``, give it a ``place`` fixture, done.

    class Place(SinkPlace):
        def __init__(self, root): self.root = root
        def open(self): return LocalSink("here", LocalSettings(path=self.root))

    class TestLocalSink(SinkSuite):
        @pytest.fixture
        def place(self, tmp_path): return Place(tmp_path / "photos")

``tests.conformance.places`` says what the test bench may arrange beyond that.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from connectors.abilities import Inventory
from connectors.base import Receipt, Sink, Transferred
from connectors.checksums import Checksum
from connectors.errors import (
    CapacityExceeded,
    ItemError,
    NotFound,
    PathConflict,
    SessionExpired,
    Throttled,
    Transient,
    Unreachable,
)
from tests.conformance.ability_tests import AbilityTests
from tests.conformance.batch_tests import BatchTests
from tests.conformance.body_tests import BodyTests
from tests.conformance.making import (
    BOUNDARIES,
    LARGE_BOUNDARIES,
    TAKEN,
    Bench,
    Crash,
    agree,
    assert_same,
    content,
    crash_at,
    only,
)
from tests.conformance.places import SinkPlace, assert_silent
from tests.conformance.replace_tests import ReplaceTests

NAMES = (
    "plain.jpg",
    "2021/08/two folders deep.jpg",
    "Zürich – «été» 漢字.heic",
    "🏖️👩‍👩‍👧.jpg",
    "हिन्दी/العربية.png",
    "comma, 'quote' & percent%20 #1 [a] {b} (c) ~ $x `y` ^ = ;+@!.jpg",
    "no extension",
    "two.dots.tar.gz",
    "n" * 251 + ".jpg",  # 255 bytes, the most a local disk takes
    "é" * 118 + ".jpg",  # 240 bytes, the most the engine plans
)
BEYOND = ("cafe\u0301.jpg", "a?b:c.jpg", "CON.jpg", "ends in a dot.")  # the engine plans none


class SinkSuite(AbilityTests, BatchTests, BodyTests, ReplaceTests):
    """The tests. All that is known of the place comes from ``place`` and the contract."""

    @pytest.fixture
    def place(self, tmp_path: Path) -> SinkPlace:
        raise NotImplementedError("give a place")

    @pytest.fixture
    def sink(self, place: SinkPlace) -> Iterator[Sink]:
        sink = place.open()
        yield sink
        sink.close()

    @pytest.fixture
    def bench(self, tmp_path_factory: pytest.TempPathFactory) -> Bench:
        return Bench(tmp_path_factory.mktemp("staging"))

    # --- what is put is there ---

    def test_it_is_a_sink(self, sink: Sink) -> None:
        assert isinstance(sink, Sink)
        assert sink.name and sink.traits.commit_batch >= 1 and sink.traits.transfers >= 1

    def test_nothing_is_at_a_free_path(self, sink: Sink) -> None:
        assert sink.stat("nothing/here.jpg") is None

    @pytest.mark.parametrize("size", BOUNDARIES + LARGE_BOUNDARIES)
    def test_put_and_stat_agree(self, sink: Sink, bench: Bench, size: int) -> None:
        data = content(size)
        put, body = bench.stage("2021/IMG_1.jpg", data)
        receipt = only(sink.commit([sink.transfer(put, body, None, bench.keep)]))
        agree(sink, receipt, data)
        if algorithm := sink.traits.algorithm:
            assert Checksum(algorithm, put.digests[algorithm]) in receipt.checksums
        assert body.path.read_bytes() == data, "a staged file is only read"

    @pytest.mark.parametrize("size", [1000, 6_000_000])
    def test_what_leaves_this_machine_is_spent(self, sink: Sink, bench: Bench, size: int) -> None:
        if sink.traits.links:
            pytest.skip("nothing leaves this machine")
        spent: list[int] = []
        put, body = bench.stage("2021/IMG_1.jpg", content(size))
        paced = replace(body, spend=spent.append)
        only(sink.commit([sink.transfer(put, paced, None, bench.keep)]))
        assert sum(spent) == size

    def test_a_run_that_ends_meanwhile_ends_the_transfer(self, sink: Sink, bench: Bench) -> None:
        if sink.traits.links:
            pytest.skip("nothing leaves this machine")
        put, body = bench.stage("2021/IMG_1.jpg", content(6_000_000))

        class Ended(Exception):
            """Of the engine, and unknown to any sink."""

        def stopped(_: int) -> None:
            raise Ended

        with pytest.raises(Ended):
            sink.transfer(put, replace(body, spend=stopped), None, bench.keep)
        assert sink.stat(put.path) is None

    @pytest.mark.parametrize("path", NAMES, ids=range(len(NAMES)))
    def test_names_come_back_as_they_went(self, sink: Sink, bench: Bench, path: str) -> None:
        receipt = bench.place(sink, path, content(1000))
        assert receipt.path == path
        agree(sink, receipt, content(1000))

    @pytest.mark.parametrize("path", BEYOND, ids=range(len(BEYOND)))
    def test_a_name_beyond_the_contract_is_refused_or_found(
        self, sink: Sink, bench: Bench, path: str
    ) -> None:
        try:
            bench.place(sink, path, content(1000))
        except ItemError:
            return
        held = sink.stat(path)
        assert held and held.size == 1000

    def test_the_capture_time_is_kept(self, sink: Sink, bench: Bench) -> None:
        receipt = bench.place(sink, "IMG_1.jpg", content(10))
        if receipt.modified is None:
            pytest.skip("this sink keeps no time")
        assert receipt.modified.tzinfo is not None
        assert abs((receipt.modified - TAKEN).total_seconds()) < 1

    def test_properties_are_kept_or_not_told(self, sink: Sink, bench: Bench) -> None:
        put, body = bench.stage("IMG_1.jpg", content(10))
        put = replace(put, properties={"asset": "A-1", "apple": "Ab+/="})
        receipt = only(sink.commit([sink.transfer(put, body, None, bench.keep)]))
        assert dict(receipt.properties) in ({}, dict(put.properties))

    def test_same_content_at_two_paths(self, sink: Sink, bench: Bench) -> None:
        for path in ("a/IMG_1.jpg", "b/IMG_1.jpg"):
            bench.place(sink, path, content(5000))
        for path in ("a/IMG_1.jpg", "b/IMG_1.jpg"):
            held = sink.stat(path)
            assert held and held.path == path and held.size == 5000

    # --- nothing doubled, nothing overwritten ---

    def test_the_same_content_again_changes_nothing(self, sink: Sink, bench: Bench) -> None:
        first = bench.place(sink, "IMG_1.jpg", content(5000))
        again = bench.place(sink, "IMG_1.jpg", content(5000))
        assert (again.path, again.size, again.id) == (first.path, first.size, first.id)
        if isinstance(sink, Inventory):
            assert len(list(sink.inventory())) == 1

    def test_content_that_is_there_is_not_sent_again(
        self, place: SinkPlace, sink: Sink, bench: Bench
    ) -> None:
        bench.place(sink, "IMG_1.jpg", content(50_000))
        before = place.received()
        if before is None:
            pytest.skip("nobody counts the bytes this place is sent")
        bench.place(place.open(), "IMG_1.jpg", content(50_000))
        assert (place.received() or 0) - before < 50_000

    @pytest.mark.parametrize("other", [content(5000, 1), content(4999), content(5001), b""])
    def test_other_content_is_never_overwritten(
        self, sink: Sink, bench: Bench, other: bytes
    ) -> None:
        mine = bench.place(sink, "IMG_1.jpg", content(5000))
        with pytest.raises(PathConflict):
            bench.place(sink, "IMG_1.jpg", other)
        agree(sink, mine, content(5000))

    def test_the_second_of_two_at_once_is_a_conflict(
        self, place: SinkPlace, sink: Sink, bench: Bench
    ) -> None:
        if not place.exclusive:
            pytest.skip("this place cannot tell")
        one = bench.send(sink, "IMG_1.jpg", content(5000, 1))
        try:
            two = bench.send(place.open(), "IMG_1.jpg", content(5000, 2))
        except PathConflict:
            pass  # the first transfer was visible already
        else:
            receipt = only(sink.commit([one]))
            with pytest.raises(PathConflict):
                only(sink.commit([two]))
            agree(sink, receipt, content(5000, 1))

    # --- two steps ---

    def test_a_transfer_alone_shows_nothing_or_the_right_thing(
        self, sink: Sink, bench: Bench
    ) -> None:
        sent = bench.send(sink, "IMG_1.jpg", content(5000))
        held = sink.stat("IMG_1.jpg")
        assert (held is None) == (sent.receipt is None)
        if held:
            assert_same(held, sent.receipt)
            agree(sink, held, content(5000))

    def test_a_commit_can_be_repeated(self, place: SinkPlace, sink: Sink, bench: Bench) -> None:
        sent = bench.send(sink, "IMG_1.jpg", content(5000))
        first = only(sink.commit([sent]))
        for again in (sink, place.open()):
            repeated = only(again.commit([sent]))
            assert (repeated.path, repeated.size) == (first.path, first.size)
        agree(sink, first, content(5000))

    def test_a_commit_works_in_another_process(
        self, place: SinkPlace, sink: Sink, bench: Bench
    ) -> None:
        sent = bench.send(sink, "IMG_1.jpg", content(5000))
        sink.close()
        other = place.open()
        agree(other, only(other.commit([Transferred(sent.put, sent.token)])), content(5000))

    def test_each_item_of_a_commit_has_its_own_answer(self, sink: Sink, bench: Bench) -> None:
        count = min(20, sink.traits.commit_batch)
        sizes = [1000 + n for n in range(count)]
        sent = [bench.send(sink, f"d/{n}.jpg", content(size)) for n, size in enumerate(sizes)]
        answers = sink.commit(sent)
        assert [r.size for r in answers if isinstance(r, Receipt)] == sizes
        assert [r.path for r in answers if isinstance(r, Receipt)] == [s.put.path for s in sent]

    def test_a_commit_without_bytes_is_an_error_of_that_item_alone(
        self, sink: Sink, bench: Bench
    ) -> None:
        put, _ = bench.stage("lost.jpg", content(5000))
        if sink.traits.commit_batch == 1:
            (lost,) = sink.commit([Transferred(put, "")])
        else:
            good = bench.send(sink, "good.jpg", content(1000))
            lost, kept = sink.commit([Transferred(put, ""), good])
            agree(sink, only([kept]), content(1000))
        assert isinstance(lost, NotFound)
        assert sink.stat("lost.jpg") is None

    def test_an_empty_commit(self, sink: Sink) -> None:
        assert sink.commit([]) == []

    # --- interrupted ---

    @pytest.mark.parametrize("size", ["small", "large"])
    def test_an_upload_goes_on_in_a_new_process_whenever_it_died(
        self, place: SinkPlace, bench: Bench, size: str
    ) -> None:
        data = content(place.large if size == "large" else 5000)
        for call in range(1, 100):
            path = f"IMG_{call}.jpg"
            put, body = bench.stage(path, data[:-1] + bytes([call]))
            sink, bench.tokens[:] = place.open(), []
            try:
                sink.transfer(put, body, None, crash_at(call, bench.keep))
            except Crash:
                assert place.open().stat(path) is None, "interrupted, and yet visible"
            else:
                break  # it needs fewer checkpoints than that
            finally:
                sink.close()
            before, fresh = place.received(), place.open()
            sent = fresh.transfer(put, body, bench.tokens[-1], bench.keep)
            agree(fresh, only(fresh.commit([sent])), body.path.read_bytes())
            if before is not None:
                assert (place.received() or 0) - before <= put.size + 64 * 1024
        else:
            pytest.fail("a checkpoint for every few kilobytes is too many")

    @pytest.mark.parametrize("token", ["", "no-such-token", "../../../etc/passwd", '{"v": 1}'])
    def test_an_unknown_token_starts_afresh(self, sink: Sink, bench: Bench, token: str) -> None:
        put, body = bench.stage("IMG_1.jpg", content(5000))
        sent = sink.transfer(put, body, token, bench.keep)
        agree(sink, only(sink.commit([sent])), content(5000))

    @pytest.mark.parametrize("large", [False, True], ids=["small", "large"])
    def test_a_cut_connection_is_transient_and_shows_nothing(
        self, place: SinkPlace, sink: Sink, bench: Bench, large: bool
    ) -> None:
        data = content(place.large if large else 200)
        put, body = bench.stage("IMG_1.jpg", data)
        place.cut()
        with pytest.raises(Transient) as raised:
            sink.transfer(put, body, None, bench.keep)
        assert not isinstance(raised.value, Unreachable), "it was reached, and will be again"
        other = place.open()
        assert other.stat("IMG_1.jpg") is None
        token = bench.tokens[-1] if bench.tokens else None
        sent = other.transfer(put, body, token, bench.keep)
        agree(other, only(other.commit([sent])), data)

    # --- the place says no ---

    @pytest.mark.parametrize("size", ["small", "large"])
    def test_full_is_capacity_exceeded_and_leaves_nothing(
        self, place: SinkPlace, sink: Sink, bench: Bench, size: str
    ) -> None:
        data = content(place.large if size == "large" else 200_000)
        bench.place(sink, "before.jpg", content(1000))
        place.fill_up(100_000)
        with pytest.raises(CapacityExceeded) as caught:
            bench.place(sink, "too big.jpg", data)
        assert caught.value.hint, "say what a person can do"
        assert place.open().stat("too big.jpg") is None
        agree(sink, bench.place(sink, "fits.jpg", content(20_000)), content(20_000))

    def test_throttling_carries_how_long(self, place: SinkPlace, sink: Sink, bench: Bench) -> None:
        wait = place.throttle()
        with pytest.raises(Throttled) as caught:
            bench.place(sink, "IMG_1.jpg", content(5000))
        assert caught.value.retry_after == wait
        assert_silent(place, str(caught.value) + caught.value.hint)

    def test_an_expired_session_says_so(self, place: SinkPlace, sink: Sink, bench: Bench) -> None:
        place.expire()
        with pytest.raises(SessionExpired) as caught:
            bench.place(sink, "IMG_1.jpg", content(5000))
        assert caught.value.hint
        assert_silent(place, str(caught.value) + caught.value.hint)

    def test_access_that_ends_in_mid_run_is_renewed_once(
        self, place: SinkPlace, sink: Sink, bench: Bench
    ) -> None:
        """Sixteen threads meet the refusal, one renews, every upload goes on."""
        bench.place(sink, "first.jpg", content(10))
        staged = [bench.stage(f"{n}.jpg", content(100 + n)) for n in range(16)]
        renewals = place.lapse()
        with ThreadPoolExecutor(16) as pool:
            sent = list(pool.map(lambda item: bench.transfer(sink, item), staged))
        assert all(isinstance(answer, Receipt) for answer in sink.commit(sent))
        assert renewals() == 1
        assert isinstance(sink, Inventory)
        there = sorted(receipt.path for receipt in sink.inventory())
        assert there == sorted(["first.jpg", *(put.path for put, _ in staged)])

    # --- manners ---

    def test_many_threads_at_once(self, sink: Sink, bench: Bench) -> None:
        count = 24
        staged = [bench.stage(f"{n % 5}/{n}.jpg", content(3000 + n)) for n in range(count)]
        random.Random(7).shuffle(staged)
        with ThreadPoolExecutor(8) as pool:
            sent = list(pool.map(lambda item: bench.transfer(sink, item), staged))
            size = min(5, sink.traits.commit_batch)
            groups = [sent[at : at + size] for at in range(0, count, size)]
            for answers in pool.map(sink.commit, groups):
                for receipt in answers:
                    assert isinstance(receipt, Receipt), receipt
        for n in range(count):
            held = sink.stat(f"{n % 5}/{n}.jpg")
            assert held and held.size == 3000 + n

    def test_close_twice(self, place: SinkPlace, sink: Sink, bench: Bench) -> None:
        receipt = bench.place(sink, "IMG_1.jpg", content(5000))
        sink.close()
        sink.close()
        agree(place.open(), receipt, content(5000))

    def test_nothing_secret_is_told(self, place: SinkPlace, sink: Sink, bench: Bench) -> None:
        bench.place(sink, "IMG_1.jpg", content(5000))
        with pytest.raises(PathConflict) as caught:
            bench.place(sink, "IMG_1.jpg", content(5000, 1))
        assert_silent(place, repr(sink) + str(sink) + str(caught.value) + repr(caught.value))
