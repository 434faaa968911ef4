"""From a page of one source to merged assets, by way of the ledger."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import Connection

from connectors.base import Asset, Role
from pipeline.ledger import leaving
from pipeline.ledger.assets import listing, recognition, sightings, twins
from pipeline.together.merging import KnownFile, Sighting, merge


@dataclass(frozen=True, slots=True)
class Joined:
    """``assets`` as they are now, all sources together; ``gone`` merged ids that have left.
    ``regrouped`` says that other sightings are one than before."""

    assets: tuple[Asset, ...]
    gone: tuple[str, ...]
    regrouped: bool = False


def take(
    connection: Connection,
    order: Sequence[str],
    source: str,
    assets: Sequence[Asset],
    number: int,
    *,
    hold: bool,
) -> Joined:
    """Enter a page of ``source`` and say what it makes of the merged library.

    ``hold`` back what is new and can only be told from others by its bytes: see ``held``.
    """
    assets = recognition.sighted(connection, source, assets, number)
    fresh = sightings.put(connection, source, assets, number)
    changed = _match(connection, source, fresh.rows, fresh.altered)
    # All of the page and not only what is fresh: what an interrupted listing entered here
    # may not have reached the ledger's own assets.
    named = twins.principals(connection, source, [asset.id for asset in assets])
    joined = _merged(connection, order, [*named, *changed.names], hold=hold)
    return replace(joined, regrouped=changed.regrouped)


def held(
    connection: Connection, order: Sequence[str], waiting: Collection[str], most: int
) -> Joined:
    """Merged assets the ledger does not have yet, but for those ``waiting``; at most so many."""
    names = twins.unrecorded(connection, most + len(waiting))
    return _merged(connection, order, [name for name in names if name not in waiting][:most])


def adopt_library(connection: Connection, source: str) -> None:
    """Take over the assets of a pipeline whose only source until now was ``source``, also those
    that left it or were freed: another source may have them still."""
    for gone in (False, True):
        for assets in listing.assets(connection, gone=gone):
            sightings.seed(connection, source, assets, gone=gone)
    leaving.hand_over(connection)


def leave(
    connection: Connection, order: Sequence[str], source: str, asset_ids: Sequence[str]
) -> Joined:
    """These assets left ``source``: merged assets lose a part, or leave too. Where ``source`` got
    a part again as another asset, which was listed before this one left, that takes its place."""
    lacking = sightings.leave(connection, source, asset_ids)
    changed = _match(connection, source, twins.substitutes(connection, source, lacking))
    joined = _merged(connection, order, [*lacking, *changed.names])
    return replace(joined, regrouped=changed.regrouped)


def identify(
    connection: Connection, order: Sequence[str], found: Iterable[tuple[str, str, int, str, str]]
) -> Joined:
    """Files were read: (source, asset id, sighting, resource id, content); join what is one."""
    concerned: dict[str, set[str]] = {}
    for source, asset_id, sighting, resource_id, content in found:
        sightings.set_content(connection, sighting, resource_id, content)
        concerned.setdefault(source, set()).add(asset_id)
    changed = [
        _match(connection, source, sightings.rows(connection, source, sorted(ids)))
        for source, ids in concerned.items()
    ]
    joined = _merged(connection, order, [name for one in changed for name in one.names])
    return replace(joined, regrouped=any(one.regrouped for one in changed))


@dataclass(frozen=True, slots=True)
class _Matched:
    names: list[str]  # principals that may be other than they were
    regrouped: bool


def _match(
    connection: Connection, source: str, rows: Mapping[str, Any], altered: Collection[str] = ()
) -> _Matched:
    first = twins.Matching(connection, source, rows, altered)
    # What lost a part may get another, which until now found its place taken.
    again = twins.Matching(connection, source, twins.substitutes(connection, source, first.left))
    left = [*first.left, *again.left]
    names = [*first.principals.values(), *again.principals.values(), *left]
    return _Matched(names, bool(left))


def _merged(
    connection: Connection, order: Sequence[str], names: Sequence[str], *, hold: bool = False
) -> Joined:
    names = list(dict.fromkeys(names))
    there = sightings.of(connection, names)
    known = sightings.known(connection, names)
    assets, gone = [], []
    for name in names:
        seen = sorted(there[name], key=lambda row: (order.index(row.source), row.key))
        if all(row.freed for row in seen):
            gone.append(name)
            continue
        parts = [Sighting(row.source, row.asset, row.computed, row.freed) for row in seen]
        if hold and name not in known and not all(map(_recognizable, parts)):
            continue
        merged = merge(
            name,
            parts,
            [_known(row) for row in known.get(name, ())],
        )
        for row in seen:
            if row.freed:
                continue
            own = {r.id: merged.ids[row.source, r.id] for r in row.asset.resources}
            sightings.name(connection, row.key, own)
        assets.append(merged.asset)
    return Joined(tuple(assets), tuple(gone))


def _recognizable(sighting: Sighting) -> bool:
    originals = [r for r in sighting.asset.resources if r.role is Role.ORIGINAL]
    return all(sighting.content(original) is not None for original in originals)


def _known(row: Any) -> KnownFile:
    contents = {row.checksum, f"apple:{row.apple}" if row.apple else None} - {None}
    return KnownFile(row.resource_id, Role(row.role), frozenset(contents), row.freed)
