"""What is left to do, and what is known of it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from typing import Any

from sqlalchemy import Connection, and_, case, func, literal, or_, select

from connectors.base import Role
from connectors.checksums import Digests
from connectors.spelling import folded
from pipeline.ledger import schema
from pipeline.ledger.codec import load_asset, load_digests, load_resource
from pipeline.ledger.copies.checks import below
from pipeline.ledger.goal import ExcludedRoles, Goal, complete_at, wanted_at
from pipeline.ledger.items import Copy, Item, Piece, Totals
from pipeline.ledger.store import Ledger
from pipeline.states import NOT_WANTED, AssetState, CopyState

_A, _R, _C = schema.assets.c, schema.resources.c, schema.copies.c


def refused(ledger: Ledger, roles: Collection[Role]) -> int:
    """Chosen files of these roles, of all assets that are wanted."""
    left = _A.state.in_(NOT_WANTED)
    query = select(func.count()).select_from(schema.resources.join(schema.assets))
    with ledger.read() as connection:
        found = query.where(_R.chosen, _R.role.in_(list(roles)), ~left)
        return int(connection.execute(found).scalar_one())


def any_pending(ledger: Ledger) -> bool:
    with ledger.read() as connection:
        query = select(_A.id).where(_A.state == AssetState.PENDING).limit(1)
        return connection.execute(query).first() is not None


def due(ledger: Ledger, goal: Goal) -> Totals:
    """The assets that are pending, and the bytes of those of their files that are not at as many
    sinks as the goal asks for."""
    pending = _A.state == AssetState.PENDING
    at = [(wanted_at(sink, goal.excluded), complete_at(sink)) for sink in goal.sinks]
    lacking = or_(*(and_(wanted, ~complete) for wanted, complete in at))
    copies = sum((case((and_(*both), 1), else_=0) for both in at), literal(0))
    short = and_(lacking, copies < goal.enough)
    size = select(func.coalesce(func.sum(_R.size), 0)).join(schema.assets)
    size = size.where(pending, _R.chosen, _R.role != Role.METADATA, short)
    with ledger.read() as connection:
        number = connection.execute(select(func.count()).where(pending)).scalar_one()
        return Totals(number, int(connection.execute(size).scalar_one()) if number else 0)


def by_state(connection: Connection) -> dict[str, Totals]:
    """Of the assets in each state that any is in, in the order of the states."""
    query = select(_A.state, func.count(), func.sum(_A.size)).group_by(_A.state)
    found = {row[0]: Totals(row[1], int(row[2])) for row in connection.execute(query)}
    return {state: found[state] for state in AssetState if state in found}


def counts(ledger: Ledger) -> dict[str, int]:
    """Number of assets in each state."""
    with ledger.read() as connection:
        return {state: totals.assets for state, totals in by_state(connection).items()}


def missing_bytes(
    ledger: Ledger, sink: str, excluded: ExcludedRoles, *, role: Role | None = None
) -> int:
    """Bytes of pending assets that are not confirmed at the sink; of files of one ``role``."""
    query = (
        select(func.coalesce(func.sum(_R.size), 0))
        .join(schema.assets)
        .where(_A.state == AssetState.PENDING, wanted_at(sink, excluded), ~complete_at(sink))
    )
    if role is not None:
        query = query.where(_R.role == role)
    with ledger.read() as connection:
        return int(connection.execute(query).scalar_one())


def missing_below(ledger: Ledger, sink: str, folder: str, excluded: ExcludedRoles) -> str | None:
    """A path below ``folder`` of a file of a pending asset that is not confirmed at the sink."""
    query = (
        select(_R.path)
        .join(schema.assets)
        .join(schema.paths, schema.paths.c.resource == _R.id)
        .where(_A.state == AssetState.PENDING, wanted_at(sink, excluded), ~complete_at(sink))
        .where(below(schema.paths.c.folded, folded(folder)))
    )
    with ledger.read() as connection:
        return connection.execute(query.limit(1)).scalar()


def pending_bytes(
    ledger: Ledger, sinks: Sequence[str], excluded: ExcludedRoles
) -> Iterator[tuple[int, dict[str, int]]]:
    """Size of each pending asset, and what of it each sink lacks, in the order of being taken
    up. Never held whole in memory."""

    def lacking(sink: str) -> Any:
        missing = select(func.coalesce(func.sum(_R.size), 0))
        missing = missing.where(_R.asset == _A.id, wanted_at(sink, excluded), ~complete_at(sink))
        return missing.correlate(schema.assets).scalar_subquery()

    query = select(_A.size, *map(lacking, sinks)).where(_A.state == AssetState.PENDING)
    with ledger.read() as connection:
        rows = connection.execute(query.order_by(_A.id).execution_options(yield_per=1000))
        for size, *missing in rows:
            yield size, dict(zip(sinks, missing, strict=True))


def largest_file(ledger: Ledger) -> int:
    """Bytes of the largest chosen file of the pending assets."""
    query = select(func.coalesce(func.max(_R.size), 0)).join(schema.assets)
    with ledger.read() as connection:
        pending = query.where(_A.state == AssetState.PENDING, _R.chosen)
        return int(connection.execute(pending).scalar_one())


def smallest(ledger: Ledger) -> int | None:
    """Bytes of the smallest pending asset; None if none is pending."""
    query = select(func.min(_A.size)).where(_A.state == AssetState.PENDING)
    with ledger.read() as connection:
        return connection.execute(query).scalar()


def wanted(ledger: Ledger, resources: Sequence[int]) -> set[int]:
    """Those of ``resources`` that belong to assets which are wanted and not confirmed yet."""
    done = (AssetState.CONFIRMED, *NOT_WANTED)
    query = select(_R.id).join(schema.assets).where(_A.state.not_in(done), _R.chosen)
    found: set[int] = set()
    with ledger.read() as connection:
        for start in range(0, len(resources), 500):
            part = query.where(_R.id.in_(resources[start : start + 500]))
            found.update(connection.execute(part).scalars())
    return found


def pending(ledger: Ledger, *, batch: int = 200) -> Iterator[list[Item]]:
    """Assets with work left, in listing order, ``batch`` at a time, read as they are asked for."""
    after = 0
    while True:
        with ledger.read() as connection:
            query = select(schema.assets).where(_A.state == AssetState.PENDING, _A.id > after)
            rows = connection.execute(query.order_by(_A.id).limit(batch)).all()
            if not rows:
                return
            items = _items(connection, rows)
        after = rows[-1].id
        yield items


def items(ledger: Ledger, keys: Sequence[int]) -> list[Item]:
    """The assets of these rows, whatever their state."""
    with ledger.read() as connection:
        query = select(schema.assets).where(_A.id.in_(keys)).order_by(_A.id)
        return _items(connection, connection.execute(query).all())


def _items(connection: Connection, rows: Sequence[Any]) -> list[Item]:
    keys = [row.id for row in rows]
    chosen = and_(_R.asset.in_(keys), _R.chosen)
    copies: dict[int, dict[str, Copy]] = defaultdict(dict)
    for row in connection.execute(select(schema.copies).join(schema.resources).where(chosen)):
        state = CopyState(row.state)
        ours = frozenset(row.replaces.split())
        copies[row.resource][row.sink] = Copy(
            row.sink, state, row.path, row.token, row.confirmed is not None, ours, row.remote_id
        )  # fmt: skip
    pieces: dict[int, list[Piece]] = defaultdict(list)
    for row in connection.execute(select(schema.resources).where(chosen).order_by(_R.id)):
        pieces[row.asset].append(_piece(row, copies[row.id]))
    return [
        Item(
            row.id,
            load_asset(row, tuple(p.resource for p in pieces[row.id] if not p.generated)),
            row.filename,
            tuple(pieces[row.id]),
        )
        for row in rows
    ]


def _piece(row: Any, copies: dict[str, Copy]) -> Piece:
    resource = load_resource(row)
    known = bool(row.proof) or (resource.checksum is not None and resource.checksum.verifiable)
    return Piece(row.id, resource, row.path, _former(row), known, copies)


def _former(row: Any) -> Digests | None:
    if row.proof or row.received is None:
        return None
    return load_digests(row, row.received)
