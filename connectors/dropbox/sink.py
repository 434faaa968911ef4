"""Dropbox as a place where copies are kept."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

from connectors.abilities import Capacity, Prompter
from connectors.base import Body, Checkpoint, Put, Receipt, Traits, Transferred
from connectors.checksums import Algorithm
from connectors.dropbox.account import settle
from connectors.dropbox.auth import load_grant
from connectors.dropbox.client import Client
from connectors.dropbox.commit import ENTRIES, Committer
from connectors.dropbox.files import Files
from connectors.dropbox.folders import Folders
from connectors.dropbox.large import PART, LargeFiles
from connectors.dropbox.reading import Budget
from connectors.dropbox.receipts import Root, outdated, same
from connectors.dropbox.sessions import BATCH_ENTRIES, Sessions
from connectors.dropbox.settings import DropboxSettings
from connectors.dropbox.small import BATCH_BYTES, SmallFiles
from connectors.dropbox.space import capacity
from connectors.dropbox.ticket import Ticket
from connectors.errors import Fatal, OutpourError

_TRANSFERS = 16
_IN_FLIGHT = 64 * 1024 * 1024  # bytes of request bodies in memory

Answer = Transferred | OutpourError


class DropboxSink:
    """Sink with BatchTransfers, HasCapacity, Inventory, ReadBack, Situated, Interruptible,
    HasMedium and Reconnects.

    Bytes go into upload sessions, which nobody sees; ``commit`` makes files of them. A token
    names a session and what it holds. Sessions nobody commits vanish after seven days.
    """

    traits = Traits(
        algorithm=Algorithm.DROPBOX,
        commit_batch=ENTRIES,
        transfers=_TRANSFERS,
        batch_files=BATCH_ENTRIES,
        batch_bytes=BATCH_BYTES,
        batch_below=1024 * 1024,
        replaces=True,
    )

    def __init__(self, name: str, settings: DropboxSettings) -> None:
        self.name = name
        self._settings = settings
        self._workers = ThreadPoolExecutor(_TRANSFERS, thread_name_prefix=f"{name}-part")
        self._made: _SignedIn | None = None
        self._whose = ""
        self._lock = threading.Lock()
        self._ended = threading.Event()

    def __repr__(self) -> str:
        return f"DropboxSink({self.name!r}, folder={self._settings.folder!r})"

    # --- Sink ----------------------------------------------------------------------------

    def stat(self, path: str) -> Receipt | None:
        return self._dropbox.files.stat(path)

    def transfer(self, put: Put, body: Body, token: str | None, keep: Checkpoint) -> Transferred:
        dropbox, ticket = self._dropbox, Ticket.read(token, put)
        body.check(put)
        there = dropbox.already(put, ticket)
        if there is not None:
            return there
        if put.size <= PART:
            return dropbox.small.one(put, body)
        return dropbox.large.send(put, body, ticket, keep)

    def transfer_many(self, items: Sequence[tuple[Put, Body, str | None]]) -> list[Answer]:
        dropbox = self._dropbox
        dropbox.folders.look(put.path for put, _, _ in items)
        answers = list(self._workers.map(dropbox.known, items))
        waiting = [place for place, answer in enumerate(answers) if answer is None]
        sent = dropbox.small.many([items[place][:2] for place in waiting])
        for place, answer in zip(waiting, sent, strict=True):
            answers[place] = answer
        return [answer for answer in answers if answer is not None]

    def commit(self, items: Sequence[Transferred]) -> list[Receipt | OutpourError]:
        dropbox = self._dropbox
        answers = dropbox.committer.commit(items)
        for answer in answers:
            if isinstance(answer, Receipt):
                dropbox.folders.added(answer.path)
        return answers

    def close(self) -> None:
        self._workers.shutdown()
        if self._made is not None:
            self._made.client.close()

    # --- optional abilities --------------------------------------------------------------

    def capacity(self) -> Capacity:
        """Of the account: everything in it counts, not only what is below the folder."""
        return capacity(self._dropbox.client)

    def inventory(self) -> Iterator[Receipt]:
        return self._dropbox.files.everything()

    def interrupt(self) -> None:
        self._ended.set()

    def read(self, receipt: Receipt) -> Iterator[bytes]:
        return self._dropbox.files.content(receipt.path)

    def whereabouts(self) -> str:
        """The account or the team's space, the app and the folder, whose id tells another one of
        that name."""
        grant, top = load_grant(self._settings), self._dropbox.files.top()
        if top is None:
            return ""
        place = f"{self._dropbox.whose} {grant.app_key} {self._settings.folder}"
        return f"{place} {top}" if top else place

    def medium(self) -> str:
        """The account; an earlier version did not keep which one it was. Whom a team's sign-in
        acts for, and in which space, is not kept."""
        account = load_grant(self._settings).account
        return f"dropbox:{account}" if account and not self._settings.team_space else ""

    def reconnect(self, prompter: Prompter) -> None:
        from connectors.dropbox.signin import sign_in

        sign_in(self._settings, prompter, again=True)
        with self._lock:
            old, self._made = self._made, None
        if old is not None:
            old.client.close()  # what is idle: a request in flight ends first

    @property
    def _dropbox(self) -> _SignedIn:
        """Made when first needed: whoever only names a sink need not be signed in."""
        if self._made is None:
            with self._lock:
                if self._made is None:
                    self._made = self._signed_in()
        return self._made

    def _signed_in(self) -> _SignedIn:
        """Of the same account or space as before: addresses and spaces are given to others."""
        made = _SignedIn(self._settings, self._workers, self._ended)
        if self._whose and made.whose != self._whose:
            made.client.close()
            raise Fatal(
                "the sign-in to Dropbox opens another place than when the run began",
                hint="Run again: then what has a copy is looked for there.",
            )
        self._whose = made.whose
        return made


class _SignedIn:
    """Everything that belongs to one sign-in; ``whose`` names the account or the space.

    Raises SessionExpired where there is none, and what ``settle`` raises.
    """

    def __init__(
        self, settings: DropboxSettings, workers: ThreadPoolExecutor, ended: threading.Event
    ) -> None:
        root, budget = Root(settings.folder), Budget(_IN_FLIGHT)
        grant = load_grant(settings)
        self.client = Client(settings, grant, _TRANSFERS * 2)
        try:
            self.whose = settle(self.client, settings, grant)
        except BaseException:
            self.client.close()
            raise
        sessions = Sessions(self.client)
        self.files = Files(self.client, root, ended)
        self.folders = Folders(self.files.folder, workers)
        self.small = SmallFiles(sessions, budget, workers)
        self.large = LargeFiles(sessions, budget, workers)
        self.committer = Committer(self.client, root, self.files, workers)

    def already(self, put: Put, ticket: Ticket | None) -> Transferred | None:
        """What need not be sent: a complete session of ours, or the same content at the path.

        Raises PathConflict where other content is there.
        """
        if ticket is not None and ticket.closed:
            return Transferred(put, ticket.written())
        held = self.files.stat(put.path) if self.folders.perhaps(put.path) else None
        if held is None or outdated(held, put):
            return None
        return Transferred(put, "", same(held, put))

    def known(self, item: tuple[Put, Body, str | None]) -> Answer | None:
        """``already`` for one of many: the answer it has, None if it is to be sent."""
        put, body, token = item
        try:
            body.check(put)
            return self.already(put, Ticket.read(token, put))
        except OutpourError as error:
            return error
