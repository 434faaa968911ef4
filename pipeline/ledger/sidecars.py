"""Which sidecars are due, and what is in them: one generated resource for each asset.

A sidecar is a row of ``resources`` like any file. Its checksum is that of the content the
asset's metadata and albums make, so that a change of either is a change of its checksum.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from typing import Any

from sqlalchemy import Connection, and_, delete, insert, literal, select, update
from sqlalchemy.dialects.sqlite import insert as upsert

from connectors.base import Asset, Role
from connectors.checksums import Algorithm, Checksum
from pipeline.ledger import albums, schema
from pipeline.ledger.codec import load_asset, load_resource
from pipeline.ledger.store import Ledger
from pipeline.naming import SIDECAR, folded, lead, sidecar
from pipeline.states import AssetState, CopyState

ID = "outpour:xmp"
"""The id of the generated resource of any asset."""

Compose = Callable[[Asset, str, Sequence[tuple[str, ...]]], bytes | None]
"""The sidecar of an asset, given the name of its first file and its albums; None for none."""

_A, _R, _C = schema.assets.c, schema.resources.c, schema.copies.c
_DUE = schema.sidecars_due
_FORM = "sidecars"
_BATCH = 200


def refresh(ledger: Ledger, form: str, compose: Compose) -> int:
    """Make the sidecars that are due; returns how many are other than before.

    ``form`` names the way they are made, empty if none are wanted: all are due when it is
    another than last time. An asset whose sidecar changed has work left.
    """
    ledger.transact(lambda connection: _turn(connection, form))
    changed = 0
    while form:
        found, fresh = ledger.transact(lambda connection: _some(connection, compose))
        changed += fresh
        if not found:
            break
    return changed


def _turn(connection: Connection, form: str) -> None:
    meta = schema.meta.c
    before = connection.execute(select(meta.value).where(meta.key == _FORM)).scalar() or ""
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
        values = upsert(schema.meta).values(key=_FORM, value=form)
        connection.execute(values.on_conflict_do_update(["key"], set_={"value": form}))


def _some(connection: Connection, compose: Compose) -> tuple[int, int]:
    """One batch: how many were due, and how many of them changed."""
    ids = connection.execute(select(_DUE.c.asset_id).limit(_BATCH)).scalars().all()
    # What left the source keeps the sidecar it had: nothing newer is known of it.
    there = and_(_A.asset_id.in_(ids), _A.state != AssetState.GONE)
    rows = connection.execute(select(schema.assets).where(there)).all()
    changed = sum(_one(connection, row, compose) for row in rows)
    connection.execute(delete(_DUE).where(_DUE.c.asset_id.in_(ids)))
    return len(ids), changed


def _one(connection: Connection, row: Any, compose: Compose) -> bool:
    every = connection.execute(select(schema.resources).where(_R.asset == row.id)).all()
    known = next((r for r in every if r.role == Role.METADATA), None)
    files = [r for r in every if r.role != Role.METADATA and r.chosen]
    content = None
    # Where a person keeps an XMP already, it says what is to be said.
    if files and not any(r.filename.lower().endswith(SIDECAR) for r in files):
        asset = load_asset(row, tuple(map(load_resource, files)))
        first = lead(asset.resources)
        content = compose(asset, first.filename, albums.of(connection, asset.id))
    if content is None:
        if known is not None:
            statement = update(schema.resources).where(_R.id == known.id)
            connection.execute(statement.values(chosen=False))
        return False
    path = sidecar(next(r.path for r in files if r.resource_id == first.id))
    return _put(connection, row, known, sidecar(first.filename), path, content)


def _put(
    connection: Connection, row: Any, known: Any | None, filename: str, path: str, content: bytes
) -> bool:
    checksum = str(Checksum(Algorithm.SHA256, hashlib.sha256(content).hexdigest()))
    if known is not None and known.chosen and known.checksum == checksum:
        return False
    values = {
        "filename": filename,
        "size": len(content),
        "checksum": checksum,
        "media_type": "application/rdf+xml",
        "chosen": True,
        "path": path,
    }
    if known is None:
        done = connection.execute(
            insert(schema.resources).values(
                asset=row.id, resource_id=ID, role=Role.METADATA, handle="", local=True, **values
            )
        )
        assert done.inserted_primary_key is not None
        taken = insert(schema.paths).prefix_with("OR IGNORE")
        key = done.inserted_primary_key[0]
        connection.execute(taken.values(folded=folded(path), resource=key))
    else:
        if known.checksum != checksum:
            _outdate(connection, known)
            values |= {"proof": "", "received": None}
        connection.execute(update(schema.resources).where(_R.id == known.id).values(**values))
    connection.execute(
        update(schema.assets)
        .where(_A.id == row.id, _A.state == AssetState.CONFIRMED)
        .values(state=AssetState.PENDING, reason="")
    )
    return True


def _outdate(connection: Connection, known: Any) -> None:
    """Every sink needs the new content; whatever we may have put there may be replaced.

    What was on its way counts as well: a crash can come between a sink's work and our
    knowing of it.
    """
    ours = Checksum.parse(known.checksum).value
    connection.execute(
        update(schema.copies)
        .where(_C.resource == known.id)
        .values(
            state=CopyState.PENDING,
            token=None,
            reason="changed at the source",
            replaces=_C.replaces.concat(literal(f" {ours}")),
        )
    )
