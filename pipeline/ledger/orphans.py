"""Copies of files that their source lists no longer, and whose they become.

What its owner moves, renames or brings in again is listed as another asset. Should that have
the same bytes, the copy that is there already is its copy.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, and_, delete, exists, or_, select, update

from connectors.base import Role
from connectors.checksums import Algorithm, Checksum, Digests
from pipeline.ledger import schema
from pipeline.ledger.checks import Held, freed, load_held
from pipeline.ledger.codec import load_digests
from pipeline.ledger.store import Ledger
from pipeline.states import NOT_WANTED, AssetState, CopyState

_A, _R, _C = schema.assets.c, schema.resources.c, schema.copies.c
_BATCH = 200


@dataclass(frozen=True, slots=True)
class Orphan:
    """A confirmed copy that nobody asks for any more, and the digests that it was confirmed by."""

    copy: Held
    digests: Digests


def orphans(ledger: Ledger, sink: str) -> Iterator[list[Orphan]]:
    """Those at the sink that may be of a file which it lacks, as they have its size, in batches.

    What reclaim freed leaves no orphan.
    """
    unlisted = or_(
        and_(_A.state == AssetState.GONE, ~freed()),
        and_(_A.state.not_in(NOT_WANTED), ~_R.chosen),
    )
    files = select(_R.id).join(schema.assets).where(_R.role != Role.METADATA, unlisted)
    # By size first: few files are to be copied, and of a library's copies there may be a million.
    left = files.where(_R.size.in_(_lacking(sink)), _copied(_R.id, sink))
    digests = [getattr(_R, algorithm) for algorithm in Algorithm]
    columns = (_C.resource, _C.path, _C.size, _C.remote_id, _R.role, *digests)
    query = select(*columns).join(schema.resources).where(*_confirmed(sink))
    with ledger.read() as connection:
        keys = connection.execute(left).scalars().all()
    for start in range(0, len(keys), _BATCH):
        with ledger.read() as connection:
            rows = connection.execute(query.where(_R.id.in_(keys[start : start + _BATCH]))).all()
        yield [_load(row, sink) for row in rows]


def _load(row: Any, sink: str) -> Orphan:
    copy = load_held(row, sink)
    return Orphan(copy, load_digests(row, copy.size))


def _lacking(sink: str) -> Any:
    """Sizes of files that are to be copied and have no copy at the sink."""
    file, asset = schema.resources.alias(), schema.assets.alias()
    joined = file.join(asset, asset.c.id == file.c.asset)
    pending = and_(asset.c.state == AssetState.PENDING, file.c.chosen)
    return select(file.c.size).select_from(joined).where(pending, ~_copied(file.c.id, sink))


def _copied(resource: Any, sink: str) -> Any:
    return exists().where(_C.resource == resource, *_confirmed(sink))


def _confirmed(sink: str) -> tuple[Any, Any]:
    return _C.sink == sink, _C.state == CopyState.CONFIRMED


def hand_over(connection: Connection, sink: str, orphan: int, heir: int) -> None:
    """The copy of one resource at the sink is another's from now on, and so are its name and the
    sidecar of our making that stands beside an original: what that says may be replaced."""
    connection.execute(delete(schema.copies).where(_C.resource == orphan, _C.sink == sink))
    name = update(schema.paths).where(schema.paths.c.resource == orphan)
    connection.execute(name.values(resource=heir))
    before, now = _sidecar(connection, orphan), _sidecar(connection, heir)
    if before is None or now is None or before.state != AssetState.GONE:
        return
    known = exists().where(_C.resource == now.id, _C.sink == sink)
    ours = Checksum.parse(before.checksum).value
    connection.execute(
        update(schema.copies)
        .where(_C.resource == before.id, _C.sink == sink, ~known.correlate(None))
        .values(resource=now.id, state=CopyState.PENDING, replaces=_C.replaces.concat(f" {ours}"))
    )


def _sidecar(connection: Connection, original: int) -> Any:
    """The generated file of the asset that has this original, with the asset's state."""
    of = select(_R.asset).where(_R.id == original, _R.role == Role.ORIGINAL).scalar_subquery()
    query = select(_R.id, _R.checksum, _A.state).join(schema.assets)
    return connection.execute(query.where(_R.asset == of, _R.role == Role.METADATA)).first()
