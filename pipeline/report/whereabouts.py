"""Which of several sources holds what, read from the ledger's sightings."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Select, case, exists, func, literal, select

from connectors.base import Role
from pipeline.ledger import schema

_S = schema.sightings.c


@dataclass(frozen=True, slots=True)
class Part:
    """Merged assets whose originals exactly these sources have. ``first`` and ``last`` are
    capture times (ISO 8601); ``oldest`` is the file name of the first. ``bytes`` counts all
    files of an asset once."""

    sources: tuple[str, ...]
    assets: int
    bytes: int
    first: str | None
    last: str | None
    oldest: str


@dataclass(frozen=True, slots=True)
class Whereabouts:
    """``unproven`` assets may be at another source too: one there has the same size, and
    nothing but their bytes could tell. They stand in no part."""

    sources: tuple[str, ...]
    parts: tuple[Part, ...]
    unproven: int
    unproven_bytes: int

    def only(self, source: str) -> Part | None:
        """What no other source has."""
        return next((part for part in self.parts if part.sources == (source,)), None)


def whereabouts(connection: Connection, sources: Sequence[str] = ()) -> Whereabouts:
    """Compare what the sources listed last; by default all that were ever listed."""
    names = tuple(sources) or _listed(connection)
    if not names:
        return Whereabouts((), (), 0, 0)
    assets = _assets(names).subquery()
    mask, open_ = assets.c.mask, assets.c.unproven
    totals = (func.count(), func.coalesce(func.sum(assets.c.size), 0))
    dates = (func.min(assets.c.created), func.max(assets.c.created))
    query = select(mask, *totals, *dates).where(open_ == 0).group_by(mask).order_by(mask)
    parts = []
    for row in connection.execute(query).all():
        oldest = select(assets.c.filename).where(open_ == 0, mask == row[0])
        oldest = oldest.order_by(assets.c.created.is_(None), assets.c.created).limit(1)
        who = tuple(name for at, name in enumerate(names) if row[0] >> at & 1)
        name = connection.execute(oldest).scalar_one()
        parts.append(Part(who, row[1], int(row[2]), row[3], row[4], name))
    unproven = connection.execute(select(*totals).where(open_ == 1)).one()
    return Whereabouts(names, tuple(parts), unproven[0], int(unproven[1]))


def _listed(connection: Connection) -> tuple[str, ...]:
    query = select(_S.source).group_by(_S.source).order_by(func.min(_S.id))
    return tuple(connection.execute(query).scalars())


def _assets(names: Sequence[str]) -> Select[Any]:
    """One row a merged asset: who has its original (bit by bit), and whether that is sure."""
    here = [
        func.max(case(((_S.source == name) & _S.local, 1), else_=0)) * literal(1 << at)
        for at, name in enumerate(names)
    ]
    mask = here[0]
    for bit in here[1:]:
        mask = mask + bit
    return (
        select(
            _S.principal,
            mask.label("mask"),
            func.max(_S.size).label("size"),
            func.min(_S.created).label("created"),
            func.min(_S.filename).label("filename"),
            func.max(case(*_rivals(names), else_=0)).label("unproven"),
        )
        .where(~_S.gone, _S.source.in_(names))
        .group_by(_S.principal)
    )


def _rivals(names: Sequence[str]) -> Iterator[tuple[Any, Any]]:
    """For each source, whether an original of the same size elsewhere may be this one, for all
    that is known. One case a source, so that an index answers each."""
    for name in names:
        others = [other for other in names if other != name]
        mine, theirs = schema.prints.alias(), schema.prints.alias()
        unknown = mine.c.content.is_(None) & _rival(others, mine, schema.prints.alias())
        to_unknown = _rival(others, mine, theirs, theirs.c.content.is_(None))
        original = exists().where(mine.c.sighting == _S.id, mine.c.role == Role.ORIGINAL)
        changed = mine.c.content.is_(None) & _together(others)
        original = original.where(unknown | to_unknown | changed).correlate(schema.sightings)
        yield (_S.source == name) & original, 1


def _together(others: Sequence[str]) -> Any:
    """Whether one of the others was the same asset when its bytes were last known."""
    other = schema.sightings.alias()
    found = exists().where(other.c.principal == _S.principal, other.c.source.in_(others))
    return found.where(~other.c.gone).correlate(schema.sightings)


def _rival(others: Sequence[str], mine: Any, theirs: Any, *doubt: Any) -> Any:
    other = schema.sightings.alias()
    here = exists().where(
        other.c.id == theirs.c.sighting, other.c.principal != _S.principal, ~other.c.gone
    )
    found = exists().where(
        theirs.c.size == mine.c.size, theirs.c.role == mine.c.role, theirs.c.source.in_(others)
    )
    here = here.correlate(theirs, schema.sightings)
    return found.where(*doubt, here).correlate(mine, schema.sightings)
