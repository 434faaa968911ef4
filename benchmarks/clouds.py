"""A folder to Google Drive or Dropbox, beside rclone as it comes and tuned."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from benchmarks import peers
from benchmarks.contest import OUTPOUR, contend, home
from benchmarks.double import ROOT, Double
from benchmarks.results import OURS, Comparison

LATENCY = 0.08  # seconds for each request
LIMIT = 900.0  # seconds for each contestant
SIZES = {"small": (1000, 50_000), "medium": (300, 2_000_000), "large": (1, 2_000_000_000)}
QUICK = {"small": (40, 50_000), "medium": (6, 2_000_000), "large": (1, 50_000_000)}
NAMES = {"gdrive": "Google Drive", "dropbox": "Dropbox"}
TUNED = {
    "gdrive": ("--transfers=16", "--drive-pacer-min-sleep=10ms", "--drive-pacer-burst=1000"),
    "dropbox": ("--transfers=16", "--dropbox-batch-mode=async"),
}
GOALS = {
    ("gdrive", "small"): "at least 10 times rclone's default and 2 times tuned",
    ("gdrive", "medium"): "at least 10 times rclone's default and 2 times tuned",
    ("gdrive", "large"): "at least as fast as rclone",
    ("dropbox", "small"): "at least 20 times rclone's default and 5 times tuned",
    ("dropbox", "medium"): "at least 2 times rclone tuned",
    ("dropbox", "large"): "at least 2 times rclone",
}
_GRANTS = {
    "gdrive": (
        "from connectors.gdrive import DriveSettings as Settings;"
        "from connectors.gdrive.auth import Grant, store_grant;"
    ),
    "dropbox": (
        "from connectors.dropbox import DropboxSettings as Settings;"
        "from connectors.dropbox.auth import Grant, store_grant;"
    ),
}


def part(kind: str, which: str) -> Callable[[bool], Iterator[Comparison]]:
    return lambda quick: _compare(kind, which, quick)


def _compare(kind: str, which: str, quick: bool) -> Iterator[Comparison]:
    count, size = (QUICK if quick else SIZES)[which]
    found = Comparison(
        f"{kind}-{which}",
        f"A folder to {NAMES[kind]}: {count:,} of {size / 1e6:g} MB, 80 ms for each request",
        GOALS[kind, which],
    )
    with Double(kind, latency=LATENCY) as double, home() as shared:
        tree = shared / "tree"
        make_tree(tree, count, size)

        def contest(name: str, command: list[str], place: Path) -> None:
            found.rows.append(
                contend(
                    name,
                    command,
                    double.environ(place),
                    double,
                    files=count,
                    size=count * size,
                    limit=LIMIT,
                )
            )

        if peers.RCLONE.path:
            for name, more in (("rclone, default", ()), ("rclone, tuned", TUNED[kind])):
                with home() as place:
                    refresh = double.reset()["refresh"]
                    command = peers.rclone(kind, double, place, refresh, tree)
                    contest(name, [*command, *more], place)
            found.remarks.append(f"Tuned: {' '.join(TUNED[kind])}.")
        else:
            found.remarks.append(peers.RCLONE.absent)
        with home() as place:
            sign_in(kind, double, place)
            ends = ["--from", str(tree), "--to", f"{kind}:Outpour"]
            contest(OURS, [*OUTPOUR, "run", *ends], place)
    for row in found.rows:
        cpu = (row.cpu or 0) / (count * size / 1e9)
        found.remarks.append(
            f"{row.name}: {(row.requests or 0) / count:.2f} requests for each file, "
            f"{cpu:.1f} CPU seconds for each GB."
        )
    yield found


def sign_in(kind: str, double: Double, place: Path) -> None:
    """As ``outpour connect`` leaves it, in the contestant's own home."""
    refresh, told = double.reset()["refresh"], double.told
    grant = [refresh, told.get("key")]
    if kind == "gdrive":
        grant = [refresh, told["id"], told["secret"], "https://oauth2.googleapis.com/token", "u"]
    code = "import json, sys;" + _GRANTS[kind]
    code += "store_grant(Settings(), Grant(*json.loads(sys.argv[1])))"
    command = [sys.executable, "-c", code, json.dumps(grant)]
    subprocess.run(command, cwd=ROOT, env=double.environ(place), check=True)


def make_tree(tree: Path, count: int, size: int) -> None:
    """Files of noise, each different, in a folder for each month."""
    block = random.Random(size).randbytes(min(size, 1 << 20))
    for n in range(count):
        path = tree / f"2024/{n % 12 + 1:02}" / f"IMG_{n:05}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("wb") as out:
            out.write(n.to_bytes(8, "big") + block[8:])
            for at in range(len(block), size, len(block)):
                out.write(block[: size - at])
