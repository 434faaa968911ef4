"""Which assets of several sources are one: those whose originals have the same content."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from itertools import chain, count
from typing import Any

from sqlalchemy import Connection, Select, and_, bindparam, exists, or_, select, update

from connectors.base import Role
from pipeline.ledger import schema
from pipeline.ledger.assets import sightings
from pipeline.states import AssetState, CopyState

_S, _N = schema.sightings.c, schema.prints.c
_A, _R, _C = schema.assets.c, schema.resources.c, schema.copies.c


class Matching:
    """Gives each of these sightings of one source, rows by asset id, its principal. The originals
    of those that are ``altered`` have other bytes than when they were listed last.

    ``left`` are principals that lost a sighting, some of them their last: two became one, or one
    became two.
    """

    def __init__(
        self,
        connection: Connection,
        source: str,
        rows: Mapping[str, Any],
        altered: Collection[str] = (),
    ) -> None:
        self.principals: dict[str, str] = {}
        self.left: list[str] = []
        if not rows:
            return
        self._connection = connection
        self._source = source
        self._contents = self._originals(rows)
        self._candidates = self._others()
        self._taken = self._held()
        self._abandoned = self._left_behind()
        self._crowded = self._second_ones(rows)
        self._torn = {row.id for row in rows.values() if self._is_torn(row, altered)}
        self._torn |= self._crowded  # brought back after another came in its place
        for row in rows.values():
            if row.id in self._torn:  # others of this source may follow to where they were
                self.left.append(row.principal)
                if row.id not in self._crowded:
                    self._taken.discard(row.principal)
        for asset_id, row in rows.items():
            self.principals[asset_id] = self._place(row)
        self._write(rows)

    def _originals(self, rows: Mapping[str, Any]) -> dict[int, str]:
        query = select(_N.sighting, _N.content).where(
            _N.sighting.in_([row.id for row in rows.values()]),
            _N.role == Role.ORIGINAL,
            _N.content.is_not(None),
        )
        return {row.sighting: row.content for row in self._connection.execute(query)}

    def _others(self) -> dict[str, list[Any]]:
        """Sightings of other sources by the content of their originals, those there first."""
        query = (
            select(_N.content, _S.id, _S.principal, _S.created, _S.gone)
            .join(schema.sightings, _S.id == _N.sighting)
            .where(_S.source != self._source, _S.principal != "")
            .where(_N.role == Role.ORIGINAL, _N.content.in_(set(self._contents.values())))
            .order_by(_S.gone, _S.id)
        )
        found = defaultdict(list)
        for row in self._connection.execute(query):
            found[row.content].append(row)
        return found

    def _held(self) -> set[str]:
        """Principals that have an asset of this source already: they take no second one."""
        wanted = {row.principal for rows in self._candidates.values() for row in rows}
        query = select(_S.principal).where(
            _S.principal.in_(wanted), _S.source == self._source, ~_S.gone
        )
        return set(self._connection.execute(query).scalars())

    def _second_ones(self, rows: Mapping[str, Any]) -> set[int]:
        """Those whose principal has another asset of this source; of two among these, the later."""
        mine, other = schema.sightings.alias(), schema.sightings.alias()
        ids = [row.id for row in rows.values()]
        query = (
            select(mine.c.id)
            .join(other, and_(other.c.principal == mine.c.principal, other.c.id != mine.c.id))
            .where(mine.c.id.in_(ids), mine.c.principal != "", ~mine.c.gone)
            .where(other.c.source == self._source, ~other.c.gone)
            .where(or_(other.c.id.not_in(ids), other.c.id < mine.c.id))
        )
        return set(self._connection.execute(query).scalars())

    def _is_torn(self, row: Any, altered: Collection[str]) -> bool:
        """Whether it is another photo than those it was one with: its bytes were replaced."""
        query = (
            select(_N.content)
            .join(schema.sightings, _S.id == _N.sighting)
            .where(_S.principal == row.principal, _S.id != row.id)
            .where(or_(~_S.gone, _S.freed != ""), _N.role == Role.ORIGINAL)
        )
        own = self._contents.get(row.id)
        others = set(self._connection.execute(query).scalars()) if row.principal else set()
        if not others or own in others - {None}:
            return False
        return row.asset_id in altered or (own is not None and None not in others)

    def _place(self, row: Any) -> str:
        twin = self._twin(row)
        if row.id in self._torn:
            self._taken.add(twin)
            return twin or self._again(row) or self._own_name(row)
        if twin and row.principal and (row.principal == twin or not self._alone(row)):
            twin = ""
        if not twin and row.principal and not self._alone(row):
            return str(row.principal)
        if not twin:
            return self._again(row) or row.principal or self._own_name(row)
        content = self._contents[row.id]
        if row.principal and self._moved(row.principal, content):
            # The one that was copied goes on, the other joins it.
            if not self._moved(twin, content):
                self._rename(twin, row.principal)
            return str(row.principal)
        if row.principal:
            self.left.append(row.principal)
        self._taken.add(twin)
        return twin

    def _twin(self, row: Any) -> str:
        content = self._contents.get(row.id)
        torn_from = row.principal if row.id in self._torn else ""
        free = [
            c
            for c in self._candidates.get(content or "", ())
            if c.principal not in self._taken and c.principal != torn_from
        ]
        # Of several equal photos, the one that was taken at the same moment.
        same = [c for c in free if c.created == row.created and not c.gone]
        return str((same or free)[0].principal) if free else ""

    def _again(self, row: Any) -> str:
        """The asset that has copies of what this is now; empty if it has some itself."""
        content = self._contents.get(row.id, "")
        found = self._abandoned.get(content, "")
        if not found or (row.principal and self._moved(row.principal, content)):
            return ""
        if row.principal and row.id not in self._torn:
            self.left.append(row.principal)
        return self._abandoned.pop(content)

    def _left_behind(self) -> dict[str, str]:
        """Assets with copies of these contents of which nothing is left but that: all that was
        one with them became one with others, and now their bytes are back."""
        wanted = set(self._contents.values())
        sizes = select(_N.size).where(_N.sighting.in_(self._contents), _N.role == Role.ORIGINAL)
        listed = exists().where(_S.principal == _A.asset_id)
        query = (
            _copied_assets()
            .where(_A.state == AssetState.GONE, ~listed, _R.size.in_(sizes))
            .add_columns(_R.checksum, "apple:" + _R.apple)
        )
        rows = self._connection.execute(query)
        return {key: row[0] for row in rows for key in row[1:] if key in wanted}

    def _own_name(self, row: Any) -> str:
        """One that is no other's, and not the one it had."""
        own = str(row.asset_id)
        names = chain((own, f"{row.source}/{own}"), (f"{row.source}/{own}/{n}" for n in count(2)))
        return next(name for name in names if name != row.principal and self._is_free(name, row))

    def _is_free(self, name: str, row: Any) -> bool:
        query = select(_S.id).where(_S.principal == name, _S.id != row.id).limit(1)
        return self._connection.execute(query).first() is None

    def _alone(self, row: Any) -> bool:
        query = select(_S.id).where(_S.principal == row.principal, _S.id != row.id, ~_S.gone)
        return self._connection.execute(query.limit(1)).first() is None

    def _moved(self, principal: str, content: str) -> bool:
        """Whether these bytes have been copied for it; copies may be in doubt again since."""
        same = or_(_R.checksum == content, "apple:" + _R.apple == content)
        query = _copied_assets().where(_A.asset_id == principal, same)
        return self._connection.execute(query.limit(1)).first() is not None

    def _rename(self, before: str, after: str) -> None:
        self._connection.execute(
            update(schema.sightings).where(_S.principal == before).values(principal=after)
        )
        self.left.append(before)
        self._taken.add(before)

    def _write(self, rows: Mapping[str, Any]) -> None:
        changed = [
            {"key": rows[asset_id].id, "now": principal}
            for asset_id, principal in self.principals.items()
            if rows[asset_id].principal != principal
        ]
        if changed:
            statement = update(schema.sightings).where(_S.id == bindparam("key"))
            self._connection.execute(statement.values(principal=bindparam("now")), changed)


def _copied_assets() -> Select[Any]:
    """Assets whose originals have copies, though these may be in doubt again."""
    return (
        select(_A.asset_id)
        .join(schema.resources, _A.id == _R.asset)
        .join(schema.copies, _R.id == _C.resource)
        .where(_R.role == Role.ORIGINAL, _C.confirmed.is_not(None))
        .where(_C.state.in_((CopyState.CONFIRMED, CopyState.PENDING)))
    )


def principals(connection: Connection, source: str, ids: Sequence[str]) -> list[str]:
    """The principals of these assets, each once, in order."""
    query = select(_S.asset_id, _S.principal).where(_S.source == source, _S.asset_id.in_(ids))
    found = {row.asset_id: row.principal for row in connection.execute(query)}
    return list(dict.fromkeys(found[key] for key in ids if found.get(key)))


def substitutes(connection: Connection, source: str, lacking: Sequence[str]) -> Mapping[str, Any]:
    """Sightings of ``source``, rows by asset id, that may belong to one of the principals which
    have none of it any more: their originals are the same."""
    mine, theirs = schema.prints.alias(), schema.prints.alias()
    own, other = schema.sightings.alias(), schema.sightings.alias()
    if not lacking:
        return {}
    query = (
        select(own.c.asset_id)
        .select_from(mine)
        .join(own, own.c.id == mine.c.sighting)
        .join(theirs, theirs.c.content == mine.c.content)
        .join(other, other.c.id == theirs.c.sighting)
        .where(mine.c.role == Role.ORIGINAL, own.c.source == source, ~own.c.gone)
        .where(theirs.c.role == Role.ORIGINAL, other.c.source != source, ~other.c.gone)
        .where(other.c.principal.in_(lacking), own.c.principal != other.c.principal)
        .distinct()
    )
    return sightings.rows(connection, source, list(connection.execute(query).scalars()))


def unrecorded(connection: Connection, most: int) -> list[str]:
    """Principals of which the ledger has no asset, at most so many."""
    recorded = exists().where(_A.asset_id == _S.principal)
    query = select(_S.principal).where(~_S.gone, ~recorded).distinct().limit(most)
    return list(connection.execute(query).scalars())


def without_sighting(connection: Connection, after: str, most: int) -> list[str]:
    """Assets of the ledger, in the order of their ids, that are no principal (any more): they
    became one with others in a run that was killed before it could say so."""
    seen = exists().where(_S.principal == _A.asset_id, ~_S.gone)
    query = select(_A.asset_id).where(_A.state != AssetState.GONE, _A.asset_id > after, ~seen)
    return list(connection.execute(query.order_by(_A.asset_id).limit(most)).scalars())
