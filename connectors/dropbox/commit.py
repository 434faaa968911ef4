"""Making uploads visible: up to 1,000 at once, one batch after another.

Dropbox locks an account's writes, so batches side by side would only meet
``too_many_write_operations``. Commits add, or replace exactly the revision that holds earlier
content of ours; identical content at the path counts as success: repeating one is harmless.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Sequence
from concurrent.futures import Executor
from typing import Any

from dropbox.exceptions import ApiError
from dropbox.files import CommitInfo, UploadSessionCursor, UploadSessionFinishArg, WriteMode

from connectors.base import Put, Receipt, Transferred
from connectors.dropbox.client import Client, speaking
from connectors.dropbox.errors import NoRoute, entry_refused, tag_of
from connectors.dropbox.files import Files
from connectors.dropbox.receipts import Root, outdated, receipt, same, written
from connectors.dropbox.ticket import Ticket
from connectors.errors import ItemError, NotFound, OutpourError, PathConflict, Transient

ENTRIES = 1000  # of one finish_batch

Answer = Receipt | OutpourError
Entry = tuple[Put, Ticket]


class Committer:
    """Thread-safe; one request at a time."""

    def __init__(self, client: Client, root: Root, files: Files, workers: Executor) -> None:
        self._client = client
        self._root = root
        self._files = files
        self._workers = workers
        self._one_by_one = threading.Lock()

    def commit(self, items: Sequence[Transferred]) -> list[Answer]:
        """An answer for each item. Raises what concerns the whole batch."""
        answers: list[Answer | None] = [item.receipt for item in items]
        entries: list[Entry] = []
        places: list[int] = []
        for place, item in enumerate(items):
            if item.receipt is not None:
                continue
            ticket = Ticket.read(item.token, item.put)
            if ticket is None or not ticket.closed:
                answers[place] = NotFound(f"the bytes of {item.put.path} are not at Dropbox")
                continue
            entries.append((item.put, ticket))
            places.append(place)
        found = self._workers.map(self._read, entries, self._finish(entries))
        for place, answer in zip(places, found, strict=True):
            answers[place] = answer
        return [answer for answer in answers if answer is not None]

    def _finish(self, entries: Sequence[Entry]) -> list[Any]:
        """Dropbox's result for each entry, or why it would not even look at it."""
        if not entries:
            return []
        try:
            return self._request(entries)
        except NoRoute as error:
            if len(entries) == 1:
                return [error]
        # One entry that is malformed in its eyes, or too many: the others must not suffer.
        half = len(entries) // 2
        return self._finish(entries[:half]) + self._finish(entries[half:])

    def _request(self, entries: Sequence[Entry]) -> list[Any]:
        arguments = list(self._workers.map(self._argument, entries))
        with self._one_by_one:
            try:
                with speaking("a commit"):
                    found = self._client.files_upload_session_finish_batch_v2(arguments)
            except ApiError as error:
                raise Transient("Dropbox refused a commit") from error
        if len(found.entries) != len(entries):
            raise Transient("Dropbox answered for another number of files than were sent")
        return list(found.entries)

    def _argument(self, entry: Entry) -> UploadSessionFinishArg:
        put, ticket = entry
        info = CommitInfo(
            path=self._root.full(put.path),
            mode=self._mode(put),
            autorename=False,
            client_modified=written(put.modified),
            mute=True,
            strict_conflict=False,
        )
        return UploadSessionFinishArg(UploadSessionCursor(ticket.session, put.size), info)

    def _mode(self, put: Put) -> WriteMode:
        held = None
        with contextlib.suppress(ItemError):  # a path it refuses: said of this entry alone, later
            held = self._files.held(put.path) if put.replaces else None
        if held is None or not outdated(held.receipt, put):
            return WriteMode.add
        return WriteMode.update(held.revision)  # what is edited meanwhile is another revision

    def _read(self, entry: Entry, result: Any) -> Answer:
        put, _ = entry
        try:
            if isinstance(result, OutpourError):
                return result
            if result.is_success():
                return self._made(put, result.get_success())
            error = entry_refused(result.get_failure(), put.path)
            return self._there(put, error) if isinstance(error, PathConflict | NotFound) else error
        except OutpourError as error:
            return error

    def _there(self, put: Put, error: OutpourError) -> Answer:
        """What is to be said of a file in the way, or of a session that is no more: perhaps
        this very commit was done before, and its answer got lost."""
        held = self._files.stat(put.path)
        if held is None:
            return error
        if not outdated(held, put):
            return same(held, put)
        if isinstance(error, PathConflict):  # a revision that came after ``_mode`` had looked
            return Transient(f"{put.path} was changed in Dropbox meanwhile")
        return error

    def _made(self, put: Put, metadata: Any) -> Answer:
        held = receipt(put.path, metadata)
        try:
            return same(held, put)
        except PathConflict:
            self._undo(metadata)
            return Transient(f"{put.path}: Dropbox kept other bytes than were sent")

    def _undo(self, metadata: Any) -> None:
        """Nothing wrong may stay visible: delete exactly the revision just made."""
        try:
            with speaking("an undo"):
                self._client.files_delete_v2(metadata.path_lower, parent_rev=metadata.rev)
        except ApiError as error:
            if tag_of(error.error) != "path_lookup":
                raise Transient("Dropbox kept wrong bytes and does not let go of them") from error
