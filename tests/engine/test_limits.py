"""How much a place is asked for: never more than allowed, less when it says so, never nothing."""

from __future__ import annotations

import threading
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline import limits
from pipeline.stopping import Stop

STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("finished"), st.integers(0, 50_000_000)),
        st.tuples(st.just("throttled"), st.just(0)),
        st.tuples(st.just("wait"), st.floats(0, 30)),
    ),
    max_size=300,
)


@given(most=st.integers(1, 64), steps=STEPS)
def test_the_limit_stays_between_one_and_the_most(
    most: int, steps: list[tuple[str, float]]
) -> None:
    now = [50.0]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(time, "monotonic", lambda: now[0])
        limit = limits.AdaptiveLimit(most)
        for what, amount in steps:
            before = limit.value
            if what == "finished":
                now[0] += 0.01
                limit.finished(int(amount))
                assert limit.value >= before
            elif what == "throttled":
                limit.throttled()
                assert limit.value <= before
            else:
                now[0] += amount
            assert 1 <= limit.value <= most


def test_many_answers_to_one_burst_count_once(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [50.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    limit = limits.AdaptiveLimit(32)
    limit.value = 32
    for _ in range(20):
        limit.throttled()
    assert limit.value == 16
    now[0] += 2
    limit.throttled()
    assert limit.value == 8


def test_it_grows_again_after_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [50.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    limit = limits.AdaptiveLimit(32)
    limit.throttled()
    low = limit.value
    for _ in range(20_000):
        now[0] += 0.05 / limit.value  # a place that is the quicker the more it is asked for
        limit.finished(100_000)
    assert limit.value > low


def test_slots_are_never_more_than_the_limit() -> None:
    place = limits.Gate("there", 3, Stop())
    inside, most, lock = 0, 0, threading.Lock()

    def work() -> None:
        nonlocal inside, most
        with place.slot():
            with lock:
                inside += 1
                most = max(most, inside)
            time.sleep(0.005)
            with lock:
                inside -= 1

    threads = [threading.Thread(target=work) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == 3


def test_who_waits_for_a_slot_looks_rarely() -> None:
    """A sink may have thirty threads that wait; whoever frees a slot says so."""
    looks = 0

    class Watched(Stop):
        def check(self) -> None:
            nonlocal looks
            looks += 1

    place = limits.Gate("there", 1, Watched())

    def enter() -> None:
        with place.slot():
            pass

    waiting = threading.Thread(target=enter)
    with place.slot():
        waiting.start()
        time.sleep(0.6)
        assert 1 <= looks <= 5
    waiting.join(5)
    assert not waiting.is_alive()
