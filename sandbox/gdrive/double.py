"""The double of Google Drive v3 on loopback."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from sandbox.damage import Abort
from sandbox.faults import Faults
from sandbox.gdrive import resource
from sandbox.gdrive.discovery import Discovery, Method
from sandbox.gdrive.files import Files, Pace
from sandbox.gdrive.intake import Intake
from sandbox.gdrive.oauth import Grant, SignIn
from sandbox.gdrive.refusal import Refused, bad, invalid, missing, no_right
from sandbox.gdrive.store import Node, Store
from sandbox.gdrive.uploads import Sessions
from sandbox.messages import Answer, Request

FAULTS: Mapping[str, str] = {
    "lost_answer": "a file or folder is made, and the connection ends without an answer",
    "error_after": "a file or folder is made, and the answer is 503",
    "cut_upload": "the connection ends in the middle of an upload's bytes",
    "partial_chunk": "only a part of a chunk is accepted",
    "session_expired": "an upload session is gone",
    "session_refused": "400 to a chunk, for a reason that is not the file's",
    "late_seal": "308 to the last chunk too: the file is made when its session is asked for next",
    "stored_flip": "what is stored differs in one bit from what was sent",
    "no_sha256": "a file without sha256Checksum, as a few have",
    "listing_lag": "listings do not show a new item for a while",
    "unseen": "what was made is not found by its id for a while",
    "or_missed": "a listing of several folders in one comes back empty",
    "name_missed": "a listing by a name with other letters than ASCII's comes back empty",
    "bin_unseen": "what is made in a folder that is in the bin says that it is in no bin",
    "token_expired": "the access token is no longer accepted",
    "rate": "403 userRateLimitExceeded without Retry-After",
    "daily_limit": "403 dailyLimitExceeded",
    "upload_limit": "403 with the message of the 750 GB a day",
    "date_refused": "400: a file's date is one that is not taken",
    "item_limit": "a file cannot be made: the account holds as many items as it may",
    "download_quota": "403 downloadQuotaExceeded: a file was read too often",
    "abusive_file": "403 cannotDownloadAbusiveFile: a file is taken for malware and not given out",
    "no_right": "403 insufficientFilePermissions: the account may not do this to a file",
    "unknown_403": "403 with a reason nobody has heard of",
}
_VERBS = {"PATCH": "update", "DELETE": "delete", "POST": "create", "GET": "get"}


@dataclass
class GoogleDrive:
    """A service for ``sandbox.server``; ``signin`` is the one for the sign-in's host names.

    ``lag`` is how long listings miss an item that met the fault, in seconds. ``writes`` is
    the most creates a second before 403 userRateLimitExceeded, None for any number.
    ``calls`` counts requests by kind, ``received`` the bytes of files, ``refusals`` what was
    refused by (status, reason): a 400 there is a client that broke the protocol.
    """

    store: Store = field(default_factory=Store)
    signin: SignIn = field(default_factory=SignIn)
    faults: Faults = field(default_factory=Faults)
    lag: float = 30.0
    writes: float | None = None
    hosts = ("www.googleapis.com", "content.googleapis.com")

    def __post_init__(self) -> None:
        self.sessions = Sessions()
        self.calls: Counter[str] = Counter()
        self.refusals: Counter[tuple[int, str]] = Counter()
        self._discovery = Discovery()
        self._files = Files(self.store, self._discovery, self.faults, lambda: self.lag)
        self._intake = Intake(self.store, self._files, self.sessions, self.faults)
        self._pace = Pace(self.writes)
        self._lock = threading.Lock()

    def close(self) -> None:
        """Forget open sessions and remove every byte."""
        self.sessions.expire()
        self.store.close()

    @property
    def received(self) -> int:
        return self._intake.received

    def fault_key(self, request: Request) -> str:
        """upload.multipart, upload.resumable, upload.session, files.get, files.create, ..."""
        if "upload/drive/v3/" in request.path:
            kind = "session" if "upload_id" in request.query else request.query.get("uploadType")
            return f"upload.{kind}"
        parts = request.path.removeprefix(self._discovery.base).split("/")
        verb = _VERBS.get(request.method, request.method)
        if len(parts) == 1 and verb == "get" and parts[0] != "about":
            verb = "list"
        return f"{parts[0]}.{'generateIds' if parts[-1] == 'generateIds' else verb}"

    def fault_answer(self, name: str, _request: Request) -> Answer | None:
        """Google's own words for what the server core refuses."""
        if name == "unavailable":
            return Refused(503, "backendError", "Backend Error").answer()
        return Refused(429, "rateLimitExceeded", "Rate Limit Exceeded", "usageLimits").answer()

    def handle(self, request: Request) -> Answer:
        key = self.fault_key(request)
        with self._lock:
            self.calls[key] += 1
        try:
            return self._handle(request, key)
        except Refused as refusal:
            with self._lock:
                self.refusals[refusal.status, refusal.reason] += 1
            return refusal.answer()

    def _handle(self, request: Request, key: str) -> Answer:
        if self.faults.hit("token_expired", key):
            self.signin.end_access()
        authorization = request.headers.get("authorization")
        if key == "upload.session":  # its address is a key by itself
            if authorization:
                self.signin.check(authorization)
            self._refuse_on_demand(key)
            return self._created(*self._intake.chunk(request))
        grant = self.signin.check(authorization)
        upload = key.startswith("upload.")
        path = request.path.removeprefix("/resumable")
        path = path.removeprefix("/upload" if upload else "").removeprefix(self._discovery.base)
        method, values = self._discovery.find(request.method, path)
        if not grant.scopes & method.scopes:
            message = "Request had insufficient authentication scopes."
            raise Refused(403, "insufficientPermissions", message)
        self._discovery.check_query(method, request.query, upload=upload)
        self._refuse_on_demand(key)
        if method.id == "drive.files.create" and not self._pace.spend():
            raise _rate()
        if upload:
            return self._upload(method, request, grant, key)
        return self._call(method, request, grant, values)

    def _upload(self, method: Method, request: Request, grant: Grant, key: str) -> Answer:
        if method.id != "drive.files.create":
            raise Refused(501, "notImplemented", f"the sandbox takes no content for {method.id}")
        if key == "upload.multipart":
            return self._created(*self._intake.multipart(method, request, grant))
        if key == "upload.resumable":
            return self._intake.begin(method, request, grant)
        raise invalid("uploadType", str(request.query.get("uploadType")))

    def _call(
        self, method: Method, request: Request, grant: Grant, values: Mapping[str, str]
    ) -> Answer:
        query, files = request.query, self._files
        match method.id:
            case "drive.about.get":
                if "fields" not in query:
                    raise bad("The 'fields' parameter is required for this method.", "required")
                return files.shown(method, query, resource.about(self.store, person=grant.person))
            case "drive.files.generateIds":
                count = int(query.get("count", 10))
                if not 1 <= count <= 1000:
                    raise invalid("count", str(count))
                found = {"kind": "drive#generatedIds", "space": "drive"}
                return files.shown(method, query, {**found, "ids": self.store.issue(count)})
            case "drive.files.list":
                return files.list(method, query, grant)
            case "drive.files.create":
                node = files.made(files.body(method, request), grant, query)
                files.add(node, None, grant)
                return self._created(node, files.answer(method, query, node, grant))
            case "drive.files.get" if values["fileId"] == "root":
                return files.root(method, query, grant)
            case "drive.drives.get":
                drive = self.store.drives.get(values["driveId"])
                if drive is None or not drive.role:
                    raise Refused(404, "notFound", f"Shared drive not found: {values['driveId']}")
                return files.shown(method, query, resource.drive(drive))
        return self._one(method, request, grant, values.get("fileId", ""))

    def _one(self, method: Method, request: Request, grant: Grant, identity: str) -> Answer:
        query, files = request.query, self._files
        match method.id:
            case "drive.files.get":
                node = files.visible(identity, grant, query)
                if self.faults.hit("unseen", f"get/{node.name}"):
                    raise missing(identity)
                if query.get("alt") == "media":
                    return files.media(node, request)
            case "drive.files.update":
                node = files.visible(identity, grant, query)
                files.patch(node, files.body(method, request), query)
            case "drive.files.delete":
                self.store.delete(files.visible(identity, grant, query))
                return Answer(204)
            case _:
                raise Refused(501, "notImplemented", f"the sandbox has no {method.id}")
        return files.answer(method, query, node, grant)

    # --- faults ----------------------------------------------------------------------------

    def _created(self, node: Node | None, answer: Answer) -> Answer:
        """The answer to a create, unless it gets lost."""
        if node is not None:
            if self.faults.hit("lost_answer", f"create/{node.name}"):
                raise Abort
            if self.faults.hit("error_after", f"create/{node.name}"):
                raise Refused(503, "backendError", "Backend Error")
        return answer

    def _refuse_on_demand(self, key: str) -> None:
        if self.faults.hit("rate", key):
            raise _rate()
        if self.faults.hit("daily_limit", key):
            raise Refused(403, "dailyLimitExceeded", "Daily Limit Exceeded", "usageLimits")
        if key.startswith("upload.") and self.faults.hit("upload_limit", key):
            message = "User rate limit exceeded."
            raise Refused(403, "userRateLimitExceeded", message, "usageLimits")
        if key.startswith("upload.") and self.faults.hit("item_limit", key):
            message = "This account has exceeded the creation limit for files and folders."
            raise Refused(403, "activeItemCreationLimitExceeded", message)
        if self.faults.hit("no_right", key):
            raise no_right()
        if self.faults.hit("unknown_403", key):
            raise Refused(403, "someNewReason", "This is forbidden.")


def _rate() -> Refused:
    message = "User Rate Limit Exceeded. Rate of requests for user exceed configured quota."
    return Refused(403, "userRateLimitExceeded", message, "usageLimits")
