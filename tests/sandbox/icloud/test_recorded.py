"""The double answers recorded requests in the recorded shape: same keys, same types."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from sandbox.icloud import Account, ICloud
from tests.sandbox.icloud.client import DATABASE, WebClient, assets, masters

PLACE = Path(
    os.environ.get("OUTPOUR_RECORDED", Path(__file__).parents[4] / "shared/recorded/icloud")
)
if PLACE.name != "icloud" and (PLACE / "icloud").is_dir():
    PLACE /= "icloud"
pytestmark = pytest.mark.skipif(not PLACE.is_dir(), reason="no recorded exchanges here")

# What only some accounts have, or what the recording tools put there.
OPTIONAL = {"ICDRSCapableDeviceList"}


def recorded(name: str) -> list[dict[str, Any]]:
    exchanges: list[dict[str, Any]] = json.loads((PLACE / f"{name}.json").read_text())
    return exchanges


def kind(value: Any) -> str:
    if isinstance(value, bool):
        return "bool"
    return "number" if isinstance(value, int | float) else type(value).__name__


def differences(real: Any, ours: Any, where: str = "") -> list[str]:
    """Keys the double lacks or invents, and values of another type; lists by their first item."""
    if kind(real) != kind(ours):
        return [f"{where}: {kind(real)} became {kind(ours)}"]
    if isinstance(real, list):
        return differences(real[0], ours[0], f"{where}[]") if real and ours else []
    if not isinstance(real, dict):
        return []
    found = [f"{where}.{key} is missing" for key in real.keys() - ours.keys() - OPTIONAL]
    found += [f"{where}.{key} is invented" for key in ours.keys() - real.keys()]
    for key in real.keys() & ours.keys():
        found += differences(real[key], ours[key], f"{where}.{key}")
    return found


def apple_headers(headers: Any) -> set[str]:
    volatile = {"x-apple-user-partition", "x-apple-edge-response-time"}
    names = {name.lower() for name in headers}
    return {n for n in names if n.startswith(("x-apple-", "scnt"))} - volatile


def cookies(headers: Any) -> set[str]:
    return {line.partition("=")[0] for line in headers.get("Set-Cookie", ())}


@pytest.mark.parametrize("account", [Account(second_factor="device")])
def test_two_factor_sign_in(cloud: ICloud, account: Account) -> None:
    init, complete, options, untrusted, code, trust, trusted = recorded("2fa_flow_valid_code")
    with WebClient() as client:
        ours = client.begin()
        for real, answer in zip((init, complete), ours, strict=True):
            # The recorded sign-in said 200 where the wire says 409; the body is the same.
            body = {k: v for k, v in answer.json().items() if k != "authType"}
            assert not differences(real["response"]["json"], body)
            assert apple_headers(real["response"]["headers"]) <= apple_headers(answer.headers)
        page = client.auth("GET", "", Accept="text/html").text
        assert not differences(boot_args(options["response"]["text"]), boot_args(page))
        answer = client.login()
        assert answer.json()["hsaTrustedBrowser"] is False
        body = answer.json()
        missing = differences(untrusted["response"]["json"], body)
        assert {item.split()[0] for item in missing} <= {
            f".webservices.{name}"
            for name in ("ckdatabasews", "photosupload", "photos", "drivews", "docws")
        }
        for real in (code, trust):
            request = real["request"]
            path = request["uri"].partition("/appleauth/auth")[2]
            sent = json.loads(request["body"]) if request.get("body") else None
            answer = client.auth(request["method"], path, sent)
            assert answer.status_code == real["response"]["status"]["code"]
            assert apple_headers(real["response"]["headers"]) <= apple_headers(answer.headers)
        answer = client.login()
        assert not differences(trusted["response"]["json"], answer.json())
        assert cookies(trusted["response"]["headers"]) <= set(client.http.cookies.keys())


def boot_args(page: str) -> Any:
    return json.loads(page.partition('class="boot_args">')[2].partition("</script>")[0])


def test_validate(client: WebClient) -> None:
    (real,) = recorded("successful_auth")
    answer = client.http.post(real["request"]["uri"], data=real["request"]["body"])
    assert not differences(real["response"]["json"], answer.json())
    assert apple_headers(real["response"]["headers"]) <= apple_headers(answer.headers)


@pytest.mark.parametrize("index", range(1, 7))
def test_albums_and_zones(client: WebClient, index: int) -> None:
    compare(client, recorded("listing_albums")[index])


@pytest.mark.parametrize("index", range(1, 6))
def test_lists_and_counts(client: WebClient, index: int) -> None:
    compare(client, recorded("download_autodelete_photos_part1")[index])


def compare(client: WebClient, real: dict[str, Any]) -> None:
    url = real["request"]["uri"].partition("/production/")[2].partition("?")[0]
    scope, _, endpoint = url.partition("/")
    answer = client.cloudkit(endpoint, json.loads(real["request"]["body"]), scope)
    assert answer.status_code == 200
    theirs, ours = real["response"]["json"], answer.json()
    for body in (theirs, ours):
        for record in body.get("records", ()):
            drop_optional(record)
        for zone in body.get("zones", ()):
            zone.pop("syncToken", None)  # told since 2024
        for name in ("continuationMarker",):
            body.pop(name, None)
    kinds = {record["recordType"] for record in theirs.get("records", ())}
    for name in kinds:
        one, other = merged(theirs["records"], name), merged(ours["records"], name)
        assert not differences(one, other), name
    theirs.pop("records", None)
    ours.pop("records", None)
    assert not differences(theirs, ours)


def drop_optional(record: dict[str, Any]) -> None:
    """A shared zone names no type in the oldest recordings."""
    record["zoneID"].pop("zoneType", None)


def merged(records: list[dict[str, Any]], kind: str) -> dict[str, Any]:
    """One record with every field any record of the kind has."""
    chosen = [record for record in records if record["recordType"] == kind]
    fields: dict[str, Any] = {}
    for record in chosen:
        fields |= record["fields"]
    for name in [name for name in fields if name in ONLY_SOME]:
        del fields[name]
    return {**chosen[0], "fields": fields}


# Fields that depend on what happens to be on the recorded page of 100.
ONLY_SOME = {
    f"{prefix}{suffix}"
    for prefix in (
        "resOriginalAlt",
        "resOriginalVidCompl",
        "resVidCompl",
        "resVidFull",
        "resVidMed",
        "resVidSmall",
        "resSidecar",
        "resJPEGMed",
        "resJPEGThumb",
    )
    for suffix in ("Res", "FileType", "Fingerprint", "Width", "Height")
} | {"burstId", "captionEnc", "locationEnc", "parentId"}


def test_content(client: WebClient) -> None:
    real = recorded("download_autodelete_photos_part1")[6]
    page = client.query()
    answer = client.fetch(masters(page["records"])[0])
    assert answer.status_code == real["response"]["status"]["code"]
    wanted = {"accept-ranges", "content-length", "content-type", "content-disposition"}
    assert wanted <= {name.lower() for name in real["response"]["headers"]}
    assert wanted <= {name.lower() for name in answer.headers}
    address = real["request"]["uri"].partition("?")[2]
    ours = masters(page["records"])[0]["fields"]["resOriginalRes"]["value"]["downloadURL"]
    assert names(address) == names(ours.partition("?")[2])
    assert "/${f}?" in ours


def names(query: str) -> set[str]:
    return {part.partition("=")[0] for part in query.split("&")}


def test_delete(client: WebClient) -> None:
    real = recorded("download_autodelete_photos_part1")[7]
    body = json.loads(real["request"]["body"])
    record = assets(client.query()["records"])[0]
    body["operations"][0]["record"].update(
        recordName=record["recordName"], recordChangeTag=record["recordChangeTag"]
    )
    answer = client.cloudkit("records/modify", body)
    ours = answer.json()
    assert not differences(real["response"]["json"], ours)
    was, became = record["recordChangeTag"], ours["records"][0]["recordChangeTag"]
    assert was != became
    later = (
        ours["records"][0]["expirationTime"] * 1000 - ours["records"][0]["modified"]["timestamp"]
    )
    assert abs(later - 40 * 86_400_000) < 5000


def test_the_recorded_host_is_served(client: WebClient) -> None:
    assert "/production" in DATABASE  # the partition is the double's own, told by accountLogin
    services = client.login().json()["webservices"]
    assert services["ckdatabasews"]["url"] == DATABASE.partition("/database")[0]
