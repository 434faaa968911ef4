"""iCloud to a folder, beside icloudpd: small files, large ones, nothing new, a huge listing."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from benchmarks import peers
from benchmarks.contest import NO_SIDECARS, OUTPOUR, contend, home, measure
from benchmarks.double import Double
from benchmarks.results import OURS, Comparison, Row

LATENCY = 0.05  # seconds for each request
LIMIT = 900.0  # seconds for each contestant
KB, MB, GB = 10**3, 10**6, 10**9


def small(quick: bool) -> Iterator[Comparison]:
    """Many small files, as one run brings them."""
    count, size = (60, 50 * KB) if quick else (2000, 50 * KB)
    found = Comparison(
        "icloud-small",
        f"iCloud to a folder: {count:,} files of {size // KB} KB, 50 ms for each request",
        "at least 10 times icloudpd's files per second",
    )
    with Double("icloud", latency=LATENCY, assets=count, size=size) as double:
        for name, place, command, environ in _contestants(double, found):
            double.reset()
            row = contend(
                name, command, environ, double, files=count, size=count * size, limit=LIMIT
            )
            found.rows.append(row)
            _expect(place / "photos", count)
        with home() as place:
            double.reset()
            row = contend(
                "outpour, with sidecars",
                _outpour(double, place, "run"),
                double.environ(place),
                double,
                files=count,
                size=count * size,
                limit=LIMIT,
            )
            found.rows.append(row)
            _expect(place / "photos", count)
        found.remarks.append(
            "outpour writes an XMP sidecar beside each asset by default. icloudpd does not, so "
            "that is switched off here and everywhere below, except where it is said."
        )
    yield found


def unchanged(quick: bool) -> Iterator[Comparison]:
    """A library that is there already and has not changed: what a daily run costs."""
    for count in (60,) if quick else (2000, 20_000):
        found = Comparison(
            f"icloud-unchanged-{count}",
            f"iCloud to a folder again: {count:,} files, none of them new, 50 ms for each request",
            "at most five requests, and at least 10 times faster than icloudpd",
        )
        with Double("icloud", latency=LATENCY, assets=count, size=4 * KB) as double:
            for name, place, command, environ in _contestants(double, found):
                double.ask("brisk")
                measure(command, environ, limit=LIMIT)
                _expect(place / "photos", count)
                double.ask("usual")
                double.reset()
                found.rows.append(
                    contend(name, command, environ, double, files=count, size=0, limit=LIMIT)
                )
                found.remarks += [f"Requests of {name}: {_kinds(double)}."]
        yield found


def large(quick: bool) -> Iterator[Comparison]:
    """A few large files; and how fast a loop is that does nothing but read and hash."""
    count, size = (4, 5 * MB) if quick else (4, 500 * MB)
    found = Comparison(
        "icloud-large",
        f"iCloud to a folder: {count} files of {size // MB} MB",
        "at least twice icloudpd's MB/s, and within 80% of a bare loop that reads and hashes",
    )
    with Double("icloud", latency=LATENCY, assets=count, size=size) as double:
        found.rows.append(_bare(double, count, count * size))
        found.remarks.append(
            "The bare loop has a thread for each file and computes the same digests; it is given "
            "the addresses and writes nothing. Its seconds are without its start."
        )
        for name, place, command, environ in _contestants(double, found):
            double.reset()
            row = contend(
                name, command, environ, double, files=count, size=count * size, limit=LIMIT
            )
            found.rows.append(row)
            _expect(place / "photos", count)
    yield found


def listing(quick: bool) -> Iterator[Comparison]:
    """The first listing of a huge library, and what it needs of memory."""
    count = 1000 if quick else 100_000
    found = Comparison(
        "icloud-listing",
        f"First listing of {count:,} assets in iCloud, 50 ms for each request",
        "peak memory under 250 MiB",
    )
    with Double("icloud", latency=LATENCY, assets=count, size=4 * KB) as double:
        more = ("--only-print-filenames",)
        for name, _, command, environ in _contestants(double, found, verb="plan", more=more):
            double.reset()
            row = contend(name, command, environ, double, files=count, size=0, limit=LIMIT)
            found.rows.append(row)
        double.ask("burst")
        with home() as place:
            double.reset()
            command, environ = _outpour(double, place, "plan"), double.environ(place)
            name = "outpour, with a burst"
            row = contend(name, command, environ, double, files=count + 3, size=0, limit=LIMIT)
            found.rows.append(row)
        found.remarks.append("outpour plans (and writes a ledger); icloudpd prints the names.")
        found.remarks.append(
            "Of a burst Apple's lists show one picture. Where there is any, outpour reads the "
            "whole record of the library once for the others; icloudpd does not list them."
        )
    yield found


def memory(quick: bool) -> Iterator[Comparison]:
    """Peak memory of a whole run, with very many files and with one very large one."""
    found = Comparison(
        "icloud-memory",
        "Peak memory of a run from iCloud to a folder",
        "under 250 MiB with 100,000 assets, and unchanged by a 5 GB file",
    )
    many, huge = (500, 50 * MB) if quick else (100_000, 5 * GB)
    for count, size in ((many, 4 * KB), (1, huge)):
        with Double("icloud", latency=0, assets=count, size=size) as double, home() as place:
            double.reset()
            found.rows.append(
                contend(
                    f"outpour, {count:,} x {size // KB:,} KB",
                    _outpour(double, place, "run"),
                    double.environ(place) | NO_SIDECARS,
                    double,
                    files=count,
                    size=count * size,
                    limit=1500,
                )
            )
    yield found


def _contestants(
    double: Double, comparison: Comparison, *, verb: str = "run", more: Sequence[str] = ()
) -> Iterator[tuple[str, Path, list[str], dict[str, str]]]:
    """Name, home, command and environment of each; ours last. ``more`` is for icloudpd."""
    if peers.ICLOUDPD.path:
        with home() as place:
            command = peers.icloudpd(double, place, place / "photos", *more)
            yield "icloudpd", place, command, double.environ(place)
    else:
        comparison.remarks.append(peers.ICLOUDPD.absent)
    with home() as place:
        environ = double.environ(place) | NO_SIDECARS
        yield OURS, place, _outpour(double, place, verb), environ


def _outpour(double: Double, place: Path, verb: str) -> list[str]:
    ends = ["--from", f"icloud:{double.told['apple_id']}", "--to", str(place / "photos")]
    return [*OUTPOUR, verb, *ends]


def _expect(photos: Path, count: int) -> None:
    held = sum(path.is_file() and path.suffix != ".xmp" for path in photos.rglob("*"))
    if held != count:
        raise RuntimeError(f"{count} files were to arrive, {held} did")


def _kinds(double: Double) -> str:
    kinds = double.count()["kinds"]
    return ", ".join(f"{count} {kind}" for kind, count in sorted(kinds.items()))


def _bare(double: Double, files: int, size: int) -> Row:
    with _addresses(double) as path, home() as place:
        double.reset()
        command = [sys.executable, "-m", "benchmarks.bare", str(path)]
        cost = measure(command, double.environ(place), limit=LIMIT)
        seconds = float(cost.output.split()[-1])
        counted = double.count()
    return Row(
        "bare loop",
        seconds,
        files=files,
        size=size,
        cpu=cost.cpu,
        peak=cost.peak,
        requests=counted["requests"],
        double_cpu=counted["cpu"],
    )


@contextmanager
def _addresses(double: Double) -> Iterator[Path]:
    with home() as place:
        path = place / "addresses"
        path.write_text("\n".join(double.ask("addresses")["addresses"]))
        yield path
