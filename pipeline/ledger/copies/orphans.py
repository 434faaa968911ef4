"""Copies of assets that their source lists no longer, and whose they become.

What its owner moves, renames or brings in again is listed as another asset. Should its original
have the same bytes, the copies that are there already are its copies.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, delete, exists, or_, select, update

from connectors.base import Role
from connectors.checksums import STRONG, Algorithm, Checksum, Digests
from pipeline.ledger import leaving, meta, schema
from pipeline.ledger.codec import load_digests
from pipeline.ledger.copies import adoption
from pipeline.ledger.copies.adoption import Wanted
from pipeline.ledger.copies.checks import HELD, Held, load_held
from pipeline.ledger.store import Ledger
from pipeline.naming import COMPANIONS
from pipeline.states import AssetState, CopyState

_A, _R, _C = schema.assets.c, schema.resources.c, schema.copies.c
_BATCH = 200
_NOT_OURS = (CopyState.MISSING, CopyState.YIELDED)


@dataclass(frozen=True, slots=True)
class Orphan:
    """A confirmed copy of a file of the asset in the row ``asset``, which is gone, and the digests
    that it was confirmed by."""

    asset: int
    role: str
    copy: Held
    digests: Digests

    def has_bytes_of(self, file: Wanted) -> bool:
        """As far as is known of the file."""
        checksum, known = file.resource.checksum, self.digests.values
        if checksum is not None and checksum.verifiable and checksum.algorithm in known:
            return self.digests.agrees(checksum)
        return any(known.get(a) and known.get(a) == file.values.get(a) for a in STRONG)


def heirs(ledger: Ledger, sink: str) -> Iterator[list[list[Wanted]]]:
    """Assets that are to be copied and whose original has the size of an orphan at the sink, in
    batches: what of each the sink lacks, the original first."""
    original = and_(_R.role == Role.ORIGINAL, _R.chosen, ~_copied(sink), _R.size.in_(_sizes(sink)))
    query = select(_A.id).join(schema.resources).where(_A.state == AssetState.PENDING, original)
    with ledger.read() as connection:
        keys = connection.execute(query.order_by(_A.id)).scalars().all()
    for start in range(0, len(keys), _BATCH):
        these = and_(_R.asset.in_(keys[start : start + _BATCH]), _R.role != Role.METADATA)
        files: dict[str, list[Wanted]] = defaultdict(list)
        for file in adoption.lacking(ledger, sink, these):
            files[file.asset_id].append(file)
        yield [sorted(one, key=_is_companion) for one in files.values()]


def _is_companion(file: Wanted) -> bool:
    return file.resource.role is not Role.ORIGINAL


def like(ledger: Ledger, sink: str, files: Sequence[Wanted]) -> list[Orphan]:
    """Orphans that have the bytes of one of these files, by what is known of both."""
    told: dict[Algorithm, set[str]] = defaultdict(set)
    for file in files:
        checksum = file.resource.checksum
        for algorithm in STRONG:
            told[algorithm].add(file.values.get(algorithm, ""))
        if checksum is not None and checksum.verifiable:
            told[checksum.algorithm].add(checksum.value)
    same = or_(*(getattr(_R, a.value).in_(values - {""}) for a, values in told.items()))
    sizes = {file.resource.size for file in files}
    return _orphans(ledger, sink, and_(_R.size.in_(sizes), same, _R.role.not_in(COMPANIONS)))


def any_at(ledger: Ledger, sink: str) -> bool:
    """Whether the sink has any."""
    with ledger.read() as connection:
        return connection.execute(_sizes(sink).limit(1)).first() is not None


def with_bytes(ledger: Ledger, sink: str, role: Role, digests: Digests) -> list[Orphan]:
    """Orphans of files in this role that have these bytes."""
    same = or_(*(getattr(_R, a.value) == digests[a] for a in STRONG))
    return _orphans(ledger, sink, and_(_R.size == digests.size, same, _R.role == role))


def of_assets(ledger: Ledger, sink: str, assets: Iterable[int]) -> dict[int, list[Orphan]]:
    """All orphans of these assets."""
    found: dict[int, list[Orphan]] = defaultdict(list)
    for orphan in _orphans(ledger, sink, _R.asset.in_(list(assets))):
        found[orphan.asset].append(orphan)
    return found


def _orphans(ledger: Ledger, sink: str, which: ColumnElement[bool]) -> list[Orphan]:
    other = schema.copies.alias()
    shared = exists().where(
        other.c.sink == sink, other.c.path == _C.path, other.c.resource != _C.resource,
        other.c.state == CopyState.CONFIRMED,
    )  # fmt: skip
    digests = [getattr(_R, algorithm) for algorithm in Algorithm]
    others = [one for one in digests if one is not _R.sha256]
    query = (
        select(*HELD, _R.asset, *others)
        .select_from(schema.resources.join(schema.assets).join(schema.copies))
        .where(which, _R.role != Role.METADATA, leaving.left(), *_confirmed(sink), ~shared)
        .order_by(_R.id)
    )
    with ledger.read() as connection:
        rows = connection.execute(query).all()
    return [
        Orphan(row.asset, row.role, load_held(row), load_digests(row, row.size)) for row in rows
    ]


def _sizes(sink: str) -> Any:
    """Sizes of orphans at the sink."""
    file, asset = schema.resources.alias(), schema.assets.alias()
    joined = file.join(asset, asset.c.id == file.c.asset)
    copied = exists().where(_C.resource == file.c.id, *_confirmed(sink))
    left = and_(leaving.left(asset.c), file.c.role.not_in(COMPANIONS), copied)
    return select(file.c.size).select_from(joined).where(left)


def _copied(sink: str) -> Any:
    return exists().where(_C.resource == _R.id, *_confirmed(sink))


def _confirmed(sink: str) -> tuple[Any, Any]:
    return _C.sink == sink, _C.state == CopyState.CONFIRMED


# --- names at the sink ---------------------------------------------------------------------


def remember(ledger: Ledger, sink: str) -> None:
    """Copies at the sink have become another's: names may be taken that nobody planned."""
    ledger.transact(lambda connection: meta.put(connection, key(sink), "yes"))


def any_yet(ledger: Ledger, sink: str) -> bool:
    with ledger.read() as connection:
        return meta.get(connection, key(sink)) is not None


def key(sink: str) -> str:
    """Under which the ledger remembers that copies there became others'."""
    return f"handed over {sink}"


def is_others(ledger: Ledger, sink: str, path: str, resource: int) -> bool:
    """Whether the copy at this path is another file's."""
    others = select(_C.resource).where(*_confirmed(sink), _C.path == path, _C.resource != resource)
    with ledger.read() as connection:
        return connection.execute(others.limit(1)).first() is not None


def take_sidecar(ledger: Ledger, sink: str, path: str, resource: int) -> frozenset[str]:
    """A sidecar of our making stands there whose asset is gone: from now on it is that of
    ``resource``. SHA-256 sums of what may be replaced there; none where it is nobody's."""
    query = (
        select(_R.checksum, _C.resource, _C.replaces)
        .select_from(schema.copies.join(schema.resources).join(schema.assets))
        .where(_C.sink == sink, _C.path == path, _C.resource != resource)
        .where(_R.role == Role.METADATA, _C.state.not_in(_NOT_OURS), leaving.left())
    )
    with ledger.read() as connection:
        rows = connection.execute(query).all()
    ours = {Checksum.parse(row.checksum).value for row in rows}
    ours.update(*(row.replaces.split() for row in rows))
    if ours:
        former = [row.resource for row in rows]
        ledger.transact(lambda connection: _take(connection, sink, former, resource, ours))
    return frozenset(ours)


def _take(
    connection: Connection, sink: str, former: Sequence[int], heir: int, ours: Iterable[str]
) -> None:
    here = _C.sink == sink
    connection.execute(delete(schema.copies).where(here, _C.resource.in_(former)))
    more = _C.replaces.concat("".join(f" {one}" for one in sorted(ours)))
    connection.execute(update(schema.copies).where(here, _C.resource == heir).values(replaces=more))
