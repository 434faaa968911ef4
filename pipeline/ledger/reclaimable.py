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

from sqlalchemy import Connection, and_, case, exists, func, literal, or_, select

from connectors.base import Role
from connectors.checksums import Digests
from pipeline.ledger import schema
from pipeline.ledger.codec import load_digests
from pipeline.ledger.copies.checks import HELD, Held, load_held
from pipeline.ledger.items import Totals
from pipeline.ledger.store import Ledger
from pipeline.states import AssetState, CopyState, Proof

_A, _R, _C = schema.assets.c, schema.resources.c, schema.copies.c
# A sidecar proves nothing of a photo. That it is there, the asset's own state says.
_FILE = _R.role != Role.METADATA
Order = Literal["largest", "oldest"]


class Kept(StrEnum):
    """Why an asset stays, as the end of a sentence about several. The first that applies."""

    EXCLUDED = "are left out by the selection"
    UNAVAILABLE = "are not stored at the source"
    SHARED = "are in a library shared with others, who would lose them too"
    UNCONFIRMED = "are not confirmed at every sink yet"
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

    ``groups`` are the sinks that count, those side by side whose copies count as one.
    ``fresh``: what was captured or added since stays. ``before``: only what was captured
    before may go.
    """

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
    """An asset that may go, by what the ledger knows. ``size`` in bytes, all files together."""

    key: int
    asset: str
    filename: str
    created: str | None
    size: int
    revision: str
    files: tuple[File, ...]


def tally(ledger: Ledger, rules: Rules) -> dict[Kept | None, Totals]:
    """Assets at the source by the reason that keeps them; None: those that may go."""
    why = _why(rules)
    query = select(why, func.count(), func.sum(_A.size)).where(_A.state != AssetState.GONE)
    with ledger.read() as connection:
        rows = connection.execute(query.group_by(why)).all()
    return {Kept(row[0]) if row[0] else None: Totals(row[1], int(row[2])) for row in rows}


def candidates(
    ledger: Ledger, rules: Rules, order: Order, most: int, size: int | None
) -> list[Candidate]:
    """The first assets that may go: at most ``most``, and no more than make up ``size`` bytes."""
    by = {"largest": _A.size.desc(), "oldest": _captured()}[order]
    query = select(schema.assets).where(_why(rules) == "").order_by(by, _A.id).limit(most)
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
        Candidate(row.id, row.asset_id, row.filename, row.created, row.size, row.revision,
              files[row.id])
        for row in chosen
    ]  # fmt: skip


def still(connection: Connection, rules: Rules, keys: Iterable[int]) -> dict[int, str]:
    """Those of ``keys`` that may still go, with their revision now."""
    query = select(_A.id, _A.revision).where(_A.id.in_(list(keys)), _why(rules) == "")
    return {row.id: row.revision for row in connection.execute(query)}


def _why(rules: Rules) -> Any:
    """The reason that keeps an asset; empty if it may go."""
    mine = and_(_R.asset == _A.id, _FILE)
    copied = exists().where(_C.resource == _R.id, _C.state == CopyState.CONFIRMED)
    newest = func.max(func.coalesce(_A.created, ""), func.coalesce(_added(), ""))
    tests: list[tuple[Any, Kept]] = [
        (_A.state == AssetState.EXCLUDED, Kept.EXCLUDED),
        (_A.state == AssetState.UNAVAILABLE, Kept.UNAVAILABLE),
        (_A.library != "", Kept.SHARED),
        (_A.state != AssetState.CONFIRMED, Kept.UNCONFIRMED),
        (or_(~exists().where(mine), exists().where(mine, ~_R.chosen, ~copied)), Kept.PARTIAL),
        (exists().where(mine, _R.proof.not_in(rules.proofs)), Kept.BY_SIZE),
        (_places(rules) < rules.copies, Kept.FEW),
        (_A.revision.is_(None), Kept.UNTRACKED),
        (and_(_A.favorite, literal(not rules.favorites)), Kept.FAVORITE),
        (newest == "", Kept.UNDATED),
        (newest >= rules.fresh, Kept.RECENT),
    ]
    if rules.before is not None:
        tests.append((_captured() >= rules.before, Kept.YOUNG))
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


def _added() -> Any:
    return func.json_extract(_A.metadata, "$.added")


def _captured() -> Any:
    return func.coalesce(_A.created, _added(), "")


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
