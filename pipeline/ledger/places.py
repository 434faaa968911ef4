"""Which place each name stood for when it was used last, and what shows that it still does."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import islice

from sqlalchemy import ColumnElement, Connection, exists, func, select

from connectors.base import Role
from pipeline.ledger import meta, schema
from pipeline.ledger.assets import sightings
from pipeline.ledger.copies import unchecked
from pipeline.ledger.store import Ledger
from pipeline.states import AssetState, CopyState

_A, _R, _C, _M = schema.assets.c, schema.resources.c, schema.copies.c, schema.meta.c


@dataclass(frozen=True, slots=True)
class SampleCopy:
    """A confirmed copy: where it is, its bytes, and the sink's own name for it."""

    path: str
    size: int
    remote_id: str | None


def remembered(ledger: Ledger, name: str) -> str | None:
    """What the place called so was when it was looked at last; None if it never was."""
    with ledger.read() as connection:
        return meta.get(connection, _key(name))


def called(ledger: Ledger, whereabouts: str) -> list[str]:
    """The names that stood for this place when they were used last."""
    return _names(ledger, _key(""), _M.value == whereabouts)


def with_copies(ledger: Ledger) -> list[str]:
    """The names of the places for which ``has_had_copies`` is true."""
    return _names(ledger, _copies(""))


def _names(ledger: Ledger, start: str, *which: ColumnElement[bool]) -> list[str]:
    query = select(_M.key).where(_M.key.startswith(start), *which)
    with ledger.read() as connection:
        return [key.removeprefix(start) for key in connection.execute(query).scalars()]


def remember(ledger: Ledger, name: str, whereabouts: str) -> None:
    ledger.transact(lambda connection: meta.put(connection, _key(name), whereabouts))


def rename_sources(connection: Connection, names: Mapping[str, str]) -> None:
    """Sources are called otherwise now; what they were called may be a sink's name by now."""
    known = {old: meta.get(connection, _key(old)) for old, new in names.items() if old != new}
    for old in known:
        meta.forget(connection, _key(old))
    for old, whereabouts in known.items():
        if whereabouts is not None:
            meta.put(connection, _key(names[old]), whereabouts)


def note_copies(ledger: Ledger, name: str) -> None:
    """Remember that the place has copies, if it has: later they may all be of the past."""
    if not has_had_copies(ledger, name) and sample_copies(ledger, name, 1):
        ledger.transact(lambda connection: meta.put(connection, _copies(name), "1"))


def has_had_copies(ledger: Ledger, name: str) -> bool:
    """Whether copies were made there, as far as a run that came to its end knows."""
    with ledger.read() as connection:
        return meta.get(connection, _copies(name)) is not None


def sample_copies(ledger: Ledger, sink: str, most: int) -> list[SampleCopy]:
    """Confirmed copies at the sink, at most so many, spread over all of them from the one that
    came last, which is what a backup lacks. Sidecars, which people edit, are not among them."""
    of_ours = exists().where(_R.id == _C.resource, _R.role != Role.METADATA)
    here = (_C.sink == sink, _C.state == CopyState.CONFIRMED, _C.path.is_not(None), of_ours)
    columns = select(_C.path, _C.size, _C.remote_id)
    query = columns.where(*here).order_by(_C.confirmed.desc(), _C.resource.desc())
    with ledger.read() as connection:
        count = connection.execute(select(func.count()).select_from(_C.path.table).where(*here))
        step = max(1, -(-count.scalar_one() // most))
        rows = connection.execute(query.execution_options(yield_per=1000))
        return [SampleCopy(*row) for row in islice(rows, 0, None, step)]


def was_listed(ledger: Ledger, source: str) -> bool:
    """Whether the source named an asset since it is one of several."""
    seen = schema.sightings.c
    query = select(seen.id).where(seen.source == source, seen.seen > 0).limit(1)
    with ledger.read() as connection:
        return connection.execute(query).first() is not None


def was_used(ledger: Ledger, name: str) -> bool:
    """Whether any command had to do with the place so far that is called so."""
    known = (remembered(ledger, name), unchecked.since(ledger, name))
    return known != (None, None) or was_listed(ledger, name)


def assets_of(ledger: Ledger, source: str) -> int:
    """How many assets the source had when it was listed last."""

    def count(connection: Connection) -> int:
        if sightings.any_yet(connection):
            return sightings.count(connection, source)
        query = select(func.count(_A.id)).where(_A.state != AssetState.GONE)
        return int(connection.execute(query).scalar_one())

    with ledger.read() as connection:
        return count(connection)


def keys(name: str) -> list[str]:
    """Under which the ledger remembers these."""
    return [_key(name), _copies(name)]


def _key(name: str) -> str:
    return f"place {name}"


def _copies(name: str) -> str:
    return f"copies at {name}"
