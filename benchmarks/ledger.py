"""What the ledger costs for each asset, in time and in bytes, at a million of them."""

from __future__ import annotations

import sys
from collections.abc import Iterator

from benchmarks.contest import home, measure
from benchmarks.double import ROOT
from benchmarks.results import Comparison, Row


def cost(quick: bool) -> Iterator[Comparison]:
    count = 5_000 if quick else 1_000_000
    found = Comparison(
        "ledger",
        f"The ledger alone: {count:,} assets of one file, listed, moved to one sink, confirmed",
        "the cost for each asset is known, and memory does not grow with their number",
    )
    with home() as place:
        command = [sys.executable, "-m", "benchmarks.fill_ledger", str(place / "l.db"), str(count)]
        spent = measure(command, _environ(), limit=1800)
        size = (place / "l.db").stat().st_size
    for line in spent.output.splitlines():
        name, seconds = line.rsplit(" ", 1)
        found.rows.append(Row(name, float(seconds), files=count))
    found.rows.append(Row("all of it", spent.seconds, files=count, cpu=spent.cpu, peak=spent.peak))
    found.remarks.append(
        f"For each asset: {spent.seconds / count * 1e6:.0f} µs, {size / count:.0f} bytes on disk."
    )
    yield found


def _environ() -> dict[str, str]:
    return {"PYTHONPATH": str(ROOT)}
