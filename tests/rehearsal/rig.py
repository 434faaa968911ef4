"""A small iCloud library moved into a folder through the command line, and what to hold it to."""

from __future__ import annotations

import hashlib
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from pipeline.cli.app import invoke
from sandbox.faults import Faults
from sandbox.icloud import Account, ICloud
from sandbox.library import Library
from sandbox.library.model import Asset
from sandbox.server import Sandbox
from tests.keep.reading import Sidecar, read

ARGUMENTS = ["run", "--from", "icloud:demo@example.com", "--to"]


def sha(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def asked_for(library: Library) -> list[Asset]:
    """Each asset that is neither trashed nor shared."""
    return [asset for asset in library if asset.trashed is None and not asset.shared]


def added(library: Library, count: int, size: int) -> None:
    """So many photos more, all different."""
    for number in range(library.top, library.top + count):
        library.add(f"MORE_{number}", size=size)


def wanted(library: Library) -> Counter[str]:
    """Every file that has to land."""
    return Counter(sha(file.content.read()) for asset in asked_for(library) for file in asset.files)


def landed(folder: Path) -> Counter[str]:
    """Every file below the folder, whatever its name, by content; sidecars of our making, which
    the library does not have as files, are held to ``assert_kept``."""
    files = (path for path in folder.rglob("*") if path.is_file() and path.suffix != ".xmp")
    return Counter(sha(path.read_bytes()) for path in files)


def assert_kept(folder: Path, library: Library) -> None:
    """Each asset has one sidecar, beside a file of it, that says what the library says; none those
    that come with one of their own."""
    told: dict[str, Sidecar] = {}
    for path in folder.rglob("*.xmp"):
        others = (p for p in path.parent.iterdir() if p.suffix != ".xmp" and p.stem == path.stem)
        beside = path.with_suffix("").is_file() or any(others)
        assert beside, f"{path.name} stands alone"
        sidecar = read(path.read_bytes())
        key = sidecar.plain["dc:identifier"]
        assert key not in told, f"{path.name} is the second sidecar of {key}"
        told[key] = sidecar
    expected = {asset.id: asset for asset in asked_for(library) if asset.file("sidecar") is None}
    assert told.keys() == expected.keys()
    tags = album_tags(library)
    for key, asset in expected.items():
        plain, lists = told[key].plain, told[key].lists
        assert lists.get("dc:title", [None]) == [asset.title]
        assert lists.get("dc:description", [None]) == [asset.caption]
        assert lists.get("dc:subject", []) == list(dict.fromkeys(asset.keywords))
        assert plain.get("xmp:Rating") == ("5" if asset.favorite else None)
        assert ("outpour:Hidden" in plain) == asset.hidden
        assert ("exif:GPSLatitude" in plain) == (asset.location is not None)
        taken = datetime.fromisoformat(plain["exif:DateTimeOriginal"])
        assert round(taken.timestamp() * 1000) == asset.created
        assert taken.utcoffset() == timedelta(seconds=asset.utc_offset)
        found = {tag for tag in lists.get("digiKam:TagsList", []) if tag.startswith("Albums/")}
        assert found == tags[asset.number]


def album_tags(library: Library) -> dict[int, set[str]]:
    """By the number of an asset, the albums it is in, as a tag each."""
    tags: dict[int, set[str]] = defaultdict(set)
    for album in library.albums.all():
        path, above = [album.title], album.parent
        while above:
            path.insert(0, library.albums.get(above).title)
            above = library.albums.get(above).parent
        for number in [] if album.folder else library.members(album):
            tags[number].add("/".join(["Albums", *(part.replace("/", "_") for part in path)]))
    return tags


def strays(folder: Path) -> list[str]:
    return [path.name for path in folder.rglob(".outpour*")]


@contextmanager
def served(double: ICloud) -> Iterator[Sandbox]:
    """The double within reach, the environment pointing at it."""
    before = dict(os.environ)
    with Sandbox([double], faults=double.faults) as sandbox:
        os.environ |= {
            **sandbox.environ(),
            "OUTPOUR_ICLOUD_PASSWORD": double.account.password,
            "OUTPOUR_LIMITS__ATTEMPTS": "6",
        }
        try:
            yield sandbox
        finally:
            os.environ.clear()
            os.environ.update(before)


def double_of(count: int, faults: Faults, *, seed: int = 1, size: int = 3000) -> ICloud:
    """With ``count`` assets; small libraries hold nothing but plain photos."""
    return ICloud(Library(count, seed=seed, size=size, plain=count < 20), Account(), faults)


@contextmanager
def cloud(count: int, faults: Faults, *, seed: int = 1, size: int = 3000) -> Iterator[ICloud]:
    """A double with ``count`` assets, the environment pointing at it."""
    double = double_of(count, faults, seed=seed, size=size)
    with served(double):
        yield double


def run(folder: Path) -> int:
    """One run in this process; returns the exit code."""
    return invoke([*ARGUMENTS, str(folder)])


def killed_run(
    arguments: Sequence[str], asked: Callable[[], int], most: int, chance: random.Random
) -> bool:
    """One run in a process of its own, killed with SIGKILL once the doubles were ``asked`` at
    ``most`` so much more, whatever the machine's speed, and a moment later; whether it was."""
    enough = asked() + chance.randint(1, most)
    command = [sys.executable, "-m", "pipeline.cli", *arguments]
    return struck_down(command, chance.uniform(0, 0.1), lambda: asked() >= enough) is None


def until_struck(kills: int, killed: Callable[[], bool], more: Callable[[], object]) -> None:
    """Runs, one after the other, until so many were ``killed`` and did not end before; for one
    that did, there is ``more`` to do, so that the next is worth a kill."""
    struck = 0
    for _ in range(5 * kills):
        if killed():
            struck += 1
        else:
            more()
        if struck == kills:
            return
    raise AssertionError(f"of {5 * kills} kills only {struck} struck a run, not {kills}")


def struck_down(
    command: list[str], after: float, begun: Callable[[], bool] = lambda: True
) -> int | None:
    """A process killed with SIGKILL ``after`` seconds from when it has ``begun``; its exit code
    if it ended before."""
    with subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    ) as process:
        try:
            while not begun() and process.poll() is None:
                time.sleep(0.002)
            return process.wait(after)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            return None


def struck_in_transit(
    command: list[str], moved: Callable[[], int], total: int, kills: int, seed: int
) -> None:
    """So many lives of a process, each killed when at most its share of the ``total`` bytes has
    ``moved`` since the last, and a moment more."""
    chance = random.Random(seed)
    lives = (killed_in_transit(command, moved, total // kills, chance) for _ in range(kills))
    assert sum(lives), "no kill struck: proves nothing"


def killed_in_transit(
    command: list[str], moved: Callable[[], int], most: int, chance: random.Random
) -> bool:
    """One life of a process, killed when less than ``most`` bytes more have ``moved``, and a
    moment later; whether it was."""
    enough = moved() + chance.randrange(most)
    return struck_down(command, chance.uniform(0, 0.2), lambda: moved() >= enough) is None


def named(output: str) -> str:
    """What the run's JSON events name, for asserting that an item was not passed over."""
    events = [json.loads(line) for line in output.splitlines() if line.startswith("{")]
    return json.dumps(events)


@contextmanager
def disk(place: Path, options: str) -> Iterator[None]:
    """A disk of its own at ``place``."""
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(place)]
    if subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("no disk of its own can be mounted here")
    try:
        yield
    finally:
        subprocess.run(["umount", str(place)], check=True)
