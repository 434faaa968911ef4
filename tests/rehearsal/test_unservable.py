"""Promise: what Apple cannot serve costs itself and nothing else, is named, and the run ends."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from sandbox.faults import Faults
from sandbox.icloud import ICloud
from sandbox.library.model import Asset
from tests.rehearsal.rig import cloud, landed, run, sha, wanted

ASSETS = 250


pytestmark = pytest.mark.usefixtures("no_waiting")


@pytest.fixture
def double() -> Iterator[ICloud]:
    with cloud(ASSETS, Faults(retry_after=0), size=300) as made:
        yield made


def shown(double: ICloud, rank: int) -> Asset:
    return double.library.get(double.library.view("listed")[rank])


def break_ranks(double: ICloud, *ranks: int) -> list[Asset]:
    broken = [shown(double, rank) for rank in ranks]
    for asset in broken:
        double.faults.add("unservable", key=f"record/{asset.id}")
    return broken


def assert_only_these_are_missing(double: ICloud, folder: Path, broken: list[Asset]) -> None:
    lost = wanted(double.library) - landed(folder)
    files = [sha(file.content.read()) for asset in broken for file in asset.files]
    assert sorted(lost.elements()) == sorted(files)


@pytest.mark.parametrize(
    "ranks",
    [
        pytest.param((137,), id="one"),
        pytest.param((0,), id="the first", marks=pytest.mark.slow),
        pytest.param((99,), id="the end of a page", marks=pytest.mark.wide),
        pytest.param((100,), id="the start of one", marks=pytest.mark.slow),
        pytest.param((3, 77, 180), id="several", marks=pytest.mark.slow),
        pytest.param(range(100, 104), id="neighbours", marks=pytest.mark.wide),
    ],
)
def test_an_asset_apple_cannot_serve_is_named_and_everything_else_lands(
    double: ICloud, ranks: tuple[int, ...], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    broken = break_ranks(double, *ranks)
    double.reset_counts()
    assert run(tmp_path / "Photos") == 1
    said = capsys.readouterr().out
    for rank in ranks:
        assert f"photo {rank + 1} of " in said
    assert said.count("Apple cannot serve") == len(ranks) and "could not decrypt bytes" in said
    assert_only_these_are_missing(double, tmp_path / "Photos", broken)
    assert double.counts["query"] < 30 + 30 * len(ranks)


@pytest.mark.wide
def test_a_whole_page_that_apple_cannot_serve_costs_that_page_alone(
    double: ICloud, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    broken = break_ranks(double, *range(100, 200))
    double.reset_counts()
    assert run(tmp_path / "Photos") == 1
    assert "100 items the source could not show" in capsys.readouterr().out
    assert_only_these_are_missing(double, tmp_path / "Photos", broken)
    assert double.counts["query"] < 450


@pytest.mark.wide
def test_it_is_named_in_a_library_that_apple_does_not_count(
    double: ICloud, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    double.faults.add("bad_index", key="index/CPLAsset*")
    broken = break_ranks(double, 137)
    assert run(tmp_path / "Photos") == 5, "its photos are refused, too"
    double.faults.clear("bad_index")
    double.faults.add("bad_index", key="index/CPLAssetByAssetDate*")
    capsys.readouterr()
    assert run(tmp_path / "Photos") == 1
    assert "photo 138  Apple cannot serve it" in capsys.readouterr().out
    assert_only_these_are_missing(double, tmp_path / "Photos", broken)


@pytest.mark.wide
def test_it_is_said_which_photos_it_is_listed_next_to(
    double: ICloud, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before, after = shown(double, 136), shown(double, 138)
    break_ranks(double, 137)
    run(tmp_path / "Photos")
    (line,) = (one for one in capsys.readouterr().out.splitlines() if "cannot serve" in one)
    assert line.index(before.original.filename) < line.index(after.original.filename)


@pytest.mark.wide
@pytest.mark.parametrize("count", [60, ASSETS])
def test_a_service_that_fails_for_everything_is_not_taken_for_a_broken_library(
    count: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with cloud(count, Faults(retry_after=0), size=300) as double:
        double.faults.add("unservable")
        assert run(tmp_path / "Photos") == 5
        said = capsys.readouterr()
        assert "INTERNAL_ERROR" in said.err and "could not show" not in said.out
        assert double.counts["query"] < 6 * 50


class Failing(Faults):
    """After so many refusals everything is refused."""

    def hit(self, name: str, key: str = "") -> bool:
        if self.counts["unservable"] == 60:
            self.add("unservable")
        return super().hit(name, key)


@pytest.mark.wide
def test_a_service_that_begins_to_fail_amid_a_broken_page_makes_no_problems_of_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with cloud(ASSETS, Failing(retry_after=0), size=300) as double:
        break_ranks(double, *range(100, 200))
        assert run(tmp_path / "Photos") == 5
        assert "could not show" not in capsys.readouterr().out


@pytest.mark.wide
def test_once_it_is_deleted_or_mended_the_next_run_is_whole(double: ICloud, tmp_path: Path) -> None:
    deleted, _ = break_ranks(double, 30, 137)
    assert run(tmp_path / "Photos") == 1
    double.library.add("NEWEST", created=4_000_000_000_000)  # every rank may be another now
    double.library.add("OLDEST", created=0)
    assert run(tmp_path / "Photos") == 1
    double.faults.clear()
    double.library.trash(deleted.id)
    assert run(tmp_path / "Photos") == 0
    assert landed(tmp_path / "Photos") == wanted(double.library)


@pytest.mark.wide
@pytest.mark.parametrize("short", [False, True], ids=["all accounted for", "some not listed"])
def test_a_problem_goes_by_its_rank_of_now(
    short: bool, double: ICloud, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if short:
        double.faults.add("empty_page", key="list/*/2??")
    break_ranks(double, 137)
    run(tmp_path / "Photos")
    double.library.add("NEWEST", created=4_000_000_000_000)
    double.library.add("OLDEST", created=0)
    capsys.readouterr()
    assert run(tmp_path / "Photos") == 1
    assert "1 item the source could not show" in capsys.readouterr().out


@pytest.mark.wide
def test_what_was_copied_before_apple_could_not_serve_it_is_not_gone(
    double: ICloud, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(tmp_path / "Photos") == 0
    victim = shown(double, 20)
    double.library.change(victim.id, favorite=True)
    break_ranks(double, 20)
    capsys.readouterr()
    assert run(tmp_path / "Photos") == 1
    said = capsys.readouterr().out
    assert "Apple cannot serve it" in said and "gone" not in said


@pytest.mark.wide
def test_changes_that_apple_cannot_serve_lead_to_a_full_listing(
    double: ICloud, tmp_path: Path
) -> None:
    assert run(tmp_path / "Photos") == 0
    added = double.library.add("NEW", created=1_500_000_000_000)
    broken = double.library.add("BROKEN", created=1_500_000_001_000)
    double.faults.add("unservable", key=f"record/{broken.id}")
    assert run(tmp_path / "Photos") == 1
    assert landed(tmp_path / "Photos")[sha(added.original.content.read())] == 1
    assert_only_these_are_missing(double, tmp_path / "Photos", [broken])


@pytest.mark.wide
@pytest.mark.parametrize("count", [60, pytest.param(ASSETS, marks=pytest.mark.slow)])
def test_a_service_that_fails_for_a_while_is_waited_for(
    count: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As long as for any other answer: nothing has to be listed again for it."""
    monkeypatch.setenv("OUTPOUR_LIMITS__ATTEMPTS", "1")
    with cloud(count, Faults(retry_after=0), size=300) as double:
        double.faults.add("unservable", times=9)
        assert run(tmp_path / "Photos") == 0
        assert landed(tmp_path / "Photos") == wanted(double.library)
