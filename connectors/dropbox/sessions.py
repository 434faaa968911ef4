"""Upload sessions as Dropbox offers them: bytes go in, nothing is visible yet.

A session lives seven days. There is no way to ask for its state: an append with a wrong
offset is answered with the right one. Sources: docstrings and validators of the SDK's
upload_session routes (150 MiB per request, 1,000 sessions in one start_batch, 500 entries in
one append_batch, 4 MiB multiples in concurrent sessions).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from dropbox.exceptions import ApiError
from dropbox.files import (
    UploadSessionAppendBatchArgEntry,
    UploadSessionCursor,
    UploadSessionType,
)

from connectors.dropbox.client import Client, speaking
from connectors.dropbox.errors import NoRoute, SessionGone, tag_of
from connectors.dropbox.reading import check
from connectors.errors import ItemError, OutpourError, Transient

BATCH_ENTRIES = 500  # of one append_batch, by the SDK's validator
BATCH_SESSIONS = 1000  # of one start_batch


class WrongOffset(OutpourError):
    """Dropbox has another number of bytes, ``correct``, and is believed."""

    def __init__(self, correct: int) -> None:
        super().__init__(f"Dropbox has {correct} bytes of the file")
        self.correct = correct


class PartRefused(ItemError):
    """A part of a concurrent session, for where it lies."""


class AlreadyClosed(OutpourError):
    """The session takes no more bytes: an earlier answer got lost."""


class Sessions:
    """Thread-safe. Hashes are Dropbox content hashes of the bytes in that one request."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def start(self, data: bytes, content_hash: str | None, *, close: bool) -> str:
        """A new sequential session with its first bytes, or all of them; its id."""
        return self._started(data, close, None, content_hash)

    def start_concurrent(self) -> str:
        """A new session whose parts may come in any order."""
        return self._started(b"", False, UploadSessionType.concurrent, None)

    def start_many(self, count: int) -> list[str]:
        """Ids of ``count`` empty sequential sessions. NoRoute where the service has no such."""
        try:
            with speaking("starting uploads", optional=True):
                found = self._client.files_upload_session_start_batch(count)
        except ApiError as error:
            raise NoRoute("Dropbox starts no batch of uploads") from error
        return [str(session) for session in found.session_ids]

    def append(
        self, session: str, offset: int, data: bytes, content_hash: str, *, close: bool
    ) -> None:
        """Add bytes. Raises SessionGone, WrongOffset, AlreadyClosed, ItemError (PartRefused),
        Transient."""
        cursor = UploadSessionCursor(session, offset)
        with _sending(data, content_hash):
            self._client.files_upload_session_append_v2(data, cursor, close, content_hash)

    def append_many(
        self, sessions: Sequence[str], lengths: Sequence[int], data: bytes, content_hash: str
    ) -> list[OutpourError | None]:
        """Fill and close fresh sessions from one body; for each what went wrong, if anything.

        Raises NoRoute where the service does not take it, or not so many.
        """
        entries = [
            UploadSessionAppendBatchArgEntry(UploadSessionCursor(session, 0), length, True)
            for session, length in zip(sessions, lengths, strict=True)
        ]
        try:
            with speaking("an upload", optional=True):
                found = self._client.files_upload_session_append_batch(data, entries, content_hash)
        except ApiError as error:
            if tag_of(error.error) == "payload_too_large":
                raise NoRoute("Dropbox takes no body of that size") from error
            raise Transient(f"Dropbox refused an upload ({tag_of(error.error)})") from error
        if len(found.entries) != len(entries):
            raise Transient("Dropbox answered for another number of files than were sent")
        return [None if e.is_success() else _append_refused(e.get_failure()) for e in found.entries]

    def _started(self, data: bytes, close: bool, kind: Any, content_hash: str | None) -> str:
        with _sending(data, content_hash):
            found = self._client.files_upload_session_start(data, close, kind, content_hash)
        return str(found.session_id)


@contextmanager
def _sending(data: bytes, content_hash: str | None) -> Iterator[None]:
    """A request with bytes of one file. ItemError where they are not those of the hash: to send
    them again would not help, as it does where they were damaged on their way."""
    try:
        with speaking("an upload"):
            yield
    except ApiError as error:
        if content_hash is not None and tag_of(error.error) == "content_hash_mismatch":
            check(data, content_hash)
        raise _append_refused(error.error) from error


def _append_refused(error: Any) -> OutpourError:
    """A union of what start, append_v2 and an entry of append_batch may answer."""
    tag = tag_of(error)
    if tag == "incorrect_offset":
        return WrongOffset(int(error.get_incorrect_offset().correct_offset))
    if tag == "closed":
        return AlreadyClosed("the upload is closed already")
    if tag == "not_found":
        return SessionGone("the upload session has expired")
    if tag == "too_large":
        return ItemError("the file is larger than Dropbox takes")
    if tag == "payload_too_large":
        return NoRoute("Dropbox takes no body of that size")
    if tag == "concurrent_session_invalid_offset":
        return PartRefused(f"Dropbox refused a part of the file ({tag})")
    if tag.startswith("concurrent_session"):
        return SessionGone(f"Dropbox refuses a part of it ({tag})")
    return Transient(f"Dropbox refused an upload ({tag})")
