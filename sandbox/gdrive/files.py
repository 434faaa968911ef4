"""What can be asked of files and folders: make, look up, list, change, read."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from sandbox.faults import Faults
from sandbox.gdrive import resource
from sandbox.gdrive.discovery import Discovery, Method, masked
from sandbox.gdrive.oauth import DRIVE, Grant
from sandbox.gdrive.query import Plan, parse
from sandbox.gdrive.refusal import Refused, bad, invalid, missing, no_right
from sandbox.gdrive.store import FOLDER, Content, Node, Store, check_properties
from sandbox.gdrive.uploads import parse_json
from sandbox.messages import Answer, Request, json_answer

Query = Mapping[str, str]
DEFAULT = "kind,id,name,mimeType"
_PATCHED = {"name", "trashed", "starred", "description", "modifiedTime", "appProperties"}
_PIECE = 256 * 1024
_LARGEST_PAGE = 1000
_TOKEN = "~!!~"


class Files:
    """``lag`` says how long listings miss an item that meets the fault now, in seconds."""

    def __init__(
        self, store: Store, discovery: Discovery, faults: Faults, lag: Callable[[], float]
    ) -> None:
        self._store = store
        self._discovery = discovery
        self._faults = faults
        self._lag = lag

    # --- in and out ------------------------------------------------------------------------

    def body(self, method: Method, request: Request) -> dict[str, Any]:
        return self.checked(method, parse_json(request.read_all()))

    def checked(self, method: Method, body: Any) -> dict[str, Any]:
        assert method.request
        self._discovery.check_body(method.request, body)
        checked: dict[str, Any] = body
        return checked

    def shown(
        self, method: Method, query: Query, found: dict[str, Any], default: str = "*"
    ) -> Answer:
        assert method.response
        mask = self._discovery.mask(method.response, query.get("fields", default))
        return json_answer(masked(found, mask))

    def answer(self, method: Method, query: Query, node: Node, grant: Grant) -> Answer:
        shown = resource.file(node, grant.client, trashed=self._store.says_trashed(node))
        return self.shown(method, query, shown, DEFAULT)

    # --- look up ---------------------------------------------------------------------------

    def root(self, method: Method, query: Query, grant: Grant) -> Answer:
        if DRIVE not in grant.scopes:
            raise missing(".")  # drive.file may not look the root up
        node = Node(self._store.root, "My Drive", FOLDER, "", grant.client, 0.0, 0.0)
        shown = resource.file(node, grant.client, trashed=False)
        del shown["parents"]
        return self.shown(method, query, shown, DEFAULT)

    def visible(self, identity: str, grant: Grant, query: Query) -> Node:
        node = self._store.get(identity)
        if not _sees(node, grant):
            raise missing(identity)
        if node.drive:
            self._enter(node.drive, query)
        return node

    def _enter(self, identity: str, query: Query, *, write: bool = False) -> None:
        """A shared drive that the account belongs to, asked for by a client that knows them."""
        found = self._store.drives.get(identity)
        if found is None or not found.role or query.get("supportsAllDrives") != "true":
            raise missing(identity)
        if write and not resource.may_write(found):
            raise no_right()

    def list(self, method: Method, query: Query, grant: Grant) -> Answer:
        drive = query.get("driveId")
        if (query.get("corpora") == "drive") != (drive is not None):
            raise bad("driveId and corpora=drive go together", "invalidParameter", "driveId")
        if drive:
            if query.get("includeItemsFromAllDrives") != "true":
                raise Refused(403, "teamDrivesParentLimit", "includeItemsFromAllDrives is needed")
            self._enter(drive, query)
        plan = parse(query.get("q") or "trashed = true or trashed = false", self._store.root)
        start, size = _page(query)
        nodes = () if self._missed(plan) else self._store.search(plan)
        found = [node for node in nodes if node.drive == drive and _sees(node, grant)]
        answer: dict[str, Any] = {
            "kind": "drive#fileList",
            "incompleteSearch": False,
            "files": [
                resource.file(node, grant.client, trashed=self._store.says_trashed(node))
                for node in found[start : start + size]
            ],
        }
        if len(found) > start + size:
            answer["nextPageToken"] = f"{_TOKEN}{start + size}"
        default = f"kind,incompleteSearch,nextPageToken,files({DEFAULT})"
        return self.shown(method, query, answer, default)

    def _missed(self, plan: Plan) -> bool:
        if len(plan.parents or ()) > 1 and self._faults.hit("or_missed", "files.list"):
            return True
        name = plan.name or ""
        return not name.isascii() and self._faults.hit("name_missed", f"list/{name}")

    # --- make and change -------------------------------------------------------------------

    def made(self, body: Mapping[str, Any], grant: Grant, query: Query) -> Node:
        """A new file or folder, checked, not yet visible."""
        parents = body.get("parents") or [self._store.root]
        if len(parents) != 1:
            raise bad("A file must have exactly one parent", "badRequest", "parents")
        parent, drive = self._place(str(parents[0]), grant, query)
        for kind in ("appProperties", "properties"):
            check_properties(body.get(kind))
        name = str(body.get("name", "Untitled"))
        if "modifiedTime" in body and self._faults.hit("date_refused", f"create/{name}"):
            raise bad("Invalid value for: modifiedTime", "invalid", "modifiedTime")
        now = time.time()
        with self._store.lock:
            identity = self._store.claim_id(body.get("id"))
        return Node(
            identity,
            name,
            str(body.get("mimeType", "application/octet-stream")),
            parent,
            grant.client,
            resource.read(body["createdTime"]) if "createdTime" in body else now,
            resource.read(body["modifiedTime"]) if "modifiedTime" in body else now,
            description=str(body.get("description", "")),
            app_properties=body.get("appProperties"),
            properties=body.get("properties"),
            drive=drive,
        )

    def _place(self, parent: str, grant: Grant, query: Query) -> tuple[str, str | None]:
        """The real id of a parent, and its shared drive if it is in one."""
        if parent in ("root", self._store.root):
            return self._store.root, None
        drive: str | None = parent
        if parent not in self._store.drives:
            above = self.visible(parent, grant, query)
            if not above.folder:
                raise Refused(403, "parentNotAFolder", "The specified parent is not a folder.")
            drive = above.drive
        if drive:
            self._enter(drive, query, write=True)
        return parent, drive

    def add(self, node: Node, content: Content | None, grant: Grant) -> None:
        """Make it visible."""
        if content is not None and node.drive is None and not grant.person:
            message = "Service Accounts do not have storage quota."
            raise Refused(403, "storageQuotaExceeded", message)
        if self._faults.hit("listing_lag", f"create/{node.name}"):
            node.seen_from = time.monotonic() + self._lag()
        if self._store.in_bin(self._store.nodes.get(node.parent)):
            node.unaware = self._faults.hit("bin_unseen", f"create/{node.name}")
        self._store.add(node, content)
        if content is not None and self._faults.hit("no_sha256", f"create/{node.name}"):
            node.sha256 = ""

    def patch(self, node: Node, body: Mapping[str, Any], query: Query) -> None:
        if unknown := set(body) - _PATCHED:
            raise Refused(501, "notImplemented", f"the sandbox cannot change {sorted(unknown)}")
        if node.drive:
            self._enter(node.drive, query, write=True)
            if "trashed" in body and not resource.may_trash(self._store.drives[node.drive]):
                raise no_right()
        with self._store.lock:
            if "name" in body:
                self._store.move(node, node.parent, body["name"])
            node.trashed = body.get("trashed", node.trashed)
            node.starred = body.get("starred", node.starred)
            node.description = body.get("description", node.description)
            if "modifiedTime" in body:
                node.modified = resource.read(body["modifiedTime"])
            if "appProperties" in body:
                merged = {**(node.app_properties or {}), **body["appProperties"]}
                kept = {name: value for name, value in merged.items() if value is not None}
                check_properties(kept)
                node.app_properties = kept

    # --- read ------------------------------------------------------------------------------

    def media(self, node: Node, request: Request) -> Answer:
        self._refuse_reading(f"read/{node.name}")
        if node.size is None or not self._store.file(node).exists():
            raise Refused(403, "fileNotDownloadable", "Only files with binary content can be.")
        start, end, status = 0, node.size, 200
        wanted = request.headers.get("range", "")
        if wanted.startswith("bytes="):
            first, _, last = wanted[6:].partition("-")
            start = int(first) if first else max(0, node.size - int(last))
            end = min(node.size, int(last) + 1) if first and last else node.size
            status = 206
            if start >= node.size:
                return Answer(416, {"Content-Range": f"bytes */{node.size}"})
        headers = {"Content-Type": node.mime, "Content-Length": str(end - start)}
        if status == 206:
            headers["Content-Range"] = f"bytes {start}-{end - 1}/{node.size}"
        return Answer(status, headers, self._bytes(node, start, end))

    def _refuse_reading(self, key: str) -> None:
        if self._faults.hit("download_quota", key):
            message = "The download quota for this file has been exceeded."
            raise Refused(403, "downloadQuotaExceeded", message)
        if self._faults.hit("abusive_file", key):
            message = "This file has been identified as malware or spam and cannot be downloaded."
            raise Refused(403, "cannotDownloadAbusiveFile", message)

    def _bytes(self, node: Node, start: int, end: int) -> Iterator[bytes]:
        with self._store.file(node).open("rb") as file:
            file.seek(start)
            while start < end and (data := file.read(min(_PIECE, end - start))):
                start += len(data)
                yield data


class Pace:
    """At most ``rate`` creates a second, with a second's worth saved up; None for any number."""

    def __init__(self, rate: float | None) -> None:
        self._rate = rate
        self._left = rate or 0.0
        self._then = time.monotonic()
        self._lock = threading.Lock()

    def spend(self) -> bool:
        """Whether one more may go on now."""
        if self._rate is None:
            return True
        with self._lock:
            now = time.monotonic()
            self._left = min(self._rate, self._left + (now - self._then) * self._rate)
            self._then = now
            if self._left < 1:
                return False
            self._left -= 1
            return True


def _sees(node: Node, grant: Grant) -> bool:
    return DRIVE in grant.scopes or node.app == grant.client


def _page(query: Query) -> tuple[int, int]:
    token = query.get("pageToken", f"{_TOKEN}0")
    if not token.startswith(_TOKEN) or not token[4:].isdigit():
        raise invalid("pageToken", token)
    return int(token[4:]), min(_LARGEST_PAGE, int(query.get("pageSize", 100)))
