"""Freeing space: each asset answered for itself, never one that is not as it was copied."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import pytest

from connectors.abilities import HasBin
from connectors.base import Asset
from connectors.errors import (
    InBin,
    ItemError,
    NotFound,
    OutpourError,
    Throttled,
    Transient,
)
from connectors.icloud import reclaim
from connectors.icloud.cloudkit import Reply, Zone
from connectors.icloud.settings import Library as Choice
from connectors.icloud.source import ICloudSource
from tests.icloud.rig import Rig, listing


@pytest.fixture
def source(ready: Rig) -> ICloudSource:
    return ready.source()


def pairs(assets: list[Asset]) -> list[tuple[str, str | None]]:
    return [(asset.id, asset.revision) for asset in assets]


def test_each_is_answered_in_order(ready: Rig, source: ICloudSource) -> None:
    first, second, third = listing(source)[0][:3]
    ready.library.change(second.id, favorite=True)
    answers = source.trash([*pairs([first, second]), ("gone", "x/y"), *pairs([third])])
    assert answers[0] is None and answers[3] is None
    assert isinstance(answers[1], ItemError) and "changed" in str(answers[1])
    assert isinstance(answers[2], NotFound)
    assert {first.id, third.id} <= ready.ids("trashed")
    assert second.id not in ready.ids("trashed")


def test_the_bin_names_each_asset_once(ready: Rig, source: ICloudSource) -> None:
    """Also where the halves of a pair come on different pages: sizes are summed up."""
    assert all(answer is None for answer in source.trash(pairs(listing(source)[0][:12])))
    ready.faults.add("split_pair", 0.5)
    ready.faults.add("short_page", 0.5)
    binned = [one.id for one in source.binned(())]
    assert len(binned) == len(set(binned))
    assert set(binned) == ready.ids("trashed")


def test_the_bin_does_not_end_before_apple_s_count_of_it(ready: Rig, source: ICloudSource) -> None:
    assert all(answer is None for answer in source.trash(pairs(listing(source)[0][:3])))
    ready.faults.add("empty_page", key="list/CPLAssetAndMasterDeleted*", times=3)
    assert {one.id for one in source.binned(())} == ready.ids("trashed")


def test_an_asset_whose_files_changed_stays(ready: Rig, source: ICloudSource) -> None:
    """The revision covers the record of the files too, which has a change tag of its own."""
    asset = listing(source)[0][0]
    assert asset.revision
    tag = asset.revision.partition("/")[0]
    (answer,) = source.trash([(asset.id, f"{tag}/another")])
    assert isinstance(answer, ItemError)
    (answer,) = source.trash([(asset.id, None)])
    assert isinstance(answer, ItemError), "nothing is deleted without knowing what it was"
    assert asset.id not in ready.ids("trashed")


def test_a_change_between_looking_and_deleting_is_apples_to_refuse(
    ready: Rig, source: ICloudSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    asset = listing(source)[0][0]
    modify = source._cloudkit.modify

    def meanwhile(zone: Zone, operations: Sequence[Mapping[str, Any]]) -> Reply:
        ready.library.change(asset.id, favorite=True)
        return modify(zone, operations)

    monkeypatch.setattr(source._cloudkit, "modify", meanwhile)
    (answer,) = source.trash(pairs([asset]))
    assert isinstance(answer, ItemError) and "CONFLICT" in str(answer)
    assert asset.id not in ready.ids("trashed")


def test_there_and_back(ready: Rig, source: ICloudSource) -> None:
    assets = listing(source)[0]
    names = [asset.id for asset in assets]
    assert source.trash(pairs(assets)) == [None] * len(assets)
    assert not ready.ids("shown", "hidden")
    assert all(isinstance(answer, InBin) for answer in source.trash(pairs(assets)))
    assert source.restore(names) == [None] * len(assets)
    assert source.restore(names) == [None] * len(assets)
    assert ready.ids("shown", "hidden") == set(names)


def test_what_apple_removed_for_good_cannot_come_back(ready: Rig, source: ICloudSource) -> None:
    asset = listing(source)[0][0]
    ready.library.purge(asset.id)
    (answer,) = source.restore([asset.id])
    assert isinstance(answer, NotFound)


def test_trouble_in_the_middle_does_not_forget_what_was_done(
    ready: Rig, source: ICloudSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reclaim, "_BATCH", 5)
    assets = listing(source)[0][:12]
    ready.faults.add("throttle", key="modify/*", rate=0)
    done: list[object] = []
    modify = source._cloudkit.modify

    def tire(zone: Zone, operations: Sequence[Mapping[str, Any]]) -> Reply:
        if done:
            ready.faults.add("throttle", key="modify/*")
        done.append(1)
        return modify(zone, operations)

    monkeypatch.setattr(source._cloudkit, "modify", tire)
    answers = source.trash(pairs(assets))
    assert answers[:5] == [None] * 5
    assert all(isinstance(answer, Throttled) for answer in answers[5:])
    assert ready.ids("trashed") >= {asset.id for asset in assets[:5]}


def test_trouble_at_once_is_raised(ready: Rig, source: ICloudSource) -> None:
    assets = listing(source)[0][:2]
    ready.faults.add("throttle", key="modify/*")
    with pytest.raises(OutpourError):
        source.trash(pairs(assets))


def test_a_change_that_is_not_answered_for_is_asked_about_again(
    ready: Rig, source: ICloudSource
) -> None:
    """It may have been made: a refusal would say that it was not."""
    first, last = pairs(listing(source)[0][:2])
    ready.faults.once("omitted_record", f"record/{last[0].rpartition('/')[2]}")
    done, unclear = source.trash([first, last])
    assert done is None and isinstance(unclear, Transient)
    assert ready.faults.counts["omitted_record"] == 1 and last[0] in ready.ids("trashed")
    (again,) = source.trash([last])
    assert isinstance(again, InBin)


@pytest.mark.parametrize("ask", ["modify", "lookup"])
def test_an_answer_that_does_not_say_what_became_of_it_is_asked_for_again(
    source: ICloudSource, monkeypatch: pytest.MonkeyPatch, ask: str
) -> None:
    """The state from before the change, or nothing of the record where it is looked up."""
    (asset,) = pairs(listing(source)[0][:1])
    real = getattr(source._cloudkit, ask)

    def vague(*args: object) -> Reply:
        reply: Reply = real(*args)
        before = {"fields": {"isDeleted": {"value": 0}}}
        told = [record | before for record in reply.records] if ask == "modify" else []
        return Reply({"records": told}, reply.time)

    monkeypatch.setattr(source._cloudkit, ask, vague)
    (answer,) = source.trash([asset])
    assert isinstance(answer, Transient)


def test_recently_deleted_says_when_each_leaves(ready: Rig, source: ICloudSource) -> None:
    asset = listing(source)[0][0]
    source.trash(pairs([asset]))
    found = {item.id: item for item in source.binned(())}
    assert set(found) == ready.ids("trashed")
    assert isinstance(source, HasBin) and "Recently Deleted" in source.emptying
    leaves = found[asset.id].leaves
    assert leaves and 35 < (leaves - datetime.fromtimestamp(time.time(), UTC)).days < 45
    assert found[asset.id].size == sum(resource.size or 0 for resource in asset.resources)


def test_assets_of_a_shared_library(ready: Rig) -> None:
    source = ready.source(library=Choice.SHARED)
    asset = listing(source)[0][0]
    assert source.trash(pairs([asset])) == [None]
    assert asset.id.rpartition("/")[2] in ready.ids("trashed", shared=True)
    assert source.restore([asset.id]) == [None]
    asset = listing(source)[0][0]
    lost, done = source.trash([("SharedSync-other/x", "a/b"), *pairs([asset])])
    assert isinstance(lost, NotFound) and done is None
