"""Promise: exit code 0 means that everything asked for is confirmed, and nothing else does."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from connectors.memory import Library, library, shelf
from connectors.private import state_dir, state_path
from pipeline.cli.app import invoke
from pipeline.ledger import Ledger
from pipeline.states import Exit
from tests.cli.stage import ExpiringContents, fill

COUNT = 30


@pytest.fixture
def store(request: pytest.FixtureRequest) -> str:
    """A library of its own for each test: memory places live as long as the process."""
    name = f"cli-{request.node.name}"
    fill(library(name), COUNT)
    return name


def arguments(store: str) -> list[str]:
    return ["--from", f"memory:{store}", "--to", f"memory:{store}-out"]


def test_a_whole_run_ends_with_0_and_says_what_is_proven(
    store: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert invoke(["run", *arguments(store)]) == Exit.OK
    out = capsys.readouterr().out
    assert f"All {COUNT} assets confirmed" in out
    assert "byte for byte" not in out  # three files have no checksum to prove it with
    assert "33 files by the source's own checksum" in out
    assert "3 files: the source gives no checksum anyone can recompute" in out
    assert len(shelf(f"{store}-out").visible) == 36


def test_the_same_command_again_moves_nothing(
    store: str, capsys: pytest.CaptureFixture[str]
) -> None:
    invoke(["run", *arguments(store)])
    capsys.readouterr()
    assert invoke(["run", *arguments(store)]) == Exit.OK
    assert "0 assets in" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("trouble", "state", "reason"),
    [("lost", "failed", "no file o of asset asset-4"), ("other", "quarantined", "expected apple:")],
)
def test_what_failed_is_named_with_its_reason_and_1(
    trouble: str, state: str, reason: str, store: str, capsys: pytest.CaptureFixture[str]
) -> None:
    contents = library(store).contents
    bad = contents.pop(("asset-4", "o"))
    if trouble == "other":
        contents[("asset-4", "o")] = bytes(len(bad))
    assert invoke(["run", *arguments(store)]) == Exit.ITEMS_FAILED
    captured = capsys.readouterr()
    assert f"{COUNT - 1} of {COUNT} assets confirmed" in captured.out
    line = next(line for line in captured.out.splitlines() if "IMG_0004.HEIC" in line)
    assert state in line and reason in line
    assert "outpour report memory" in captured.err


def test_a_full_place_ends_with_4_and_says_how_to_go_on(
    tmp_path: Path, store: str, capsys: pytest.CaptureFixture[str]
) -> None:
    config = tmp_path / "p.yaml"
    sink = f"{{type: memory, store: {store}-out, limit: 20000}}"
    config.write_text(f"source: memory:{store}\nsinks: [{sink}]\n")
    assert invoke(["run", str(config)]) == Exit.NO_ROOM
    assert "go on with: " in capsys.readouterr().err


def test_an_expired_sign_in_ends_with_3_where_nobody_can_be_asked(
    store: str, capsys: pytest.CaptureFixture[str]
) -> None:
    held = library(store)
    held.contents = ExpiringContents(5)
    fill(held, COUNT)
    assert invoke(["run", *arguments(store)]) == Exit.NEEDS_PERSON
    assert "Run outpour connect memory" in capsys.readouterr().err
    held.contents = dict(held.contents)  # the person signed in again
    assert invoke(["run", *arguments(store)]) == Exit.OK


def test_plan_says_what_would_move_and_changes_nothing(
    store: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert invoke(["plan", *arguments(store), "--json"]) == Exit.OK
    plan = json.loads(capsys.readouterr().out)
    size = sum(map(len, library(store).contents.values()))
    assert (plan["assets"], plan["bytes"], plan["fits"]) == (COUNT, size, True)
    assert not shelf(f"{store}-out").visible
    assert not state_path("pipelines").exists()


def test_staging_on_a_disk_that_is_away_is_no_folder_in_its_mount_point(
    store: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = tmp_path / "p.yaml"
    config.write_text(
        f"source: memory:{store}\nsinks: [memory:{store}-out]\nstaging: {{path: disk/stage}}\n"
    )
    for command in ("plan", "run"):
        assert invoke([command, str(config)]) == Exit.USAGE
        assert f"staging.path: there is no folder {tmp_path}/disk" in capsys.readouterr().err
    assert not (tmp_path / "disk").exists()
    (tmp_path / "disk").mkdir()
    assert invoke(["run", str(config)]) == Exit.OK
    assert (tmp_path / "disk/stage").stat().st_mode & 0o777 == 0o700
    (tmp_path / "disk/stage").chmod(0o2775)
    assert invoke(["run", str(config)]) == Exit.OK
    assert (tmp_path / "disk/stage").stat().st_mode & 0o7777 == 0o2775, "a person's own folder"


def test_plan_tells_that_it_will_not_fit(
    tmp_path: Path, store: str, capsys: pytest.CaptureFixture[str]
) -> None:
    config = tmp_path / "p.yaml"
    sink = f"{{type: memory, store: {store}-out, limit: 20000}}"
    config.write_text(f"source: memory:{store}\nsinks: [{sink}]\n")
    assert invoke(["plan", str(config)]) == Exit.NO_ROOM
    out, err = capsys.readouterr()
    assert "it does not fit" in out
    (said, advice) = err.splitlines()[-2:]
    assert re.search(r"not everything fits: [\d.]+ kB at memory too much", said), said
    assert advice.startswith("  what does not fit: "), "in one line, for a batch of many too"


def test_a_plan_blames_no_sink_for_what_fits_at_none(
    tmp_path: Path, store: str, capsys: pytest.CaptureFixture[str]
) -> None:
    config = tmp_path / "p.yaml"
    sinks = (f"{{type: memory, name: {n}, store: {store}-{n}, limit: 20000}}" for n in "ab")
    config.write_text(
        f"source: memory:{store}\nroute: {{to: first}}\nsinks: [{', '.join(sinks)}]\n"
    )
    assert invoke(["plan", str(config)]) == Exit.NO_ROOM
    out = capsys.readouterr().out
    assert "too much" not in out and re.search(r"\n[\d.]+ kB will fit nowhere\n", out)


def test_json_is_one_object_a_line_and_ends_with_the_summary(
    store: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert invoke(["run", "--json", *arguments(store)]) == Exit.OK
    captured = capsys.readouterr()
    events: list[dict[str, Any]] = [json.loads(line) for line in captured.out.splitlines()]
    assert not captured.err
    assert {event["event"] for event in events} >= {"progress", "item", "summary"}
    assert len([event for event in events if event["event"] == "item"]) == COUNT
    assert events[-1]["event"] == "summary"
    assert (events[-1]["exit"], events[-1]["assets"]) == (0, {"confirmed": COUNT})


def test_selection_by_options(store: str, capsys: pytest.CaptureFixture[str]) -> None:
    chosen = ["--since", "2024-01-11", "--kind", "live", "--favorites"]
    assert invoke(["run", *arguments(store), *chosen]) == Exit.OK
    assert "1 asset confirmed" in capsys.readouterr().out  # number 15


def test_a_second_process_is_told_to_wait(
    tmp_path: Path, store: str, capsys: pytest.CaptureFixture[str]
) -> None:
    config = tmp_path / "family.yaml"
    config.write_text(f"source: memory:{store}\nsinks: [memory:{store}-out]\n")
    with Ledger.open(state_dir("pipelines") / "family.sqlite"):
        assert invoke(["run", str(config)]) == Exit.USAGE
    assert "another run of pipeline 'family' is under way" in capsys.readouterr().err


def test_two_files_of_one_name_never_share_a_ledger(
    tmp_path: Path, store: str, capsys: pytest.CaptureFixture[str]
) -> None:
    for folder, source in (("a", store), ("b", "another")):
        (tmp_path / folder).mkdir()
        text = f"source: memory:{source}\nsinks: [memory:{store}-out]\n"
        (tmp_path / folder / "family.yaml").write_text(text)
    assert invoke(["run", str(tmp_path / "a" / "family.yaml")]) == Exit.OK
    assert invoke(["run", str(tmp_path / "b" / "family.yaml")]) == Exit.USAGE
    assert "belongs to another source (memory" in capsys.readouterr().err


USAGE = {
    "nothing": (["run"], "Name a pipeline file, or both --from and --to"),
    "half": (["run", "--from", "memory:a"], "Name a pipeline file, or both --from and --to"),
    "both": (["run", "x.yaml", "--to", "memory:a"], "a pipeline file says everything itself"),
    "missing": (["run", "nowhere.yaml"], "nowhere.yaml: no such file"),
    "option": (["run", "--form", "x"], "No such option: --form"),
    "command": (["rum"], "No such command 'rum'"),
    "connector": (["run", "--from", "icluod", "--to", "./A"], "did you mean 'icloud'?"),
    "no ledger": (["report", "nothing"], "has no ledger here"),
    "verify first": (["verify", "--from", "memory:x", "--to", "memory:y"], "has no ledger here"),
    "odd name": (["report", "a/b"], "is neither a pipeline file nor the name of one"),
    "state": (
        ["report", "x", "--state", "lost"],
        "Invalid value for '--state': 'lost' is not one of",
    ),
    "setting": (["connect", "memory", "--set", "store"], "write key=value"),
}


@pytest.mark.parametrize("case", USAGE)
def test_usage_mistakes_give_one_line_and_2(
    case: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    argv, expected = USAGE[case]
    assert invoke(argv) == Exit.USAGE
    captured = capsys.readouterr()
    assert not captured.out
    assert expected in captured.err
    assert len([line for line in captured.err.splitlines() if line.startswith("outpour: ")]) == 1
    assert "Traceback" not in captured.err


def test_an_unwritable_folder_is_one_line(
    tmp_path: Path, store: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("in the way")
    argv = ["run", "--from", f"memory:{store}", "--to", str(tmp_path / "file" / "Photos")]
    assert invoke(argv) not in (Exit.OK, Exit.INTERRUPTED)
    assert "Traceback" not in capsys.readouterr().err


def test_a_new_library_is_no_mistake(capsys: pytest.CaptureFixture[str]) -> None:
    assert isinstance(library("cli-empty"), Library)
    assert invoke(["run", "--from", "memory:cli-empty", "--to", "memory:cli-e"]) == Exit.OK
    assert "No assets to move" in capsys.readouterr().out


def test_without_arguments_the_help_stands_there_as_it_is(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert invoke(["--help"]) == Exit.OK
    help_ = capsys.readouterr().out
    assert "..." not in help_.partition("Commands:")[2]  # every line of it is whole
    assert invoke([]) == Exit.USAGE
    told = capsys.readouterr()
    assert told.err == help_ and told.out == ""


def test_a_missing_file_leads_to_something_that_is_there(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert invoke(["run", "nowhere.yaml"]) == Exit.USAGE
    told = capsys.readouterr().err
    assert "nowhere.yaml: no such file" in told
    assert "outpour schema" in told and "outpour run --from" in told and "docs/" not in told


def test_a_plan_says_why_a_folder_needs_more_than_what_moves(
    store: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ends = ["--from", f"memory:{store}", "--to", str(tmp_path)]
    assert invoke(["plan", *ends, "--json"]) == Exit.OK
    found = json.loads(capsys.readouterr().out)
    (sink,) = found["sinks"]
    assert sink["sidecars"] > 0 and sink["needed"] == found["bytes"] + sink["sidecars"]
    assert invoke(["plan", *ends]) == Exit.OK
    assert "with sidecars" in " ".join(capsys.readouterr().out.split())


def test_an_album_that_is_not_there_is_not_to_be_asked_for_again(
    store: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert invoke(["run", *arguments(store), "--album", "Foo"]) == Exit.USAGE
    told = capsys.readouterr().err
    assert "has no album called 'Foo'" in told and "go on with" not in told


def test_a_plan_names_what_the_source_cannot_show(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The run will end with 1 for it."""
    (tmp_path / "card").mkdir()
    (tmp_path / "away.jpg").write_bytes(b"x")
    (tmp_path / "card" / "IMG_1.jpg").symlink_to("../away.jpg")
    ends = ["--from", str(tmp_path / "card"), "--to", str(tmp_path / "kept")]
    assert invoke(["plan", *ends]) == Exit.OK
    out = capsys.readouterr().out
    assert "1 item the source could not show" in out
    assert "unreadable  IMG_1.jpg  a link that leads out of the folder" in out
    assert invoke(["plan", *ends, "--json"]) == Exit.OK
    found = json.loads(capsys.readouterr().out)
    assert found["problem_count"] == 1 and found["problems"][0]["asset"] == "IMG_1.jpg"
    assert invoke(["run", *ends]) == Exit.ITEMS_FAILED


def test_one_is_not_many_and_a_label_is_not_its_number(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, content in (("a", b"1"), ("b", b"22")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "IMG_1.jpg").write_bytes(content)
    a, b = str(tmp_path / "a"), str(tmp_path / "b")
    ends = ["--from", a, "--to", str(tmp_path / "kept")]
    assert invoke(["run", *ends]) == Exit.OK
    assert invoke(["report", *ends]) == Exit.OK
    assert re.search(r"confirmed +1 asset +1 B", capsys.readouterr().out)
    assert invoke(["stranded", "--from", a, "--from", b]) == Exit.OK
    assert re.search(r"only local-source +1 asset,", capsys.readouterr().out)


@pytest.mark.parametrize("command", ["run", "plan"])
def test_files_that_are_no_photos_are_left_alone_and_counted(
    command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Promise: nothing is skipped silently."""
    card = tmp_path / "card"
    card.mkdir()
    for name in ("a.jpg", "notes.txt", "b.pdf", "c.pdf", "Makefile"):
        (card / name).write_bytes(name.encode())
    assert invoke([command, "--from", str(card), "--to", str(tmp_path / "to")]) == Exit.OK
    said = capsys.readouterr().err
    assert "neither photo nor video by name: 4 files (2 .pdf, " in said
    assert "1 .txt" in said and "1 without an ending" in said
    assert len(list(card.iterdir())) == 5


@pytest.mark.parametrize("command", ["run", "plan", "connect", "stranded"])
def test_one_password_is_not_tried_at_two_accounts(
    command: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("OUTPOUR_ICLOUD_PASSWORD", "word")
    file = tmp_path / "two.yaml"
    ann, bob = "icloud:ann@example.com", "icloud:bob@example.com"
    ends = f"source: {ann}\nsinks: [{bob}]\n"
    if command == "stranded":
        bob = "{type: icloud, name: bob, account: bob@example.com}"
        ends = f"source: [{ann}, {bob}]\nsinks: [./Photos]\n"
    file.write_text(ends)
    assert invoke([command, str(file)]) == Exit.USAGE
    said = capsys.readouterr().err
    assert "PASSWORD is set, and would be tried at ann@example.com and at bob@" in said
