"""iCloud Photos as a sink: pictures and videos, each registered once, known by fingerprint.

A photo that is there already is recognised by the name of its master record, which is Apple's
fingerprint of its bytes, and not sent again; one that lies in Recently Deleted is brought back.
A Live Photo's two halves become a photo and a video: the web's way of uploading cannot join
them. Sidecars are refused, since Photos keeps none.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import PurePosixPath

from connectors.abilities import Capacity, Prompter
from connectors.base import (
    Asset,
    Body,
    Checkpoint,
    Put,
    Receipt,
    Resource,
    Role,
    Traits,
    Transferred,
)
from connectors.checksums import Algorithm, Checksum
from connectors.errors import (
    CapacityExceeded,
    ItemError,
    NotFound,
    OutpourError,
    PathConflict,
    Transient,
)
from connectors.icloud import reclaim, storage
from connectors.icloud.account import Account
from connectors.icloud.cloudkit import CloudKit, Zone
from connectors.icloud.content import Content
from connectors.icloud.errors import FULL
from connectors.icloud.library import Libraries
from connectors.icloud.path_index import PathEntry, PathIndex
from connectors.icloud.presence import Photo, Presence
from connectors.icloud.records import ORIGINAL, Handle
from connectors.icloud.session import folder
from connectors.icloud.settings import ICloudSettings
from connectors.icloud.signed_urls import SignedUrls
from connectors.icloud.signin import sign_in
from connectors.icloud.uploads import Once, Single, Uploads

_SIDECARS = {".xmp", ".aae", ".xml", ".json", ".txt", ".html"}
_COMMIT_BATCH = 50
_TRANSFERS = 8
_PATIENCE = (0.0, 1.0, 2.0, 4.0, 8.0, 8.0)  # seconds between looks for what was registered
_REGISTERED, _DUPLICATE, _FULL = 200, 409, 413


class ICloudSink:
    """A Sink that HasCapacity, HasMedium, is an Inventory, Situated, Interruptible, ReadBack and
    Reconnects.

    iCloud Photos has no paths: which path stands for which photo is kept in the account's
    private folder, and found again by fingerprint where that is lost. Receipts carry Apple's
    fingerprint as Apple's record of the photo tells it. Nothing is asked of Apple before the
    first call; every method may be called from any thread.
    """

    def __init__(self, name: str, settings: ICloudSettings) -> None:
        self.name = name
        self.traits = Traits(
            algorithm=Algorithm.APPLE,
            commit_batch=_COMMIT_BATCH,
            transfers=_TRANSFERS,
            refuses=frozenset({Role.SIDECAR, Role.METADATA}),
        )
        self._settings = settings
        self._account = Account(settings)
        self._cloudkit = CloudKit(self._account)
        self._urls = SignedUrls(self._cloudkit)
        self._content = Content(self._urls)
        self._uploads = Uploads(self._account)
        self._presence = Presence(self._cloudkit, self._urls, settings.parallel)
        self._lock = threading.Lock()
        self._open_index: PathIndex | None = None
        self._sent = Once()
        self._registered: dict[str, str] = {}  # fingerprint -> asset, not yet seen in the library

    # --- sink ---

    def stat(self, path: str) -> Receipt | None:
        held = self._index.get(path)
        if held is None:
            return None
        photo = self._presence.photos({held.fingerprint: held.asset}).get(held.fingerprint)
        return None if photo is None or photo.binned else _receipt(held, photo)

    def transfer(self, put: Put, body: Body, token: str | None, keep: Checkpoint) -> Transferred:
        suffix = PurePosixPath(put.path).suffix.lower()
        if suffix in _SIDECARS:
            raise ItemError(f"iCloud Photos takes pictures and videos, no {suffix} files")
        self._check_free(put)
        fingerprint = put.digests[Algorithm.APPLE]
        there = self._there({put.path: fingerprint}).get(put.path)
        if there is not None:
            return Transferred(put, "", there)
        single = _single(token, fingerprint)
        if single is None:
            single = self._sent.get(fingerprint, lambda: self._send(put, body, fingerprint))
        token = json.dumps({"of": fingerprint, "single": single})
        keep(token)
        return Transferred(put, token)

    def commit(self, items: Sequence[Transferred]) -> list[Receipt | OutpourError]:
        """What was registered before, by a commit whose answer was lost, is found and not
        registered again."""
        answers: dict[int, Receipt | OutpourError] = {}
        waiting: dict[int, Transferred] = {}
        for at, item in enumerate(items):
            try:
                if item.receipt is None:
                    self._check_free(item.put)
                    waiting[at] = item
                else:
                    answers[at] = item.receipt
            except PathConflict as conflict:
                answers[at] = conflict
        self._find(waiting, answers)
        self._register(waiting, answers)
        for pause in _PATIENCE:
            if not waiting or self._account.ended.wait(pause):
                break
            self._find(waiting, answers)
        for at, item in waiting.items():
            answers[at] = Transient(
                f"{item.put.path}: iCloud took it and does not show it yet", retry_after=10
            )
        return [answers[at] for at in range(len(items))]

    def close(self) -> None:
        self._content.close()
        self._uploads.close()
        self._account.close()
        with self._lock:
            index, self._open_index = self._open_index, None
        if index is not None:
            index.close()

    # --- abilities ---

    def interrupt(self) -> None:
        self._account.ended.set()

    def capacity(self) -> Capacity:
        return storage.capacity(self._account)

    def inventory(self) -> Iterator[Receipt]:
        """Every photo of the library. What was not put here has its asset's id for a folder."""
        for page in Libraries(self._cloudkit, self._urls, self._settings).pages(None):
            yield from self._listed(page.assets)

    def read(self, receipt: Receipt) -> Iterator[bytes]:
        held = self._index.get(receipt.path)
        if held is None:
            raise NotFound(f"{receipt.path}: not known to be in iCloud")
        checksum = Checksum(Algorithm.APPLE, held.fingerprint)
        handle = str(Handle(Zone(), held.fingerprint, ORIGINAL))
        name = PurePosixPath(receipt.path).name
        resource = Resource(ORIGINAL, Role.ORIGINAL, name, receipt.size, checksum, handle=handle)
        stream = self._content.open(resource)
        try:
            yield from stream
        finally:
            stream.close()

    def whereabouts(self) -> str:
        return self._account.person()

    def medium(self) -> str:
        return f"icloud:{self._account.name.strip().casefold()}"

    def reconnect(self, prompter: Prompter) -> None:
        self._account.adopt(sign_in(self._settings, self._account.name, prompter))

    # --- steps ---

    @property
    def _index(self) -> PathIndex:
        with self._lock:
            if self._open_index is None:
                self._open_index = PathIndex(folder(self._account.name) / "shelf.sqlite")
            return self._open_index

    def _check_free(self, put: Put) -> None:
        """PathConflict where the path stands for other content that is there."""
        held = self._index.get(put.path)
        if held is None or held.fingerprint == put.digests[Algorithm.APPLE]:
            return
        photo = self._presence.photos({held.fingerprint: held.asset}).get(held.fingerprint)
        if photo is not None and not photo.binned:
            raise PathConflict(f"{put.path} stands for another photo in iCloud")

    def _there(self, wanted: Mapping[str, str]) -> dict[str, Receipt]:
        """Receipts for those (path, fingerprint) whose bytes are in the library."""
        assets = {}
        for fingerprint in wanted.values():
            known = self._index.of(fingerprint)
            assets[fingerprint] = self._registered.get(fingerprint, known[0].asset if known else "")
        photos = self._presence.photos(assets)
        self._bring_back([photo for photo in photos.values() if photo.binned])
        held, receipts = [], {}
        for path, fingerprint in wanted.items():
            photo = photos.get(fingerprint)
            if photo is not None:
                one = PathEntry(path, fingerprint, photo.asset)
                held.append(one)
                receipts[path] = _receipt(one, photo)
        self._index.enter(held)
        return receipts

    def _bring_back(self, binned: Sequence[Photo]) -> None:
        """Apple stores the same bytes once: sent again they would stay where they lie."""
        if not binned:
            return
        for error in reclaim.restore(self._cloudkit, [photo.asset for photo in binned]):
            if error is not None:
                raise error

    def _send(self, put: Put, body: Body, fingerprint: str) -> Single:
        body.check(put)
        single = self._uploads.send(self._uploads.reserve(put.size), body)
        told = Checksum(Algorithm.APPLE, str(single.get("fileChecksum")))
        if told.verifiable and told.value != fingerprint:
            raise Transient(f"{put.path}: iCloud received other bytes than were sent")
        return single

    def _find(
        self, waiting: dict[int, Transferred], answers: dict[int, Receipt | OutpourError]
    ) -> None:
        wanted = {w.put.path: w.put.digests[Algorithm.APPLE] for w in waiting.values()}
        found = self._there(wanted) if wanted else {}
        for at in [at for at, item in waiting.items() if item.put.path in found]:
            put = waiting.pop(at).put
            answers[at] = found[put.path]
            self._registered.pop(put.digests[Algorithm.APPLE], None)
            self._sent.forget(put.digests[Algorithm.APPLE])

    def _register(
        self, waiting: dict[int, Transferred], answers: dict[int, Receipt | OutpourError]
    ) -> None:
        """Make photos of what was sent; what is only to be waited for stays in ``waiting``."""
        files: dict[str, tuple[str, datetime | None, Single]] = {}
        of: dict[str, list[int]] = {}
        for at, item in list(waiting.items()):
            fingerprint = item.put.digests[Algorithm.APPLE]
            single = _single(item.token, fingerprint)
            if single is None:
                del waiting[at]
                answers[at] = NotFound(f"the bytes for {item.put.path} are not there")
            elif fingerprint not in self._registered:
                name = PurePosixPath(item.put.path).name
                files.setdefault(fingerprint, (name, item.put.modified, single))
                of.setdefault(fingerprint, []).append(at)
        if not files:
            return
        told = self._uploads.register(list(files.values()))
        for fingerprint, answer in zip(files, told, strict=True):
            error = _refusal(answer)
            if error is None:
                self._registered[fingerprint] = str(answer.get("cplAsset") or "")
                continue
            self._sent.forget(fingerprint)
            for at in of[fingerprint]:
                del waiting[at]
                answers[at] = error

    def _listed(self, assets: Sequence[Asset]) -> list[Receipt]:
        """What was brought by others is entered too: it may be adopted, and looked at again."""
        receipts: list[Receipt] = []
        fresh: list[PathEntry] = []
        for asset in assets:
            for resource in asset.resources:
                size, checksum = resource.size, resource.checksum
                if resource.id != ORIGINAL or checksum is None or size is None:
                    continue
                known = self._index.of(checksum.value)
                if not known:
                    known = [PathEntry(f"{asset.id}/{resource.filename}", checksum.value, asset.id)]
                    fresh += known
                receipts += [Receipt(one.path, size, (checksum,), id=asset.id) for one in known]
        if fresh:
            self._index.enter(fresh)
        return receipts


def _single(token: str | None, fingerprint: str) -> Single | None:
    """What a token says was received of this content; None for nothing, or another content."""
    try:
        data = json.loads(token or "")
        found = data["single"] if data["of"] == fingerprint else None
    except (ValueError, KeyError, TypeError):
        return None
    return found if isinstance(found, dict) else None


def _receipt(held: PathEntry, photo: Photo) -> Receipt:
    checksum = Checksum(Algorithm.APPLE, photo.fingerprint)
    return Receipt(held.path, photo.size, (checksum,), id=held.asset or None)


def _refusal(answer: object) -> OutpourError | None:
    """Why Apple made no photo of a file; None if it did, or had it already."""
    response = answer.get("response") if isinstance(answer, dict) else None
    response = response if isinstance(response, dict) else {}
    status = response.get("status")
    if status in (_REGISTERED, _DUPLICATE):
        return None
    said = f"iCloud answered {status} to a registration: {response.get('errorMessage') or ''}"
    if status == _FULL:
        return CapacityExceeded(said, hint=FULL)
    if response.get("isRetryable") or not isinstance(status, int) or status >= 429:
        return Transient(said)
    return NotFound(said)  # the bytes are no longer there for it: they are sent again
