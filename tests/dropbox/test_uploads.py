"""Every byte arrives once and is believed by Dropbox's hash alone, whatever happens on the way."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from connectors.base import Body, Put, Receipt
from connectors.dropbox.large import CONCURRENT, PART
from connectors.errors import ItemError, NotFound, Transient
from sandbox.dropbox import Dropbox as Double
from sandbox.dropbox.content import Content
from sandbox.dropbox.sessions import Session
from sandbox.messages import Request
from tests.cases import wide_after
from tests.conformance.making import Bench, content, only
from tests.dropbox.bench import DropboxPlace, held

MIB = 1024 * 1024
START = "files/upload_session/start"
APPEND = "files/upload_session/append_v2"
FINISH = "files/upload_session/finish_batch_v2"
MIDDLE = 2 * PART + 12345  # part after part
LARGE = CONCURRENT + 12345  # several parts at once


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def finish(
    place: DropboxPlace, bench: Bench, staged: tuple[Put, Body], token: str | None
) -> Receipt:
    """What a new process does with a token."""
    sink = place.open()
    sent = sink.transfer(*staged, token, bench.keep)
    receipt = only(sink.commit([sent]))
    sink.close()
    return receipt


def sessions(double: Double) -> list[Session]:
    return list(double.sessions._sessions.values())


@pytest.mark.parametrize("size", [MIDDLE, LARGE], ids=["in order", "side by side"])
def test_how_much_dropbox_has_is_told_with_each_checkpoint(
    double: Double, place: DropboxPlace, bench: Bench, size: int
) -> None:
    put, body = bench.stage("a.mov", content(size))
    told: list[int] = []

    def keep(_token: str, held: int = 0) -> None:
        told.append(held)
        assert held <= double.received

    place.open().transfer(put, body, None, keep)
    assert told == sorted(told) and told[-1] == size and len(set(told)) > 2


def test_a_large_file_goes_in_parts_side_by_side(
    double: Double, place: DropboxPlace, bench: Bench
) -> None:
    """A concurrent session, begun without bytes, in 4 MiB multiples, closed by the last."""
    sink = place.open()
    sent = bench.send(sink, "a.mov", content(LARGE))
    (session,) = sessions(double)
    assert session.concurrent and session.closed and not held(double)
    assert double.counts[START] == 1 and double.counts[APPEND] == 5
    assert all(offset % (4 * MIB) == 0 for offset in session.parts)
    assert only(sink.commit([sent])).size == LARGE
    assert held(double) == {"/Outpour/a.mov": content(LARGE)}
    assert double.received == LARGE


def test_a_middle_sized_file_costs_no_request_beyond_its_parts(
    double: Double, place: DropboxPlace, bench: Bench
) -> None:
    bench.place(place.open(), "a.mov", content(MIDDLE))
    assert (double.counts[START], double.counts[APPEND], double.counts[FINISH]) == (1, 2, 1)


@pytest.mark.parametrize("size", [MIDDLE, LARGE])
def test_another_process_sends_only_what_is_missing(
    double: Double, place: DropboxPlace, bench: Bench, size: int
) -> None:
    staged = bench.stage("a.mov", content(size))
    double.faults.add("unavailable", 1.0, APPEND, times=1)
    with pytest.raises(Transient):
        place.open().transfer(*staged, None, bench.keep)
    assert 0 <= double.received < size and bench.tokens
    finish(place, bench, staged, bench.tokens[-1])
    assert held(double) == {"/Outpour/a.mov": content(size)}
    assert double.received == size, "bytes were sent twice"
    assert double.counts[START] == 1


@pytest.mark.parametrize("fault", ["lost_answer", "error_after"])
@pytest.mark.parametrize(
    ("size", "at"), wide_after(1, [(MIDDLE, 1), (MIDDLE, 2), (LARGE, 1), (LARGE, 5)])
)
def test_dropbox_is_believed_about_a_part_whose_answer_got_lost(
    double: Double, place: DropboxPlace, bench: Bench, size: int, fault: str, at: int
) -> None:
    """It has that part, or (of the last one) the upload is closed: at most one is sent again,
    since there is no other way to ask."""
    staged, asked = bench.stage("a.mov", content(size)), Counter[str]()

    def at_one(name: str, key: str = "") -> bool:
        asked[f"{name} {key}"] += 1
        return asked[f"{fault} {APPEND}"] == at and (name, key) == (fault, APPEND)

    with pytest.MonkeyPatch.context() as patch, pytest.raises(Transient):
        patch.setattr(double.faults, "hit", at_one)
        place.open().transfer(*staged, None, bench.keep)
    finish(place, bench, staged, bench.tokens[-1])
    assert held(double) == {"/Outpour/a.mov": content(size)}
    assert double.received <= size + PART and double.tree.writes == 1


@pytest.mark.wide
@pytest.mark.parametrize("words", ["part_offset", "part_place"])
@pytest.mark.parametrize("fault", ["lost_answer", "error_after"])
def test_a_part_that_dropbox_has_and_refuses_is_not_the_end_of_the_upload(
    double: Double, place: DropboxPlace, bench: Bench, fault: str, words: str
) -> None:
    """It is sent again, since its answer got lost; nothing else is."""
    staged = bench.stage("a.mov", content(LARGE))
    double.faults.add(words)
    double.faults.add(fault, 1.0, APPEND, times=1)
    with pytest.raises(Transient):
        place.open().transfer(*staged, None, bench.keep)
    finish(place, bench, staged, bench.tokens[-1])
    assert held(double) == {"/Outpour/a.mov": content(LARGE)}
    assert double.faults.counts[words] == 1 and double.counts[START] == 1
    assert double.received <= LARGE + PART and double.tree.writes == 1


@pytest.mark.wide
@pytest.mark.parametrize("words", ["part_offset", "part_place"])
def test_parts_that_are_refused_and_not_there_are_found_missing(
    double: Double, place: DropboxPlace, bench: Bench, words: str
) -> None:
    staged = bench.stage("a.mov", content(LARGE))
    double.faults.add("unavailable", 1.0, APPEND, times=1)
    with pytest.raises(Transient):
        place.open().transfer(*staged, None, bench.keep)
    (session,) = sessions(double)
    hole = next(at for at in range(0, LARGE - PART, PART) if at not in session.parts)
    session.parts[hole] = Content()  # refused as if it were there
    double.faults.add(words)
    sink = place.open()
    sent = sink.transfer(*staged, bench.tokens[-1], bench.keep)
    with pytest.raises(NotFound, match="missing"):
        only(sink.commit([sent]))
    assert not held(double)
    bench.place(sink, "a.mov", content(LARGE))
    assert held(double) == {"/Outpour/a.mov": content(LARGE)}


def test_dropbox_may_say_of_a_closed_upload_where_it_stands(
    double: Double, place: DropboxPlace, bench: Bench
) -> None:
    """As it does of one whose parts come in order; nothing is sent anew for that."""
    staged = bench.stage("a.mov", content(LARGE))
    double.faults.add("closed_by_offset")
    asked = Counter[str]()

    def at_the_last(name: str, key: str = "") -> bool:
        asked[f"{name} {key}"] += 1
        last = asked[f"lost_answer {APPEND}"] == -(-LARGE // PART)
        return name == "closed_by_offset" or (last and (name, key) == ("lost_answer", APPEND))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(double.faults, "hit", at_the_last)
        with pytest.raises(Transient):
            place.open().transfer(*staged, None, bench.keep)
        finish(place, bench, staged, bench.tokens[-1])
    assert held(double) == {"/Outpour/a.mov": content(LARGE)}
    assert double.received <= LARGE + PART and double.tree.writes == 1
    assert asked["closed_by_offset "] == 1


def test_dropbox_is_believed_when_it_has_less_than_the_token_says(
    double: Double, place: DropboxPlace, bench: Bench
) -> None:
    staged = bench.stage("a.mov", content(MIDDLE))
    double.faults.add("unavailable", 1.0, APPEND, times=1)
    with pytest.raises(Transient):
        place.open().transfer(*staged, None, bench.keep)
    token = json.loads(bench.tokens[-1])
    finish(place, bench, staged, json.dumps({**token, "offset": token["offset"] + PART}))
    assert held(double) == {"/Outpour/a.mov": content(MIDDLE)}


@pytest.mark.parametrize("size", [MIDDLE, LARGE])
def test_an_expired_session_begins_afresh(
    double: Double, place: DropboxPlace, bench: Bench, size: int
) -> None:
    staged = bench.stage("a.mov", content(size))
    double.faults.add("unavailable", 1.0, APPEND, times=1)
    with pytest.raises(Transient):
        place.open().transfer(*staged, None, bench.keep)
    double.sessions.forget_all()
    finish(place, bench, staged, bench.tokens[-1])
    assert held(double) == {"/Outpour/a.mov": content(size)} and double.counts[START] == 2


def test_a_token_for_other_bytes_is_not_used(
    double: Double, place: DropboxPlace, bench: Bench
) -> None:
    """The asset was edited since: its bytes must not be added to the old session."""
    double.faults.add("unavailable", 1.0, APPEND, times=1)
    with pytest.raises(Transient):
        bench.send(place.open(), "a.mov", content(MIDDLE))
    other = bench.stage("a.mov", content(MIDDLE, 2))
    finish(place, bench, other, bench.tokens[-1])
    assert held(double) == {"/Outpour/a.mov": content(MIDDLE, 2)}


@pytest.mark.parametrize("changed", [False, True])
def test_an_upload_that_stands_inside_a_block_goes_on_with_the_right_bytes_only(
    double: Double, place: DropboxPlace, bench: Bench, changed: bool
) -> None:
    put, body = bench.stage("a.mov", content(MIDDLE))
    double.faults.add("unavailable", 1.0, APPEND, times=1)
    with pytest.raises(Transient):
        place.open().transfer(put, body, None, bench.keep)
    (session,) = sessions(double)
    session.content = Content.of(content(MIDDLE)[: PART - 1000], keep=True)
    token = json.dumps({**json.loads(bench.tokens[-1]), "offset": PART - 1000})
    if changed:
        body.path.write_bytes(content(MIDDLE)[: PART - 1] + content(MIDDLE - PART + 1, 2))
        with pytest.raises(ItemError) as caught:
            place.open().transfer(put, body, token, bench.keep)
        assert caught.value.hint == "Run again to take it." and not session.closed
    else:
        finish(place, bench, (put, body), token)
        assert held(double) == {"/Outpour/a.mov": content(MIDDLE)}
        assert double.counts[START] == 1, "it went on where it stood"


def test_a_file_that_shrinks_while_it_is_sent_is_no_upload(
    double: Double, place: DropboxPlace, bench: Bench
) -> None:
    put, body = bench.stage("a.mov", content(MIDDLE))
    body.path.write_bytes(content(PART))
    with pytest.raises(ItemError):
        place.open().transfer(put, body, None, bench.keep)
    assert not held(double)


@pytest.mark.parametrize("size", [500, MIDDLE, LARGE])
def test_a_file_changed_since_it_was_hashed_fails_at_once(
    double: Double, place: DropboxPlace, bench: Bench, size: int
) -> None:
    """Dropbox refuses its bytes; to send them again would not help."""
    put, body = bench.stage("a.mov", content(size))
    body.path.write_bytes(content(size, 2))
    with pytest.raises(ItemError) as caught:
        place.open().transfer(put, body, None, bench.keep)
    assert caught.value.hint == "Run again to take it."
    assert not any(session.closed for session in sessions(double))


@pytest.mark.parametrize("size", [500, MIDDLE])
def test_bytes_damaged_on_their_way_are_sent_again(
    double: Double, place: DropboxPlace, bench: Bench, size: int
) -> None:
    pieces, staged = double.uploads._pieces, bench.stage("a.mov", content(size))

    def damaged(request: Request) -> Iterator[memoryview]:
        for piece in pieces(request):
            piece[0] ^= 1
            yield piece

    with pytest.MonkeyPatch.context() as patch, pytest.raises(Transient):
        patch.setattr(double.uploads, "_pieces", damaged)
        place.open().transfer(*staged, None, bench.keep)
    finish(place, bench, staged, None)
    assert held(double) == {"/Outpour/a.mov": content(size)}
