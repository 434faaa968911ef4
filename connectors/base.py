"""The contract between a place and the engine.

A connector is a translation and nothing else: retry, pacing, staging, quota policy and
state live in the pipeline. All calls are blocking and may come from many threads at once;
a connector serialises what its SDK cannot share. Errors are those of ``connectors.errors``.

``Source`` and ``Sink`` are what every place offers. What only some can do stands in
``connectors.abilities``.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Protocol, runtime_checkable

from connectors.checksums import Algorithm, Checksum, Digests
from connectors.errors import OutpourError, Unreadable

PIECE = 256 * 1024
"""Bytes of a file that are in memory at a time, where a sink can send it as it is read."""

# --- what is moved -----------------------------------------------------------------------


class Role(StrEnum):
    """What a file is to its asset."""

    ORIGINAL = "original"
    LIVE_VIDEO = "live_video"
    EDITED = "edited"
    EDITED_VIDEO = "edited_video"
    EDITED_LIVE_VIDEO = "edited_live_video"
    RAW = "raw"
    SIDECAR = "sidecar"  # the source's own: an AAE, or an XMP that a person keeps
    METADATA = "metadata"  # an XMP the engine makes of ``Metadata``; no source lists it


class Kind(StrEnum):
    PHOTO = "photo"
    VIDEO = "video"
    LIVE = "live"


@dataclass(frozen=True, slots=True)
class Resource:
    """One file of an asset.

    ``id`` is unique within its asset and stable over listings. ``handle`` is all the source
    needs, beside the ids, to open it in another process; it is kept in the ledger and holds
    no secret. ``size`` is in bytes, None where the source does not say. ``local`` is False
    where the source knows the resource but cannot give its bytes (a photo a phone has
    optimised away); ``instead`` then says in a few words what it has in their place, if anything.
    Words are no part of what a resource looks like: see ``Asset`` on revisions. ``revisions``
    are for a file whose state is known by itself, or that several places have: while one of
    them stays, so do its bytes. Without any, the asset's revision tells.
    """

    id: str
    role: Role
    filename: str
    size: int | None
    checksum: Checksum | None = None
    media_type: str | None = None
    handle: str = ""
    local: bool = True
    instead: str = field(default="", repr=False)
    revisions: tuple[str, ...] = field(default=(), repr=False)


@dataclass(frozen=True, slots=True)
class Location:
    """WGS 84 degrees; altitude in metres."""

    latitude: float
    longitude: float
    altitude: float | None = None


@dataclass(frozen=True, slots=True)
class Metadata:
    """What a source knows of an asset beside its bytes, and people would miss: None, False or empty
    where it does not know. Dates are timezone-aware."""

    title: str | None = None
    caption: str | None = None
    keywords: tuple[str, ...] = ()
    favorite: bool = False
    hidden: bool = False
    location: Location | None = None
    utc_offset: int | None = None  # seconds east of UTC at the place of capture
    added: datetime | None = None
    burst: str | None = None


@dataclass(frozen=True, slots=True)
class Asset:
    """One photo or video as its owner sees it.

    ``id`` is stable over listings and unique at its source. ``created`` is the capture time,
    timezone-aware. ``revision`` changes whenever the source changes the asset. What lies in a
    source's own bin is listed only where that was asked for. ``library`` names one that is shared
    with others; empty for a person's own.

    ``aliases`` are ids that the asset is listed under while its source sees its files and cannot
    tell more; its ``id`` is one of them then. Of a source that gives any, a handle says where a
    file lies, and two files that are there at a time have different ones. They are no part of
    what an asset looks like: a revision made of its ``repr`` does not change with them.
    """

    id: str
    kind: Kind
    created: datetime | None
    resources: tuple[Resource, ...]
    metadata: Metadata = field(default_factory=Metadata)
    revision: str | None = None
    library: str = ""
    aliases: tuple[str, ...] = field(default=(), repr=False)


@dataclass(frozen=True, slots=True)
class Problem:
    """An item of a listing that could not be read. ``id`` is the best name it has."""

    id: str
    reason: str


@dataclass(frozen=True, slots=True)
class Page:
    """A part of a listing, in the source's own order.

    ``gone`` are ids that left the source (deleted, trashed). ``expected`` is the source's own
    count of assets in the whole listing, where it tells; before the last page rather too few.
    ``cursor``, on the last page only, is what to give to ``pages`` next time; None where the source
    has no change token, or only another listing of everything can tell what this one missed.
    ``full`` says that this listing names everything, so what it does not name is gone.
    ``albums_changed`` says that albums or their members did. A source need not say it where an
    asset was hidden, shown again or brought back, though its albums list other members then:
    the engine reads them anew when it sees that in the assets themselves.
    ``ignored`` counts what is there and is neither photo nor video, by the ending of its name
    (``.pdf``; blank for none).
    ``notices`` tell, in a sentence each, what else a person should know of the library: what these
    settings leave out, or that its own numbers disagree. ``doing`` says what takes its time before
    the next page, where that may be long.
    """

    assets: tuple[Asset, ...] = ()
    gone: tuple[str, ...] = ()
    problems: tuple[Problem, ...] = ()
    expected: int | None = None
    cursor: str | None = None
    full: bool = True
    albums_changed: bool = True
    ignored: Mapping[str, int] = field(default_factory=dict)
    notices: tuple[str, ...] = ()
    doing: str = ""


class Stream(Protocol):
    """The bytes of one resource from ``offset`` on, in chunks of at most a few MiB.

    ``offset`` is where the bytes really start: what was asked for, or 0 where the source
    could not start there. ``total`` is the size of the whole resource, None if not told.
    Iterating raises Transient when the connection fails or ends early. ``close`` may be
    called twice and from any thread.
    """

    offset: int
    total: int | None

    def __iter__(self) -> Iterator[bytes]: ...
    def close(self) -> None: ...


@runtime_checkable
class Source(Protocol):
    """Where assets come from."""

    name: str

    def pages(self, since: str | None = None) -> Iterator[Page]:
        """List the source: everything, or what changed after the cursor ``since``.

        At least one page comes. Nothing is held whole in memory; the caller may stop early.
        An item that cannot be read becomes a Problem and stops nothing. Raises CursorLost
        when ``since`` is no longer honoured or what changed cannot be told (the caller lists
        everything), SessionExpired, Transient (the caller starts the listing again), Fatal.
        """
        ...

    def open(self, asset_id: str, resource: Resource, offset: int = 0) -> Stream:
        """Open one resource. Addresses that expire are renewed inside.

        Raises NotFound, Unreadable, Transient, SessionExpired.
        """
        ...

    def close(self) -> None:
        """Release connections. May be called twice."""
        ...


# --- what is kept ------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Put:
    """One file for a sink. ``path`` is relative, POSIX, NFC, valid on every system.

    ``properties`` (short strings) go where the sink can keep them, so that a lost ledger can
    be rebuilt. ``modified`` is the capture time and timezone-aware. ``replaces`` are SHA-256
    sums of earlier content of the engine's own making: a sink whose traits say ``replaces``
    puts this file in the place of any of them, and of nothing else.
    """

    path: str
    digests: Digests
    modified: datetime | None = None
    media_type: str | None = None
    description: str | None = None
    properties: Mapping[str, str] = field(default_factory=dict)
    replaces: frozenset[str] = frozenset()

    @property
    def size(self) -> int:
        return self.digests.size


@dataclass(frozen=True, slots=True)
class Body:
    """A complete, verified file on local disk.

    It is unchanged while a sink reads it, save where the sink's receipts carry a checksum: such
    a sink may be given a person's own file, and finds out whether what arrived is the ``Put``.
    ``sole`` says that no other sink needs it, so that a sink on the same disk may take the
    file itself (link it) instead of copying its bytes. A sink on a network calls ``spend`` with the
    number of bytes that are about to leave; it waits where they may not yet, and what it raises
    is not for the sink.
    """

    path: Path
    size: int
    sole: bool = False
    spend: Callable[[int], None] = lambda _: None

    def check(self, put: Put) -> None:
        """Refuse a file that is not what it should be, before any of it is sent: Unreadable."""
        with self._readable(), self.path.open("rb", buffering=0) as file:
            file.read(1)  # a disk that is failing may know its names still
            size = os.fstat(file.fileno()).st_size
        if not size == self.size == put.size:
            raise Unreadable(f"{put.path}: the file is not {put.size} bytes long")

    def pieces(self, start: int, end: int) -> Iterator[bytes]:
        """A part of the file, to be sent in pieces of at most ``PIECE`` bytes, which are spent as
        they go. Unreadable if the file is shorter than it was, or its disk fails."""
        with self._readable():
            file = self.path.open("rb", buffering=0)
        with file:
            file.seek(start)
            while start < end:
                with self._readable():
                    data = file.read(min(PIECE, end - start))
                if not data:
                    raise Unreadable(f"the file {self.path.name} is shorter than it was")
                start += len(data)
                self.spend(len(data))
                yield data

    @contextlib.contextmanager
    def _readable(self) -> Iterator[None]:
        """What goes wrong here is no fault of the network, and none of the sink."""
        try:
            yield
        except OSError as error:
            name, why = self.path.name, error.strerror
            raise Unreadable(f"the file {name} cannot be read: {why}") from error


@dataclass(frozen=True, slots=True)
class Receipt:
    """What a sink says it holds; never what we think we sent.

    ``id`` is the sink's own name for it, where it has one. ``checksums`` are the sink's own.
    """

    path: str
    size: int
    checksums: tuple[Checksum, ...] = ()
    id: str | None = None
    modified: datetime | None = None
    properties: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Transferred:
    """Bytes the sink has, not yet visible under their path.

    ``token`` is enough to commit them in another process. ``receipt`` is set where the
    transfer made them visible already (one-request uploads, content that was there before):
    commit then only passes it on.
    """

    put: Put
    token: str
    receipt: Receipt | None = None


@dataclass(frozen=True, slots=True)
class Traits:
    """What the engine must know of a sink, as data.

    ``algorithm`` is the checksum its receipts carry, None where they carry none without a
    read-back. ``commit_batch`` is the most entries one commit takes. ``transfers`` is the
    most parallel transfers that make sense. The ``batch_`` numbers are for sinks that are
    ``BatchTransfers``: the most files and bytes that one batch takes, and the size in bytes
    up to which a file gains from going in company. ``sidecars`` says that people open the
    files where they lie, with programs that look for a sidecar beside each. ``replaces`` says
    that the sink honours ``Put.replaces``: at every moment the path shows the old file or the
    new one, whole, and content that is neither stays and is a PathConflict. ``refuses`` are
    roles of files that the place cannot keep at all: they do not go there. ``links`` says that
    the sink may take a staged file itself (see ``Body.sole``) and asks the medium for it.
    ``local`` says that it is a place of this computer, which is asked without a network and
    is missing as a whole where its disk is not connected.
    """

    algorithm: Algorithm | None = None
    commit_batch: int = 1
    transfers: int = 8
    batch_files: int = 1
    batch_bytes: int = 0
    batch_below: int = 0
    sidecars: bool = False
    replaces: bool = False
    refuses: frozenset[Role] = frozenset()
    links: bool = False
    local: bool = False


class Checkpoint(Protocol):
    """Makes a token durable: when it returns, the token survives a crash."""

    def __call__(self, token: str, held: int = 0, /) -> None:
        """``held`` are the bytes of the file that the place says it has: how a transfer that
        fails in the end is known to have got further. The same token may be given again."""
        ...


@runtime_checkable
class Sink(Protocol):
    """Where copies are kept."""

    name: str
    traits: Traits

    def stat(self, path: str) -> Receipt | None:
        """What is visible at ``path``; None if nothing is. Raises Transient, SessionExpired;
        ItemError where something is that cannot be looked at."""
        ...

    def transfer(self, put: Put, body: Body, token: str | None, keep: Checkpoint) -> Transferred:
        """Bring the bytes to the sink; resumes where ``token`` (from ``keep``) says.

        An unknown or expired token starts afresh and is no error. Until commit, nothing is
        visible under the path (or the right content is already). Content that is already
        there at the path is not sent again. Raises PathConflict when the path holds other
        content, CapacityExceeded (nothing is left behind), Transient, Throttled,
        SessionExpired, ItemError.
        """
        ...

    def commit(self, items: Sequence[Transferred]) -> list[Receipt | OutpourError]:
        """Make the items visible, at most ``traits.commit_batch`` of them.

        One answer for each item, in order: a receipt, or the error of that item alone. Safe
        to repeat after a crash. Raises only what concerns the whole batch.
        """
        ...

    def close(self) -> None:
        """Release connections. May be called twice."""
        ...
