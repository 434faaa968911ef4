"""The double is strict: what Drive would refuse, it refuses. Google's own client agrees."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from googleapiclient.http import MediaFileUpload, MediaIoBaseDownload

from connectors.gdrive.api import Api
from connectors.gdrive.auth import Auth
from connectors.gdrive.channel import Channel
from connectors.gdrive.transport import Answer, Transport
from sandbox.gdrive import GoogleDrive as Double
from sandbox.gdrive.oauth import DRIVE
from sandbox.gdrive.query import parse
from sandbox.gdrive.refusal import Refused
from sandbox.gdrive.store import FOLDER
from tests.conformance.making import content
from tests.gdrive.bench import DrivePlace

ROOT = "https://www.googleapis.com/"
UNIT = 256 * 1024


class Raw:
    """Signed requests as one likes."""

    def __init__(self, double: Double) -> None:
        place = DrivePlace(double, DRIVE, scope="drive")
        self.transport = Transport(4)
        self.channel = Channel(self.transport, Auth(place.settings, self.transport), ROOT)
        self.double = double

    def __call__(
        self, method: str, path: str, body: Any = None, **headers: str
    ) -> tuple[int, Any, Answer]:
        data = json.dumps(body).encode() if isinstance(body, (dict, list)) else body
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        url = path if path.startswith("https:") else ROOT + path
        answer = self.channel.send(method, url, named, data)
        found = json.loads(answer.data) if answer.data else {}
        self.double.refusals.clear()  # refusals are what these tests are about
        return answer.status, found, answer

    def refused(self, *arguments: Any, **headers: str) -> tuple[int, str]:
        status, found, _ = self(*arguments, **headers)
        return status, found["error"]["errors"][0]["reason"]


@pytest.fixture
def raw(double: Double) -> Iterator[Raw]:
    raw = Raw(double)
    yield raw
    raw.transport.close()


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("drive/v3/files?pageSize=0", "invalidParameter"),
        ("drive/v3/files?pageSize=ten", "invalidParameter"),
        ("drive/v3/files?supportsAllDrives=yes", "invalidParameter"),
        ("drive/v3/files?parent=root", "invalidParameter"),
        ("drive/v3/files?fields=files(id,colour)", "invalidParameter"),
        ("drive/v3/files?fields=files(id", "invalidParameter"),
        ("drive/v3/files?q=name is 'x'", "invalidParameter"),
        ("drive/v3/files?q='root' in parents and", "invalidParameter"),
        ("drive/v3/files?pageToken=made up", "invalidParameter"),
        ("drive/v3/files?corpora=drive", "invalidParameter"),
        ("drive/v3/files/generateIds?count=1001", "invalidParameter"),
        ("drive/v3/files/generateIds?count=0", "invalidParameter"),
        ("drive/v3/about", "required"),
        ("drive/v3/about?alt=xml", "invalidParameter"),
    ],
)
def test_queries_are_checked(raw: Raw, path: str, reason: str) -> None:
    assert raw.refused("GET", path.replace(" ", "%20")) == (400, reason)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"name": "x", "colour": "red"}, (400, "badRequest")),
        ({"name": 7}, (400, "badRequest")),
        ({"parents": "root"}, (400, "badRequest")),
        ({"parents": ["root", "root"]}, (400, "badRequest")),
        ({"createdTime": "yesterday"}, (400, "badRequest")),
        ({"createdTime": "2024-01-01T00:00:00"}, (400, "badRequest")),
        ({"appProperties": {"a": 1}}, (400, "badRequest")),
        ({"md5Checksum": "00"}, (403, "fieldNotWritable")),
        ({"appProperties": {"a": "x" * 124}}, (403, "propertyTooLong")),
        (
            {"appProperties": {str(n): "" for n in range(31)}},
            (403, "fileAppPropertiesLimitExceeded"),
        ),
        ({"parents": ["nowhere"]}, (404, "notFound")),
        ({"id": "made-up-by-the-client"}, (400, "invalid")),
    ],
)
def test_bodies_are_checked(raw: Raw, body: dict[str, Any], expected: tuple[int, str]) -> None:
    assert raw.refused("POST", "drive/v3/files", body) == expected
    assert not raw.double.store.nodes


def test_a_used_id_is_a_conflict_for_ever(raw: Raw) -> None:
    _, found, _ = raw("GET", "drive/v3/files/generateIds?count=1")
    body = {"id": found["ids"][0], "name": "x"}
    assert raw("POST", "drive/v3/files", body)[0] == 200
    assert raw.refused("POST", "drive/v3/files", body) == (409, "fileIdInUse")
    assert raw("DELETE", f"drive/v3/files/{body['id']}")[0] == 204
    assert raw.refused("POST", "drive/v3/files", body) == (409, "fileIdInUse")


def test_who_does_not_sign_in_sees_nothing(double: Double, raw: Raw) -> None:
    answer = raw.transport.send("GET", ROOT + "drive/v3/files", {})
    assert answer.status == 401
    double.refusals.clear()


def begin(raw: Raw, **headers: str) -> str:
    status, _, answer = raw("POST", "upload/drive/v3/files?uploadType=resumable", {}, **headers)
    assert status == 200
    return answer.headers["location"]


def test_chunks_keep_the_256_kib_rule(raw: Raw) -> None:
    data = content(UNIT + 100)
    session = begin(raw)
    total = len(data)
    odd = raw.refused("PUT", session, data[:1000], content_range=f"bytes 0-999/{total}")
    assert odd == (400, "badRequest")
    status, _, answer = raw("PUT", session, b"", content_range=f"bytes */{total}")
    assert status == 308 and "range" not in answer.headers
    first = f"bytes 0-{UNIT - 1}/{total}"
    status, _, answer = raw("PUT", session, data[:UNIT], content_range=first)
    assert status == 308 and answer.headers["range"] == f"bytes=0-{UNIT - 1}"
    gap = f"bytes {UNIT + 1}-{total - 1}/{total}"
    assert raw.refused("PUT", session, data[UNIT + 1 :], content_range=gap)[0] == 400
    other = f"bytes {UNIT}-{total - 1}/{total + 1}"
    assert raw.refused("PUT", session, data[UNIT:], content_range=other)[0] == 400
    last = f"bytes {UNIT}-{total - 1}/{total}"
    status, found, _ = raw("PUT", session, data[UNIT:], content_range=last)
    assert status == 200
    status, again, _ = raw("PUT", session, b"", content_range=f"bytes */{total}")
    assert (status, again) == (200, found)
    raw.double.sessions.expire()
    assert raw.refused("PUT", session, b"", content_range=f"bytes */{total}") == (404, "notFound")


def test_an_announced_size_binds(raw: Raw) -> None:
    session = begin(raw, x_upload_content_length="10")
    assert raw.refused("PUT", session, b"12345", content_range="bytes 0-4/5")[0] == 400


def test_no_session_is_opened_for_what_does_not_fit(raw: Raw) -> None:
    raw.double.store.limit = 1000
    path = "upload/drive/v3/files?uploadType=resumable"
    refused = raw.refused("POST", path, {}, x_upload_content_length="1001")
    assert refused == (403, "storageQuotaExceeded")


@pytest.mark.parametrize("end", ["\r\n", "\n"])
@pytest.mark.parametrize("size", [0, 1, 40, UNIT - 1, UNIT, UNIT + 1, 3 * UNIT])
def test_multipart_in_both_line_ends(raw: Raw, end: str, size: int) -> None:
    data = content(size) + b"\r\n--not the mark\r\n"
    head = f"--m{end}Content-Type: application/json{end}{end}{{}}{end}--m{end}Content-Type: a/b"
    body = f"{head}{end}{end}".encode() + data + f"{end}--m--{end}".encode()
    path = "upload/drive/v3/files?uploadType=multipart&fields=size,md5Checksum,mimeType"
    status, found, _ = raw("POST", path, body, content_type="multipart/related; boundary=m")
    assert (status, found["size"], found["mimeType"]) == (200, str(len(data)), "a/b")
    (node,) = raw.double.store.nodes.values()
    assert raw.double.store.file(node).read_bytes() == data


def test_a_broken_multipart_leaves_nothing(raw: Raw) -> None:
    body = b"--m\r\nContent-Type: application/json\r\n\r\n{}\r\n--m\r\nContent-Type: a/b\r\n\r\nxy"
    path = "upload/drive/v3/files?uploadType=multipart"
    kind = "multipart/related; boundary=m"
    assert raw.refused("POST", path, body, content_type=kind) == (400, "badContent")
    assert raw.refused("POST", path, body) == (400, "badContent")
    assert not raw.double.store.nodes


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("name = 'A.JPG'", ["a.jpg"]),
        (r"name = 'it\'s.jpg'", ["it's.jpg"]),
        ("name contains 'i' and not mimeType contains 'image'", ["it's.jpg"]),
        ("'root' in parents or trashed = true", ["a.jpg", "it's.jpg"]),
        ("appProperties has { key='k' and value='v' }", ["a.jpg"]),
        ("modifiedTime > '2023-01-01T00:00:00Z'", ["a.jpg"]),
        ("modifiedTime <= '2023-01-01T00:00:00Z' and (starred = false)", ["it's.jpg"]),
        ("sharedWithMe", []),
    ],
)
def test_searching(raw: Raw, query: str, names: list[str]) -> None:
    for body in (
        {
            "name": "a.jpg",
            "mimeType": "image/jpeg",
            "appProperties": {"k": "v"},
            "modifiedTime": "2024-01-01T00:00:00Z",
        },
        {"name": "it's.jpg", "mimeType": "x/y", "modifiedTime": "2022-01-01T00:00:00Z"},
    ):
        assert raw("POST", "drive/v3/files", body)[0] == 200
    api = Api(raw.channel, ROOT, None)
    found = api._files.list(q=query, fields="files/name").execute()["files"]
    assert sorted(entry["name"] for entry in found) == names


@pytest.mark.parametrize("seen", [True, False])
def test_the_bin_takes_what_is_made_in_it_which_may_not_say_so(raw: Raw, seen: bool) -> None:
    if not seen:
        raw.double.faults.add("bin_unseen")
    fields, folder = "fields=id,trashed,explicitlyTrashed", {"mimeType": FOLDER}
    _, top, _ = raw("POST", f"drive/v3/files?{fields}", folder)
    _, before, _ = raw("POST", f"drive/v3/files?{fields}", {"parents": [top["id"]]})
    assert (top["trashed"], before["trashed"]) == (False, False)
    raw("PATCH", f"drive/v3/files/{top['id']}", {"trashed": True})
    _, after, _ = raw("POST", f"drive/v3/files?{fields}", {"parents": [top["id"]]})
    _, before, _ = raw("GET", f"drive/v3/files/{before['id']}?{fields}")
    assert (before["trashed"], before["explicitlyTrashed"]) == (True, False)
    assert after["trashed"] is seen
    assert raw.double.store.paths() == {}, "a person sees neither"


@pytest.mark.parametrize("query", ["", "name", "name = x", "(trashed = true", "name = 'x' or"])
def test_a_malformed_search_is_refused(query: str) -> None:
    with pytest.raises(Refused):
        parse(query, "root")


def test_pages_are_whole(raw: Raw) -> None:
    for n in range(25):
        raw("POST", "drive/v3/files", {"name": f"{n}"})
    names: list[str] = []
    token: str | None = ""
    while token is not None:
        query = f"drive/v3/files?pageSize=10&fields=nextPageToken,files(name)&pageToken={token}"
        _, found, _ = raw("GET", query.removesuffix("&pageToken="))
        names += [entry["name"] for entry in found["files"]]
        token = found.get("nextPageToken")
    assert names == [str(n) for n in range(25)]


def test_googles_own_client_works_unchanged(raw: Raw, tmp_path: Path) -> None:
    """Its multipart builder (bare LF), its chunked uploads and its downloads."""
    api = Api(raw.channel, ROOT, None)
    files = api._files
    small, large = tmp_path / "small", tmp_path / "large"
    small.write_bytes(content(5000))
    large.write_bytes(content(2 * UNIT + 77))
    made = files.create(
        body={"name": "small"}, media_body=MediaFileUpload(str(small)), fields="id,size"
    ).execute()
    assert made["size"] == "5000"
    media = MediaFileUpload(str(large), chunksize=UNIT, resumable=True)
    request = files.create(body={"name": "large"}, media_body=media, fields="id,md5Checksum")
    done, steps = None, 0
    while done is None:
        _, done = request.next_chunk()
        steps += 1
    assert steps == 3
    with (tmp_path / "back").open("wb") as out:
        download = MediaIoBaseDownload(out, files.get_media(fileId=done["id"]), chunksize=UNIT)
        while not download.next_chunk()[1]:
            pass
    assert (tmp_path / "back").read_bytes() == large.read_bytes()


def test_how_long_listings_lag_behind_can_be_said_at_any_time(raw: Raw) -> None:
    raw.double.faults.add("listing_lag")

    def shown(name: str) -> bool:
        raw("POST", "drive/v3/files", {"name": name})
        return any(file["name"] == name for file in raw("GET", "drive/v3/files")[1]["files"])

    assert not shown("late")
    raw.double.lag = 0
    assert shown("at once")
