"""Trying again, by what the error says to do."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

from connectors.errors import (
    CapacityExceeded,
    ItemError,
    OutpourError,
    Paused,
    SessionExpired,
    Throttled,
    Transient,
    Unreachable,
)
from pipeline import limits, retry
from pipeline.stopping import Stop, Stopped


class Clock(Stop):
    """A stop that never waits and remembers how long it was asked to."""

    def __init__(self) -> None:
        super().__init__()
        self.slept: list[float] = []

    def sleep(self, seconds: float) -> None:
        self.check()
        self.slept.append(seconds)


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The time, which passes only while somebody sleeps."""
    moment = [1000.0]

    def sleep(_: Clock, seconds: float) -> None:
        moment[0] += seconds

    monkeypatch.setattr(Clock, "sleep", sleep)
    for module in (retry, limits):
        monkeypatch.setattr(module.time, "monotonic", lambda: moment[0])
    return moment


def failing(*errors: OutpourError) -> Callable[[], str]:
    """Raises each error once, then answers."""
    left = list(errors)

    def work() -> str:
        if left:
            raise left.pop(0)
        return "done"

    return work


def place(clock: Stop, attempts: int = 1) -> limits.Gate:
    return limits.Gate("there", 8, clock, attempts)


def test_a_passing_fault_is_tried_again_with_longer_and_longer_waits() -> None:
    clock = Clock()
    work = failing(*[Transient("503") for _ in range(4)])
    assert retry.call(place(clock, 5), work) == "done"
    assert len(clock.slept) == 4
    for number, waited in enumerate(clock.slept):
        assert 0.125 * 2**number <= waited <= 0.25 * 2**number


def test_it_is_given_up_after_the_attempts_and_the_last_error_is_raised() -> None:
    clock, calls = Clock(), []

    def work() -> None:
        calls.append(1)
        raise Transient(f"number {len(calls)}")

    with pytest.raises(Transient, match="number 3"):
        retry.call(place(clock, 3), work)


def test_attempts_that_get_further_do_not_count() -> None:
    """A large file over a line that breaks every few minutes arrives in the end."""
    clock, reached = Clock(), [0]

    def work() -> str:
        reached[0] += 1
        if reached[0] < 40:
            raise Transient("cut")
        return "done"

    assert retry.call(place(clock, 2), work, progress=lambda: reached[0]) == "done"


def test_what_the_place_said_is_the_shortest_wait() -> None:
    clock = Clock()
    retry.call(place(clock, 2), failing(Transient("503", retry_after=7)))
    assert clock.slept[0] >= 7


@pytest.mark.parametrize("error", [ItemError("odd"), CapacityExceeded("full"), ValueError("bug")])
def test_what_waiting_does_not_mend_is_raised_at_once(error: Exception) -> None:
    clock = Clock()

    def work() -> None:
        raise error

    with pytest.raises(type(error)):
        retry.call(place(clock, 9), work)
    assert not clock.slept


def test_throttling_is_no_fault_of_the_item(now: list[float]) -> None:
    """It has a budget of time, however many answers fit into it, and the whole place waits."""
    clock = Clock()
    there = place(clock, 2)
    errors = [Throttled("429", retry_after=30) for _ in range(20)]
    assert retry.call(there, failing(*errors)) == "done"
    assert there.limit.value < 8
    began = now[0]
    with pytest.raises(Throttled):
        errors = [Throttled("429", retry_after=300) for _ in range(100)]
        retry.call(there, failing(*errors))
    assert 3600 <= now[0] - began < 3600 + 600


def test_a_pause_is_not_the_place_asking_for_less(now: list[float]) -> None:
    """A phone that was unplugged for a moment is read as fast as before."""
    there = place(Clock(), 2)
    pauses = [Paused("no iPhone is plugged in", retry_after=1) for _ in range(20)]
    assert retry.call(there, failing(*pauses)) == "done"
    assert there.limit.value == 8


def test_a_pause_that_is_longer_than_can_be_waited_for_is_not_begun(now: list[float]) -> None:
    """Others wait meanwhile."""
    work = failing(*[Throttled("429", retry_after=200) for _ in range(9)])
    with pytest.raises(Throttled):
        retry.call(place(Clock(), 2), work, longest_pause=600)
    assert 400 <= now[0] - 1000 <= 600
    began = now[0]
    with pytest.raises(Throttled):
        retry.call(
            place(Clock(), 2), failing(Throttled("429", retry_after=3600)), longest_pause=600
        )
    assert now[0] == began
    assert retry.call(place(Clock(), 2), failing(Throttled("429", retry_after=7200))) == "done"


def test_a_file_refused_in_a_batch_pays_nothing_for_a_person_s_time(now: list[float]) -> None:
    there, busy = place(Clock(), 3), Throttled("too many writes")
    patience = retry.Patience(there)
    assert patience.failed(busy)
    now[0] += 5 * 3600
    there.renewed()
    assert patience.failed(busy)
    now[0] += 3601
    assert not patience.failed(busy)


def test_however_often_a_place_throttles_the_wait_can_be_told(now: list[float]) -> None:
    clock = Clock()
    errors = [Throttled("429", retry_after=0) for _ in range(2000)]
    assert retry.call(place(clock, 2), failing(*errors)) == "done"
    assert now[0] > 1000


def test_an_expired_session_waits_for_the_person_and_goes_on() -> None:
    stop = Stop()
    there = place(stop)
    answers: list[str] = []
    worker = threading.Thread(
        target=lambda: answers.append(retry.call(there, failing(SessionExpired("sign in"))))
    )
    worker.start()
    while there.needs_person is None:
        pass
    assert not answers
    there.renewed()
    worker.join(10)
    assert answers == ["done"]


THROTTLED, DOWN = Throttled("429", retry_after=60), Unreachable("no line")


@pytest.mark.parametrize("trouble", [THROTTLED, DOWN], ids=["throttled", "down"])
@pytest.mark.parametrize("mine", [True, False], ids=["mine", "another's"])
def test_hours_of_waiting_for_a_person_use_up_no_budget(
    mine: bool, trouble: Transient, now: list[float]
) -> None:
    """Whichever item found the sign-in ended, all of the place's wait for the person."""
    clock = Clock()
    there = place(clock, 2)
    there.answered()
    expired = SessionExpired("sign in")
    renewed: list[float] = []

    def person(error: BaseException) -> None:
        if not renewed and (error is expired or not mine):
            there.expired(expired)
            now[0] += 5 * 3600
            there.renewed()
            renewed.append(now[0])

    there.on_retry = person
    errors = [trouble, expired, trouble] if mine else [trouble, trouble]
    assert retry.call(there, failing(*errors)) == "done", "it was given up for the person's time"
    renewed.clear()
    with pytest.raises(type(trouble)):
        retry.call(there, failing(*errors, *[trouble] * 1000))
    budget = 3600 if trouble is THROTTLED else 900
    assert budget <= now[0] - renewed[0] < budget + 200, "from the sign-in on it is as ever"


def test_the_request_to_end_ends_every_wait() -> None:
    stop = Stop()
    there = place(stop)
    there.expired(SessionExpired("sign in"))
    stop.set("interrupted")
    with pytest.raises(Stopped):
        retry.call(there, failing())
