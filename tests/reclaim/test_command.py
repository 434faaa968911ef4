"""``outpour reclaim``: a dry run unless told otherwise, one clear line where it cannot."""

from __future__ import annotations

import io
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from rich.console import Console

from connectors.memory import library, shelf
from pipeline.cli.app import invoke
from pipeline.cli.prompter import TerminalPrompter
from pipeline.cli.reclaim_answers import show_aftermath
from pipeline.ledger.items import Totals
from pipeline.reclaim import Aftermath, Pace
from pipeline.states import Exit
from tests.engine.rig import fill


def store_of(request: pytest.FixtureRequest) -> str:
    """Memory places live as long as the process: each test has its own."""
    return f"reclaim-{request.node.name.translate({91: 45, 93: 45})}"


@pytest.fixture
def config(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A pipeline that ran into two sinks."""
    store = store_of(request)
    fill(library(store), 6)
    path = tmp_path / "family.yaml"
    path.write_text(
        f"source: memory:{store}\n"
        f"sinks:\n  - {{type: memory, name: a, store: {store}-a}}\n"
        f"  - {{type: memory, name: b, store: {store}-b}}\n"
    )
    assert invoke(["run", "-q", str(path)]) == Exit.OK
    return path


def held(request: pytest.FixtureRequest) -> int:
    return len(library(store_of(request)).assets)


def test_by_default_it_only_shows(
    config: Path, request: pytest.FixtureRequest, capsys: pytest.CaptureFixture[str]
) -> None:
    capsys.readouterr()
    assert invoke(["reclaim", str(config), "--older-than", "1d"]) == Exit.OK
    out = capsys.readouterr().out
    assert "6 assets would go" in out and "IMG_0003.HEIC" in out and "2024-05-01" in out
    assert "Nothing was changed yet" in out and "To do it: " in out and "--yes" in out
    assert held(request) == 6


def test_whoever_is_asked_is_not_told_how_to_do_without(
    config: Path,
    request: pytest.FixtureRequest,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[str] = []
    monkeypatch.setattr("pipeline.cli.working.at_terminal", lambda: True)
    monkeypatch.setattr(TerminalPrompter, "ask", lambda _, question: asked.append(question))
    capsys.readouterr()
    assert invoke(["reclaim", str(config), "--older-than", "1d"]) == Exit.OK
    out = capsys.readouterr().out
    assert "Type 'free 6'" in asked[0] and "Nothing was changed yet" in out
    assert "To do it" not in out and held(request) == 6


def test_it_acts_tells_the_truth_and_undoes(
    config: Path, request: pytest.FixtureRequest, capsys: pytest.CaptureFixture[str]
) -> None:
    assert invoke(["reclaim", str(config), "--older-than", "1d", "--yes"]) == Exit.OK
    out = capsys.readouterr().out
    assert held(request) == 0
    assert "6 assets" in out and "moved to the bin" in out
    assert "Nothing was changed yet" not in out and "--yes" not in out
    assert "count as used until they leave" in out and "for good: Empty the bin" in out
    assert invoke(["reclaim", str(config), "--undo"]) == Exit.OK
    assert "6 assets of run" in capsys.readouterr().out
    assert held(request) == 6


def test_a_goal_that_is_not_reached_yet_is_no_success(
    config: Path, request: pytest.FixtureRequest, capsys: pytest.CaptureFixture[str]
) -> None:
    act = ["reclaim", str(config), "--older-than", "1d", "--yes", "--limit"]
    assert invoke([*act, "2"]) == Exit.ITEMS_FAILED
    assert "of what was asked for is left to the next run\n  again: " in capsys.readouterr().err
    assert held(request) == 4
    assert invoke([*act, "4"]) == Exit.OK
    assert held(request) == 0


def test_undo_takes_a_run(config: Path, request: pytest.FixtureRequest) -> None:
    assert invoke(["reclaim", str(config), "--older-than", "1d", "--yes"]) == Exit.OK
    assert invoke(["reclaim", str(config), "--undo", "77"]) == Exit.USAGE
    assert invoke(["reclaim", str(config), "--undo", "2"]) == Exit.OK
    assert held(request) == 6


def test_what_lacks_proof_is_named_and_the_command_says_so(
    config: Path, request: pytest.FixtureRequest, capsys: pytest.CaptureFixture[str]
) -> None:
    lost = shelf(f"{store_of(request)}-b").visible
    del lost[next(path for path in lost if "IMG_0003.HEIC" in path)]
    code = invoke(["reclaim", str(config), "--older-than", "1d", "--yes"])
    assert code == Exit.ITEMS_FAILED and held(request) == 1
    assert "stayed without proof  IMG_0003.HEIC  b: 2024/05/IMG_0003.HEIC: missing" in (
        capsys.readouterr().out
    )


def test_json_is_one_document(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    assert invoke(["reclaim", str(config), "--free", "1kB", "--json"]) == Exit.OK
    shown = json.loads(capsys.readouterr().out)["would_free"]
    assert shown["goal"] == 1000 and shown["bytes"] >= 1000
    assert shown["assets"][0]["copies"] == ["a", "b"]
    assert invoke(["reclaim", str(config), "--free", "1kB", "--json", "--yes"]) == Exit.OK
    done = json.loads(capsys.readouterr().out)
    assert done["freed"]["bytes"] == shown["bytes"] == done["bin"]["ours"]["bytes"]


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["--until", "180%"], "--until: '180%' is no share; write a percentage up to 100%"),
        (["--free", "lots"], "--free: 'lots' is no size"),
        (["--older-than", "soon"], "--older-than: 'soon' is no age and no date"),
        (["--free", "12GB"], "12.0 GB cannot be freed: "),
        (["--until", "80%"], "--until: the source does not tell how much room it has"),
        (["--yes"], "what is to be freed? Give --free, --until or --older-than"),
        (["--copies", "0", "--free", "1"], "--copies"),
        (["--copies", "3", "--free", "1"], "3 independent copies are asked for"),
        (["--undo"], "nothing is left to bring back"),
        (["--undo=x"], "--undo: 'x' is no run"),
    ],
    ids=range(10),
)
def test_bad_input_gives_one_line(
    config: Path,
    request: pytest.FixtureRequest,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    line: str,
) -> None:
    capsys.readouterr()
    assert invoke(["reclaim", str(config), *arguments]) == Exit.USAGE
    told = capsys.readouterr()
    assert line in told.err and "Traceback" not in told.err and not told.out
    assert held(request) == 6


def test_without_a_ledger_it_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "never.yaml"
    path.write_text("source: memory:x\nsinks: [memory:y]\n")
    assert invoke(["reclaim", str(path), "--free", "1GB"]) == Exit.USAGE
    assert "has no ledger here: it never ran" in capsys.readouterr().err


def test_a_request_takes_few_and_the_source_gets_a_rest() -> None:
    """Some hundred deletions in a row are refused for hours."""
    pace = Pace()
    assert pace.batch <= 50 and pace.pause >= 1


@pytest.mark.wide
def test_of_several_sources_the_one_that_is_meant_is_freed(
    config: Path, request: pytest.FixtureRequest, capsys: pytest.CaptureFixture[str]
) -> None:
    store = store_of(request)
    fill(library(f"{store}-ann"), 4)
    both = config.with_name("both.yaml")
    sources = "source:\n" + "".join(
        f"  - {{type: memory, name: {name}, store: {kept}}}\n"
        for name, kept in (("bob", store), ("ann", f"{store}-ann"))
    )
    text = config.read_text().replace(f"source: memory:{store}\n", sources)
    both.write_text(text)
    assert invoke(["run", "-q", str(both)]) == Exit.OK
    capsys.readouterr()
    goal = [str(both), "--older-than", "1d", "--yes"]
    assert invoke(["reclaim", *goal]) == Exit.USAGE
    told = capsys.readouterr().err
    assert "which source is to be freed, bob or ann?" in told and "--at bob" in told
    assert invoke(["reclaim", *goal, "--at", "ann"]) == Exit.OK
    assert (held(request), len(library(f"{store}-ann").assets)) == (6, 0)
    assert invoke(["reclaim", str(both), "--undo", "--at", "bob"]) == Exit.USAGE
    assert "nothing is left to bring back" in capsys.readouterr().err
    assert invoke(["reclaim", str(both), "--undo", "--at", "ann"]) == Exit.OK
    assert len(library(f"{store}-ann").assets) == 4


def test_what_only_keeps_folders_is_not_freed(
    config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A folder beside the library is a source whose files nobody but its owner deletes."""
    more = tmp_path / "more"
    more.mkdir()
    both = config.with_name("both.yaml")
    both.write_text(
        config.read_text().replace("source: ", f"source: [{more}, ").replace("\nsinks", "]\nsinks")
    )
    assert invoke(["run", "-q", str(both)]) == Exit.OK
    capsys.readouterr()
    assert invoke(["reclaim", str(both), "--at", "local", "--older-than", "1d"]) == Exit.USAGE
    assert "local cannot free space" in capsys.readouterr().err
    assert invoke(["reclaim", str(both), "--older-than", "1d"]) == Exit.OK
    assert "6 assets would go" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("days", "words"),
    [
        ((3, 3), "leave, on "),
        ((3, 9), "leave, from "),
        ((-2, 9), "leave, by "),
        ((-9, -2), "leave."),
    ],
)
def test_no_day_that_has_passed_is_foretold(days: tuple[int, int], words: str) -> None:
    first, last = (datetime.now(UTC) + timedelta(days=number) for number in days)
    after = Aftermath("icloud", None, Totals(2, 9), Totals(2, 9), first, last, "Empty the bin")
    out = io.StringIO()
    show_aftermath(Console(file=out, width=200), after)
    assert words in out.getvalue()
    if days[0] < 0:
        assert f"{first:%Y-%m-%d}" not in out.getvalue()


@pytest.mark.parametrize("goal", [["--free", "9GB"], ["--until", "80%"], ["--older-than", "1d"]])
def test_bringing_back_has_no_goal(
    goal: list[str], config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert invoke(["reclaim", str(config), "--undo", *goal]) == Exit.USAGE
    assert (
        f"--undo brings back all that a run freed: leave out {goal[0]}" in capsys.readouterr().err
    )
