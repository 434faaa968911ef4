"""Google Drive as a place where copies are kept."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from posixpath import split as split_path
from unicodedata import normalize

from connectors.abilities import Capacity, Prompter
from connectors.base import Body, Checkpoint, Put, Receipt, Traits, Transferred
from connectors.checksums import Algorithm, Checksum
from connectors.errors import (
    Fatal,
    ItemError,
    Leftover,
    NotFound,
    OutpourError,
    PathConflict,
    Transient,
    Unreadable,
)
from connectors.gdrive import properties
from connectors.gdrive.api import FIELDS, FOLDER, NAMES, Api, File, Ids
from connectors.gdrive.auth import Auth
from connectors.gdrive.channel import Channel
from connectors.gdrive.errors import IdTaken, IdUnusable, Malformed
from connectors.gdrive.folders import Folder, Reserved, Tree
from connectors.gdrive.settings import DriveSettings
from connectors.gdrive.traces import trace
from connectors.gdrive.transport import Transport
from connectors.gdrive.unseen import Unseen
from connectors.gdrive.upload import SMALL, Ticket, Uploader
from connectors.private import state_path

_TRANSFERS = 32  # one request each, most of it waiting
_ATTEMPTS = 3  # ids tried for one file; each failure means somebody used up an id of ours
_DAMAGED = ".damaged"  # what is added to the name of a try that the bin was refused for
_UNKNOWN_TYPE = "application/octet-stream"


class DriveSink:
    """Sink with HasCapacity, Reserves, Inventory, ReadBack, Situated, Traces, TellsApart,
    HasFolders, HasMedium, Interruptible and Reconnects.

    A file becomes visible with its last byte, so ``transfer`` already returns the receipt.
    Tokens are ids of Drive's own making (``reserve``): a create that is repeated with its id
    is answered with 409, and then the file of that id is compared instead of sent again.
    """

    def __init__(self, name: str, settings: DriveSettings) -> None:
        self.name = name
        self.traits = Traits(
            algorithm=Algorithm.MD5,
            commit_batch=1,
            transfers=_TRANSFERS,
        )
        self._settings = settings
        self._transport = Transport(_TRANSFERS * 2)
        self._auth = Auth(settings, self._transport)
        channel = Channel(self._transport, self._auth, settings.root_url)
        self._api = Api(channel, settings.root_url, settings.drive)
        self._ids = Ids(self._api)
        self._uploader = Uploader(self._api, settings.chunk_mib * 1024 * 1024)
        self._unseen = Unseen(self._api)
        self._tree = Tree(self._api, self._ids, self._unseen, settings.folder, self._reserved)

    def __repr__(self) -> str:
        return f"DriveSink({self.name!r}, folder={self._settings.folder!r})"

    # --- Sink ----------------------------------------------------------------------------

    def stat(self, path: str) -> Receipt | None:
        directory, name = _parts(path)
        folder = self._tree.find(directory)
        if folder is None:
            return None
        files = [file for file in self._named(folder, name) if file["mimeType"] != FOLDER]
        return _receipt(path, min(files, key=lambda file: str(file["id"]))) if files else None

    def stat_known(self, path: str, identity: str) -> Receipt | None:
        directory, name = _parts(path)
        folder = self._tree.find(directory)
        if folder is None:
            return None
        file = self._api.get(identity)
        return _receipt(path, file) if file and _at(file, folder, name) else self.stat(path)

    def transfer(self, put: Put, body: Body, token: str | None, keep: Checkpoint) -> Transferred:
        body.check(put)
        ticket = Ticket.read(token) or self._fresh(keep)
        directory, name = _parts(put.path)
        try:
            folder = self._tree.ensure(directory)
            with self._tree.claim(folder, name) as perhaps:
                file = self._already(folder, name, put, ticket) if perhaps else None
                if file is None:
                    file, ticket = self._create(folder, name, put, body, ticket, keep)
            if file.get("trashed"):
                with contextlib.suppress(OutpourError):  # or it would come back with its folder
                    self._api.trash(file["id"])
                self._fresh(keep)  # the id is spent with it
                raise NotFound(f"{put.path} went into the bin")
        except NotFound as error:
            self._tree.forget()
            raise Transient(f"the folder of {put.path} vanished from Google Drive") from error
        if not _same(file, put):
            # Nothing wrong may stay visible; the id is spent with it.
            why = _why_other(put, body)
            aside = self._put_away(file, put)
            self._fresh(keep)
            raise aside if aside and isinstance(why, Transient) else why
        return Transferred(put, ticket.written(), _receipt(put.path, file))

    def commit(self, items: Sequence[Transferred]) -> list[Receipt | OutpourError]:
        return [item.receipt or self._by_token(item) for item in items]

    def close(self) -> None:
        self._transport.close()

    # --- optional abilities --------------------------------------------------------------

    def reserve(self, count: int) -> list[str]:
        return self._ids.take(count)

    def capacity(self) -> Capacity:
        """Of the whole account, mail and photos too. A shared drive tells no limit."""
        quota: Mapping[str, str] = self._api.about()["storageQuota"]
        used, bin_, drive = (
            int(quota.get(key, 0)) for key in ("usage", "usageInDriveTrash", "usageInDrive")
        )
        kinds = {"drive": drive - bin_, "bin": bin_, "other": used - drive}
        if self._settings.drive or "limit" not in quota:
            return Capacity(used, by_kind=kinds)
        total = int(quota["limit"])
        return Capacity(used, total, max(0, total - used), kinds)

    def inventory(self) -> Iterator[Receipt]:
        """Everything in the folder and below, not the bin. A doubled file comes twice."""
        top = self._tree.find("")
        waiting = [("", top.ids)] if top else []
        patience = self._api.patience()
        while waiting:
            path, ids = waiting.pop()
            folders: dict[str, tuple[str, ...]] = {}
            for file in self._api.children(ids, FIELDS, patience=patience):
                # A slash is an ordinary letter in names at Drive.
                name = normalize("NFC", file["name"]).replace("/", "∕")
                below = f"{path}/{name}" if path else name
                if file["mimeType"] == FOLDER:
                    folders[below] = (*folders.get(below, ()), file["id"])
                else:
                    yield _receipt(below, file)
            waiting += folders.items()

    def interrupt(self) -> None:
        self._api.ended.set()

    def read(self, receipt: Receipt) -> Iterator[bytes]:
        found = receipt if receipt.id else self.stat(receipt.path)
        if found is None or found.id is None:
            raise NotFound(f"{receipt.path} is not in Google Drive")
        return self._api.content(found.id)

    def whereabouts(self) -> str:
        """The account and the folder, whose id tells another one that is called the same."""
        settings, ids = self._settings, self._tree.top()
        place = (self._auth.who, settings.drive or "my drive", settings.folder, *ids)
        return " ".join(place) if ids else ""

    def vanished(self) -> list[str]:
        return self._tree.vanished()

    def trace(self) -> str:
        return trace(self._api, self._reserved(), self._settings.folder, self._tree.top())

    def medium(self) -> str:
        """The shared drive, or who signed in. Whom a service account acts for cannot be told
        from somebody who signed in, and an earlier version did not keep who that was."""
        settings = self._settings
        if settings.drive:
            return f"gdrive:shared:{settings.drive}"
        if settings.impersonate or not self._auth.who:
            return ""
        return f"gdrive:{self._auth.who}"

    def reconnect(self, prompter: Prompter) -> None:
        from connectors.gdrive.signin import sign_in  # its OAuth packages would slow every start

        sign_in(self._settings, prompter, again=True)
        self._auth.reload()

    # --- inner ---------------------------------------------------------------------------

    def _reserved(self) -> Reserved:
        """Where ids of folders are kept: apart for each account and drive."""
        where = f"{self._auth.who}\0{self._settings.drive or ''}"
        return Reserved(state_path("gdrive", hashlib.sha256(where.encode()).hexdigest()[:24]))

    def _fresh(self, keep: Checkpoint) -> Ticket:
        ticket = Ticket(self._ids.take()[0])
        keep(ticket.written())
        return ticket

    def _named(self, folder: Folder, name: str) -> list[File]:
        found = _called(name, self._api.children(folder.ids, FIELDS, name))
        if not found and not name.isascii() and self._tree.may_hold(folder, name):
            # Such names are not always found by asking for them.
            named = _called(name, self._api.children(folder.ids, NAMES))
            asked = (self._api.get(file["id"]) for file in named)
            found = [file for file in asked if file is not None and not file.get("trashed")]
        return found

    def _already(self, folder: Folder, name: str, put: Put, ticket: Ticket) -> File | None:
        """What is at the path: the right content, or our own damaged try at it.

        PathConflict if it is anything else.
        """
        found = self._named(folder, name)
        for file in found:
            if _same(file, put) or _our_try(file, put, ticket):
                return file
        if found:
            raise PathConflict(f"{put.path} holds other content in Google Drive")
        return None

    def _create(
        self, folder: Folder, name: str, put: Put, body: Body, ticket: Ticket, keep: Checkpoint
    ) -> tuple[File, Ticket]:
        media_type = put.media_type or _UNKNOWN_TYPE
        for _ in range(_ATTEMPTS):
            metadata = _metadata(put, name, folder.ids[0], ticket.id, media_type)
            try:
                if put.size <= SMALL:
                    return self._uploader.whole(metadata, media_type, body), ticket
                return self._uploader.session(ticket, metadata, media_type, body, keep), ticket
            except Malformed:
                if put.modified is None:
                    raise
                put = replace(put, modified=None)  # better than no photo: a date it does not take
            except IdUnusable:
                ticket = self._fresh(keep)
            except IdTaken:
                file = self._unseen.find(ticket.id)
                # Listings may not show it yet: the right file, or our own damaged try at it.
                ours = file is not None and _at(file, folder, name)
                if file and ours and (_same(file, put) or _our_try(file, put, ticket)):
                    return file, ticket
                ticket = self._fresh(keep)
        raise Unreadable(f"{put.path}: Google Drive accepts none of its own ids for it")

    def _put_away(self, file: File, put: Put) -> OutpourError | None:
        """Put a damaged try of ours into the bin. Where that may not be done, as by contributors
        of a shared drive, give it another name, or leave that name to it; says so then."""
        try:
            self._api.trash(file["id"])
        except Fatal:
            return self._rename(file, put)
        return None

    def _rename(self, file: File, put: Put) -> OutpourError:
        name = f"{file['name']}{_DAMAGED}"
        try:
            self._api.set_aside(file, name)
        except Fatal:
            return PathConflict(f"{put.path} is a damaged upload in Google Drive")
        return Leftover(
            f"a damaged upload of {put.path} is called {name!r} now: the bin is refused",
            hint="Delete it in Drive; with the role Content manager that is done for you.",
        )

    def _by_token(self, item: Transferred) -> Receipt | OutpourError:
        """A receipt for an item whose transfer ended in another process."""
        ticket = Ticket.read(item.token)
        directory, name = _parts(item.put.path)
        try:
            file = self._api.get(ticket.id) if ticket else None
            folder = self._tree.find(directory)
        except OutpourError as error:
            return error
        if file and folder and _at(file, folder, name) and _same(file, item.put):
            return _receipt(item.put.path, file)
        return NotFound(f"{item.put.path} is not in Google Drive")


def _parts(path: str) -> tuple[str, str]:
    """Folder and name. Drive keeps names letter by letter, we keep one way to write them."""
    return split_path(normalize("NFC", path))


def _called(name: str, files: Iterable[File]) -> list[File]:
    return [file for file in files if normalize("NFC", file["name"]) == name]


def _metadata(put: Put, name: str, parent: str, identity: str, media_type: str) -> File:
    metadata: File = {"id": identity, "name": name, "parents": [parent], "mimeType": media_type}
    if put.modified is not None:
        metadata["createdTime"] = metadata["modifiedTime"] = _written(put.modified)
    if put.description:
        metadata["description"] = put.description
    if put.properties:
        metadata["appProperties"] = properties.packed(put.properties)
    return metadata


def _same(file: File, put: Put) -> bool:
    return (
        file.get("md5Checksum") == put.digests[Algorithm.MD5]
        and int(file.get("size", -1)) == put.size
        and file.get("sha256Checksum", put.digests[Algorithm.SHA256])
        == put.digests[Algorithm.SHA256]
    )


def _why_other(put: Put, body: Body) -> OutpourError:
    """Why Drive got other bytes: on the line, so that another try may do better, or because
    a person changed the file since it was read."""
    try:
        with body.path.open("rb") as file:
            changed = hashlib.file_digest(file, "md5").hexdigest() != put.digests[Algorithm.MD5]
    except OSError as error:
        return Unreadable(f"{put.path}: the file cannot be read: {error.strerror}")
    if changed:
        return ItemError("the file changed since it was read first", hint="Run again to take it.")
    return Transient(f"{put.path}: Google Drive received other bytes than were sent")


def _our_try(file: File, put: Put, ticket: Ticket) -> bool:
    """The file of our id that nobody has edited since: an edit would show in its date."""
    return (
        file["id"] == ticket.id
        and put.modified is not None
        and file.get("modifiedTime") == _written(put.modified)
    )


def _written(moment: datetime) -> str:
    """RFC 3339 as Drive writes it: UTC, milliseconds, a year of four digits."""
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="milliseconds") + "Z"


def _at(file: File, folder: Folder, name: str) -> bool:
    here = set(file.get("parents", ())) & set(folder.ids)
    return bool(here) and not file.get("trashed") and normalize("NFC", file["name"]) == name


def _receipt(path: str, file: File) -> Receipt:
    checksums = [
        Checksum(algorithm, file[field])
        for algorithm, field in (
            (Algorithm.MD5, "md5Checksum"),
            (Algorithm.SHA256, "sha256Checksum"),
        )
        if file.get(field)
    ]
    modified = None
    with contextlib.suppress(KeyError, ValueError):
        modified = datetime.fromisoformat(file["modifiedTime"])
    return Receipt(
        path,
        int(file.get("size", 0)),
        tuple(checksums),
        str(file["id"]),
        modified,
        properties.unpacked(file.get("appProperties", {})),
    )
