"""Assets that a source lists under another id than before, brought back to the one they had.

Only of sources that say so (``Asset.aliases``). An asset that was listed under an alias gets its
own id in the ledger and is otherwise one that changed. One that is listed under an alias now is
found by where its files lie and how large they are; since its source knows less of it than
before, what the ledger has of it stays, and only files it did not have are added.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain

from sqlalchemy import ColumnElement, Connection, Table, and_, or_, select, update

from connectors.base import Asset, Resource, Role
from pipeline.ledger import schema
from pipeline.ledger.codec import load_asset, load_resource, parse_asset
from pipeline.states import AssetState

_A, _R, _S, _N = (
    schema.assets.c,
    schema.resources.c,
    schema.sightings.c,
    schema.prints.c,
)
# Made by a camera, once: of another size, it is a small picture in the place of the real one.
_CAPTURED = {Role.ORIGINAL, Role.RAW, Role.LIVE_VIDEO}
_FileAt = tuple[str, int | None]  # handle and size of a file


@dataclass(frozen=True, slots=True)
class _Known:
    """An asset as the ledger has it in the row ``key``."""

    key: int
    asset: Asset
    gone: bool


_Load = Callable[[ColumnElement[bool], Sequence[str]], list[_Known]]
"""Assets that fulfil a condition; of files nobody wants any more, only those with such handles."""


@dataclass(frozen=True, slots=True)
class _Rows:
    """Where assets are looked for. ``mine`` are those of this source, ``before`` those that the
    listing under way did not name; ``holding`` are those with a file of such a handle or size."""

    connection: Connection
    table: Table
    mine: ColumnElement[bool]
    before: ColumnElement[bool]
    holding: Callable[[Iterable[Resource]], ColumnElement[bool]]
    load: _Load

    def present(self, ids: Iterable[str]) -> set[str]:
        name = self.table.c.asset_id
        query = select(name).where(self.mine, name.in_(list(ids)))
        return set(self.connection.execute(query).scalars())

    def rename(self, key: int, asset_id: str) -> None:
        here = self.table.c.id == key
        self.connection.execute(update(self.table).where(here).values(asset_id=asset_id))


def listed(connection: Connection, assets: Sequence[Asset], number: int) -> list[Asset]:
    """The assets of a page of listing ``number``, each by the id that the ledger has it by."""

    def holding(files: Iterable[Resource]) -> ColumnElement[bool]:
        return _A.id.in_(select(_R.asset).where(_R.handle.in_([file.handle for file in files])))

    load = partial(_load_assets, connection)
    before = _A.seen < number
    return _recognised(
        assets, _Rows(connection, schema.assets, _A.id.is_not(None), before, holding, load)
    )


def sighted(
    connection: Connection, source: str, assets: Sequence[Asset], number: int
) -> list[Asset]:
    """The same for one of several sources: by the id of its sighting."""

    def holding(files: Iterable[Resource]) -> ColumnElement[bool]:
        sizes = {file.size for file in files}
        sized = select(_N.sighting).where(_N.source == source, _N.size.in_(sizes))
        return _S.id.in_(sized)

    load = partial(_load_sightings, connection)
    mine, before = _S.source == source, _S.seen < number
    return _recognised(assets, _Rows(connection, schema.sightings, mine, before, holding, load))


def _load_assets(
    connection: Connection, which: ColumnElement[bool], handles: Sequence[str]
) -> list[_Known]:
    rows = connection.execute(select(schema.assets).where(which)).all()
    files: dict[int, list[Resource]] = {row.id: [] for row in rows}
    wanted = or_(_R.chosen, _R.handle.in_(handles))
    of_these = and_(_R.asset.in_(list(files)), _R.role != Role.METADATA, wanted)
    for file in connection.execute(select(schema.resources).where(of_these).order_by(_R.id)):
        files[file.asset].append(load_resource(file))
    return [
        _Known(row.id, load_asset(row, tuple(files[row.id])), row.state == AssetState.GONE)
        for row in rows
    ]


def _load_sightings(
    connection: Connection, which: ColumnElement[bool], _: Sequence[str]
) -> list[_Known]:
    rows = connection.execute(select(schema.sightings).where(which))
    return [
        _Known(row.id, replace(parse_asset(row.asset), id=row.asset_id), row.gone) for row in rows
    ]


def _recognised(assets: Sequence[Asset], rows: _Rows) -> list[Asset]:
    asking = [asset for asset in assets if asset.aliases]
    present = rows.present(asset.id for asset in asking) if asking else set()
    unknown = [asset for asset in asking if asset.id not in present]
    _rename([asset for asset in unknown if asset.id not in asset.aliases], rows)
    told = _found([asset for asset in unknown if asset.id in asset.aliases], rows)
    return [told.get(asset.id, asset) for asset in assets]


def _rename(assets: Sequence[Asset], rows: _Rows) -> None:
    """Give assets that were listed under an alias so far the id that they have now."""
    aliases = [alias for asset in assets for alias in asset.aliases]
    if not aliases:
        return
    name = rows.table.c.asset_id
    found = rows.load(and_(rows.mine, rows.before, name.in_(aliases)), _handles(assets))
    called = {known.asset.id: known for known in found}
    for asset in assets:
        spots = set(_spots(asset))
        for alias in asset.aliases:
            known = called.get(alias)
            if known is not None and spots.intersection(_spots(known.asset)):
                rows.rename(called.pop(alias).key, asset.id)
                break


def _found(assets: Sequence[Asset], rows: _Rows) -> dict[str, Asset]:
    """Assets that are listed under an alias now, by that alias, as the ledger knows them."""
    files = [file for asset in assets for file in asset.resources]
    if not files:
        return {}
    found = rows.load(and_(rows.mine, rows.before, rows.holding(files)), _handles(assets))
    at: dict[_FileAt, list[_Known]] = {}
    for known in sorted(found, key=lambda known: known.gone):
        for spot in _spots(known.asset):
            at.setdefault(spot, []).append(known)
    there = {spot for spot, here in at.items() if not here[0].gone}
    taken: set[int] = set()
    told = {}
    for asset in assets:
        fits = (known for spot in _spots(asset) for known in at.get(spot, ()))
        one = next((k for k in fits if k.key not in taken and _agree(k.asset, asset)), None)
        if one is not None:
            taken.add(one.key)
            told[asset.id] = _again(one, asset, there)
    return told


def _again(known: _Known, asset: Asset, there: set[_FileAt]) -> Asset:
    """``known`` with what is new of it; what is ``there`` already, be it of another, is not.

    What was gone may be another file of the same size by now: its bytes have to say.
    """
    if known.gone:
        return replace(asset, id=known.asset.id)
    here = {file.handle: file for file in known.asset.resources if file.handle}
    new: dict[str, Resource] = {}
    for file in asset.resources:
        same = here.get(file.handle)
        if same is not None and same.size == file.size:
            if not same.local:
                new[same.id] = replace(same, local=True)
        elif (file.handle, file.size) not in there and (same is None or same.role not in _CAPTURED):
            new[file.id] = file
    if not new:
        return known.asset
    kept = [file for file in known.asset.resources if file.id not in new]
    return replace(known.asset, resources=(*kept, *new.values()), revision=asset.revision)


def _agree(known: Asset, asset: Asset) -> bool:
    """Whether they have the same original, as far as either has one."""
    here, there = (
        {file.handle for file in one.resources if file.role is Role.ORIGINAL and file.handle}
        for one in (known, asset)
    )
    return not here or not there or here == there


def _spots(asset: Asset) -> Iterator[_FileAt]:
    return ((file.handle, file.size) for file in asset.resources if file.handle)


def _handles(assets: Iterable[Asset]) -> list[str]:
    return [file.handle for file in chain(*(asset.resources for asset in assets))]
