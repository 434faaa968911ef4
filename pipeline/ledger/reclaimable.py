"""Which assets the ledger calls proven well enough to leave the source, and why others stay.

What stands here is only what the ledger knows; the copies are looked at again before anything
goes (``pipeline.reclaim``).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Literal

from sqlalchemy import (
    ColumnElement,
    Connection,
    FromClause,
    and_,
    case,
    exists,
    func,
    literal,
    null,
    or_,
    select,
)

from connectors.base import Role
from connectors.checksums import Digests
from pipeline.ledger import schema
from pipeline.ledger.codec import load_digests
from pipeline.ledger.copies.checks import HELD, Held, load_held
from pipeline.ledger.items import Totals
from pipeline.ledger.store import Ledger
from pipeline.states import AssetState, CopyState, Proof

_A, _R, _C = schema.assets.c, schema.resources.c, schema.copies.c
_S, _N = schema.sightings.c, schema.prints.c
# A sidecar proves nothing of a photo. That it is there, the asset's own state says.
_FILE = _R.role != Role.METADATA
Order = Literal["largest", "oldest"]


class Kept(StrEnum):
    """Why an asset stays, as the end of a sentence about several. The first that applies."""

    EXCLUDED = "are left out by the selection"
    UNAVAILABLE = "are not stored at the source"
    SHARED = "are in a library shared with others, who would lose them too"
    UNCONFIRMED = "are not confirmed yet"
    PARTIAL = "have files that were not copied"
    BY_SIZE = "have files proven by size only"
    FEW = "have too few copies"
    UNTRACKED = "have no revision, so that a change would go unnoticed"
    FAVORITE = "are favourites"
    UNDATED = "have no date"
    RECENT = "are newer than what is kept"
    YOUNG = "are not as old as asked for"


@dataclass(frozen=True, slots=True)
class Rules:
    """What must be true of an asset. Moments are ISO 8601 in UTC, as in the ledger.

    ``source`` is the one to be freed where there are several, which are one library; what the
    others have of an asset stays. ``groups`` are the sinks that count, those side by side whose
    copies count as one. ``fresh``: what was captured or added since stays. ``before``: only what
    was captured before may go.
    """

    source: str | None
    groups: tuple[tuple[str, ...], ...]
    copies: int
    proofs: tuple[Proof, ...]
    favorites: bool
    fresh: str
    before: str | None = None

    @property
    def sinks(self) -> tuple[str, ...]:
        return tuple(sink for group in self.groups for sink in group)


@dataclass(frozen=True, slots=True)
class File:
    """One file of an asset. ``digests`` are of the bytes that were received and proven;
    ``source`` is the source's own checksum, as algo:value."""

    key: int
    resource: str
    role: str
    source: str | None
    proof: Proof
    digests: Digests
    copies: tuple[Held, ...]


@dataclass(frozen=True, slots=True)
class Candidate:
    """An asset that may go, by what the ledger knows. ``asset`` is its id at the source to be
    freed, ``sighting`` what the ledger has of it there if that is one of several; ``size`` is in
    bytes, all its files there together. ``files`` are those that any source has of it."""

    key: int
    sighting: int | None
    asset: str
    filename: str
    created: str | None
    size: int
    revision: str
    files: tuple[File, ...]


def tally(ledger: Ledger, rules: Rules) -> dict[Kept | None, Totals]:
    """Assets at the source by the reason that keeps them; None: those that may go."""
    listed, why = _listed(rules), _why(rules)
    query = select(why, func.count(), func.sum(listed.size)).select_from(listed.rows)
    query = query.where(_A.state != AssetState.GONE)
    with ledger.read() as connection:
        rows = connection.execute(query.group_by(why)).all()
    return {Kept(row[0]) if row[0] else None: Totals(row[1], int(row[2])) for row in rows}


def candidates(
    ledger: Ledger, rules: Rules, order: Order, most: int, size: int | None
) -> list[Candidate]:
    """The first assets that may go: at most ``most``, and no more than make up ``size`` bytes."""
    listed = _listed(rules)
    by = {"largest": listed.size.desc(), "oldest": _captured(listed)}[order]
    query = select(_A.id, _A.created, *listed.columns).select_from(listed.rows)
    query = query.where(_why(rules) == "").order_by(by, _A.id).limit(most)
    with ledger.read() as connection:
        chosen: list[Any] = []
        reached = 0
        for row in connection.execute(query):
            if size is not None and reached >= size:
                break
            chosen.append(row)
            reached += row.size
        files: dict[int, tuple[File, ...]] = {}
        for start in range(0, len(chosen), 200):
            files |= _files(connection, [row.id for row in chosen[start : start + 200]], rules)
    return [
        Candidate(row.id, row.sighting, row.asset, row.filename, row.created, row.size,
                  row.revision, files[row.id])
        for row in chosen
    ]  # fmt: skip


def still(connection: Connection, rules: Rules, keys: Iterable[int]) -> dict[int, tuple[str, str]]:
    """Those of ``keys`` that may still go, with their ids at the source and revisions now."""
    listed = _listed(rules)
    query = select(_A.id, *listed.columns).select_from(listed.rows)
    rows = connection.execute(query.where(_A.id.in_(list(keys)), _why(rules) == ""))
    return {row.id: (row.asset, row.revision) for row in rows}


@dataclass(frozen=True, slots=True)
class _Listed:
    """``rows`` of assets with what the source to be freed says of them; ``moments`` are times of
    capture and of arrival there, ``uncopied`` whether what it has there is not all the asset's.
    """

    rows: FromClause
    sighting: ColumnElement[Any]
    asset: ColumnElement[Any]
    filename: ColumnElement[Any]
    size: ColumnElement[Any]
    revision: ColumnElement[Any]
    library: ColumnElement[Any]
    moments: tuple[ColumnElement[Any], ...] = ()
    uncopied: ColumnElement[bool] | None = None

    @property
    def columns(self) -> list[ColumnElement[Any]]:
        names = ("sighting", "asset", "filename", "size", "revision")
        return [getattr(self, name).label(name) for name in names]


def _listed(rules: Rules) -> _Listed:
    if rules.source is None:
        return _Listed(
            schema.assets, null(), _A.asset_id, _A.filename, _A.size, _A.revision, _A.library
        )
    other = schema.sightings.alias()
    second = exists().where(
        other.c.principal == _S.principal,
        other.c.source == rules.source,
        ~other.c.gone,
        other.c.id < _S.id,
    )
    mine = and_(_S.source == rules.source, ~_S.gone, ~second.correlate(schema.sightings))
    here = and_(_S.principal == _A.asset_id, mine)
    metadata = func.json_extract(_S.asset, "$.metadata")
    file = and_(_N.sighting == _S.id, _N.role != Role.METADATA)
    # The same bytes, as far as anybody can tell: by its own checksum, or by what was received.
    same = or_(_N.content.is_(None), _N.content == _R.checksum, _N.content == "apple:" + _R.apple)
    among = exists().where(_R.asset == _A.id, _R.resource_id == _N.merged, same)
    among = among.correlate(schema.assets, schema.prints)  # not only with what is around it
    return _Listed(
        schema.assets.join(schema.sightings, here),
        _S.id, _S.asset_id, _S.filename, _S.size, _S.revision,
        func.json_extract(_S.asset, "$.library"),
        moments=(_S.created, func.json_extract(metadata, "$.added")),
        uncopied=or_(~exists().where(file), exists().where(file, ~among)),
    )  # fmt: skip


def _why(rules: Rules) -> Any:
    """The reason that keeps an asset; empty if it may go. For queries of ``_listed``."""
    listed = _listed(rules)
    mine = and_(_R.asset == _A.id, _FILE)
    copied = exists().where(_C.resource == _R.id, _C.state == CopyState.CONFIRMED)
    partial = [~exists().where(mine), exists().where(mine, ~_R.chosen, ~copied)]
    if listed.uncopied is not None:
        partial.append(listed.uncopied)
    moments = _moments(listed)
    newest = func.max(*(func.coalesce(moment, "") for moment in moments))
    tests: list[tuple[Any, Kept]] = [
        (_A.state == AssetState.EXCLUDED, Kept.EXCLUDED),
        (_A.state == AssetState.UNAVAILABLE, Kept.UNAVAILABLE),
        (listed.library != "", Kept.SHARED),
        (_A.state != AssetState.CONFIRMED, Kept.UNCONFIRMED),
        (or_(*partial), Kept.PARTIAL),
        (exists().where(mine, _R.proof.not_in(rules.proofs)), Kept.BY_SIZE),
        (_places(rules) < rules.copies, Kept.FEW),
        (listed.revision.is_(None), Kept.UNTRACKED),
        (and_(_A.favorite, literal(not rules.favorites)), Kept.FAVORITE),
        (newest == "", Kept.UNDATED),
        (newest >= rules.fresh, Kept.RECENT),
    ]
    if rules.before is not None:
        tests.append((_captured(listed) >= rules.before, Kept.YOUNG))
    return case(*((test, literal(kept.value)) for test, kept in tests), else_=literal(""))


def _places(rules: Rules) -> Any:
    """Number of groups at one of whose sinks every file ever listed of an asset is confirmed.

    Files that are no longer listed count too (an edit undone): were they told apart wrongly
    from those never chosen, a photo could go without a copy of all its files.
    """

    def whole(sink: str) -> Any:
        here = exists().where(
            _C.resource == _R.id, _C.sink == sink, _C.state == CopyState.CONFIRMED
        )
        return ~exists().where(_R.asset == _A.id, _FILE, ~here)

    parts = (case((or_(*map(whole, group)), 1), else_=0) for group in rules.groups)
    return sum(parts, literal(0))


def _moments(listed: _Listed) -> Sequence[ColumnElement[Any]]:
    return _A.created, func.json_extract(_A.metadata, "$.added"), *listed.moments


def _captured(listed: _Listed) -> ColumnElement[Any]:
    return func.coalesce(*_moments(listed), "")


def _files(
    connection: Connection, keys: Sequence[int], rules: Rules
) -> dict[int, tuple[File, ...]]:
    held: dict[int, list[Held]] = defaultdict(list)
    query = (
        select(*HELD)
        .join(schema.resources)
        .where(
            _R.asset.in_(keys),
            _FILE,
            _C.sink.in_(rules.sinks),
            _C.state == CopyState.CONFIRMED,
        )
    )
    for row in connection.execute(query.order_by(_C.sink)):
        held[row.resource].append(load_held(row))
    files: dict[int, list[File]] = defaultdict(list)
    for row in connection.execute(
        select(schema.resources).where(_R.asset.in_(keys), _FILE).order_by(_R.id)
    ):
        files[row.asset].append(
            File(row.id, row.resource_id, row.role, row.checksum, Proof(row.proof),
                 load_digests(row, row.received), tuple(held[row.id]))
        )  # fmt: skip
    return {key: tuple(found) for key, found in files.items()}
