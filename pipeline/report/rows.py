"""Every asset with its state, reason and copies, read in batches so that memory stays flat."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, func, select

from pipeline.ledger import schema
from pipeline.ledger.store import Ledger
from pipeline.states import AssetState

_BATCH = 500
_EVENTS = 200
_A, _R, _C, _S = schema.assets.c, schema.resources.c, schema.copies.c, schema.sightings.c


@dataclass(frozen=True, slots=True)
class CopyRow:
    sink: str
    state: str
    path: str
    checksum: str | None
    confirmed: str | None
    checked: str | None
    reason: str


@dataclass(frozen=True, slots=True)
class FileRow:
    """``proof`` is ``checksum`` (the source's own agreed), ``size``, or empty."""

    role: str
    filename: str
    size: int | None
    proof: str
    sha256: str | None
    copies: tuple[CopyRow, ...]


@dataclass(frozen=True, slots=True)
class AssetRow:
    """One asset; ``files`` are those that the selection chose. ``reason`` also tells at which of
    several sources it was freed while another has it still."""

    asset: str
    filename: str
    kind: str
    created: str | None
    size: int
    state: str
    reason: str
    files: tuple[FileRow, ...]


def rows(ledger: Ledger, states: Collection[AssetState] = ()) -> Iterator[AssetRow]:
    """All assets in listing order, or only those in one of ``states``."""
    after = 0
    while True:
        query = select(schema.assets).where(_A.id > after).order_by(_A.id).limit(_BATCH)
        if states:
            query = query.where(_A.state.in_(list(states)))
        with ledger.read() as connection:
            found = connection.execute(query).all()
            if not found:
                return
            files = _files(connection, [row.id for row in found])
            freed = _freed(connection, [row.asset_id for row in found])
        after = found[-1].id
        for row in found:
            yield AssetRow(
                row.asset_id,
                row.filename,
                row.kind,
                row.created,
                row.size,
                row.state,
                "; ".join(filter(None, (row.reason, *freed[row.asset_id]))),
                tuple(files[row.id]),
            )


def problems(ledger: Ledger) -> Iterator[tuple[str, str]]:
    """(name, reason) of items of the listing that could not be read."""
    with ledger.read() as connection:
        for row in connection.execute(select(schema.problems).order_by(schema.problems.c.id)):
            yield row.id, row.reason


def runs(ledger: Ledger, most: int = 20) -> list[dict[str, Any]]:
    """The last runs, the newest first."""
    query = select(schema.runs).order_by(schema.runs.c.id.desc()).limit(most)
    with ledger.read() as connection:
        return [
            {
                "run": row.id,
                "command": row.command,
                "state": row.state,
                "started": row.started,
                "ended": row.ended,
            }
            for row in connection.execute(query)
        ]


def events(ledger: Ledger) -> list[dict[str, Any]]:
    """The last events worth a person's eye, the newest first; ordinary retries are left out."""
    query = (
        select(schema.events)
        .where(schema.events.c.kind != "retry")
        .order_by(schema.events.c.id.desc())
        .limit(_EVENTS)
    )
    with ledger.read() as connection:
        return [
            {"run": row.run, "time": row.time, "kind": row.kind, "detail": row.detail}
            for row in connection.execute(query)
        ]


def copies_by_sink(ledger: Ledger) -> list[dict[str, Any]]:
    """Copies and bytes for each sink and state of copy."""
    query = select(_C.sink, _C.state, func.count(), func.coalesce(func.sum(_C.size), 0))
    with ledger.read() as connection:
        found = connection.execute(query.group_by(_C.sink, _C.state).order_by(_C.sink))
        return [
            {"sink": row[0], "state": row[1], "copies": row[2], "bytes": int(row[3])}
            for row in found
        ]


def _freed(connection: Connection, asset_ids: list[str]) -> dict[str, list[str]]:
    """Where an asset that is not gone was freed."""
    there = select(_A.asset_id).where(_A.asset_id.in_(asset_ids), _A.state != AssetState.GONE)
    query = select(_S.principal, _S.source, _S.freed).where(_S.principal.in_(there), _S.freed != "")
    told: dict[str, list[str]] = defaultdict(list)
    for row in connection.execute(query.order_by(_S.id)):
        told[row.principal].append(f"{row.source}: {row.freed}")
    return told


def _files(connection: Connection, keys: list[int]) -> dict[int, list[FileRow]]:
    chosen = select(schema.resources).where(_R.asset.in_(keys), _R.chosen).order_by(_R.id)
    held: dict[int, list[CopyRow]] = defaultdict(list)
    query = select(schema.copies).join(schema.resources).where(_R.asset.in_(keys), _R.chosen)
    for row in connection.execute(query.order_by(_C.sink)):
        held[row.resource].append(
            CopyRow(
                row.sink, row.state, row.path or "", row.checksum,
                row.confirmed, row.checked, row.reason,
            )
        )  # fmt: skip
    files: dict[int, list[FileRow]] = defaultdict(list)
    for row in connection.execute(chosen):
        copies = tuple(held[row.id])
        size = row.size if row.received is None else row.received
        files[row.asset].append(
            FileRow(row.role, row.filename, size, row.proof, row.sha256, copies)
        )
    return files
