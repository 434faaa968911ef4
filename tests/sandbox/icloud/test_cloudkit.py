"""The CloudKit double: lists, counts, changes, modify, and their faults."""

from __future__ import annotations

import base64
from collections import Counter
from typing import Any

import pytest

from sandbox.faults import Faults
from sandbox.icloud import ICloud
from sandbox.icloud.zones import SHARED
from sandbox.library import Library
from tests.sandbox.icloud.client import ALL, WebClient, assets, masters


def names(records: list[Any]) -> list[str]:
    return [record["recordName"] for record in assets(records)]


def expected(library: Library, view: str, *, shared: bool = False) -> list[str]:
    return [library.get(number).id for number in library.view(view, shared=shared)]


@pytest.mark.parametrize(
    ("index", "count", "view"),
    [
        (ALL, "CPLAssetByAssetDateWithoutHiddenOrDeleted", "listed"),
        ("CPLAssetAndMasterByAddedDate", "CPLAssetByAddedDate", "all listed"),
        ("CPLAssetAndMasterHiddenByAssetDate", "CPLAssetHiddenByAssetDate", "hidden"),
        ("CPLAssetAndMasterDeletedByExpungedDate", "CPLAssetDeletedByExpungedDate", "trashed"),
        ("CPLBurstStackAssetAndMasterByAssetDate", "CPLAssetBurstStackAssetByAssetDate", "burst"),
    ],
)
def test_every_list_has_what_its_count_says_and_knows_its_masters(
    client: WebClient, library: Library, index: str, count: str, view: str
) -> None:
    records = client.everything(index)
    assert names(records) == expected(library, view)
    assert client.count(count) == len(names(records)) > 0
    known = {record["recordName"] for record in masters(records)}
    for record in assets(records):
        assert record["fields"]["masterRef"]["value"]["recordName"] in known


@pytest.mark.parametrize("name", ["FAVORITE", "LIVE", "PANORAMA", "SCREENSHOT", "VIDEO"])
def test_smart_albums(client: WebClient, library: Library, name: str) -> None:
    index = "CPLAssetAndMasterInSmartAlbumByAssetDate"
    records = client.everything(index, extra={"smartAlbum": name})
    assert names(records) == expected(library, name.lower())
    counted = client.count(f"CPLAssetInSmartAlbumByAssetDate:{name.capitalize()}")
    assert counted == len(names(records))


def test_a_page_is_masters_then_assets_and_newest_first(
    client: WebClient, library: Library
) -> None:
    page = client.query(resultsLimit=200)
    kinds = [record["recordType"] for record in page["records"]]
    assert kinds == sorted(kinds, reverse=True)
    assert Counter(kinds)["CPLAsset"] == 100
    dates = [record["fields"]["assetDate"]["value"] for record in assets(page["records"])]
    assert dates == sorted(dates, reverse=True)
    assert client.query(rank=len(library.view("listed")))["records"] == []


def test_descending_goes_down_from_the_rank(client: WebClient, library: Library) -> None:
    records = client.query(rank=120, direction="DESCENDING", resultsLimit=20)["records"]
    assert names(records) == list(reversed(expected(library, "listed")[111:121]))


def test_continuation_markers_go_on_where_the_page_ended(
    client: WebClient, library: Library
) -> None:
    page = client.query(resultsLimit=60)
    found = names(page["records"])
    while "continuationMarker" in page:
        page = client.query(resultsLimit=60, continuationMarker=page["continuationMarker"])
        found += names(page["records"])
    assert found == expected(library, "listed")


def test_only_desired_keys_come(client: WebClient) -> None:
    page = client.query(desiredKeys=["masterRef", "isFavorite"])
    for record in assets(page["records"]):
        assert set(record["fields"]) == {"masterRef", "isFavorite"}
    assert all(not record["fields"] for record in masters(page["records"]))


def test_duplicates_share_one_master(client: WebClient) -> None:
    records = client.everything()
    shared = Counter(r["fields"]["masterRef"]["value"]["recordName"] for r in assets(records))
    assert shared.most_common(1)[0][1] == 3


def test_edited_renditions_are_on_the_asset_and_everything_else_on_the_master(
    client: WebClient,
) -> None:
    records = client.everything()
    on_assets = {name for r in assets(records) for name in r["fields"] if name.endswith("Res")}
    on_masters = {name for r in masters(records) for name in r["fields"] if name.endswith("Res")}
    assert on_assets == {"resJPEGFullRes", "resVidFullRes", "resVidComplRes"}
    assert {
        "resOriginalRes",
        "resOriginalVidComplRes",
        "resOriginalAltRes",
        "resSidecarRes",
    } <= on_masters


def test_awkward_names_survive_encoding(client: WebClient, library: Library) -> None:
    names = {
        base64.b64decode(record["fields"]["filenameEnc"]["value"]).decode()
        for record in masters(client.everything())
    }
    for name in ("../../x.JPG", "CON.JPG", "a?b:c.JPG", "party 🎉🦄.JPG"):
        assert name in names
    assert max(len(name.encode()) for name in names) == 255


def test_albums_nest_and_hold_their_members(client: WebClient, library: Library) -> None:
    top = client.query("CPLAlbumByPositionLive", None)["records"]
    assert [record["recordName"] for record in top[:2]] == [
        "----Root-Folder----",
        "----Project-Root-Folder----",
    ]
    journeys = library.albums.named("Journeys")
    below = client.query("CPLAlbumByPositionLive", None, extra={"parentId": journeys.id})
    titles = [
        base64.b64decode(record["fields"]["albumNameEnc"]["value"]).decode()
        for record in below["records"]
    ]
    assert titles == ["2019", "Asia"]
    album = library.albums.named("Family")
    index = "CPLContainerRelationLiveByAssetDate"
    page = client.query(index, extra={"parentId": album.id})
    members = [library.get(number).id for number in library.members(album)]
    assert names(page["records"]) == members
    relations = [r for r in page["records"] if r["recordType"] == "CPLContainerRelation"]
    assert [r["recordName"] for r in relations] == [f"{name}-IN-{album.id}" for name in members]
    assert client.count(f"CPLContainerRelationNotDeletedByAssetDate:{album.id}") == len(members)


def test_the_shared_library_is_its_own_zone(client: WebClient, library: Library) -> None:
    zones = client.cloudkit("zones/list", {}, "shared").json()["zones"]
    assert [zone["zoneID"]["zoneName"] for zone in zones] == [SHARED]
    records = client.query(scope="shared", zone={"zoneName": SHARED})["records"]
    assert names(records) == expected(library, "listed", shared=True) != []
    assert not set(names(records)) & set(expected(library, "all listed"))


def test_zones_are_listed_in_parts_where_a_fault_says_so(
    client: WebClient, faults: Faults, cloud: ICloud
) -> None:
    cloud.migrate()
    faults.add("split_zones")
    first = client.cloudkit("zones/list", {}).json()
    assert first["moreComing"] and len(first["zones"]) == 1
    last = client.cloudkit("zones/list", {"syncToken": first["syncToken"]}).json()
    assert not last["moreComing"]
    found = {zone["zoneID"]["zoneName"]: zone for zone in (*first["zones"], *last["zones"])}
    assert set(found) == {"PrimarySync", "PrimarySync1"}
    assert found["PrimarySync"]["deleted"] and "deleted" not in found["PrimarySync1"]


def test_a_migrated_library_is_in_its_new_zone_only(
    client: WebClient, cloud: ICloud, library: Library
) -> None:
    before = client.query()
    cloud.migrate()
    assert client.query()["serverErrorCode"] == "ZONE_NOT_FOUND"
    assert client.changes(before["syncToken"])["serverErrorCode"] == "ZONE_NOT_FOUND"
    zone = {"zoneName": "PrimarySync1"}
    assert names(client.query(zone=zone)["records"]) == expected(library, "listed")[:100]
    lost = client.changes(before["syncToken"], zone=zone)
    assert lost["reason"] == "Unknown sync continuation type", "tokens do not move along"


def test_lookup_finds_assets_masters_albums_and_says_what_is_missing(
    client: WebClient, library: Library
) -> None:
    asset = library.get(0)
    album = library.albums.named("Family")
    found = client.lookup(asset.id, asset.original.fingerprint, album.id, "nobody")
    assert [item.get("recordType") for item in found] == ["CPLAsset", "CPLMaster", "CPLAlbum", None]
    assert found[3]["serverErrorCode"] == "NOT_FOUND"


# --- changes -----------------------------------------------------------------------------


def test_nothing_new_costs_one_request_and_brings_nothing(client: WebClient) -> None:
    token = client.query()["syncToken"]
    zone = client.changes(token)
    assert (zone["records"], zone["moreComing"], zone["syncToken"]) == ([], False, token)
    assert client.changes("")["syncToken"] == token


def test_changes_since_a_token(client: WebClient, library: Library) -> None:
    token = client.query()["syncToken"]
    changed, edited, gone, trashed = (library.get(n) for n in library.view("listed")[:4])
    album = library.albums.named("Family")
    library.change(changed.id, favorite=True)
    library.edit(edited.id)
    library.purge(gone.id)
    library.trash(trashed.id)
    library.put(changed.id, album)
    library.take(changed.id, album)
    zone = client.changes(token)
    by_name = {record["recordName"]: record for record in zone["records"]}
    assert by_name[changed.id]["fields"]["isFavorite"]["value"] == 1
    assert "resJPEGFullRes" in by_name[edited.id]["fields"] or edited.kind == "video"
    assert by_name[gone.id] == {
        "recordName": gone.id,
        "recordType": None,
        "deleted": True,
        "zoneID": zone["zoneID"],
    }
    assert by_name[trashed.id]["fields"]["isDeleted"]["value"] == 1
    assert by_name[f"{changed.id}-IN-{album.id}"]["deleted"] is True
    assert client.changes(zone["syncToken"])["records"] == []


def test_the_whole_history_comes_without_a_token(client: WebClient, library: Library) -> None:
    gone = library.get(5)
    library.purge(gone.id)
    found, zone = [], client.changes(None)
    while True:
        found += zone["records"]
        if not zone["moreComing"]:
            break
        zone = client.changes(zone["syncToken"])
    ours = {asset.id for asset in library if not asset.shared}
    assert {record["recordName"] for record in assets(found)} == ours
    names = {record["recordName"] for record in found}
    for album in library.albums.all():
        assert album.id in names
        for number in library.members(album):
            assert f"{library.get(number).id}-IN-{album.id}" in names
    assert client.changes(zone["syncToken"])["records"] == []


def test_tokens_are_not_interchangeable(client: WebClient) -> None:
    database = client.cloudkit("changes/database", {}).json()
    assert [zone["zoneID"]["zoneName"] for zone in database["zones"]] == ["PrimarySync"]
    for bad in (database["syncToken"], "AAAA", "nonsense"):
        zone = client.changes(bad)
        assert zone["serverErrorCode"] == "BAD_REQUEST"
        assert zone["reason"] == "Unknown sync continuation type"


def test_database_changes_name_the_zones_that_changed(client: WebClient, library: Library) -> None:
    token = client.cloudkit("changes/database", {}).json()["syncToken"]
    quiet = client.cloudkit("changes/database", {"syncToken": token}).json()
    assert quiet["zones"] == []
    library.change(library.get(0).id, favorite=True)
    busy = client.cloudkit("changes/database", {"syncToken": token}).json()
    assert [zone["zoneID"]["zoneName"] for zone in busy["zones"]] == ["PrimarySync"]


# --- modify ------------------------------------------------------------------------------


def test_trash_and_restore(client: WebClient, library: Library) -> None:
    record = assets(client.query()["records"])[0]
    (answer,) = client.modify((record, {"isDeleted": 1}))["records"]
    assert answer["recordChangeTag"] != record["recordChangeTag"]
    assert library.find(record["recordName"]).trashed
    (again,) = client.lookup(record["recordName"])
    client.modify((again, {"isDeleted": 0}))
    assert library.find(record["recordName"]).trashed is None


def test_a_stale_change_tag_is_a_conflict_and_atomic_batches_stand_or_fall(
    client: WebClient, library: Library
) -> None:
    one, two = assets(client.query()["records"])[:2]
    library.change(one["recordName"], favorite=True)
    answer = client.modify((one, {"isDeleted": 1}), (two, {"isDeleted": 1}))
    codes = [record["serverErrorCode"] for record in answer["records"]]
    assert codes == ["CONFLICT", "ATOMIC_ERROR"]
    assert library.find(two["recordName"]).trashed is None
    answer = client.modify((one, {"isDeleted": 1}), (two, {"isDeleted": 1}), atomic=False)
    assert answer["records"][0]["serverErrorCode"] == "CONFLICT"
    assert library.find(two["recordName"]).trashed


def test_a_refused_change_changes_none_of_what_was_asked_for(
    client: WebClient, faults: Faults, library: Library
) -> None:
    one, two = assets(client.query()["records"])[:2]
    faults.once("refused_change", f"change/QUOTA_EXCEEDED/{two['recordName']}")
    answer = client.modify((one, {"isDeleted": 1}), (two, {"isDeleted": 1}), atomic=False)
    assert answer["serverErrorCode"] == "QUOTA_EXCEEDED" and "records" not in answer
    assert library.find(one["recordName"]).trashed is None
    client.modify((one, {"isDeleted": 1}), (two, {"isDeleted": 1}))
    assert library.find(one["recordName"]).trashed


def test_recently_deleted_can_be_emptied(cloud: ICloud, library: Library) -> None:
    trashed = len(library.view("trashed"))
    assert cloud.empty_trash() == trashed > 0
    assert len(library.view("trashed")) == 0


def test_space_returns_only_when_recently_deleted_is_emptied(
    client: WebClient, cloud: ICloud, library: Library
) -> None:
    def photos() -> int:
        url = "https://p61-setup.icloud.com/setup/ws/1/storageUsageInfo"
        usage = client.http.post(url, params={"dsid": client.dsid}).json()
        return int(usage["storageUsageByMedia"][0]["usageInBytes"])

    before = photos()
    record = assets(client.query()["records"])[0]
    size = library.find(record["recordName"]).size
    client.modify((record, {"isDeleted": 1}))
    assert photos() == before
    cloud.account.usage_lag = 1
    photos()
    (again,) = client.lookup(record["recordName"])
    client.modify((again, {"isExpunged": 1}))
    assert photos() == before  # the figures lag
    assert photos() == before - size


# --- faults of lists ---------------------------------------------------------------------


def test_short_and_empty_pages_hide_nothing_from_who_asks_again(
    client: WebClient, faults: Faults, library: Library
) -> None:
    faults.add("short_page", key=f"list/{ALL}/0", times=1)
    faults.add("empty_page", key=f"list/{ALL}/40", times=1)
    assert len(names(client.query()["records"])) == 40
    assert client.query(rank=40)["records"] == []
    assert names(client.everything()) == expected(library, "listed")


@pytest.mark.parametrize("parity", [0, 1])
def test_a_split_pair_arrives_on_two_pages(
    client: WebClient, faults: Faults, library: Library, parity: int
) -> None:
    number = next(n for n in library.view("listed")[:100] if n % 2 == parity)
    asset = library.get(number)
    faults.once("split_pair", f"record/{asset.id}")
    first = client.query()["records"]
    both = {asset.id, asset.original.fingerprint}
    here = both & {record["recordName"] for record in first}
    assert len(here) == 1
    second = client.query(rank=100)["records"]
    assert both - here <= {record["recordName"] for record in second}


def test_record_faults(client: WebClient, faults: Faults, library: Library) -> None:
    spoilt, broken, twice = (library.get(n) for n in library.view("listed")[:3])
    faults.once("undecodable_field", f"record/{spoilt.id}")
    faults.once("error_item", f"record/{broken.id}")
    faults.once("duplicate_record", f"record/{twice.id}")
    records = client.query()["records"]
    master = next(r for r in records if r["recordName"] == spoilt.original.fingerprint)
    with pytest.raises(ValueError, match="base64"):
        base64.b64decode(master["fields"]["filenameEnc"]["value"], validate=True)
    (error,) = [r for r in records if "serverErrorCode" in r]
    assert error["recordName"] == broken.id
    assert names(records).count(twice.id) == 2


def test_throttling_and_expiry_come_in_cloudkits_words(client: WebClient, faults: Faults) -> None:
    for name, status, code in (
        ("throttle", 429, "THROTTLED"),
        ("unavailable", 503, "TRY_AGAIN_LATER"),
        ("throttled_inside_200", 200, "THROTTLED"),
        ("expired_session", 421, "AUTHENTICATION_REQUIRED"),
    ):
        faults.once(name)
        answer = client.cloudkit("zones/list", {})
        assert (answer.status_code, answer.json()["serverErrorCode"]) == (status, code)
    assert set(faults.counts) == {
        "throttle",
        "unavailable",
        "throttled_inside_200",
        "expired_session",
    }
