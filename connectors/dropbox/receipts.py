"""Dropbox's file metadata as receipts, and paths both ways."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from typing import Any
from unicodedata import normalize

from connectors.base import Put, Receipt
from connectors.checksums import DROPBOX_BLOCK, Algorithm, Checksum
from connectors.errors import PathConflict

_FIRST_YEAR = 1000
_EMPTY = hashlib.sha256().hexdigest()


class Root:
    """The folder that copies are kept in; blank for the top."""

    def __init__(self, folder: str) -> None:
        self.folder = folder
        self._depth = folder.count("/")

    def full(self, path: str) -> str:
        """A path below the root as Dropbox wants it."""
        return f"{self.folder}/{path}"

    def below(self, display: str) -> str:
        """A path of Dropbox's, seen from the root. Cut by its parts: Dropbox may write the
        root in another case, and case changes lengths."""
        return normalize("NFC", display).split("/", self._depth + 1)[-1]


def receipt(path: str, metadata: Any) -> Receipt:
    """What a files.FileMetadata says of the file at ``path``."""
    checksums: tuple[Checksum, ...] = ()
    if metadata.content_hash is not None:
        checksums = (Checksum(Algorithm.DROPBOX, str(metadata.content_hash)),)
    return Receipt(
        path,
        int(metadata.size),
        checksums,
        id=str(metadata.id),
        modified=metadata.client_modified.replace(tzinfo=UTC),
    )


def same(held: Receipt, put: Put) -> Receipt:
    """The receipt of content that is there already; PathConflict if it is other content."""
    wanted = Checksum(Algorithm.DROPBOX, put.digests[Algorithm.DROPBOX])
    if held.size != put.size or wanted not in held.checksums:
        raise PathConflict(f"{put.path} holds other content in Dropbox")
    return held


def outdated(held: Receipt, put: Put) -> bool:
    """Whether what is held is earlier content that ``put`` may take the place of.

    Only files of one block can be told by their SHA-256; sidecars are.
    """
    if held.size > DROPBOX_BLOCK:
        return False
    ours = {Checksum(Algorithm.DROPBOX, _of_one_block(sha256)) for sha256 in put.replaces}
    wanted = Checksum(Algorithm.DROPBOX, put.digests[Algorithm.DROPBOX])
    return not ours.isdisjoint(held.checksums) and wanted not in held.checksums


def _of_one_block(sha256: str) -> str:
    """The content hash of a file of at most one block; an empty one has none."""
    block = b"" if sha256 == _EMPTY else bytes.fromhex(sha256)
    return hashlib.sha256(block).hexdigest()


def written(moment: datetime | None) -> datetime | None:
    """A time as Dropbox takes it: UTC without a zone, whole seconds. None for a year before
    1000, which the SDK writes with fewer digits than Dropbox wants: better than no photo."""
    if moment is None or (utc := moment.astimezone(UTC)).year < _FIRST_YEAR:
        return None
    return utc.replace(tzinfo=None, microsecond=0)
