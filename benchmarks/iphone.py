"""An iPhone to a folder, beside pymobiledevice3's own ``afc pull`` and ifuse with ``cp -a``."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks import peers
from benchmarks.contest import NO_SIDECARS, OUTPOUR, contend, home
from benchmarks.double import Double
from benchmarks.results import OURS, Comparison

LATENCY = 0.005  # seconds for each operation on the phone
LIMIT = 600.0
KB, MB = 10**3, 10**6
_MOUNTED = (
    "ifuse {point} && cp -a {point}/DCIM {target}; code=$?; fusermount -u {point}; exit $code"
)


def small(quick: bool) -> Iterator[Comparison]:
    count = 30 if quick else 1000
    yield from _compare("small", count, 50 * KB, "at least twice the MB/s of both")


def large(quick: bool) -> Iterator[Comparison]:
    yield from _compare("large", 4, (5 if quick else 250) * MB, "no slower than either")


def listing(quick: bool) -> Iterator[Comparison]:
    """What a plan over a full phone takes."""
    count = 500 if quick else 100_000
    found = Comparison(
        "iphone-listing",
        f"Listing {count:,} assets on an iPhone, 5 ms for each operation",
        "flat memory; the time is stated",
    )
    with _phone(found, count, 4 * KB) as double:
        if double is not None:
            with home() as place:
                double.reset()
                command = _outpour(place, "plan")
                environ = double.environ(place)
                found.rows.append(
                    contend(OURS, command, environ, double, files=count, size=0, limit=LIMIT)
                )
    yield found


def _compare(which: str, count: int, size: int, goal: str) -> Iterator[Comparison]:
    found = Comparison(
        f"iphone-{which}",
        f"iPhone to a folder: {count:,} files of {size / MB:g} MB, 5 ms for each operation",
        goal,
    )
    with _phone(found, count, size) as double:
        if double is not None:
            for name, place, command in _contestants(double, found):
                (place / "photos").mkdir()
                double.reset()
                environ = double.environ(place) | NO_SIDECARS
                row = contend(
                    name, command, environ, double, files=count, size=count * size, limit=LIMIT
                )
                found.rows.append(row)
                held = sum(path.stat().st_size == size for path in _files(place / "photos"))
                if held != count:
                    raise RuntimeError(f"{name}: {count} files were to arrive, {held} did")
            found.remarks.append("outpour hashes and verifies what it reads; the others do not.")
    yield found


@contextmanager
def _phone(found: Comparison, count: int, size: int) -> Iterator[Double | None]:
    """The phone on its cable; None where our own connector cannot run."""
    if importlib.util.find_spec("pymobiledevice3") is None:
        found.remarks.append(
            "The extra outpour[iphone] was not here: make .venv-iphone/.installed, "
            "then .venv-iphone/bin/python -m benchmarks iphone."
        )
        yield None
        return
    with Double("iphone", latency=LATENCY, assets=count, size=size) as double:
        yield double


def _contestants(double: Double, found: Comparison) -> Iterator[tuple[str, Path, list[str]]]:
    own = [sys.executable, "-m", "pymobiledevice3"]
    with home() as place:
        more = ["--udid", double.told["udid"]]
        yield "afc pull", place, [*own, "afc", "pull", "DCIM", str(place / "photos"), *more]
    if peers.IFUSE.path and os.access("/dev/fuse", os.R_OK | os.W_OK):
        with home() as place:
            (place / "mounted").mkdir()
            line = _MOUNTED.format(point=place / "mounted", target=place / "photos")
            try:
                yield "ifuse, cp -a", place, ["sh", "-c", line]
            finally:  # ifuse lives on where its shell was stopped
                unmount = ["fusermount", "-uz", str(place / "mounted")]
                subprocess.run(unmount, check=False, stderr=subprocess.DEVNULL)
    else:
        found.remarks.append("ifuse or /dev/fuse was not here to compare with.")
    with home() as place:
        yield OURS, place, _outpour(place, "run")


def _outpour(place: Path, verb: str) -> list[str]:
    ends = ["--from", "iphone", "--to", str(place / "photos")]
    return [*OUTPOUR, verb, *ends]


def _files(photos: Path) -> Iterator[Path]:
    return (path for path in photos.rglob("*") if path.is_file())
