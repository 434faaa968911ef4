"""The content host: exact bytes, honest ranges, addresses that expire, and every fault."""

from __future__ import annotations

import base64
import hashlib
from typing import Any

import pytest
import requests

from sandbox.faults import Faults
from sandbox.icloud import ICloud
from sandbox.icloud.content import ERROR_BODY
from sandbox.library import Asset, Library
from tests.sandbox.icloud.client import WebClient, masters


@pytest.fixture
def asset(library: Library) -> Asset:
    return library.get(library.view("shown")[0])


@pytest.fixture
def record(client: WebClient, asset: Asset) -> Any:
    return client.lookup(asset.original.fingerprint)[0]


@pytest.fixture
def body(asset: Asset) -> bytes:
    return asset.original.content.read()


def test_every_file_is_exact_and_its_checksum_is_apples(
    client: WebClient, library: Library
) -> None:
    salt = b"com.apple.XattrObjectSalt\0com.apple.DataObjectSalt\0"
    checked = 0
    for record in masters(client.everything()):
        for name, field in record["fields"].items():
            if not name.endswith("Res"):
                continue
            got = client.fetch(record, name).content
            digest = b"\x01" + hashlib.sha1(salt + got).digest()
            assert base64.b64encode(digest).decode() == field["value"]["fileChecksum"]
            assert len(got) == field["value"]["size"]
            checked += 1
        if checked > 60:
            break
    assert checked > 60


def test_ranges(client: WebClient, record: Any, body: bytes) -> None:
    for wanted, part in (
        ("bytes=0-", body),
        ("bytes=100-", body[100:]),
        ("bytes=100-199", body[100:200]),
        ("bytes=-50", body[-50:]),
        (f"bytes={len(body) - 1}-", body[-1:]),
    ):
        answer = client.fetch(record, Range=wanted)
        assert (answer.status_code, answer.content) == (206, part)
        start = len(body) - len(part) if wanted != "bytes=100-199" else 100
        assert answer.headers["Content-Range"] == (
            f"bytes {start}-{start + len(part) - 1}/{len(body)}"
        )
    for beyond in (f"bytes={len(body)}-", "bytes=9-3", "nonsense"):
        assert client.fetch(record, Range=beyond).status_code == 416


def test_if_range_guards_against_other_content(client: WebClient, record: Any, body: bytes) -> None:
    etag = client.fetch(record).headers["ETag"]
    same = client.fetch(record, Range="bytes=10-", **{"If-Range": etag})
    assert (same.status_code, same.content) == (206, body[10:])
    other = client.fetch(record, Range="bytes=10-", **{"If-Range": '"other"'})
    assert (other.status_code, other.content) == (200, body)


def test_addresses_live_an_hour_and_cannot_be_forged(
    client: WebClient, cloud: ICloud, record: Any
) -> None:
    url = record["fields"]["resOriginalRes"]["value"]["downloadURL"]
    until = int(url.partition("&e=")[2].partition("&")[0])
    assert 3590 < until - cloud.links.now() <= 3600
    forged = url.replace(f"&e={until}", f"&e={until + 999_999}")
    assert requests.get(forged).status_code == 400
    cloud.expire_links()
    assert requests.get(url).status_code == 410
    fresh = client.lookup(record["recordName"])[0]
    assert client.fetch(fresh).status_code == 200


def test_an_address_never_serves_other_bytes(
    client: WebClient, library: Library, cloud: ICloud
) -> None:
    asset = next(a for a in library if a.file("edited") and not a.shared and not a.hidden)
    (record,) = client.lookup(asset.id)
    library.edit(asset.id)
    assert client.fetch(record, "resJPEGFullRes").status_code == 404


def test_each_fault_of_a_file(
    client: WebClient, faults: Faults, record: Any, body: bytes, asset: Asset
) -> None:
    key = f"content/{asset.id}/original/*"

    def fetch(fault: str, **headers: str) -> requests.Response:
        faults.once(fault, key)
        return client.fetch(record, **headers)

    flipped = fetch("flip_byte").content
    assert (
        len(flipped) == len(body) and sum(a != b for a, b in zip(flipped, body, strict=True)) == 1
    )
    short = fetch("short_length")
    assert short.content == body[: len(body) // 2]
    error = fetch("error_body")
    assert (error.status_code, error.content, len(ERROR_BODY)) == (200, ERROR_BODY, 17)
    ignored = fetch("ignore_range", Range="bytes=100-")
    assert (ignored.status_code, ignored.content) == (200, body)
    wrong = fetch("wrong_range", Range="bytes=100-")
    assert wrong.status_code == 206 and wrong.content != body[100:]
    assert wrong.headers["Content-Range"].startswith("bytes 0-")
    assert fetch("range_416", Range="bytes=100-").status_code == 416
    assert fetch("gone").status_code == 410
    throttled = fetch("throttle")
    assert (throttled.status_code, throttled.headers["Retry-After"]) == (429, "1")
    assert fetch("unavailable").status_code == 503
    for fault in ("cut_stream", "stall", "reset"):
        with pytest.raises(requests.RequestException):
            fetch(fault)
    assert fetch("slow_body").content == body
    assert client.fetch(record).content == body
    assert sum(faults.counts.values()) == len(faults.log) == 13


def test_records_can_lie_about_size_and_checksum(
    client: WebClient, faults: Faults, asset: Asset
) -> None:
    faults.once("wrong_size", asset.id)
    faults.add("foreign_checksum", key=asset.id)
    (record,) = client.lookup(asset.original.fingerprint)
    value = record["fields"]["resOriginalRes"]["value"]
    assert value["size"] != asset.original.size
    assert base64.b64decode(value["fileChecksum"])[0] == 0x81
