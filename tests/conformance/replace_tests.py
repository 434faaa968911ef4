"""The part of the sink suite about replacing what the engine itself wrote earlier."""

from __future__ import annotations

from dataclasses import replace

import pytest

from connectors.base import Body, Put, Sink, Transferred
from connectors.checksums import Algorithm, digest
from connectors.errors import PathConflict
from tests.conformance.making import Bench, agree, content, only
from tests.conformance.places import SinkPlace

PATH = "2021/IMG_1.jpg.xmp"


def newer(bench: Bench, data: bytes, *old: bytes) -> tuple[Put, Body]:
    put, body = bench.stage(PATH, data)
    return replace(put, replaces=frozenset(digest([o])[Algorithm.SHA256] for o in old)), body


class ReplaceTests:
    @pytest.fixture
    def replacing(self, sink: Sink) -> Sink:
        if not sink.traits.replaces:
            pytest.skip("this sink replaces nothing")
        return sink

    @pytest.mark.parametrize("size", (0, 300, 301, 70_000))
    def test_what_was_ours_is_replaced(self, replacing: Sink, bench: Bench, size: int) -> None:
        bench.place(replacing, PATH, content(300))
        put, body = newer(bench, content(size, 1), content(7), content(300))
        sent = replacing.transfer(put, body, None, bench.keep)
        held = replacing.stat(PATH)
        assert held and held.size == 300, "until commit, what was there is there"
        agree(replacing, only(replacing.commit([sent])), content(size, 1))

    def test_what_is_not_ours_stays(self, replacing: Sink, bench: Bench) -> None:
        receipt = bench.place(replacing, PATH, content(300, 2))
        put, body = newer(bench, content(300, 1), content(300))
        with pytest.raises(PathConflict):
            only(replacing.commit([replacing.transfer(put, body, None, bench.keep)]))
        agree(replacing, receipt, content(300, 2))

    def test_what_was_edited_between_the_steps_stays(
        self, place: SinkPlace, replacing: Sink, bench: Bench
    ) -> None:
        bench.place(replacing, PATH, content(300))
        put, body = newer(bench, content(300, 1), content(300))
        sent = replacing.transfer(put, body, None, bench.keep)
        edit, edited = newer(bench, content(300, 2), content(300))
        other = place.open()
        only(other.commit([other.transfer(edit, edited, None, bench.keep)]))
        with pytest.raises(PathConflict):
            only(replacing.commit([sent]))
        held = replacing.stat(PATH)
        assert held
        agree(replacing, held, content(300, 2))

    def test_a_replacement_repeated_after_a_crash_is_harmless(
        self, place: SinkPlace, replacing: Sink, bench: Bench
    ) -> None:
        bench.place(replacing, PATH, content(300))
        put, body = newer(bench, content(200, 1), content(300))
        sent = replacing.transfer(put, body, None, bench.keep)
        only(replacing.commit([sent]))
        agree(replacing, only(replacing.commit([sent])), content(200, 1))
        other = place.open()
        agree(other, only(other.commit([Transferred(put, sent.token)])), content(200, 1))
        again = other.transfer(put, body, None, bench.keep)
        agree(other, only(other.commit([again])), content(200, 1))

    def test_where_nothing_is_it_is_put(self, replacing: Sink, bench: Bench) -> None:
        put, body = newer(bench, content(200, 1), content(300))
        sent = replacing.transfer(put, body, None, bench.keep)
        agree(replacing, only(replacing.commit([sent])), content(200, 1))
