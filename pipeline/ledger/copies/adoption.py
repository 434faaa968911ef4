"""Matching what a sink holds with what the ledger wants there."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, delete, exists, insert, or_, select, update

from connectors.base import Receipt, Resource, Role
from connectors.checksums import STRONG, Algorithm, Checksum, Digests
from connectors.spelling import folded
from pipeline.ledger import meta, schema, selection_digest
from pipeline.ledger.codec import load_digests, load_resource, now
from pipeline.ledger.store import Ledger
from pipeline.states import NOT_WANTED, CopyState, Proof

_A, _R, _C, _P = schema.assets.c, schema.resources.c, schema.copies.c, schema.paths.c


@dataclass(frozen=True, slots=True)
class Evidence:
    """What is known of a file's bytes, and of whom they are a copy.

    ``digests`` are vouched for by the sink or made from its bytes. ``source`` is the source's
    checksum and ``identity`` (asset id, its revision, resource id) as we left them beside the
    copy; both are set only where the sink's own SHA-256 says that it is still what we left.
    ``former`` is the file whose copy it was until now, if it was one's.
    """

    receipt: Receipt
    digests: Digests
    source: str = ""
    identity: tuple[str, str, str] = ("", "", "")
    former: int | None = None

    @property
    def tells(self) -> bool:
        """Whether it says for any bytes if they are these."""
        return any(algorithm in self.digests.values for algorithm in STRONG)


@dataclass(slots=True, eq=False)
class Wanted:
    """A file of the library that a sink lacks. ``proof`` and ``values`` are of its bytes, which
    came or were read before; empty where they never were. ``taken`` as the copy was found."""

    key: int
    asset_id: str
    revision: str
    resource: Resource
    path: str | None
    proof: Proof
    values: Mapping[Algorithm, str]
    taken: bool = False

    @property
    def known(self) -> bool:
        """Whether its bytes can be told from others by what is known of them."""
        checksum = self.resource.checksum
        return bool(self.values) or (checksum is not None and checksum.verifiable)

    @property
    def sidecar(self) -> bool:
        return self.resource.role is Role.METADATA


Files = Mapping[str, Sequence[Wanted]]
"""For the path of each file at a sink, what of the library it may be, the likeliest first."""


def looked_through(ledger: Ledger, sink: str) -> bool:
    """Whether all that the sink held was compared with all that is selected now."""
    with ledger.read() as connection:
        return meta.get(connection, key(sink)) == _selected(connection)


def remember(ledger: Ledger, sink: str) -> None:
    """Make ``looked_through`` true, until something else is selected."""
    ledger.transact(lambda c: meta.put(c, key(sink), _selected(c)))


def look_again(ledger: Ledger, sink: str) -> None:
    """Make ``looked_through`` false: copies may lie elsewhere than the ledger knows."""
    ledger.transact(lambda connection: meta.forget(connection, key(sink)))


def key(sink: str) -> str:
    """Under which the ledger remembers that the sink was looked through."""
    return f"looked through {sink}"


def _selected(connection: Connection) -> str:
    return selection_digest.selection(connection) or ""


@dataclass(frozen=True, slots=True)
class ListedCopy:
    """A confirmed copy that a listing shows."""

    resource: int
    sidecar: bool


def known(ledger: Ledger, sink: str, receipts: Sequence[Receipt]) -> dict[str, ListedCopy]:
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
        row.path: ListedCopy(row.resource, sidecars[row.path])
        for row in rows
        if sidecars[row.path] or row.size == sizes[row.path]
    }


def candidates(ledger: Ledger, sink: str, receipts: Sequence[Receipt]) -> Files:
    """What the sink lacks and each of these files may be: of its size, its source checksum, or
    (the source may be wrong about a size) its path."""
    sizes = {receipt.size for receipt in receipts}
    paths = {folded(receipt.path) for receipt in receipts}
    sources = {receipt.properties.get("source", "") for receipt in receipts} - {""}
    which = or_(
        and_(_R.role != Role.METADATA, _R.size.in_(sizes)),  # sidecars are all alike
        _R.checksum.in_(sources),
        _R.id.in_(select(_P.resource).where(_P.folded.in_(paths))),
    )
    wanted = lacking(ledger, sink, which)
    by_size, by_checksum, by_path = defaultdict(list), defaultdict(list), defaultdict(list)
    for file in wanted:
        by_size[file.resource.size if not file.sidecar else None].append(file)
        by_checksum[str(file.resource.checksum or "")].append(file)
        by_path[file.path].append(file)
    found: dict[str, list[Wanted]] = {receipt.path: [] for receipt in receipts}
    for receipt in receipts:
        source, alike = receipt.properties.get("source"), by_size[receipt.size]
        if source:
            fits = by_checksum[source] + [file for file in alike if not file.resource.checksum]
        else:
            fits = alike + [file for file in by_path[receipt.path] if file not in alike]
        found[receipt.path] += fits  # more than one file may be called so
    return {path: sorted(fits, key=partial(_unlike, path)) for path, fits in found.items()}


def sidecars(ledger: Ledger, sink: str, found: Sequence[Evidence]) -> Files:
    """The sidecars of ours that the sink lacks and these are, by their SHA-256: also under names
    that no template gives now."""
    sums = {
        f"{Algorithm.SHA256}:{value}": evidence.receipt.path
        for evidence in found
        if (value := evidence.digests.values.get(Algorithm.SHA256))
    }
    which = and_(_R.role == Role.METADATA, _R.checksum.in_(list(sums)))
    files: dict[str, list[Wanted]] = {evidence.receipt.path: [] for evidence in found}
    for file in lacking(ledger, sink, which):
        files[sums[str(file.resource.checksum)]].append(file)
    return files


def lacking(ledger: Ledger, sink: str, which: ColumnElement[bool]) -> list[Wanted]:
    """What of the library the sink lacks and fulfils a condition."""
    here = exists().where(_C.resource == _R.id, _C.sink == sink, _C.state == CopyState.CONFIRMED)
    query = (
        select(schema.resources, _A.asset_id, _A.revision)
        .join(schema.assets)
        .where(_R.chosen, _A.state.not_in(NOT_WANTED), which, ~here)
    )
    with ledger.read() as connection:
        return [_wanted(row) for row in connection.execute(query)]


def _wanted(row: Any) -> Wanted:
    resource, proof = load_resource(row), Proof(row.proof)
    values = load_digests(row, row.received or 0).values if proof else {}
    return Wanted(row.id, row.asset_id, row.revision or "", resource, row.path, proof, values)


def _unlike(path: str, file: Wanted) -> tuple[bool, bool]:
    return file.path != path, file.resource.filename != path.rpartition("/")[2]


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


def match(found: Iterable[Evidence], files: Files) -> list[tuple[Evidence, Wanted]]:
    """Each of these that is proven to be a file of the library, with that file, which is taken
    from then on."""
    pairs = []
    for evidence in found:
        free = (file for file in files[evidence.receipt.path] if not file.taken)
        file = next((file for file in free if _proof(file, evidence)), None)
        if file is not None:
            file.taken = True
            pairs.append((evidence, file))
    return pairs


def open_question(evidence: Evidence, files: Files) -> list[Wanted]:
    """What it may be, which only the bytes could tell: the sink's of those that are ``known``,
    also the source's of the others."""
    free = (file for file in files[evidence.receipt.path] if not file.taken)
    return [file for file in free if _proof(file, evidence) is None]


def unread(
    found: Iterable[Evidence], files: Files, readable: Callable[[Wanted], bool]
) -> list[Wanted]:
    """For each of these the likeliest file that it may be, if its bytes are all that is missing
    and can be read; each once."""
    chosen: dict[int, Wanted] = {}
    for evidence in found:
        if evidence.tells:
            likely = (file for file in open_question(evidence, files) if not file.known)
            file = next((f for f in likely if f.key not in chosen and readable(f)), None)
            if file is not None:
                chosen[file.key] = file
    return list(chosen.values())


def confirm(ledger: Ledger, sink: str, pairs: Sequence[tuple[Evidence, Wanted]]) -> None:
    """Each of these files at the sink is a copy of that file of the library."""

    def work(connection: Connection) -> None:
        for evidence, file in pairs:
            _confirm(connection, sink, file, evidence)

    ledger.transact(work)


def _proof(file: Wanted, evidence: Evidence) -> Proof | None:
    """How it is proven to be the file; NONE if it is not, None if nothing tells."""
    digests, checksum = evidence.digests, file.resource.checksum
    verifiable = checksum is not None and checksum.verifiable
    if checksum and verifiable and checksum.algorithm in digests.values:
        return Proof.CHECKSUM if digests.agrees(checksum) else Proof.NONE
    for algorithm in STRONG:
        ours, theirs = file.values.get(algorithm), digests.values.get(algorithm)
        if ours and theirs:
            return file.proof if ours == theirs else Proof.NONE
    if verifiable:
        return None
    if checksum and str(checksum) == evidence.source:  # nobody can recompute it, but it is the same
        return Proof.SIZE
    if file.resource.size != digests.size:
        return Proof.NONE
    # Of another revision it may be what the file was, with the size that it still has.
    ours_still = evidence.identity == (file.asset_id, file.revision, file.resource.id)
    return Proof.SIZE if ours_still and not checksum else None


def _confirm(connection: Connection, sink: str, file: Wanted, evidence: Evidence) -> None:
    receipt, digests = evidence.receipt, evidence.digests
    if evidence.former is not None:
        former = and_(_C.resource == evidence.former, _C.sink == sink)
        connection.execute(delete(schema.copies).where(former))
    told = {**file.values, **digests.values}
    values: dict[str, Any] = {algorithm.value: told.get(algorithm) for algorithm in Algorithm}
    connection.execute(
        update(schema.resources)
        .where(_R.id == file.key)
        .values(proof=_proof(file, evidence), received=digests.size, **values)
    )
    connection.execute(
        insert(schema.copies)
        .prefix_with("OR REPLACE")
        .values(
            resource=file.key,
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
