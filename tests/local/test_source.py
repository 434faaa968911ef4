"""A folder as a source: which files are one asset, and what is never silent."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Generator, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.base import Asset, Kind, Problem, Role
from connectors.errors import Fatal, ItemError, Misconfigured, NotFound, Transient
from connectors.local import source
from connectors.local.grouping import Group, groups, is_media
from connectors.local.source import LocalSource
from tests.conformance.making import content
from tests.local.conftest import unprivileged

O, L, E, R, S = Role.ORIGINAL, Role.LIVE_VIDEO, Role.EDITED, Role.RAW, Role.SIDECAR  # noqa: E741


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["a.heic", "a.MOV"], [(Kind.LIVE, {"a.heic": O, "a.MOV": L})]),
        (["IMG.JPG", "img.mov"], [(Kind.LIVE, {"IMG.JPG": O, "img.mov": L})]),
        (["a.jpg", "a.dng"], [(Kind.PHOTO, {"a.jpg": O, "a.dng": R})]),
        (["a.dng", "a.mov"], [(Kind.LIVE, {"a.dng": O, "a.mov": L})]),
        (["a.dng"], [(Kind.PHOTO, {"a.dng": O})]),
        (["a.mov", "a.aae"], [(Kind.VIDEO, {"a.mov": O, "a.aae": S})]),
        (["a.jpg", "a.mp4"], [(Kind.PHOTO, {"a.jpg": O}), (Kind.VIDEO, {"a.mp4": O})]),
        (
            ["a.jpg", "a.heic", "a.mov", "a.xmp"],
            [(Kind.LIVE, {"a.heic": O, "a.mov": L, "a.xmp": S}), (Kind.PHOTO, {"a.jpg": O})],
        ),
        (
            ["a.heic", "a.heic.xmp", "a.AAE"],
            [(Kind.PHOTO, {"a.heic": O, "a.AAE": S, "a.heic.xmp": S})],
        ),
        (
            ["a.heic", "a.mov", "a-edited.heic", "a-edited.mov"],
            [
                (
                    Kind.LIVE,
                    {
                        "a.heic": O,
                        "a.mov": L,
                        "a-edited.heic": E,
                        "a-edited.mov": Role.EDITED_LIVE_VIDEO,
                    },
                )
            ],
        ),
        (
            ["a.mov", "a-edited.mov"],
            [(Kind.VIDEO, {"a.mov": O, "a-edited.mov": Role.EDITED_VIDEO})],
        ),
        (
            ["IMG_0001.HEIC", "IMG_E0001.HEIC"],
            [(Kind.PHOTO, {"IMG_0001.HEIC": O, "IMG_E0001.HEIC": E})],
        ),
        (["IMG_E0001.HEIC"], [(Kind.PHOTO, {"IMG_E0001.HEIC": O})]),
        (["a-edited.jpg"], [(Kind.PHOTO, {"a-edited.jpg": O})]),
        (["a.aae", "b.jpg.xmp"], []),
    ],
)
def test_which_files_are_one_asset(
    names: list[str], expected: list[tuple[Kind, dict[str, Role]]]
) -> None:
    assert [(group.kind, dict(group.files)) for group in groups(names)] == expected


stems = st.sampled_from(
    ["a", "A", "a-edited", "IMG_0001", "IMG_E0001", "a.heic", "a-edited-edited"]
)
endings = st.sampled_from(["heic", "HEIC", "jpg", "mov", "MP4", "dng", "cr2", "aae", "xmp", "png"])


@given(st.sets(st.builds("{}.{}".format, stems, endings)))
def test_every_picture_and_video_is_in_exactly_one_asset(names: set[str]) -> None:
    placed = [name for group in groups(names) for name, _ in group.files]
    assert len(placed) == len(set(placed))
    assert set(placed) <= names
    lost = names - set(placed)
    assert all(name.endswith(("aae", "xmp")) for name in lost), "only a sidecar can be left over"
    for group in groups(names):
        assert [role for _, role in group.files].count(Role.ORIGINAL) == 1
        assert group.files[0][1] is Role.ORIGINAL


def write(root: Path, name: str, data: bytes = b"x") -> Path:
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


def listing(root: Path) -> tuple[list[str], list[Problem]]:
    pages = list(LocalSource("folder", root).pages())
    return (
        [asset.id for page in pages for asset in page.assets],
        [problem for page in pages for problem in page.problems],
    )


def test_what_is_no_picture_is_no_asset(tmp_path: Path) -> None:
    for name in (
        "a.jpg",
        ".hidden.jpg",
        ".trash/b.jpg",
        "notes.txt",
        "@eaDir/a.jpg",
        ".outpour-1-00000000-1",
        "sub/Thumbs.db",
    ):
        write(tmp_path, name)
    assert listing(tmp_path) == (["a.jpg"], [])
    assert not is_media("notes.txt")


def test_but_it_is_counted(tmp_path: Path) -> None:
    for name in ("a.jpg", "a.txt", "b/Invoice.PDF", "b/c.pdf", "README", "b/Thumbs.db"):
        write(tmp_path, name)
    write(tmp_path, "x.1234567890")
    write(tmp_path, "gone.AAE")  # of a photo that is not here
    *_, last = LocalSource("from", tmp_path).pages()
    assert last.ignored == {".txt": 1, ".pdf": 2, "": 2, ".aae": 1}


def test_links_are_not_followed_and_those_that_lead_out_are_named(tmp_path: Path) -> None:
    root, outside = tmp_path / "root", tmp_path / "outside"
    write(root, "sub/a.jpg")
    write(outside, "b.jpg")
    (root / "loop").symlink_to(root)
    (root / "sub/up").symlink_to("..")
    (root / "sub/self.jpg").symlink_to("self.jpg")
    (root / "same.jpg").symlink_to("sub/a.jpg")
    (root / "out").symlink_to(outside)
    (root / "b.jpg").symlink_to(outside / "b.jpg")
    (root / "broken.txt").symlink_to("nowhere")
    assets, problems = listing(root)
    assert assets == ["sub/a.jpg"]
    assert {problem.id for problem in problems} == {"out", "b.jpg", "sub/self.jpg"}


def test_what_cannot_be_read_is_named(open_folder: Path) -> None:
    write(open_folder, "a.jpg")
    for name in (b"bad\xff.jpg", b"dir\xff/a.jpg"):
        path = Path(os.fsdecode(os.fsencode(open_folder) + b"/" + name))
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"x")
    write(open_folder, "secret/a.jpg").parent.chmod(0)
    write(open_folder, "closed.jpg").chmod(0)
    with unprivileged():
        assets, problems = listing(open_folder)
    assert assets == ["a.jpg"]
    named = {"bad\ufffd.jpg", "closed.jpg", "dir\ufffd", "secret"}
    assert {problem.id for problem in problems} == named
    assert all(problem.reason and "\n" not in problem.reason for problem in problems)


def vanishing(monkeypatch: pytest.MonkeyPatch, folder: Path, *gone: Path) -> None:
    """Once the names of ``folder`` are read, ``gone`` is taken away."""
    real = os.scandir

    @contextlib.contextmanager
    def scandir(path: Path) -> Iterator[Any]:
        with real(path) as entries:
            names = list(entries)
        if Path(path) == folder:
            for one in gone:
                one.rename(folder.with_name(f"{folder.name}-gone-{one.name}"))
        yield names

    monkeypatch.setattr(os, "scandir", scandir)


def test_what_vanishes_while_the_folder_is_listed_is_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("a.jpg", "b.heic", "b.mov", "c.heic", "c.mov", "d/d.jpg"):
        write(tmp_path, name)
    (tmp_path / "link.jpg").symlink_to("a.jpg")
    gone = ("a.jpg", "b.heic", "c.mov", "d", "link.jpg")
    vanishing(monkeypatch, tmp_path, *(tmp_path / name for name in gone))
    assert listing(tmp_path) == (["b.mov", "c.heic"], [])


def test_a_file_that_goes_between_two_looks_at_it_is_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("b.heic", "b.mov", "c.heic"):
        write(tmp_path, name)

    def regrouped(names: list[str]) -> Iterator[Group]:
        (tmp_path / "b.heic").unlink(missing_ok=True)
        return groups(names)

    monkeypatch.setattr(source, "groups", regrouped)
    assert listing(tmp_path) == (["b.mov", "c.heic"], [])


def test_a_disk_that_goes_while_it_is_listed_is_no_emptied_library(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("card/a.jpg", "card/d/d.jpg"):
        write(tmp_path, name)
    vanishing(monkeypatch, tmp_path / "card", tmp_path / "card")
    with pytest.raises(Fatal, match="card is gone"):
        listing(tmp_path / "card")


def only(root: Path) -> tuple[LocalSource, Asset]:
    source = LocalSource("folder", root)
    (asset,) = (asset for page in source.pages() for asset in page.assets)
    return source, asset


def test_a_file_that_changes_while_it_is_read_is_transient(tmp_path: Path) -> None:
    path = write(tmp_path, "a.jpg", content(3_000_000))
    changes: tuple[Callable[[], None], ...] = (
        lambda: os.utime(path, (1, 1)),
        lambda: os.truncate(path, 2_000_000),
        lambda: os.truncate(path, 4_000_000),
    )
    for change in changes:
        source, asset = only(tmp_path)
        stream = source.open(asset.id, asset.resources[0])
        chunks = iter(stream)
        next(chunks)
        change()
        with pytest.raises(Transient):
            list(chunks)
        stream.close()


def test_a_file_that_changed_since_it_was_listed_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path, "a.jpg", content(1000))
    source, asset = only(tmp_path)
    path.write_bytes(content(1000, 1))
    os.utime(path, (1, 1))
    with pytest.raises(ItemError, match="changed since"):
        source.open(asset.id, asset.resources[0])
    path.unlink()
    with pytest.raises(NotFound):
        source.open(asset.id, asset.resources[0])


def test_reading_a_closed_stream_is_transient_and_reads_no_other_file(tmp_path: Path) -> None:
    write(tmp_path, "a.jpg", content(3_000_000))
    source, asset = only(tmp_path)
    stream = source.open(asset.id, asset.resources[0])
    chunks = iter(stream)
    next(chunks)
    stream.close()
    with open(write(tmp_path, "other", b"other bytes"), "rb"), pytest.raises(Transient):
        next(chunks)


@pytest.mark.parametrize(
    ("asset_id", "resource_id"),
    [("../a.jpg", "a.jpg"), ("/etc/x", "passwd"), ("a.jpg", "../a.jpg"), ("a", "\0"), ("a", "..")],
)
def test_ids_cannot_lead_out_of_the_folder(asset_id: str, resource_id: str, tmp_path: Path) -> None:
    root = write(tmp_path, "root/a.jpg").parent
    write(tmp_path, "a.jpg")
    source, asset = only(root)
    with pytest.raises(ItemError):
        source.open(asset_id, replace(asset.resources[0], id=resource_id))


def test_time_kind_and_types(tmp_path: Path) -> None:
    os.utime(write(tmp_path, "a.HEIC", b"abc"), (1_600_000_000, 1_600_000_000))
    write(tmp_path, "a.AAE")
    _, asset = only(tmp_path)
    assert asset.created and asset.created.isoformat() == "2020-09-13T12:26:40+00:00"
    assert asset.resources[0].media_type == "image/heic"
    assert [resource.size for resource in asset.resources] == [3, 1]


def test_wrong_folders_are_one_clear_line(tmp_path: Path) -> None:
    path = write(tmp_path, "file")
    for wrong in (path, tmp_path / "missing", path / "below"):
        with pytest.raises(Misconfigured) as caught:
            LocalSource("folder", wrong).check()
        assert caught.value.hint and "\n" not in str(caught.value)


def test_memory_does_not_grow_with_the_number_of_folders(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing but the folder at hand is held: pages come before later folders are looked at."""
    for folder in range(3):
        for n in range(500):
            write(tmp_path, f"{folder}/{n}.jpg")
    looked: list[str] = []
    scandir = os.scandir

    def noted(path: str) -> contextlib.AbstractContextManager[Iterator[os.DirEntry[str]]]:
        looked.append(Path(path).name)
        return scandir(path)

    monkeypatch.setattr(os, "scandir", noted)
    pages = LocalSource("folder", tmp_path).pages()
    assert len(next(pages).assets) == 500
    assert looked == [tmp_path.name, "0"]
    assert isinstance(pages, Generator)
    pages.close()
