"""The report as JSON and as one HTML page that needs nothing else; both are streamed."""

from __future__ import annotations

import html
import json
from collections.abc import Collection, Iterator
from dataclasses import asdict
from importlib.resources import files as resources
from pathlib import Path
from typing import Any

from connectors.errors import redact
from pipeline.ledger.codec import now
from pipeline.ledger.store import Ledger
from pipeline.report import rows as read
from pipeline.report.standing import standing
from pipeline.report.whereabouts import whereabouts
from pipeline.states import AssetState
from pipeline.wording import without_name

MARK = "· Outpour report</title>"
"""Stands in the head of every page."""

_HEAD = 2000  # characters of a page's head


def is_page(path: Path) -> bool:
    """Whether ``as_page`` wrote this file, as far as its head tells. Raises OSError."""
    with path.open(encoding="utf-8", errors="replace") as file:
        return MARK in file.read(_HEAD)


def header(ledger: Ledger) -> dict[str, Any]:
    """Everything but the assets: totals, sinks, runs, events, problems."""
    at = standing(ledger)
    with ledger.read() as connection:
        where = whereabouts(connection)
    return {
        "pipeline": at.name,
        "written": now(),
        "last_run": {"state": at.run_state, "time": at.since},
        "rebuilt": at.rebuilt,
        "assets_by_state": {state: asdict(totals) for state, totals in at.assets.items()},
        "whereabouts": asdict(where) if where.parts else None,
        "copies": read.copies_by_sink(ledger),
        "runs": read.runs(ledger),
        "events": [{**event, "detail": redact(event["detail"])} for event in read.events(ledger)],
        "problems": [{"id": name, "reason": why} for name, why in read.problems(ledger)],
    }


def as_json(ledger: Ledger, states: Collection[AssetState] = ()) -> Iterator[str]:
    """Parts of one JSON document; ``assets`` comes last."""
    head = json.dumps(header(ledger), ensure_ascii=False)
    yield f'{head[:-1]}, "assets": ['
    for at, row in enumerate(read.rows(ledger, states)):
        yield ",\n" if at else "\n"
        yield json.dumps(asdict(row), ensure_ascii=False)
    yield "\n]}\n"


def as_page(ledger: Ledger, states: Collection[AssetState] = ()) -> Iterator[str]:
    """Parts of the HTML page. It loads nothing from anywhere."""
    template = resources("pipeline.report").joinpath("page.html").read_text("utf-8")
    before, middle, after = template.split("/*SPLIT*/")
    head = header(ledger)
    yield before.replace("{{name}}", html.escape(head["pipeline"]))
    yield _script(head)
    yield middle
    for row in read.rows(ledger, states):
        yield f"{_script(_short(row))},\n"
    yield after


def _short(row: read.AssetRow) -> list[Any]:
    """One asset as the page's table wants it: no more than it shows."""
    where = [
        [file.role, file.proof, [[c.sink, c.state, c.path, c.reason] for c in file.copies]]
        for file in row.files
    ]
    created = (row.created or "")[:19]
    return [
        row.state,
        row.filename,
        row.kind,
        created,
        row.size,
        without_name(row.filename, row.reason),
        where,
    ]


def _script(value: object) -> str:
    """JSON that may stand inside a script element."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    for char in "<>&\u2028\u2029":
        text = text.replace(char, f"\\u{ord(char):04x}")
    return text
