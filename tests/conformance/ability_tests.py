"""The part of the sink suite about what only some sinks can do."""

from __future__ import annotations

import pytest

from connectors.abilities import (
    HasCapacity,
    HasFolders,
    HasMedium,
    Inventory,
    Reserves,
    Situated,
    TellsApart,
)
from connectors.base import Sink
from tests.conformance.making import BLOCK, Bench, agree, assert_same, content, only
from tests.conformance.places import SinkPlace, assert_silent


class AbilityTests:
    def test_the_inventory_lists_what_is_visible_and_nothing_else(
        self, sink: Sink, bench: Bench
    ) -> None:
        if not isinstance(sink, Inventory):
            pytest.skip("this sink lists nothing")
        paths = {f"{n % 3}/IMG_{n}.jpg" for n in range(7)}
        for path in paths:
            bench.place(sink, path, content(100 + len(path)))
        bench.send(sink, "not committed.jpg", content(BLOCK + 1))
        listed = list(sink.inventory())
        visible = {"not committed.jpg"} if sink.stat("not committed.jpg") else set()
        assert sorted(receipt.path for receipt in listed) == sorted(paths | visible)
        assert all(r.size == 100 + len(r.path) for r in listed if r.path in paths)

    def test_reserved_tokens_are_as_good_as_any(self, sink: Sink, bench: Bench) -> None:
        if not isinstance(sink, Reserves):
            pytest.skip("this sink reserves no tokens")
        tokens = sink.reserve(3)
        assert len(set(tokens)) == 3
        for n, token in enumerate(tokens):
            put, body = bench.stage(f"IMG_{n}.jpg", content(5000 + n))
            agree(
                sink,
                only(sink.commit([sink.transfer(put, body, token, bench.keep)])),
                content(5000 + n),
            )

    def test_capacity_makes_sense(self, sink: Sink, bench: Bench) -> None:
        if not isinstance(sink, HasCapacity):
            pytest.skip("this sink tells no capacity")
        bench.place(sink, "IMG_1.jpg", content(5000))
        capacity = sink.capacity()
        assert capacity.used >= 0
        assert (capacity.total is None) == (capacity.free is None)
        if capacity.total is not None and capacity.free is not None:
            assert 0 <= capacity.free <= capacity.total

    def test_whereabouts_tell_the_place_and_nothing_else(
        self, place: SinkPlace, sink: Sink, bench: Bench
    ) -> None:
        if not isinstance(sink, Situated):
            pytest.skip("this sink does not tell where it is")
        receipt = bench.place(sink, "IMG_1.jpg", content(5000))
        where = sink.whereabouts()
        assert where
        bench.place(sink, "2/IMG_2.jpg", content(5000, 1))
        again = place.open()
        assert isinstance(again, Situated)
        assert sink.whereabouts() == again.whereabouts() == where
        assert_silent(place, where)
        agree(again, receipt, content(5000))

    def test_a_copy_is_known_by_the_name_that_its_receipt_gave(
        self, sink: Sink, bench: Bench
    ) -> None:
        if not isinstance(sink, TellsApart):
            pytest.skip("a path is a key here")
        receipt = bench.place(sink, "2/IMG_1.jpg", content(5000))
        other = bench.place(sink, "2/IMG_2.jpg", content(5000, 1))
        assert receipt.id and other.id
        assert_same(sink.stat_known("2/IMG_1.jpg", receipt.id), receipt)
        # Another file, or none, may have that name by now: what is at the path counts.
        assert_same(sink.stat_known("2/IMG_1.jpg", other.id), receipt)
        assert sink.stat_known("3/IMG_1.jpg", receipt.id) is None
        assert sink.stat_known("2/IMG_3.jpg", receipt.id) is None

    def test_folders_that_are_there_have_not_vanished(self, sink: Sink, bench: Bench) -> None:
        if not isinstance(sink, HasFolders):
            pytest.skip("this sink does not tell what became of its folders")
        assert not sink.vanished()
        for path in ("IMG_1.jpg", "2/IMG_2.jpg", "2/3/IMG_3.jpg"):
            bench.place(sink, path, content(5000))
        assert not sink.vanished()

    def test_what_fails_as_a_whole_is_told_alike_by_every_sink(
        self, place: SinkPlace, sink: Sink
    ) -> None:
        if not isinstance(sink, HasMedium):
            pytest.skip("this sink does not tell what fails as a whole")
        again = place.open()
        assert isinstance(again, HasMedium)
        assert sink.medium() == again.medium()
        assert_silent(place, sink.medium())
