"""Promise: what is shown is short, true and safe to print."""

from __future__ import annotations

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from connectors.abilities import Capacity
from connectors.errors import SessionExpired
from pipeline.cli.answers import show_capacity
from pipeline.cli.prompter import TerminalPrompter
from pipeline.display.plain import Plain, describe
from pipeline.display.rates import Rates
from pipeline.display.terminal import Terminal
from pipeline.events import ItemEvent, Notice, Progress
from pipeline.wording import counted, duration, printable, share


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_rates_and_time_left_come_from_the_last_seconds() -> None:
    clock = Clock()
    rates = Rates(clock)
    for second in range(60):
        clock.now = 100.0 + second
        speed = 1000 if second < 30 else 100  # it became slower
        done = min(second, 30) * 1000 + max(0, second - 30) * speed
        rates.feed(Progress("moving", bytes_downloaded=done, bytes_done=done, bytes_total=40_000))
    assert rates.bytes_per_second == pytest.approx(100)
    assert rates.seconds_left == pytest.approx((40_000 - 32_900) / 100)


def test_no_guess_without_ground() -> None:
    clock = Clock()
    rates = Rates(clock)
    assert rates.seconds_left is None
    rates.feed(Progress("moving", bytes_total=10))
    clock.now += 10
    assert rates.seconds_left is None  # nothing came: any number would be a lie


def test_one_line_says_it_all() -> None:
    clock = Clock()
    rates = Rates(clock)
    for done in (0, 40):
        clock.now += 10
        progress = Progress(
            "moving",
            assets_done=done,
            assets_total=100,
            bytes_downloaded=done * 10**6,
            bytes_done=done * 10**6,
            bytes_total=10**8,
            failed=2,
            places={"drive": "waiting 12 s", "local": ""},
        )
        rates.feed(progress)
    line = "moving: 40%, 40 of 100 assets, 40.0 MB of 100 MB, 4.0 MB/s, 15 s left, 2 failed"
    assert describe(progress, rates) == f"{line}, drive waiting 12 s"


def test_a_place_that_is_waited_for_before_anything_is_listed_is_named() -> None:
    out = io.StringIO()
    plain = Plain(out, every=0)
    for phase in ("listing", "adopting"):
        plain.progress(Progress(phase, places={"dropbox": "asked to wait 300 s", "here": ""}))
    first, second = out.getvalue().splitlines()
    assert first == "listing: 0, dropbox asked to wait 300 s"
    assert second.endswith("0 files proven, dropbox asked to wait 300 s")
    screen = io.StringIO()
    with (terminal := Terminal(Console(file=screen, force_terminal=True, width=80))):
        terminal.progress(Progress("listing", places={"dropbox": "asked to wait 300 s"}))
    assert "dropbox: asked to wait 300 s" in screen.getvalue()


def test_verifying_counts_files_and_the_bytes_that_were_read() -> None:
    listed = Progress("verifying", unit="file", assets_done=4000)
    assert describe(listed, Rates()) == "verifying: 4,000 files"
    read = Progress("verifying", unit="file", assets_done=1, bytes_done=10**6)
    assert describe(read, Rates()) == "verifying: 1 file, 1.0 MB"


def test_looking_through_an_archive_shows_that_it_gets_on() -> None:
    at = Progress("adopting", adopted=1234)
    assert describe(at, Rates()) == "looking at what is there already: 1,234 files proven"
    screen = io.StringIO()
    terminal = Terminal(Console(file=screen, force_terminal=True, width=80))
    with terminal:
        terminal.progress(at)
    assert "1,234 files proven" in screen.getvalue()


def test_plain_lines_are_few() -> None:
    out = io.StringIO()
    plain = Plain(out, every=1000)
    for done in range(500):
        plain.progress(Progress("moving", assets_done=done, assets_total=500))
        plain.item(ItemEvent(f"a{done}", f"{done}.JPG", "failed", "why"))
        plain.item(ItemEvent(f"b{done}", f"{done}.JPG", "confirmed"))
    plain.notice(Notice("warning", "is full", "drive", "Make room"))
    lines = out.getvalue().splitlines()
    assert len(lines) == 1 + 20 + 1 + 1
    assert lines[-1] == "drive: is full (Make room)"


def test_no_line_says_nothing_but_zero() -> None:
    out = io.StringIO()
    plain = Plain(out, every=0)
    for phase in ("listing", "adopting", "moving", "finishing", "verifying"):
        plain.progress(Progress(phase, assets_total=0, bytes_total=0))
    assert out.getvalue() == ""
    plain.progress(Progress("listing", listed=3))
    plain.progress(Progress("moving", assets_total=3, bytes_total=10))
    assert out.getvalue().splitlines() == ["listing: 3", "moving: 0%, 0 of 3 assets, 0 B of 10 B"]


def test_quiet_says_only_what_is_wrong() -> None:
    out = io.StringIO()
    plain = Plain(out, quiet=True, every=0)
    plain.progress(Progress("moving"))
    plain.notice(Notice("info", "has room again", "drive"))
    plain.item(ItemEvent("a", "A.JPG", "quarantined", "A.JPG: differs"))
    assert out.getvalue() == "quarantined: A.JPG: differs\n"


@pytest.mark.parametrize(
    ("capacity", "expected"),
    [
        (None, "does not tell"),
        (Capacity(5 * 10**9), "5.0 GB used, no limit"),
        (Capacity(4 * 10**9, 5 * 10**9, 10**9), "4.0 GB of 5.0 GB used (80%), 1.0 GB free"),
        (Capacity(5 * 10**9, 5 * 10**9, 0, full=True), "(100%), full"),
        (Capacity(1, 10, 9, {"photos": 1}, nearly_full=True), "photos 1 B"),
    ],
)
def test_room_in_words_and_a_bar(capacity: Capacity | None, expected: str) -> None:
    out = io.StringIO()
    show_capacity(Console(file=out, width=70), "icloud", capacity)
    assert expected in out.getvalue()
    assert ("━" in out.getvalue()) == bool(capacity and capacity.total)


def test_answers_come_from_a_pipe_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("hello\n7\n2\n"))
    prompter = TerminalPrompter()
    assert prompter.ask("Code") == "hello"
    assert prompter.choose("Which phone?", ["one", "two"]) == 1
    with pytest.raises(SessionExpired, match="nobody answered"):
        prompter.ask("And now?")


@given(st.floats(0, 10**7))
def test_durations_are_short(seconds: float) -> None:
    assert len(duration(seconds)) <= 16


@given(st.integers(0, 10**6), st.integers(1, 10**6))
def test_a_share_is_100_only_when_it_is_all(part: int, whole: int) -> None:
    shown = share(min(part, whole), whole)
    assert (shown == "100%") == (part >= whole)
    assert (shown == "0%") == (part == 0)


@given(st.text())
def test_nothing_printed_can_command_a_terminal(text: str) -> None:
    assert printable(text).isprintable()
    assert len(printable(text)) == len(text)


def test_plurals() -> None:
    assert [counted(1), counted(2000), counted(1, "copy"), counted(2, "copy")] == [
        "1 asset", "2,000 assets", "1 copy", "2 copies",
    ]  # fmt: skip
