"""Which sidecars are due, and what is in them: one generated resource for each asset.

A sidecar is a row of ``resources`` like any file. Its checksum is that of the content the
asset's metadata and albums make, so that a change of either is a change of its checksum.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, and_, bindparam, delete, exists, insert, or_, select, update

from connectors.base import Asset, Role
from connectors.checksums import Algorithm, Checksum
from connectors.spelling import folded
from pipeline.ledger import albums, meta, schema
from pipeline.ledger.codec import load_asset, load_resource
from pipeline.ledger.store import Ledger
from pipeline.naming import SIDECAR, lead, sidecar
from pipeline.states import AssetState, CopyState

ID = "outpour:xmp"
"""The id of the generated resource of any asset."""

Compose = Callable[[Asset, str, Sequence[tuple[str, ...]], bool], bytes | None]
"""The sidecar of an asset, given the name of its first file, its albums, and whether one is kept
already; None for none."""

_A, _R, _C = schema.assets.c, schema.resources.c, schema.copies.c
_DUE = schema.sidecars_due
_FORM = "sidecars"
_BATCH = 200


def refresh(ledger: Ledger, form: str, compose: Compose) -> None:
    """Make the sidecars that are due.

    ``form`` names the way they are made, empty if none are wanted: all are due when it is
    another than last time. An asset whose sidecar changed has work left.
    """
    ledger.transact(lambda connection: _turn(connection, form))
    while form and ledger.transact(lambda connection: _some(connection, compose)):
        pass


def _turn(connection: Connection, form: str) -> None:
    before = meta.get(connection, _FORM) or ""
    if form and form != before:
        everything = select(_A.asset_id).where(_A.state != AssetState.GONE)
        connection.execute(
            insert(_DUE).prefix_with("OR IGNORE").from_select(["asset_id"], everything)
        )
    if not form:
        connection.execute(delete(_DUE))
    if before and not form:  # what is at the sinks stays there, nobody asks for more
        generated = update(schema.resources).where(_R.role == Role.METADATA)
        connection.execute(generated.values(chosen=False))
    if form != before:
        meta.put(connection, _FORM, form)


def _some(connection: Connection, compose: Compose) -> int:
    """One batch; how many were due."""
    ids = connection.execute(select(_DUE.c.asset_id).limit(_BATCH)).scalars().all()
    # What left the source keeps the sidecar it had: nothing newer is known of it.
    there = and_(_A.asset_id.in_(ids), _A.state != AssetState.GONE)
    rows = connection.execute(select(schema.assets).where(there)).all()
    of_asset = defaultdict(list)
    keys = [row.id for row in rows]
    for resource in connection.execute(select(schema.resources).where(_R.asset.in_(keys))):
        of_asset[resource.asset].append(resource)
    found = albums.of_many(connection, [row.asset_id for row in rows])
    held = exists().where(_C.resource == _R.id, _C.state == CopyState.CONFIRMED)
    ours = select(_R.id).where(_R.asset.in_(keys), _R.role == Role.METADATA, or_(_R.chosen, held))
    batch = _Batch(set(connection.execute(ours).scalars()))
    for row in rows:
        batch.add(row, of_asset[row.id], found[row.asset_id], compose)
    batch.write(connection)
    connection.execute(delete(_DUE).where(_DUE.c.asset_id.in_(ids)))
    return len(ids)


@dataclass
class _Batch:
    """What changes for many assets, as rows of the statements below. ``kept`` are the sidecars that
    are at a sink, or on their way."""

    kept: Collection[int]
    made: list[dict[str, Any]] = field(default_factory=list)
    renewed: list[dict[str, Any]] = field(default_factory=list)
    unproven: list[dict[str, Any]] = field(default_factory=list)
    outdated: list[dict[str, Any]] = field(default_factory=list)
    unwanted: list[dict[str, Any]] = field(default_factory=list)
    opened: list[dict[str, Any]] = field(default_factory=list)

    def add(
        self, row: Any, resources: Sequence[Any], found: Sequence[tuple[str, ...]], compose: Compose
    ) -> None:
        """Take in one asset: its row, its resources, its albums."""
        known = next((r for r in resources if r.role == Role.METADATA), None)
        files = [r for r in resources if r.role != Role.METADATA and r.chosen]
        content = None
        # Where a person keeps an XMP already, it says what is to be said.
        if files and not any(r.filename.lower().endswith(SIDECAR) for r in files):
            asset = load_asset(row, tuple(map(load_resource, files)))
            first = lead(asset.resources)
            kept = known is not None and known.id in self.kept
            content = compose(asset, first.filename, found, kept)
        if content is None:
            if known is not None:
                self.unwanted.append({"key": known.id})
            return
        path = sidecar(next(r.path for r in files if r.resource_id == first.id))
        self._put(row, known, sidecar(first.filename), path, content)

    def _put(self, row: Any, known: Any | None, filename: str, path: str, content: bytes) -> None:
        checksum = Checksum(Algorithm.SHA256, hashlib.sha256(content).hexdigest())
        now = (True, path, str(checksum))
        if known is not None and (known.chosen, known.path, known.checksum) == now:
            return
        new = {"name": filename, "bytes": len(content), "sum": str(checksum), "where": path}
        if known is None:
            self.made.append({"of": row.id, **new})
        else:
            self.renewed.append({"key": known.id, **new})
            if known.checksum != str(checksum):
                ours = Checksum.parse(known.checksum).value
                self.unproven.append({"key": known.id})
                self.outdated.append({"key": known.id, "ours": f" {ours}"})
        self.opened.append({"key": row.id})

    def write(self, connection: Connection) -> None:
        writes = (
            (_UNWANTED, self.unwanted),
            (_MADE, self.made),
            (_RENEWED, self.renewed),
            (_UNPROVEN, self.unproven),
            (_OUTDATED, self.outdated),
            (_OPENED, self.opened),
        )
        for statement, rows in writes:
            if rows:
                connection.execute(statement, rows)
        if self.opened:
            _take_paths(connection, [row["key"] for row in self.opened])


def _take_paths(connection: Connection, assets: Sequence[int]) -> None:
    """No other file may get the names of these assets' sidecars."""
    query = select(_R.id, _R.path).where(_R.asset.in_(assets), _R.role == Role.METADATA)
    rows = [{"folded": folded(path), "resource": key} for key, path in connection.execute(query)]
    connection.execute(insert(schema.paths).prefix_with("OR IGNORE"), rows)


_NEW: dict[str, Any] = {
    "filename": bindparam("name"),
    "size": bindparam("bytes"),
    "checksum": bindparam("sum"),
    "media_type": "application/rdf+xml",
    "chosen": True,
    "path": bindparam("where"),
}
_MADE = insert(schema.resources).values(
    asset=bindparam("of"), resource_id=ID, role=Role.METADATA, handle="", local=True, **_NEW
)
_KNOWN = update(schema.resources).where(_R.id == bindparam("key"))
_RENEWED = _KNOWN.values(**_NEW)
_UNWANTED = _KNOWN.values(chosen=False)
_UNPROVEN = _KNOWN.values(proof="", received=None)
# Every sink needs the new content; whatever we may have put there may be replaced. What was on its
# way counts as well: a crash can come between a sink's work and our knowing of it.
_OUTDATED = (
    update(schema.copies)
    .where(_C.resource == bindparam("key"))
    .values(
        state=CopyState.PENDING,
        token=None,
        reason="changed at the source",
        replaces=_C.replaces.concat(bindparam("ours")),
    )
)
_OPENED = (
    update(schema.assets)
    .where(_A.id == bindparam("key"), _A.state == AssetState.CONFIRMED)
    .values(state=AssetState.PENDING, reason="")
)
