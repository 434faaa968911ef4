"""Matching what a sink holds with what the ledger wants there."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, and_, exists, insert, or_, select, update

from connectors.base import Receipt, Role
from connectors.checksums import Algorithm, Checksum, Digests
from pipeline.ledger import albums, schema
from pipeline.ledger.codec import now
from pipeline.ledger.store import Ledger
from pipeline.states import AssetState, CopyState, Proof

_A, _R, _C = schema.assets.c, schema.resources.c, schema.copies.c
_STRONG = (Algorithm.SHA256, Algorithm.DROPBOX)  # alone they say that bytes are the same


@dataclass(frozen=True, slots=True)
class Evidence:
    """What is known of a file's bytes, and of whom they are a copy.

    ``digests`` are vouched for by the sink or made from its bytes. ``source`` is the source's
    checksum and ``identity`` (asset id, its revision, resource id) as we left them beside the
    copy; both are set only where the sink's own SHA-256 says that it is still what we left.
    """

    receipt: Receipt
    digests: Digests
    source: str = ""
    identity: tuple[str, str, str] = ("", "", "")


def looked_through(ledger: Ledger, sink: str) -> bool:
    """Whether all that the sink held was compared with all that is selected now."""
    with ledger.read() as connection:
        query = select(schema.meta.c.value).where(schema.meta.c.key == _mark(sink))
        return connection.execute(query).scalar() == _selected(connection)


def remember(ledger: Ledger, sink: str) -> None:
    """Make ``looked_through`` true, until something else is selected."""

    def work(connection: Connection) -> None:
        row = {"key": _mark(sink), "value": _selected(connection)}
        connection.execute(insert(schema.meta).prefix_with("OR REPLACE").values(**row))

    ledger.transact(work)


def _mark(sink: str) -> str:
    return f"looked through {sink}"


def _selected(connection: Connection) -> str:
    return albums.selection(connection) or ""


@dataclass(frozen=True, slots=True)
class Copy:
    """A confirmed copy that a listing shows."""

    resource: int
    sidecar: bool


def known(ledger: Ledger, sink: str, receipts: Sequence[Receipt]) -> dict[str, Copy]:
    """Those that are confirmed copies already, as far as a listing tells, by their path."""
    sizes = {receipt.path: receipt.size for receipt in receipts}
    query = (
        select(_C.resource, _C.path, _C.size, _R.role)
        .join(schema.resources)
        .where(_C.sink == sink, _C.path.in_(list(sizes)), _C.state == CopyState.CONFIRMED)
    )
    with ledger.read() as connection:
        rows = connection.execute(query).all()
    sidecars = {row.path: row.role == Role.METADATA for row in rows}
    # Of a file of another size nobody says that it is the copy; sidecars people edit.
    return {
        row.path: Copy(row.resource, sidecars[row.path])
        for row in rows
        if sidecars[row.path] or row.size == sizes[row.path]
    }


def candidates(ledger: Ledger, sink: str, receipts: Sequence[Receipt]) -> dict[str, list[Any]]:
    """For each path, the wanted resources that this file may be: of its size, its source
    checksum, or (the source may be wrong about a size) its path."""
    sizes = {receipt.size for receipt in receipts}
    paths = {receipt.path for receipt in receipts}
    sources = {receipt.properties.get("source", "") for receipt in receipts} - {""}
    here = exists().where(_C.resource == _R.id, _C.sink == sink, _C.state == CopyState.CONFIRMED)
    query = (
        select(schema.resources, _A.asset_id, _A.revision)
        .join(schema.assets)
        .where(
            _R.chosen,
            _A.state.not_in((AssetState.GONE, AssetState.EXCLUDED)),
            or_(
                and_(_R.role != Role.METADATA, _R.size.in_(sizes)),  # sidecars are all alike
                _R.checksum.in_(sources),
                _R.path.in_(paths),
            ),
            ~here,
        )
    )
    with ledger.read() as connection:
        rows = connection.execute(query).all()
    by_size, by_checksum, by_path = defaultdict(list), defaultdict(list), defaultdict(list)
    for row in rows:
        by_size[row.size if row.role != Role.METADATA else None].append(row)
        by_checksum[row.checksum].append(row)
        by_path[row.path].append(row)
    found = {}
    for receipt in receipts:
        source = receipt.properties.get("source")
        fits = by_size[receipt.size]
        at_path = [row for row in by_path[receipt.path] if row not in fits]
        found[receipt.path] = by_checksum[source] if source else fits + at_path
    return found


def from_listing(receipt: Receipt) -> Evidence:
    """What a listing says: the sink's own checksums, and what we left beside the copy.

    What we left counts only where the sink's own SHA-256 says the same: the file may have
    been changed since, and what we left stays beside it.
    """
    values: dict[Algorithm, str] = {c.algorithm: c.value for c in receipt.checksums}
    kept = receipt.properties
    if Algorithm.SHA256 not in values or values[Algorithm.SHA256] != kept.get("sha256"):
        return Evidence(receipt, Digests(receipt.size, values))
    for algorithm in Algorithm:
        if kept.get(algorithm):
            values.setdefault(algorithm, kept[algorithm])
    source = kept.get("source", "")
    try:
        checksum = Checksum.parse(source)
        values.setdefault(checksum.algorithm, checksum.value)
    except ValueError:
        source = ""
    identity = (kept.get("asset", ""), kept.get("revision", ""), kept.get("resource", ""))
    return Evidence(receipt, Digests(receipt.size, values), source, identity)


def fitting(evidence: Evidence, rows: Sequence[Any]) -> list[Any]:
    """Those of the resources whose bytes these are proven to be."""
    return [row for row in rows if _proof(row, evidence)]


def open_question(evidence: Evidence, rows: Sequence[Any]) -> bool:
    """Whether the bytes themselves could prove what this evidence does not."""
    return any(_proof(row, evidence) is None for row in rows)


def adopt(
    ledger: Ledger, sink: str, found: Iterable[tuple[Evidence, Sequence[Any]]]
) -> dict[str, bool]:
    """Confirm each file as the copy of one resource that it is proven to be; their paths, and
    whether each is a sidecar."""

    def work(connection: Connection) -> dict[str, bool]:
        taken: set[int] = set()
        adopted: dict[str, bool] = {}
        for evidence, rows in found:
            fits = [row for row in fitting(evidence, rows) if row.id not in taken]
            if not fits:
                continue
            path = evidence.receipt.path
            # Of several with the same bytes, the one that would go to this very path.
            row = next((row for row in fits if row.path == path), fits[0])
            taken.add(row.id)
            adopted[path] = row.role == Role.METADATA
            _confirm(connection, sink, row, evidence)
        return adopted

    return ledger.transact(work)


def _proof(row: Any, evidence: Evidence) -> Proof | None:
    """How the file is proven to be the resource's; NONE if it is not, None if nothing tells."""
    digests = evidence.digests
    checksum = Checksum.parse(row.checksum) if row.checksum else None
    if checksum and checksum.verifiable and checksum.algorithm in digests.values:
        return Proof.CHECKSUM if digests.agrees(checksum) else Proof.NONE
    for algorithm in _STRONG:  # of bytes that came to another sink, verified
        ours, theirs = getattr(row, algorithm.value), digests.values.get(algorithm)
        if row.proof and ours and theirs:
            return Proof(row.proof) if ours == theirs else Proof.NONE
    if checksum and checksum.verifiable:
        return None
    if checksum:  # nobody can recompute it, but the source still says the same
        return Proof.SIZE if row.checksum == evidence.source else Proof.NONE
    # Of another revision it may be what the file was, with the size that it still has.
    ours_still = evidence.identity == (row.asset_id, row.revision or "", row.resource_id)
    return Proof.SIZE if ours_still and row.size == digests.size else Proof.NONE


def _confirm(connection: Connection, sink: str, row: Any, evidence: Evidence) -> None:
    receipt, digests = evidence.receipt, evidence.digests
    values: dict[str, Any] = {a.value: digests.values[a] for a in Algorithm if a in digests.values}
    connection.execute(
        update(schema.resources)
        .where(_R.id == row.id)
        .values(proof=_proof(row, evidence), received=digests.size, **values)
    )
    connection.execute(
        insert(schema.copies)
        .prefix_with("OR REPLACE")
        .values(
            resource=row.id,
            sink=sink,
            state=CopyState.CONFIRMED,
            path=receipt.path,
            remote_id=receipt.id,
            checksum=str(receipt.checksums[0]) if receipt.checksums else None,
            size=receipt.size,
            confirmed=now(),
            checked=now(),
            reason="adopted",
        )
    )
