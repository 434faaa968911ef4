"""Uploading: reserve an address, send the bytes, register the asset, ask how it goes.

As the web client does it since 2026: ``createUploadUrl``, a POST to the reserved address,
``putAsset``; the records can be looked up some time later. What a full account answers has
not been seen on the wire: here the reservation is refused with CloudKit's 413
QUOTA_EXCEEDED, and a registration that no longer fits gets the same in its own status.
"""

from __future__ import annotations

import base64
import hashlib
import secrets
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from sandbox.damage import Abort
from sandbox.faults import Faults
from sandbox.icloud.account import Account
from sandbox.icloud.wire import Refused, only
from sandbox.icloud.zones import Zone
from sandbox.library import Asset, apple_fingerprint
from sandbox.messages import Answer, Request, json_answer

_FORMS = {
    "jpg": "jpeg",
    "jpeg": "jpeg",
    "heic": "heic",
    "png": "png",
    "mov": "mov",
    "mp4": "mp4",
    "dng": "dng",
}
_FILE = ("fileName", "lastModDate", "timeZoneOffset", "singleFileUploadRequest")
_PUT = ("zoneName", "files", "localTimeZoneId", "importGroup")


@dataclass(slots=True)
class _Slot:
    size: int
    data: bytes | None = None


class Uploads:
    """``index_after``: how many lookups still miss a new asset before it shows. ``received``
    counts the bytes of files that were sent."""

    def __init__(
        self,
        zone: Callable[[], Zone],
        account: Account,
        used: Callable[[], int],
        host: str,
        faults: Faults,
    ) -> None:
        self.index_after = 0
        self.received = 0
        self._faults = faults
        self.hidden: dict[str, int] = {}  # record names not indexed yet -> lookups left
        self._zone = zone
        self._account = account
        self._used = used
        self._host = host
        self._slots: dict[str, _Slot] = {}
        self._jobs: set[str] = set()
        self._lock = threading.Lock()

    def handle(self, request: Request) -> Answer:
        try:
            if request.method != "POST":
                raise Refused("NOT_FOUND", "No such endpoint")
            if request.path.startswith("/upload/"):
                return self._receive(request)
            if not self._account.signed_in(request):
                raise Refused("AUTHENTICATION_REQUIRED", "Authentication required")
            name = request.path.removeprefix("/photosupload/")
            route = {
                "createUploadUrl": self._reserve,
                "putAsset": self._register,
                "uploadStatus": self._status,
            }.get(name)
            if route is None:
                raise Refused("NOT_FOUND", "No such endpoint")
            return json_answer(route(request.json()))
        except Refused as refused:
            return refused.answer()

    def indexed(self, name: str) -> bool:
        """Whether a lookup of ``name`` succeeds already; each question counts."""
        with self._lock:
            left = self.hidden.get(name, 0)
            if left:
                self.hidden[name] = left - 1
            return not left

    def _count(self, size: int) -> None:
        with self._lock:
            self.received += size

    def _room(self, size: int) -> bool:
        return self._used() + self._account.other_used + size <= self._account.total

    def _reserve(self, body: Any) -> Any:
        body = only(body, ("zoneName", "assets"), ("zoneName", "assets"))
        if body["zoneName"] != self._zone().name:
            raise Refused("ZONE_NOT_FOUND", "Zone does not exist")
        if not self._room(sum(body["assets"].values())):
            raise Refused("QUOTA_EXCEEDED", "Quota exceeded")
        addresses = {}
        for client, size in body["assets"].items():
            token = secrets.token_urlsafe(24)
            self._slots[token] = _Slot(size)
            addresses[client] = f"{self._host}/upload/{token}"
        return {"uploadUrls": addresses}

    def _receive(self, request: Request) -> Answer:
        slot = self._slots.get(request.path.removeprefix("/upload/"))
        if slot is None or slot.data is not None:
            raise Refused("NOT_FOUND", "Unknown upload")
        if self._faults.hit("cut_upload", request.path):
            self._count(len(request.body.read(slot.size // 2)))
            raise Abort
        data = request.read_all()
        self._count(len(data))
        if len(data) != slot.size:
            raise Refused("BAD_REQUEST", f"Expected {slot.size} bytes, got {len(data)}")
        slot.data = data
        mark = hashlib.blake2b(data, digest_size=20).digest()
        single = {
            "referenceChecksum": base64.b64encode(b"\x01" + mark).decode(),
            "size": len(data),
            "fileChecksum": apple_fingerprint(iter([data])),
            "wrappingKey": base64.b64encode(mark[:16]).decode(),
            "receipt": request.path.removeprefix("/upload/"),
        }
        return json_answer({"singleFile": single})

    def _register(self, body: Any) -> Any:
        body = only(body, _PUT, ("zoneName", "files"))
        if body["zoneName"] != self._zone().name:
            raise Refused("ZONE_NOT_FOUND", "Zone does not exist")
        results = [self._one(only(file, _FILE, _FILE)) for file in body["files"]]
        if self._faults.hit("lost_answer", "upload/putAsset"):
            raise Abort
        return results

    def _one(self, file: Mapping[str, Any]) -> dict[str, Any]:
        receipt = file["singleFileUploadRequest"].get("receipt", "")
        slot = self._slots.pop(receipt, None)
        if slot is None or slot.data is None:
            return _result(400, errorMessage="Unknown receipt")
        checksum = apple_fingerprint(iter([slot.data]))
        known = self._zone().by_master(checksum)
        if known is not None:
            return _names(known) | _result(409, errorMessage="Asset already exists")
        if not self._room(slot.size):
            return _result(413, errorMessage="Quota exceeded")
        name = file["fileName"]
        form = _FORMS.get(name.rpartition(".")[2].lower(), "jpeg")
        asset = self._zone().library.add(
            name,
            "video" if form in {"mov", "mp4"} else "photo",
            form,
            data=slot.data,
            created=file["lastModDate"],
            utc_offset=-60 * file["timeZoneOffset"],
        )
        job = secrets.token_hex(16)
        self._jobs.add(job)
        with self._lock:
            for record in (asset.id, checksum):
                self.hidden[record] = self.index_after
        return {"uploadJobId": job, **_names(asset), **_result(200, isRetryable=False)}

    def _status(self, body: Any) -> Any:
        jobs = only(body, ("uploadJobIds",), ("uploadJobIds",))["uploadJobIds"]
        return {job: {"progress": 100} if job in self._jobs else {"errorCode": 404} for job in jobs}


def _names(asset: Asset) -> dict[str, Any]:
    return {"cplMaster": asset.original.fingerprint, "cplAsset": asset.id}


def _result(status: int, **more: Any) -> dict[str, Any]:
    return {"response": {"status": status, **more}}
