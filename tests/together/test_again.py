"""What was moved stays known: a pipeline of folders that is run again, or is made another one."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.cli.app import invoke
from pipeline.cli.opening import ledger_path
from pipeline.states import Exit
from tests.ledger.earlier import as_version_two
from tests.together.test_names import COUNT, EVERY, Family

pytestmark = pytest.mark.wide

Fetched = Callable[..., int]


@pytest.fixture
def family(tmp_path: Path) -> Family:
    return Family(tmp_path)


@pytest.fixture
def fetched(family: Family, capsys: pytest.CaptureFixture[str]) -> Fetched:
    """Run the pipeline of these sources to its good end; the bytes that it read."""

    def run(**names: str) -> int:
        capsys.readouterr()
        assert invoke(["run", str(family.of(**names)), "--json"]) == Exit.OK
        summary = json.loads(capsys.readouterr().out.splitlines()[-1])
        return int(summary["downloaded_bytes"])

    return run


def parts(family: Family, capsys: pytest.CaptureFixture[str]) -> dict[tuple[str, ...], int]:
    """How many assets who has."""
    capsys.readouterr()
    assert invoke(["stranded", str(family.of(one="a", two="b")), "--json"]) == Exit.OK
    found = json.loads(capsys.readouterr().out)
    assert not found["unproven"]
    return {tuple(part["sources"]): part["assets"] for part in found["parts"]}


def test_a_second_run_reads_nothing(fetched: Fetched) -> None:
    assert fetched(one="a", two="b") > 0
    assert fetched(one="a", two="b") == 0


@pytest.mark.parametrize(
    "names",
    [{"one": "a", "phone": "b"}, {"two": "a", "one": "b"}, {"two": "b", "one": "a"}],
    ids=["renamed", "names exchanged", "another order"],
)
def test_sources_of_another_name_or_order_have_nothing_new(
    family: Family, fetched: Fetched, names: dict[str, str]
) -> None:
    fetched(one="a", two="b")
    fetched(one="a", two="b")
    assert fetched(**names) == 0
    assert family.landed() == EVERY


def test_a_plan_says_what_it_cannot_know(
    family: Family, capsys: pytest.CaptureFixture[str]
) -> None:
    assert invoke(["plan", str(family.of(one="a", two="b"))]) == Exit.OK
    told = capsys.readouterr().out
    assert f"{2 * COUNT} assets may be at several sources" in told
    assert family.run(one="a", two="b") == Exit.OK
    capsys.readouterr()
    assert invoke(["plan", str(family.config)]) == Exit.OK
    assert "several sources" not in capsys.readouterr().out


def test_a_second_source_brings_only_what_is_new(family: Family, fetched: Fetched) -> None:
    fetched(one="a")
    assert fetched(one="a", two="b") == len("only b")
    assert fetched(one="a", two="b") == 0
    assert family.landed() == EVERY


def test_an_edit_of_the_same_size_is_copied_and_the_earlier_stays(
    family: Family, fetched: Fetched
) -> None:
    fetched(one="a", two="b")
    family.write("b", "only.JPG", "only B")
    assert fetched(one="a", two="b") == len("only B")
    assert family.landed() == sorted([*EVERY, "only B"])


def test_a_file_that_was_replaced_is_no_longer_what_the_other_has(
    family: Family, fetched: Fetched, capsys: pytest.CaptureFixture[str]
) -> None:
    """Who deletes what "both" have loses nothing."""
    fetched(one="a", two="b")
    family.write("b", "other_1.JPG", "quite another picture")
    for run, size in enumerate((len("quite another picture"), 0)):
        told = {("one",): 1, ("two",): 2, ("one", "two"): COUNT - 1}
        assert parts(family, capsys) == told, run
        assert fetched(one="a", two="b") == size
    assert family.landed() == sorted([*EVERY, "quite another picture"])
    family.write("a", "IMG_1.JPG", "quite another picture")  # and then they are one again
    assert fetched(one="a", two="b") == 0
    assert family.landed() == sorted([*EVERY, "quite another picture"])
    assert parts(family, capsys) == {("two",): 1, ("one", "two"): COUNT}


def test_files_that_were_numbered_anew_are_found_again(
    family: Family, fetched: Fetched, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each has the name of another one, and the same size; nothing of it is new."""
    fetched(one="a", two="b")
    for number in range(1, COUNT):
        family.write("b", f"other_{number - 1}.JPG", f"photo {number}")
    (family.folder / "b" / f"other_{COUNT - 1}.JPG").unlink()
    fetched(one="a", two="b")
    assert family.landed() == EVERY
    assert fetched(one="a", two="b") == 0
    assert parts(family, capsys) == {("one",): 1, ("two",): 1, ("one", "two"): COUNT - 1}


def test_one_of_two_equal_files_that_is_edited_is_another_file(
    family: Family, fetched: Fetched
) -> None:
    fetched(one="a", two="b")
    family.write("a", "IMG_1.JPG", "PHOTO 1")
    fetched(one="a", two="b")
    assert family.landed() == sorted([*EVERY, "PHOTO 1"])


@pytest.mark.parametrize("first", [False, True], ids=["the last", "the first"])
def test_a_ledger_of_an_earlier_version_has_nothing_new(
    family: Family, fetched: Fetched, first: bool
) -> None:
    fetched(one="a", two="b")
    as_version_two(ledger_path("family"), first=first)
    assert fetched(one="a", two="b") == 0
    family.write("b", "only.JPG", "only B")
    assert fetched(one="a", two="b") == len("only B")
    assert family.landed() == sorted([*EVERY, "only B"])
