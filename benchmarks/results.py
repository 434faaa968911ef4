"""What a comparison found, as a table to read and as JSON to keep."""

from __future__ import annotations

import json
import os
import platform
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

OURS = "outpour"


@dataclass(frozen=True, slots=True)
class Row:
    """One contestant. Times in seconds, ``size`` in bytes altogether, ``peak`` in MiB.

    ``requests`` were counted at the double, whose own CPU time is ``double_cpu``: it shares
    the machine, and a contestant can be no faster than it.
    """

    name: str
    seconds: float
    files: int = 0
    size: int = 0
    cpu: float | None = None
    peak: float | None = None
    requests: int | None = None
    double_cpu: float | None = None
    note: str = ""


@dataclass(slots=True)
class Comparison:
    """Contestants at one task, ours last. ``remarks`` are sentences, among them who was absent."""

    slug: str
    title: str
    goal: str
    rows: list[Row] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)


def table(comparison: Comparison) -> str:
    """Markdown. "against ours" is how many times as long as outpour it took."""
    lines = [f"### {comparison.title}", "", f"Goal: {comparison.goal}.", ""]
    lines += [
        "| | seconds | files/s | MB/s | against ours | requests | CPU s | peak MiB "
        "| double's CPU s | |",
        "|---|--:|--:|--:|--:|--:|--:|--:|--:|---|",
    ]
    ours = next((row.seconds for row in comparison.rows if row.name == OURS), None)
    for row in comparison.rows:
        cells = [
            row.name,
            f"{row.seconds:.2f}",
            _rate(row.files, row.seconds),
            _rate(row.size / 1e6, row.seconds),
            f"{row.seconds / ours:.2f}x" if ours else "",
            "" if row.requests is None else f"{row.requests}",
            "" if row.cpu is None else f"{row.cpu:.2f}",
            "" if row.peak is None else f"{row.peak:.0f}",
            "" if row.double_cpu is None else f"{row.double_cpu:.2f}",
            row.note,
        ]
        lines.append(f"| {' | '.join(cells)} |")
    lines += ["", *comparison.remarks]
    return "\n".join(lines).rstrip() + "\n"


def _rate(amount: float, seconds: float) -> str:
    return f"{amount / seconds:.1f}" if amount else ""


class Results:
    """``results.json`` and ``results.md`` in a folder; each finished comparison is kept at once.

    What an earlier run left stays until the same comparison is made again.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._json, self.page = folder / "results.json", folder / "results.md"
        self._kept: dict[str, dict[str, Any]] = {}
        if self._json.exists():
            self._kept = json.loads(self._json.read_text())

    def keep(self, comparison: Comparison) -> None:
        when = datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")
        self._kept[comparison.slug] = {"when": when, "machine": machine(), **asdict(comparison)}
        self._json.write_text(json.dumps(self._kept, indent=1) + "\n")
        parts = [f"{table(_read(kept))}\n({kept['when']})\n" for kept in self._kept.values()]
        self.page.write_text("\n".join([f"{machine()}\n", *parts]))


def _read(kept: dict[str, Any]) -> Comparison:
    rows = [Row(**row) for row in kept["rows"]]
    return Comparison(kept["slug"], kept["title"], kept["goal"], rows, kept["remarks"])


def machine() -> str:
    """What it was measured on, in a few words."""
    return (
        f"{os.cpu_count()} cores, {platform.machine()}, {platform.system()}, "
        f"Python {platform.python_version()}"
    )
