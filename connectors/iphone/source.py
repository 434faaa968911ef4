"""The iPhone as a source: its photo library over a cable."""

from __future__ import annotations

import json
import threading
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import replace

from pydantic import Field

from connectors.abilities import Album, Capacity, Prompter
from connectors.base import Page, Problem, Resource, Stream
from connectors.errors import CursorLost, Misconfigured, NotFound, Unreadable
from connectors.iphone.copying import Copy, State, state
from connectors.iphone.device import Files, Stat
from connectors.iphone.errors import Denied, Missing
from connectors.iphone.link import Link
from connectors.iphone.listing import Listing
from connectors.iphone.reading import SMALL, Whole, fetch, open_file, understood
from connectors.iphone.schema import UnknownLibrary
from connectors.registry import Settings

_REMEMBERED = 1000  # interrupted files whose state is known


class IPhoneSettings(Settings):
    """An iPhone on a cable."""

    device: str | None = Field(
        default=None, description="UDID of the phone; needed when several are plugged in"
    )
    wait: float = Field(
        default=120,
        ge=0,
        le=3000,  # below what the engine waits for any place
        description="seconds to wait for a phone that was unplugged or locked",
    )
    trashed: bool = Field(default=False, description="also take what is in Recently Deleted")
    connections: int = Field(default=4, ge=1, le=16, description="connections to the phone")


class IPhoneSource:
    """Thread-safe. Connects when first asked for something."""

    def __init__(self, name: str, settings: IPhoneSettings) -> None:
        self.name = name
        self._settings = settings
        self._link = Link(settings.device, settings.wait, settings.connections)
        self._copy: Copy | None = None
        self._opened: OrderedDict[str, Stat] = OrderedDict()
        self._lock = threading.Lock()
        self._copying = threading.Lock()

    def pages(self, since: str | None = None) -> Iterator[Page]:
        """Everything, or one empty page when the phone's library is as it was at ``since``."""
        known = self._cursor(since)
        now = state(self._link)
        if known is not None and known == (self._link.present.udid, now, self._settings.trashed):
            yield Page(cursor=since, full=False, albums_changed=False)
            return
        yield from self._list()

    def open(self, asset_id: str, resource: Resource, offset: int = 0) -> Stream:
        path, size = resource.handle, resource.size
        if not resource.local or not path:
            raise NotFound(
                f"{resource.filename} of {asset_id} is in iCloud only, the phone does not have it",
                hint="Take it from iCloud, or turn off Optimize iPhone Storage and wait.",
            )
        if offset == 0 and size is not None and size < SMALL:
            return self._small(path, size)
        stream = open_file(self._link, path)
        try:
            if offset and self._same(path, stream.before, resource):
                stream.seek(offset)
        except BaseException:
            stream.close()
            raise
        self._remember(path, stream.before)
        return stream

    def close(self) -> None:
        self._link.close()
        with self._lock:
            if self._copy is not None:
                self._copy.close()
                self._copy = None

    def albums(self) -> Iterator[Album]:
        copy = self._library()
        return iter(()) if copy is None else copy.library.albums()

    def members(self, album: Album) -> Iterator[str]:
        copy = self._library()
        return iter(()) if copy is None else copy.library.members(album)

    def capacity(self) -> Capacity:
        try:
            total, free = self._link.call(lambda files: files.capacity())
        except Denied as denied:
            raise Unreadable(str(denied)) from denied
        return Capacity(total - free, total, free)

    def whereabouts(self) -> str:
        return self._link.present.udid

    def recognise(self, before: str) -> None:
        now = self.whereabouts()
        if self._settings.device is None and now != before:
            raise Misconfigured(
                f"another iPhone is plugged in ({now}) than last time ({before})",
                hint="Plug in the first one; or go on with this one for good, as "
                f"device: {now}, in the pipeline file.",
            )

    def reconnect(self, prompter: Prompter) -> None:
        self._link.reconnect(prompter)

    # --- listing -------------------------------------------------------------------------

    def _list(self) -> Iterator[Page]:
        try:
            copy = self._fresh()
        except UnknownLibrary as unknown:
            yield from self._walk(unknown)
            return
        pages = Listing(self._link, copy.library, trashed=self._settings.trashed).pages()
        page = next(pages)
        for following in pages:
            yield page
            page = following
        yield replace(page, cursor=self._new_cursor(copy.state))

    def _walk(self, unknown: UnknownLibrary) -> Iterator[Page]:
        """What lies there. That neither speaks of what is only in iCloud, nor of albums."""
        trouble: tuple[Problem, ...] = (_walks(unknown),)
        for page in Listing(self._link, None, trashed=self._settings.trashed).pages():
            problems, trouble = trouble + page.problems, ()
            yield replace(page, problems=problems, full=False, albums_changed=False)

    def _fresh(self) -> Copy:
        copy = Copy.take(self._link)
        with self._lock:
            before, self._copy = self._copy, copy
        if before is not None:
            before.close()
        return copy

    def _library(self) -> Copy | None:
        """The copy at hand; None where there is no library to be had."""
        with self._copying:  # one copy for all who ask at once
            if self._copy is None:
                try:
                    return self._fresh()
                except UnknownLibrary:
                    return None
            return self._copy

    def _new_cursor(self, taken: State) -> str:
        return json.dumps([1, self._link.present.udid, taken, self._settings.trashed])

    def _cursor(self, since: str | None) -> tuple[str, State, bool] | None:
        """(udid, state of the library, whether with trashed); None for no cursor. Raises
        CursorLost."""
        if since is None:
            return None
        try:
            version, udid, taken, trashed = json.loads(since)
        except ValueError:
            version = None
        if version != 1:
            raise CursorLost("this cursor is of no phone")
        return udid, tuple(tuple(mark) if mark else None for mark in taken), trashed

    # --- reading -------------------------------------------------------------------------

    def _small(self, path: str, size: int) -> Stream:
        phone = self._link.phone()

        async def whole(files: Files) -> bytes:
            return await fetch(files, path, size)

        try:
            return Whole(self._link.call(whole))
        except (Missing, Denied) as error:
            raise understood(self._link, phone, path, error) from error

    def _same(self, path: str, now: Stat, resource: Resource) -> bool:
        """Whether the beginning that is there already is of the file as it is now."""
        with self._lock:
            before = self._opened.get(path)
        if before is not None:
            return (before.size, before.modified) == (now.size, now.modified)
        # Begun by another process: only a checksum would tell a mixture of two versions.
        return resource.checksum is not None and resource.checksum.verifiable

    def _remember(self, path: str, stat: Stat) -> None:
        with self._lock:
            self._opened[path] = stat
            self._opened.move_to_end(path)
            if len(self._opened) > _REMEMBERED:
                self._opened.popitem(last=False)


def _walks(unknown: UnknownLibrary) -> Problem:
    return Problem(
        "Photos.sqlite",
        f"the phone's photo library cannot be read ({unknown}): files were listed as they lie "
        "there; which are favourites, hidden, deleted or in albums, where they were taken, and "
        "what is only in iCloud is not known",
    )
