"""What a listing tells, brought into the ledger page by page."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import Connection, and_, bindparam, delete, exists, func, insert, select, update
from sqlalchemy.dialects.sqlite import insert as upsert

from connectors.base import Asset, Page, Resource, Role
from connectors.spelling import folded
from pipeline.ledger import albums, leaving, schema
from pipeline.ledger.assets import recognition, renewal, revisions, sightings
from pipeline.ledger.assets.visibility import shown_otherwise
from pipeline.ledger.codec import dump_metadata, load_asset, load_resource, timestamp
from pipeline.ledger.sidecars_due import mark_due
from pipeline.ledger.store import Ledger
from pipeline.naming import beside
from pipeline.states import AssetState, Proof

_AT_ONCE = 500
_A, _R, _C, _P = schema.assets.c, schema.resources.c, schema.copies.c, schema.paths.c


@dataclass(frozen=True, slots=True)
class Choice:
    """What the plan makes of one asset: which resources go where, or why none does."""

    paths: Mapping[str, str]  # resource id -> path; what is not named is not chosen
    state: AssetState = AssetState.PENDING
    reason: str = ""


Chooser = Callable[[Asset, bool], Choice]
"""Decides for one asset; True asks for paths that no other asset can have."""


@dataclass(frozen=True, slots=True)
class Listing:
    """Where the record of a source's listing stands."""

    cursor: str | None
    complete: bool


@dataclass(frozen=True, slots=True)
class Coverage:
    """What can be concluded from a listing: by its ``number`` what it named is marked as seen, and
    a ``sure`` one told of each asset whether it is there."""

    number: int
    sure: bool


def last(connection: Connection, source: str) -> Listing | None:
    """The source's last listing, complete or not; None before the first."""
    row = connection.execute(
        select(schema.cursors).where(schema.cursors.c.source == source)
    ).one_or_none()
    if row is None:
        return None
    return Listing(row.cursor, row.complete)


def assets(connection: Connection, *, gone: bool) -> Iterator[list[Asset]]:
    """Every asset that is there, or has ``gone``, as its source gave it last, some at a time."""
    left = _A.state == AssetState.GONE
    after = 0
    while True:
        query = select(schema.assets).where(_A.id > after, left if gone else ~left)
        rows = connection.execute(query.order_by(_A.id).limit(_AT_ONCE)).all()
        if not rows:
            return
        after = rows[-1].id
        resources: dict[int, list[Resource]] = {row.id: [] for row in rows}
        of_source = and_(_R.asset.in_(list(resources)), _R.role != Role.METADATA)
        files = select(schema.resources).where(of_source).order_by(_R.id)
        for file in connection.execute(files):
            resources[file.asset].append(load_resource(file))
        yield [load_asset(row, tuple(resources[row.id])) for row in rows]


def begin(ledger: Ledger, source: str) -> int:
    """Number of a new listing. The old cursor stays valid until ``finish``.

    A ledger is of one source: what it had under another name is no more.
    """
    cursors = schema.cursors.c

    def work(connection: Connection) -> int:
        # Higher than any before, also under another name: assets remember the last that named them.
        number = (connection.execute(select(func.max(cursors.listing))).scalar() or 0) + 1
        connection.execute(delete(schema.cursors).where(cursors.source != source))
        values = {"listing": number, "complete": False}
        statement = upsert(schema.cursors).values(source=source, listed=0, **values)
        connection.execute(statement.on_conflict_do_update(["source"], set_=values))
        return number

    return ledger.transact(work)


def finish(
    ledger: Ledger,
    source: str,
    number: int,
    *,
    cursor: str | None,
    expected: int | None,
    full: bool,
    changes: bool = False,
) -> int:
    """Mark the listing complete; in a full one, what it did not name is gone.

    ``changes`` says that it named only what changed; one that set out to name everything and
    fell short is neither that nor full.

    What was a problem in an earlier listing is forgotten unless this one named only changes: it
    has met the same, or something else is said of it now.

    Where the source counts more than it named, or could not show something, no cursor is
    kept: that is in no later change, so only another full listing can bring it. Returns how
    many assets of the source are known by name, readable or not.
    """

    def work(connection: Connection) -> int:
        if full:
            stale = _A.seen < number
            connection.execute(
                update(schema.assets)
                .where(stale, _A.state != AssetState.GONE)
                .values(state=AssetState.GONE, reason=leaving.why())
            )
        if not changes or full:
            connection.execute(delete(schema.problems).where(schema.problems.c.seen < number))
        # A count is compared with this listing alone: what only earlier ones named may be gone.
        named = _named(connection, since=0 if changes or expected is None else number)
        unreadable = connection.execute(select(schema.problems.c.id).limit(1)).first()
        whole = not unreadable and (expected is None or named >= expected)
        connection.execute(
            update(schema.cursors)
            .where(schema.cursors.c.source == source)
            .values(
                cursor=cursor if whole else None, complete=True, expected=expected, listed=named
            )
        )
        return named

    return ledger.transact(work)


def _named(connection: Connection, since: int) -> int:
    """How many assets, readable or not, the listings from number ``since`` on have named."""
    problems = schema.problems.c
    assets = select(func.count(_A.id)).where(_A.state != AssetState.GONE, _A.seen >= since)
    named: int = connection.execute(assets).scalar_one()
    unread: int = connection.execute(
        select(func.count(problems.id)).where(problems.seen >= since)
    ).scalar_one()
    return named + unread


def record(
    ledger: Ledger, page: Page, number: int, choose: Chooser, *, again: bool = False
) -> Callable[[], None]:
    """Bring one page in: new and changed assets, those that left, those that can't be read.

    ``again`` decides anew for assets that did not change (the selection is another). Returns
    at once, so that the next page can be fetched; what comes back waits until it is durable.
    """
    return ledger.later(lambda connection: _record(connection, page, number, choose, again))


def _record(connection: Connection, page: Page, number: int, choose: Chooser, again: bool) -> None:
    assets = {asset.id: asset for asset in recognition.listed(connection, page.assets, number)}
    known = _known(connection, assets)
    same = [
        row.id
        for key, row in known.items()
        if not again
        and row.revision is not None
        and row.revision == assets[key].revision
        and row.state != AssetState.GONE
    ]
    if same:
        statement = update(schema.assets).where(_A.id == bindparam("key")).values(seen=number)
        connection.execute(statement, [{"key": key} for key in same])
    unchanged = set(same)
    fresh = [a for a in assets.values() if a.id not in known or known[a.id].id not in unchanged]
    writer = _Writer(connection, number, choose)
    writer.look_up(fresh)
    for asset in fresh:
        writer.put(asset, known.get(asset.id))
    writer.write()
    mark_due(connection, [asset.id for asset in fresh])
    if page.albums_changed or (not page.full and shown_otherwise(connection, assets, known)):
        albums.mark_stale(connection)
    if page.gone:
        connection.execute(
            update(schema.assets)  # of what is gone already, the reason is known: it may be ours
            .where(_A.asset_id == bindparam("gone"), _A.state != AssetState.GONE)
            .values(state=AssetState.GONE, reason=leaving.why()),
            [{"gone": asset_id} for asset_id in page.gone],
        )
    for problem in page.problems:
        values = {"reason": problem.reason, "seen": number}
        connection.execute(
            upsert(schema.problems)
            .values(id=problem.id, **values)
            .on_conflict_do_update(["id"], set_=values)
        )


def _known(connection: Connection, ids: Iterable[str]) -> dict[str, Any]:
    rows = connection.execute(select(schema.assets).where(_A.asset_id.in_(list(ids))))
    return {row.asset_id: row for row in rows}


class _Writer:
    """Gathers the rows of one page, so that each table is written once."""

    def __init__(self, connection: Connection, number: int, choose: Chooser) -> None:
        self._connection = connection
        self._number = number
        self._choose = choose
        self._next_asset = _next(connection, _A.id)
        self._next_resource = _next(connection, _R.id)
        self._new_assets: list[dict[str, Any]] = []
        self._new_resources: list[dict[str, Any]] = []
        self._new_paths: dict[str, int] = {}
        self._moved: list[int] = []  # assets whose former paths are for others again
        self._choices: dict[str, Choice] = {}
        self._taken: dict[str, int] = {}  # folded path -> resource that has it

    def look_up(self, assets: Sequence[Asset]) -> None:
        """Decide for all of a page and ask once which of the paths are taken."""
        self._choices = {asset.id: self._choose(asset, False) for asset in assets}
        wanted = [folded(path) for c in self._choices.values() for path in c.paths.values()]
        rows = self._connection.execute(select(schema.paths).where(_P.folded.in_(wanted)))
        self._taken = {row.folded: row.resource for row in rows}

    def put(self, asset: Asset, row: Any | None) -> None:
        known = self._known_resources(row.id) if row else {}
        choice = self._choices[asset.id]
        own = {resource.id for resource in known.values()}
        if any(self._taken.get(folded(p)) not in (None, *own) for p in choice.paths.values()):
            choice = self._choose(asset, True)
        values = _asset_values(asset, choice, self._number)
        if row is None:
            key = self._next_asset
            self._next_asset += 1
            self._new_assets.append({"id": key, "asset_id": asset.id, **values})
            self._merge_resources(key, asset, known, choice)
            return
        if _placed(known):
            choice = _staying(choice, known)
        elif any(r.path and choice.paths.get(key, r.path) != r.path for key, r in known.items()):
            self._moved.append(row.id)
        more = self._merge_resources(row.id, asset, known, choice, row.revision)
        if row.state == AssetState.CONFIRMED and not more and choice.paths:
            values["state"], values["reason"] = row.state, row.reason
        self._connection.execute(update(schema.assets).where(_A.id == row.id).values(**values))

    def write(self) -> None:
        paths = [{"folded": path, "resource": key} for path, key in self._new_paths.items()]
        if self._moved:
            moved = select(_R.id).where(_R.asset.in_(self._moved))
            self._connection.execute(delete(schema.paths).where(_P.resource.in_(moved)))
        for statement, rows in (
            (insert(schema.assets), self._new_assets),
            (insert(schema.resources), self._new_resources),
            # A path may pass from one resource of an asset to another.
            (insert(schema.paths).prefix_with("OR REPLACE"), paths),
        ):
            if rows:
                self._connection.execute(statement, rows)

    def _known_resources(self, asset: int) -> dict[str, Any]:
        listed = and_(_R.asset == asset, _R.role != Role.METADATA)
        placed = exists().where(_C.resource == _R.id, _C.path.is_not(None)).label("placed")
        rows = self._connection.execute(select(schema.resources, placed).where(listed))
        return {row.resource_id: row for row in rows}

    def _merge_resources(
        self,
        key: int,
        asset: Asset,
        known: dict[str, Any],
        choice: Choice,
        before: str | None = None,
    ) -> bool:
        """Whether there are bytes now that no sink was given before.

        ``before`` is the asset's revision as it was.
        """
        more = False
        for resource in asset.resources:
            row = known.pop(resource.id, None)
            values = _resource_values(resource, choice)
            if row is None:
                row_id = self._next_resource
                self._next_resource += 1
                ids = {"id": row_id, "asset": key, "resource_id": resource.id}
                self._new_resources.append(ids | values)
                self._take(values["path"], row_id)
                more = more or values["chosen"]
                continue
            more = more or (values["chosen"] and not row.chosen)
            values["path"] = values["path"] or row.path  # what is not chosen keeps its own
            self._take(values["path"], row.id)
            renewed = revisions.renewed(row.revisions, before, resource, asset.revision)
            other = renewal.invalidate(self._connection, row, values, renewed)
            more = more or other.get("proof") == Proof.NONE
            values |= other
            self._connection.execute(
                update(schema.resources).where(_R.id == row.id).values(**values)
            )
        # An edit undone: its copies stay, nobody asks for more. Of what was freed, they are all.
        last = sightings.freed_files(self._connection, asset.id) if known else set()
        for row in known.values():
            if row.resource_id not in last:
                self._connection.execute(
                    update(schema.resources).where(_R.id == row.id).values(chosen=False)
                )
        return more

    def _take(self, path: str | None, resource: int) -> None:
        if path:
            self._new_paths[folded(path)] = self._taken[folded(path)] = resource


def _placed(known: Mapping[str, Any]) -> bool:
    """Whether a sink may have a file of the asset under its path."""
    return any(row.placed for row in known.values())


def _staying(choice: Choice, known: Mapping[str, Any]) -> Choice:
    """Paths that files have stay, whatever the template says now, or copies would double; and
    files that come to them later stand beside them."""
    had = {key: row.path for key, row in known.items() if row.path}
    first = next((key for key in had if key in choice.paths), None)
    if first is None:
        return choice
    now, then = choice.paths[first], had[first]
    paths = {key: had.get(key) or beside(path, now, then) for key, path in choice.paths.items()}
    return replace(choice, paths=paths)


def _next(connection: Connection, column: Any) -> int:
    return (connection.execute(select(func.max(column))).scalar() or 0) + 1


def _asset_values(asset: Asset, choice: Choice, number: int) -> dict[str, Any]:
    chosen = [r for r in asset.resources if r.id in choice.paths]
    return {
        "kind": asset.kind,
        "created": timestamp(asset.created),
        "filename": asset.resources[0].filename if asset.resources else asset.id,
        "size": sum(resource.size or 0 for resource in chosen),
        "favorite": asset.metadata.favorite,
        "library": asset.library,
        "revision": asset.revision,
        "metadata": dump_metadata(asset.metadata),
        "state": choice.state,
        "reason": choice.reason,
        "seen": number,
    }


def _resource_values(resource: Resource, choice: Choice) -> dict[str, Any]:
    return {
        "role": resource.role,
        "filename": resource.filename,
        "size": resource.size,
        "checksum": str(resource.checksum) if resource.checksum else None,
        "media_type": resource.media_type,
        "handle": resource.handle,
        "local": resource.local,
        "instead": resource.instead,
        "chosen": resource.id in choice.paths,
        "path": choice.paths.get(resource.id),
        "revisions": revisions.dump(resource),
    }
