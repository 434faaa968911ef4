"""Nothing is deleted without proof, and what was deleted comes back."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import Table, select, update

from connectors.base import Page, Role
from connectors.checksums import Checksum
from connectors.errors import Fatal, OutpourError
from connectors.memory import MemorySink, MemorySource
from pipeline.config.models import Select
from pipeline.ledger import Ledger, schema
from pipeline.report import rows as report
from pipeline.states import AssetState, CopyState, Exit, Proof
from tests.engine.rig import Recorder, contents, go
from tests.reclaim.rig import NOW, World

LIVE = "asset-00003"  # every third asset of the rig is a Live Photo


def rows(world: World, table: Table) -> list[dict[str, object]]:
    with Ledger.open(world.ledger, exclusive=False) as ledger, ledger.read() as connection:
        return [dict(row._mapping) for row in connection.execute(select(table))]


def states(world: World) -> dict[str, str]:
    return {str(row["asset_id"]): str(row["state"]) for row in rows(world, schema.assets)}


def test_what_is_proven_goes_and_comes_back(tmp_path: Path) -> None:
    world = World(tmp_path)
    everything = world.present()
    chosen, done = world.reclaim()
    assert done.whole and done.assets == len(everything) == len(chosen.candidates)
    assert world.present() == set() and set(world.library.bin) == everything
    undone = world.undo()
    assert undone.whole and undone.assets == len(everything)
    assert world.present() == everything
    assert {row["state"] for row in rows(world, schema.trash)} == {"restored"}


def test_what_its_owner_brought_back_and_deleted_stays_deleted(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.reclaim()
    world.library.restore(LIVE)
    go(world.job, world.ledger)
    world.library.trash(LIVE)
    go(world.job, world.ledger)
    assert world.undo().assets == 8
    assert len(world.present()) == 8 and LIVE not in world.present()


def test_what_came_back_is_not_copied_again(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.reclaim()
    world.undo()
    before = [contents(shelf) for shelf in world.shelves]
    watcher = Recorder()
    go(world.job, world.ledger, watcher)
    assert set(states(world).values()) == {AssetState.CONFIRMED}
    assert watcher.last is not None and watcher.last.bytes_downloaded == 0
    assert [contents(shelf) for shelf in world.shelves] == before


def test_every_deletion_stands_in_the_ledger_with_its_evidence(tmp_path: Path) -> None:
    world = World(tmp_path, count=4)
    world.reclaim()
    written = rows(world, schema.trash)
    assert [row["state"] for row in written] == ["trashed"] * 4
    live = json.loads(str(written[3]["evidence"]))
    assert [file["role"] for file in live["files"]] == [Role.ORIGINAL, Role.LIVE_VIDEO]
    for file in live["files"]:
        assert {copy["sink"] for copy in file["copies"]} == {"to0", "to1"}
        assert all(copy["checked"] and copy["how"] == "listed" for copy in file["copies"])
        assert Checksum.parse(file["source"]).verifiable


def test_a_report_tells_what_was_freed_from_what_was_deleted(tmp_path: Path) -> None:
    world = World(tmp_path)
    _, first = world.reclaim(limit=4)
    freed = set(world.library.bin)
    deleted, came_back = sorted(world.present())[0], sorted(freed)[0]
    world.library.trash(deleted)
    world.library.restore(came_back)
    go(world.job, world.ledger)  # lists what left since
    world.library.trash(came_back)  # this time by hand
    go(world.job, world.ledger)
    with Ledger.open(world.ledger, exclusive=False) as ledger:
        told = {row.asset: row.reason for row in report.rows(ledger, [AssetState.GONE])}
    by_hand = dict.fromkeys([deleted, came_back], "no longer at the source")
    day = str(rows(world, schema.trash)[0]["time"])[:10]
    by_us = f"freed by reclaim, run {first.run}, {day}"
    assert told == dict.fromkeys(freed, by_us) | by_hand


# --- the fault table: each of these keeps exactly one asset at the source -------------------


def corrupt(world: World) -> None:
    shelf = world.shelves[1]
    path = world.path(shelf, LIVE)
    data = shelf.visible[path][1]
    world.become(shelf, path, bytes([data[0] ^ 1]) + data[1:])


def truncated(world: World) -> None:
    shelf = world.shelves[1]
    path = world.path(shelf, LIVE)
    world.become(shelf, path, shelf.visible[path][1][:-1])


def missing(world: World) -> None:
    del world.shelves[0].visible[world.path(world.shelves[0], LIVE, "live")]


def swapped(world: World) -> None:
    """Two files of one asset trade places: both are there, both are wrong."""
    shelf = world.shelves[0]
    one, other = world.path(shelf, LIVE), world.path(shelf, LIVE, "live")
    ours, theirs = shelf.visible[one][1], shelf.visible[other][1]
    world.become(shelf, one, theirs)
    world.become(shelf, other, ours)


def changed_at_the_source(world: World) -> None:
    data = b"edited since"
    asset = world.library.assets[LIVE]
    first = replace(asset.resources[0], size=len(data), checksum=None)
    world.library.put(replace(asset, resources=(first, *asset.resources[1:])), {first.id: data})


def edited_since(world: World) -> None:
    """A new file of the asset that no sink has."""
    asset = world.library.assets[LIVE]
    edit = replace(asset.resources[0], id="edited", role=Role.EDITED, filename="IMG_E.HEIC")
    world.library.put(replace(asset, resources=(*asset.resources, edit)), {"edited": b"x"})


def alter(table: Table, **values: object) -> Callable[[World], None]:
    def fault(world: World) -> None:
        assets, resources, copies = schema.assets.c, schema.resources.c, schema.copies.c
        mine = select(assets.id).where(assets.asset_id == LIVE).scalar_subquery()
        files = select(resources.id).where(resources.asset == mine)
        where = {
            schema.assets: assets.id == mine,
            schema.resources: (resources.asset == mine) & (resources.resource_id == "live"),
            schema.copies: copies.resource.in_(files) & (copies.sink == "to1"),
        }[table]
        with Ledger.open(world.ledger) as ledger:
            statement = update(table).where(where).values(**values)
            ledger.transact(lambda connection: connection.execute(statement))

    return fault


def half_a_live_photo(world: World) -> None:
    assets, resources, copies = schema.assets.c, schema.resources.c, schema.copies.c
    mine = select(assets.id).where(assets.asset_id == LIVE).scalar_subquery()
    half = select(resources.id).where(resources.asset == mine, resources.resource_id == "live")
    statement = update(schema.copies).where(copies.resource.in_(half), copies.sink == "to0")
    with Ledger.open(world.ledger) as ledger:
        ledger.transact(lambda c: c.execute(statement.values(state=CopyState.TRANSFERRED)))


def favourite(world: World) -> None:
    asset = world.library.assets[LIVE]
    world.library.put(replace(asset, metadata=replace(asset.metadata, favorite=True)), {})


def undated(world: World) -> None:
    world.library.put(replace(world.library.assets[LIVE], created=None), {})


def recent(world: World) -> None:
    world.library.put(replace(world.library.assets[LIVE], created=NOW - timedelta(days=29)), {})


def added_recently(world: World) -> None:
    """An old photo that came yesterday is new to its owner."""
    asset = world.library.assets[LIVE]
    added = replace(asset.metadata, added=NOW - timedelta(days=1))
    world.library.put(replace(asset, metadata=added), {})


FAULTS: dict[str, Callable[[World], None]] = {
    "a copy is corrupt": corrupt,
    "a copy is truncated": truncated,
    "a copy is missing": missing,
    "two copies are swapped": swapped,
    "the file changed at the source": changed_at_the_source,
    "a file was added at the source": edited_since,
    "a copy is unconfirmed": alter(schema.copies, state=CopyState.TRANSFERRED),
    "a copy failed": alter(schema.copies, state=CopyState.FAILED),
    "a Live Photo has one half": half_a_live_photo,
    "the proof is the size alone": alter(schema.resources, proof=Proof.SIZE),
    "there is no proof": alter(schema.resources, proof=Proof.NONE),
    "the asset waits": alter(schema.assets, state=AssetState.WAITING),
    "the asset is in quarantine": alter(schema.assets, state=AssetState.QUARANTINED),
    "the asset is a favourite": favourite,
    "the asset has no date": undated,
    "the asset is recent": recent,
    "the asset was added recently": added_recently,
}


@pytest.mark.parametrize("fault", FAULTS)
def test_without_proof_it_stays(tmp_path: Path, fault: str) -> None:
    world = World(tmp_path)
    FAULTS[fault](world)
    world.reclaim()
    assert world.present() == {LIVE}, fault


@pytest.mark.parametrize("fault", [corrupt, truncated, missing, swapped])
def test_a_copy_that_is_not_right_is_marked_and_brought_again(
    tmp_path: Path, fault: Callable[[World], None]
) -> None:
    world = World(tmp_path)
    fault(world)
    _, done = world.reclaim()
    assert len(done.withdrawn) == 1 and not done.whole
    assert CopyState.MISSING in {row["state"] for row in rows(world, schema.copies)}
    assert states(world)[LIVE] == AssetState.WAITING
    go(world.job, world.ledger)
    assert states(world)[LIVE] == AssetState.CONFIRMED
    _, done = world.reclaim()
    assert done.whole and not world.present()


def test_a_favourite_goes_only_when_allowed(tmp_path: Path) -> None:
    world = World(tmp_path)
    favourite(world)
    world.reclaim(favorites=True)
    assert not world.present()


def test_size_alone_is_proof_only_when_allowed(tmp_path: Path) -> None:
    world = World(tmp_path)
    alter(schema.resources, proof=Proof.SIZE)(world)
    world.reclaim(by_size=True)
    assert not world.present()


def test_other_bytes_of_the_same_size_are_noticed_without_a_checksum(tmp_path: Path) -> None:
    world = World(tmp_path)
    asset = world.library.assets[LIVE]
    bare = tuple(replace(resource, checksum=None) for resource in asset.resources)
    world.library.put(replace(asset, resources=bare), {})
    go(world.job, world.ledger)
    data = world.library.contents[(LIVE, "live")]
    world.library.put(world.library.assets[LIVE], {"live": data[::-1]})
    world.reclaim(by_size=True)
    assert world.present() == {LIVE}
    go(world.job, world.ledger)
    assert data[::-1] in contents(world.shelves[0]).values()


def test_files_that_were_not_selected_keep_their_asset(tmp_path: Path) -> None:
    """A Live Photo whose video was not copied is not all there."""
    world = World(tmp_path, select=Select(roles=(Role.ORIGINAL,)))
    world.reclaim()
    assert world.present() == {"asset-00000", "asset-00003", "asset-00006"}


def test_one_copy_is_enough_only_when_said(tmp_path: Path) -> None:
    world = World(tmp_path, sinks=1)
    with pytest.raises(OutpourError, match="2 independent copies are asked for"):
        world.reclaim()
    assert len(world.present()) == 9
    _, done = world.reclaim(copies=1)
    assert done.whole and not world.present()


def test_the_same_shelf_twice_is_one_copy(tmp_path: Path) -> None:
    world = World(tmp_path, sinks=1)
    twin = MemorySink("twin", world.shelves[0])
    world.sinks = [*world.sinks, twin]
    outcome = go(world.job, world.ledger)
    assert outcome.exit is Exit.USAGE
    assert "twin is the same place as to0" in outcome.error
    with pytest.raises(OutpourError, match="to0 and twin count as one copy"):
        world.reclaim()
    world.reclaim(same_disk=True)
    assert len(world.present()) == 9


def test_nothing_goes_while_the_source_counts_more_than_it_lists(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = World(tmp_path)
    everything, pages = world.present(), MemorySource.pages

    def short(source: MemorySource, since: str | None = None) -> Iterator[Page]:
        for page in pages(source):
            yield replace(page, expected=len(everything) + 2)

    monkeypatch.setattr(MemorySource, "pages", short)
    with pytest.raises(Fatal, match="counts 2 assets more than it lists: nothing is freed"):
        world.reclaim()
    assert world.present() == everything
    world.reclaim(incomplete=True)  # some libraries are counted so for good
    assert not world.present()
