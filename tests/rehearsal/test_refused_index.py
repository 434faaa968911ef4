"""Promise: an index that Apple refuses costs what is asked of it alone, and that is said."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline.cli.app import invoke
from sandbox.faults import Faults
from sandbox.icloud import ICloud
from tests.keep.reading import read
from tests.rehearsal.rig import ARGUMENTS, album_tags, assert_kept, cloud, landed, run, wanted

TREE, MEMBERS = "index/CPLAlbumByPositionLive*", "index/CPLContainerRelationLiveByAssetDate/"
HIDDEN = "index/CPLAssetAndMasterHiddenByAssetDate"
HISTORY = "index/history/*"


pytestmark = [pytest.mark.wide, pytest.mark.usefixtures("no_waiting")]


@pytest.fixture
def double() -> Iterator[ICloud]:
    with cloud(40, Faults(retry_after=0), size=500) as made:
        yield made


def refuse(double: ICloud, index: str) -> None:
    double.faults.add("bad_index", key=index)


def tags(folder: Path) -> set[str]:
    """Every album that a sidecar names."""
    found = (read(path.read_bytes()).lists for path in folder.rglob("*.xmp"))
    return {tag for lists in found for tag in lists.get("digiKam:TagsList", [])}


def test_albums_that_are_refused_keep_no_photo_back(
    double: ICloud, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    refuse(double, TREE)
    assert run(tmp_path / "Photos") == 1
    said = capsys.readouterr().err
    assert said.count("its albums could not be read: iCloud says BAD_REQUEST") == 1
    assert said.splitlines()[-2] == "outpour: not all albums could be read", "also where it ends"
    assert landed(tmp_path / "Photos") == wanted(double.library)
    assert not any(tag.startswith("Albums/") for tag in tags(tmp_path / "Photos"))
    double.faults.clear()
    assert run(tmp_path / "Photos") == 0
    assert_kept(tmp_path / "Photos", double.library)


def test_albums_known_from_before_are_not_taken_for_removed(double: ICloud, tmp_path: Path) -> None:
    assert run(tmp_path / "Photos") == 0
    before = tags(tmp_path / "Photos")
    refuse(double, TREE)
    added = double.library.add("NEW", created=1_500_000_000_000)
    album = next(album for album in double.library.albums.all() if not album.folder)
    double.library.put(added.id, album)
    assert run(tmp_path / "Photos") == 1
    assert landed(tmp_path / "Photos") == wanted(double.library)
    assert tags(tmp_path / "Photos") == before
    double.faults.clear()
    assert run(tmp_path / "Photos") == 0
    assert_kept(tmp_path / "Photos", double.library)


def test_one_album_that_is_refused_costs_that_album_alone(
    double: ICloud, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    album = next(a for a in double.library.albums.all() if double.library.members(a))
    refuse(double, MEMBERS + album.id)
    assert run(tmp_path / "Photos") == 1
    assert album.title in capsys.readouterr().err
    every = {tag for some in album_tags(double.library).values() for tag in some}
    (lost,) = {tag for tag in every - tags(tmp_path / "Photos") if tag.startswith("Albums/")}
    assert lost.endswith(album.title)
    double.faults.clear()
    assert run(tmp_path / "Photos") == 0
    assert_kept(tmp_path / "Photos", double.library)


def test_an_index_of_albums_is_not_written_of_albums_nobody_could_read(
    double: ICloud, tmp_path: Path
) -> None:
    config = tmp_path / "p.yaml"
    config.write_text(
        f"source: icloud:demo@example.com\nsinks: [{tmp_path}/Photos]\nkeep: {{albums: index}}\n"
    )
    assert invoke(["run", str(config)]) == 0
    before = (tmp_path / "Photos/albums.json").read_bytes()
    double.library.add("NEW", created=1_500_000_000_000)
    double.library.albums.add("Fresh")
    refuse(double, TREE)
    assert invoke(["run", str(config)]) == 1
    assert (tmp_path / "Photos/albums.json").read_bytes() == before


@pytest.mark.parametrize("index", [TREE, MEMBERS + "*"], ids=["the list of them", "each of them"])
def test_albums_that_were_asked_for_and_are_refused_are_no_empty_selection(
    index: str, double: ICloud, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    album = next(
        a for a in double.library.albums.all() if double.library.members(a) and not a.parent
    )
    chosen = [*ARGUMENTS, str(tmp_path / "Photos"), "--album", album.title]
    refuse(double, index)
    assert invoke(chosen) == 5
    said = capsys.readouterr().err
    assert "Index has invalid data" in said and "no album called" not in said
    double.faults.clear()
    assert invoke(chosen) == 0
    first = landed(tmp_path / "Photos")
    assert first
    refuse(double, index)
    double.library.put(double.library.add("NEW", created=1_500_000_000_000).id, album)
    assert invoke(chosen) == 1, "what is known of the album is moved, and that is not all"
    double.faults.clear()
    assert invoke(chosen) == 0
    assert sum((landed(tmp_path / "Photos") - first).values()) == 1


@pytest.mark.parametrize(
    ("fault", "why"),
    [
        ("bad_index", "BAD_REQUEST: Index has invalid data"),
        ("unservable", "INTERNAL_ERROR: could not decrypt bytes"),
    ],
)
def test_hidden_photos_that_are_refused_are_named_and_the_others_move(
    fault: str, why: str, double: ICloud, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    numbers = double.library.view("hidden")
    for key in [HIDDEN, *(f"record/{double.library.get(number).id}" for number in numbers)]:
        double.faults.add(fault, key=key)
    refuse(double, HISTORY)
    assert run(tmp_path / "Photos") == 1
    said = capsys.readouterr()
    assert f"(iCloud says {why}); by its own count there are {len(numbers)}" in said.out
    assert "assets but lists" not in said.err
    lost = wanted(double.library) - landed(tmp_path / "Photos")
    assert 0 < sum(lost.values()) < 20
    double.faults.clear()
    assert run(tmp_path / "Photos") == 0
    assert landed(tmp_path / "Photos") == wanted(double.library)


@pytest.mark.parametrize("history", [True, False])
def test_hidden_photos_are_found_by_name_where_the_record_of_the_library_is_told(
    history: bool, double: ICloud, tmp_path: Path
) -> None:
    refuse(double, HIDDEN)
    if not history:
        refuse(double, HISTORY)
    assert run(tmp_path / "Photos") == (0 if history else 1)
    assert (landed(tmp_path / "Photos") == wanted(double.library)) is history


def test_hidden_photos_are_not_gone_because_apple_refuses_them(
    double: ICloud, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(tmp_path / "Photos") == 0
    double.faults.add("unservable", key="record/*", times=8)  # no changes: everything is listed
    refuse(double, HIDDEN)
    refuse(double, HISTORY)
    double.library.add("NEW", created=1_500_000_000_000)
    capsys.readouterr()
    assert run(tmp_path / "Photos") == 1
    assert "gone" not in capsys.readouterr().out


COUNTS = ("CPLAssetByAssetDateWithoutHiddenOrDeleted", "CPLAssetHiddenByAssetDate")


@pytest.mark.parametrize("counts", [COUNTS[:1], COUNTS[1:], COUNTS])
def test_a_count_that_is_refused_is_said_and_everything_moves(
    counts: tuple[str, ...], double: ICloud, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for count in counts:
        refuse(double, f"index/{count}")
    refuse(double, HISTORY)
    assert run(tmp_path / "Photos") == 1
    assert capsys.readouterr().out.count("whether all were listed is not known") == len(counts)
    assert landed(tmp_path / "Photos") <= wanted(double.library)
    double.faults.clear()
    assert run(tmp_path / "Photos") == 0
    assert landed(tmp_path / "Photos") == wanted(double.library)


@pytest.mark.parametrize("counts", [COUNTS[:1], COUNTS])
def test_without_a_count_the_record_of_the_library_tells_whether_all_was_listed(
    counts: tuple[str, ...], double: ICloud, tmp_path: Path
) -> None:
    for count in counts:
        refuse(double, f"index/{count}")
    assert run(tmp_path / "Photos") == 0
    assert landed(tmp_path / "Photos") == wanted(double.library)


def test_nothing_is_deleted_whose_albums_could_not_be_read(
    double: ICloud, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """With the originals, Apple forgets what was in which album."""
    config = tmp_path / "p.yaml"
    sinks = ", ".join(f"{{type: local, name: {name}, path: {tmp_path}/{name}}}" for name in "ab")
    config.write_text(f"source: icloud:demo@example.com\nsinks: [{sinks}]\n")
    refuse(double, TREE)
    assert invoke(["run", str(config)]) == 1
    before = len(double.library.view("trashed"))
    assert invoke(["reclaim", str(config), "--older-than", "1d", "--same-disk", "--yes"]) == 5
    assert "nothing is freed" in capsys.readouterr().err
    assert len(double.library.view("trashed")) == before
