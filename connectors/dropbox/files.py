"""What Dropbox holds: one file, a folder's listing, a file's bytes."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import requests
from dropbox.exceptions import ApiError
from dropbox.files import FileMetadata, FolderMetadata

from connectors.base import Receipt
from connectors.dropbox.client import Client, speaking
from connectors.dropbox.errors import path_refused, tag_of
from connectors.dropbox.receipts import Root, receipt
from connectors.errors import Misconfigured, NotFound, OutpourError, Transient
from connectors.network_errors import network_error
from connectors.patience import Patience

_PAGE = 2000  # entries of one listing request, the most Dropbox gives
_CHUNK = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Held:
    """A file and the revision it is at."""

    receipt: Receipt
    revision: str


class Files:
    """Thread-safe. Paths are seen from ``root``. ``ended`` ends what waits inside of a listing,
    and all such waiting from then on."""

    def __init__(self, client: Client, root: Root, ended: threading.Event) -> None:
        self._ended = ended
        self._client = client
        self._root = root

    def stat(self, path: str) -> Receipt | None:
        """The file at ``path``; None where nothing or a folder is."""
        held = self.held(path)
        return None if held is None else held.receipt

    def held(self, path: str) -> Held | None:
        """The same, with its revision."""
        found = self._look(self._root.full(path), path)
        if not isinstance(found, FileMetadata):
            return None
        return Held(receipt(path, found), str(found.rev))

    def top(self) -> str | None:
        """The id of our folder; None where it is not there. The top of Dropbox has none (blank),
        and is there once something is in it: an app's own folder that was deleted is empty.
        Misconfigured where it, or one that it would be in, is a file."""
        path = self._root.folder
        if not path:
            return "" if next(self._entries("", recursive=False, most=1), None) else None
        found = self._look(path, path)
        above = path
        while found is None and (above := above.rpartition("/")[0]):
            found = self._look(above, above)
        if found is not None and not isinstance(found, FolderMetadata):
            raise _no_folder(above)
        return None if found is None or above != path else str(found.id)

    def _look(self, full: str, path: str) -> Any:
        """Metadata of what is at ``full``, which people call ``path``; None if nothing is."""
        try:
            with speaking("a look at what is there"):
                return self._client.files_get_metadata(full)
        except ApiError as error:
            refused = _refused(error, path)
            if isinstance(refused, NotFound):
                return None
            raise refused from error

    def folder(self, path: str) -> Iterator[Any]:
        """Metadata of what is directly in a folder; nothing if it is not there."""
        return self._entries(self._root.full(path).rstrip("/"), recursive=False)

    def everything(self) -> Iterator[Receipt]:
        """All files, at any depth."""
        for entry in self._entries(self._root.folder, recursive=True):
            if isinstance(entry, FileMetadata):
                yield receipt(self._root.below(entry.path_display or entry.path_lower), entry)

    def content(self, path: str) -> Iterator[bytes]:
        """A file's bytes. Transient where they end early."""
        try:
            with speaking("a download"):
                _, response = self._client.files_download(self._root.full(path))
        except ApiError as error:
            raise _refused(error, path) from error
        try:
            yield from response.iter_content(_CHUNK)  # complains itself about a missing part
        except requests.RequestException as error:
            raise network_error(error, "Dropbox") from error
        finally:
            response.close()

    def _entries(self, path: str, *, recursive: bool, most: int = _PAGE) -> Iterator[Any]:
        patience = Patience(self._ended)

        def begin() -> Any:
            with speaking("a listing"):
                return self._client.files_list_folder(path, recursive=recursive, limit=most)

        def go_on(cursor: str) -> Any:
            with speaking("a listing"):
                return self._client.files_list_folder_continue(cursor)

        try:
            page = patience.call(begin)
            yield from page.entries
            while page.has_more:
                page = patience.call(partial(go_on, page.cursor))
                yield from page.entries
        except ApiError as error:
            refused = _refused(error, path)
            if not isinstance(refused, NotFound):
                raise refused from error


def _refused(error: ApiError, path: str) -> OutpourError:
    """Unions whose tag ``path`` holds a LookupError, and what else a listing may say."""
    tag = tag_of(error.error)
    if tag != "path":  # reset: the listing changed too much under way
        return Transient(f"Dropbox broke off with {path or '/'} ({tag})")
    if tag_of(error.error.get_path()) == "not_folder":
        return _no_folder(path)
    return path_refused(error.error.get_path(), path)


def _no_folder(path: str) -> Misconfigured:
    return Misconfigured(
        f"{path} is a file in Dropbox, not a folder",
        hint="Choose another folder, or rename that file.",
    )
