"""The calls to Drive v3, with the fields this connector reads.

The client is built from the discovery document that ships with it, so no request describes
the API; its root can be moved to a gateway. Retries of the client stay off.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Sequence
from functools import cached_property, partial
from importlib import resources
from typing import Any
from urllib.parse import quote, urlencode

from googleapiclient.discovery import build_from_document
from googleapiclient.errors import HttpError

from connectors.errors import NotFound, Transient
from connectors.gdrive.channel import Channel
from connectors.gdrive.errors import error_of
from connectors.patience import Patience

FOLDER = "application/vnd.google-apps.folder"
FIELDS = (
    "id,name,mimeType,size,md5Checksum,sha256Checksum,parents,trashed,modifiedTime,appProperties"
)
NAMES = "id,name,mimeType"
_PAGE = 1000
_MOST_IDS = 1000  # in one generateIds
_SPARE_IDS = 32  # asked for beyond the need: folders want some too
_LEAST_IDS = 100

File = dict[str, Any]


class Api:
    """Thread-safe. Errors are those of ``errors.error_of``. ``ended`` ends what waits inside of a
    call, and all such waiting from then on."""

    def __init__(self, channel: Channel, root: str, drive: str | None) -> None:
        self.ended = threading.Event()
        self.channel = channel
        self.root = root
        self.drive = drive
        self._everywhere = {"supportsAllDrives": True} if drive else {}

    @cached_property
    def _files(self) -> Any:
        return self._service.files()  # builds the whole resource on each call: keep it

    @cached_property
    def _service(self) -> Any:
        folder = resources.files("googleapiclient.discovery_cache.documents")
        document = json.loads((folder / "drive.v3.json").read_text())
        document.pop("mtlsRootUrl", None)
        document["rootUrl"] = self.root
        document["baseUrl"] = self.root + document["servicePath"]
        return build_from_document(document, http=self.channel)

    def upload_url(self, kind: str) -> str:
        """Where uploads of ``kind`` (multipart, resumable) are created."""
        query = {"uploadType": kind, "fields": FIELDS}
        if self.drive:
            query["supportsAllDrives"] = "true"
        return f"{self.root}upload/drive/v3/files?{urlencode(query)}"

    def generate_ids(self, count: int) -> list[str]:
        """Fresh ids, at most a thousand of them, in one request."""
        request = self._files.generateIds(count=count, space="drive", fields="ids")
        return list(self._run(request, "an id")["ids"])

    def get(self, identity: str) -> File | None:
        """A file by its id, trashed or not; None where there is none that we may see."""
        request = self._files.get(fileId=identity, fields=FIELDS, **self._everywhere)
        try:
            return self._run(request, "a file by its id")
        except NotFound:
            return None

    def create_folder(self, identity: str, name: str, parent: str) -> None:
        """NotFound if ``parent`` is gone, or in the bin: what is made there is in it too."""
        body = {"id": identity, "name": name, "parents": [parent], "mimeType": FOLDER}
        request = self._files.create(body=body, fields="id,trashed", **self._everywhere)
        if self._run(request, f"to make the folder {name!r}").get("trashed"):
            raise NotFound(f"the folder {name!r} was made in the bin of Google Drive")

    def trash(self, identity: str) -> None:
        request = self._files.update(
            fileId=identity, body={"trashed": True}, fields="id", **self._everywhere
        )
        self._run(request, "to put a damaged copy into the bin")

    def set_aside(self, file: File, name: str) -> None:
        """Give a file another name, and take off what marks it as a copy of ours."""
        marks = dict.fromkeys(file.get("appProperties", ()))
        body = {"name": name, "appProperties": marks}
        request = self._files.update(fileId=file["id"], body=body, fields="id", **self._everywhere)
        self._run(request, "to rename a damaged copy")

    def children(
        self,
        parents: Sequence[str],
        fields: str,
        name: str | None = None,
        patience: Patience | None = None,
    ) -> Iterator[File]:
        """What lies in the folders and not in the bin, page by page; only ``name`` if given, which
        Drive compares more loosely than we do, so look at the names again. ``patience`` is that of
        the whole listing that this is a part of.

        Folder after folder: Google's answer for several in one is empty now and then
        (issuetracker.google.com/149522397; rclone asks so too).
        """
        named = "" if name is None else f" and name = {_quoted(name)}"
        patience = patience or self.patience()
        for parent in parents:
            query = f"{_quoted(parent)} in parents and trashed = false{named}"
            yield from self._list(query, fields, patience)

    def patience(self) -> Patience:
        """For all requests of one listing."""
        return Patience(self.ended)

    def folders_among(self, parents: Sequence[str]) -> Iterator[str]:
        """Ids of the folders in all of these at once; what it does not show may be there."""
        places = " or ".join(f"{_quoted(parent)} in parents" for parent in parents)
        query = f"({places}) and trashed = false and mimeType = {_quoted(FOLDER)}"
        return (found["id"] for found in self._list(query, "id", self.patience()))

    def _list(self, query: str, fields: str, patience: Patience) -> Iterator[File]:
        where: dict[str, Any] = {"corpora": "user"}
        if self.drive:
            where = {
                "corpora": "drive",
                "driveId": self.drive,
                "includeItemsFromAllDrives": True,
                "supportsAllDrives": True,
            }
        token = None
        while True:
            request = self._files.list(
                q=query,
                pageSize=_PAGE,
                pageToken=token,
                spaces="drive",
                fields=f"nextPageToken,files({fields})",
                **where,
            )
            page = patience.call(partial(self._run, request, "a listing"))
            yield from page.get("files", ())
            token = page.get("nextPageToken")
            if not token:
                return

    def about(self) -> dict[str, Any]:
        request = self._service.about().get(
            fields="user(permissionId,displayName,emailAddress),storageQuota"
        )
        return dict(self._run(request, "to say how much room there is"))

    def content(self, identity: str) -> Iterator[bytes]:
        """The bytes of a file."""
        query = {"alt": "media"}
        if self.drive:
            query["supportsAllDrives"] = "true"
        address = f"{self.root}drive/v3/files/{quote(identity, safe='')}?{urlencode(query)}"
        return self.channel.stream(address, "to give a file back")

    @staticmethod
    def _run(request: Any, doing: str) -> File:
        try:
            return dict(request.execute(num_retries=0))
        except HttpError as error:
            raise error_of(error.resp.status, error.resp, error.content, doing) from None
        except ValueError as error:
            raise Transient(f"Google Drive, asked {doing}, answered without JSON") from error


class Ids:
    """Ids of Drive's own making, fetched many at a time. Thread-safe.

    What is fetched and not used is lost with the process, which costs nothing.
    """

    def __init__(self, api: Api) -> None:
        self._api = api
        self._left: list[str] = []
        self._lock = threading.Lock()

    def take(self, count: int = 1) -> list[str]:
        with self._lock:
            while (need := count - len(self._left)) > 0:
                some = min(_MOST_IDS, max(_LEAST_IDS, need + _SPARE_IDS))
                self._left += self._api.generate_ids(some)
            taken, self._left = self._left[:count], self._left[count:]
            return taken


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"
