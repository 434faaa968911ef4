"""A folder poured into a folder by the engine: whole, once, and safe from its own leftovers."""

from __future__ import annotations

import os
from pathlib import Path

from connectors.local.sink import LocalSink
from connectors.local.source import LocalSource
from connectors.memory import Library, MemorySource
from pipeline.runner import Job
from pipeline.states import Exit
from tests.conformance.making import content
from tests.engine.rig import fill, go, job

WHEN = 1_600_000_000


def album(root: Path) -> dict[str, bytes]:
    made = {
        "trip/IMG_1.HEIC": content(90_000),
        "trip/IMG_1.MOV": content(2_500_000),
        "trip/IMG_1.AAE": content(300),
        "other/IMG_1.HEIC": content(80_000),
        "other/img_1.mov": content(70_000),
        "a?b:c.jpg": content(1),
        "CON.jpg": b"",
        "x" * 250 + ".png": content(5000),
    }
    for name, data in made.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        os.utime(path, (WHEN, WHEN))
    return made


def setting(tmp_path: Path) -> Job:
    source = LocalSource("from", tmp_path / "from")
    return job(source, [LocalSink("to", tmp_path / "to")], staging=tmp_path / "staging")


def held(root: Path) -> dict[str, bytes]:
    return {p.relative_to(root).as_posix(): p.read_bytes() for p in root.rglob("*") if p.is_file()}


def test_every_file_lands_once_under_a_name_for_every_system(tmp_path: Path) -> None:
    made = album(tmp_path / "from")
    outcome = go(setting(tmp_path), tmp_path / "ledger")
    assert outcome.exit is Exit.OK
    kept = held(tmp_path / "to")
    assert sorted(kept.values()) == sorted(made.values())
    assert len({path.casefold() for path in kept}) == len(made)
    assert {"2020/09/a_b_c.jpg", "2020/09/CON_.jpg"} <= set(kept)
    pairs = [path.rpartition(".")[0] for path in kept if "IMG_1" in path or "img_1" in path]
    assert len(pairs) == 5 and len(set(pairs)) == 2, "Live Photos keep their halves together"
    assert {path.stat().st_mtime for path in (tmp_path / "to").rglob("*.*")} == {WHEN}
    assert held(tmp_path / "from") == made
    assert not held(tmp_path / "staging")

    again = go(setting(tmp_path), tmp_path / "ledger")
    assert again.exit is Exit.OK
    assert held(tmp_path / "to") == kept


def test_a_sidecar_stands_beside_its_photo_also_where_that_took_another_name(
    tmp_path: Path,
) -> None:
    """Never beside the photo of somebody else: programs would take it for that one's."""
    names = ("IMG_1.HEIC", "IMG_1.AAE", "IMG_1.HEIC.xmp")
    for name in names:
        path = tmp_path / "from" / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(name.encode())
        os.utime(path, (WHEN, WHEN))
    taken = tmp_path / "to" / "2020/09/IMG_1.HEIC"
    taken.parent.mkdir(parents=True)
    taken.write_bytes(b"another photo, which was there before")
    assert go(setting(tmp_path), tmp_path / "ledger").exit is Exit.OK
    kept = {path.name: data for path, data in ((p, p.read_bytes()) for p in taken.parent.iterdir())}
    assert kept.pop("IMG_1.HEIC") == taken.read_bytes()
    (photo,) = [name for name in kept if name.endswith(".HEIC")]
    stem = photo.removesuffix(".HEIC")
    assert kept == {
        photo: b"IMG_1.HEIC", f"{stem}.AAE": b"IMG_1.AAE", f"{photo}.xmp": b"IMG_1.HEIC.xmp"
    }  # fmt: skip


def test_a_leftover_of_older_content_is_not_taken_for_the_file(tmp_path: Path) -> None:
    """Its size is right and a folder gives no checksum: nothing could tell."""
    source, staging = tmp_path / "from", setting(tmp_path).staging
    source.mkdir()
    staging.mkdir(parents=True)
    for key in range(1, 6):
        (source / f"{key}.jpg").write_bytes(content(5000, key))
        (staging / f"{key}.part").write_bytes(bytes(5000))
    assert go(setting(tmp_path), tmp_path / "ledger").exit is Exit.OK
    assert sorted(held(tmp_path / "to").values()) == sorted(held(source).values())


def test_a_leftover_that_a_sink_has_taken_is_never_written_into(tmp_path: Path) -> None:
    """A crash after the name was given and before the staged one was removed."""
    library = Library()
    wanted = [data for contents in fill(library, 6).values() for data in contents]
    kept = tmp_path / "to"
    kept.mkdir()
    work = job(MemorySource("from", library), [LocalSink("to", kept)], staging=tmp_path / "staging")
    work.staging.mkdir(parents=True)
    for key in range(1, len(wanted) + 1):
        (kept / f"earlier-{key}.jpg").write_bytes(b"what the person had before")
        (work.staging / f"{key}.part").hardlink_to(kept / f"earlier-{key}.jpg")
    assert go(work, tmp_path / "ledger").exit is Exit.OK
    now = held(kept)
    for key in range(1, len(wanted) + 1):
        assert now.pop(f"earlier-{key}.jpg") == b"what the person had before"
    assert sorted(now.values()) == sorted(wanted)
