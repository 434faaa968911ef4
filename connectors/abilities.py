"""What only some places can do: Protocols of one or two methods, asked for with ``isinstance``."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Protocol, runtime_checkable

from connectors.base import Body, Put, Receipt, Resource, Transferred
from connectors.errors import OutpourError


@dataclass(frozen=True, slots=True)
class Capacity:
    """Bytes. ``total`` and ``free`` are None where the place has no limit.

    ``by_kind`` is the place's own division of ``used``; ``full`` and ``nearly_full`` are its
    own words, not computed.
    """

    used: int
    total: int | None = None
    free: int | None = None
    by_kind: Mapping[str, int] = field(default_factory=dict)
    full: bool = False
    nearly_full: bool = False


@runtime_checkable
class HasCapacity(Protocol):
    def capacity(self) -> Capacity:
        """Read afresh on every call. Raises Transient, SessionExpired."""
        ...


@runtime_checkable
class Checks(Protocol):
    def check(self, *, writing: bool) -> None:
        """Raise Misconfigured if the place is not there or cannot be read, or with ``writing`` if
        nothing can be put there. Asked before anything else; changes nothing, does no network."""
        ...


@dataclass(frozen=True, slots=True)
class Album:
    """``path`` names the folders above it, outermost first, its own title last."""

    id: str
    path: tuple[str, ...]


@runtime_checkable
class HasAlbums(Protocol):
    def albums(self) -> Iterator[Album]:
        """All albums, each once; an id is stable over listings. Raises Transient, SessionExpired;
        ItemError or Fatal where the place refuses to tell them."""
        ...

    def members(self, album: Album) -> Iterator[str]:
        """Asset ids of one album, each once, in the place's own order. Raises as ``albums``, of
        this album alone."""
        ...


@runtime_checkable
class Prefetches(Protocol):
    def prefetch(self, items: Sequence[tuple[str, Resource]]) -> None:
        """A hint that these (asset id, resource) pairs will be opened soon; never raises."""
        ...


@runtime_checkable
class Lends(Protocol):
    def lend(self, asset_id: str, resource: Resource) -> Path:
        """The resource's file itself, on a local disk, to be read and never changed.

        It may change or go at any time. Raises NotFound, ItemError, Transient; ItemError also
        when it is not as it was listed.
        """
        ...


@runtime_checkable
class Reserves(Protocol):
    def reserve(self, count: int) -> list[str]:
        """``count`` fresh tokens to give to ``transfer``, so that each is durable before it
        is used. One that is never used costs nothing. Raises Transient, SessionExpired."""
        ...


@runtime_checkable
class BatchTransfers(Protocol):
    """Takes many small files at once, where a request costs more than their bytes do."""

    def transfer_many(
        self, items: Sequence[tuple[Put, Body, str | None]]
    ) -> list[Transferred | OutpourError]:
        """What ``transfer`` does, for (put, body, token) triples within the ``batch_`` traits.

        One answer for each item, in order: as ``transfer`` would return it, or the error of
        that item alone. No checkpoint is taken on the way: what a crash interrupts is sent
        again. Raises only what concerns the whole batch; then nothing of it counts as sent.
        """
        ...


@runtime_checkable
class Inventory(Protocol):
    def inventory(self) -> Iterator[Receipt]:
        """Every file the sink holds below its root, in no order, with the checksums it lists for
        free. A file that was made lately may be missing. Raises Transient (the caller begins
        again), SessionExpired."""
        ...


@runtime_checkable
class Recognises(Protocol):
    """A source that is ``Situated`` and is one device or account: another text is another one."""

    def recognise(self, before: str) -> None:
        """Raise Misconfigured if this is not the place that said ``before`` of itself when it was
        listed last, unless its settings say that it should be this one."""
        ...


@runtime_checkable
class Situated(Protocol):
    def whereabouts(self) -> str:
        """Which place this is (folder, disk, account), as it is now; a service is asked one
        small question for it, or one for each folder on the way.

        The same text in every process; empty while there is no such place (yet). Two places
        never give the same text; one place may come to give another (a disk that was numbered
        anew), and is then recognised by the copies in it. A later version of a connector that
        has more to say appends it to what it said before, after a space. Raises Transient,
        SessionExpired, Misconfigured.
        """
        ...


@runtime_checkable
class Traces(Protocol):
    def trace(self) -> str:
        """What became of a place whose copies are not in it, in a sentence that says what to do
        about it; empty where nothing is known. Raises Transient, SessionExpired."""
        ...


@runtime_checkable
class HasFolders(Protocol):
    """Keeps files in folders that may go, to the place's bin for one, while files go into them."""

    def vanished(self) -> Sequence[str]:
        """Folders that files went into since the sink was opened and that are not there any more,
        so that nothing put below them is kept. As in the paths of ``Put``; blank for all.
        Raises Transient, SessionExpired."""
        ...


@runtime_checkable
class TellsApart(Protocol):
    """Where a path is no key: files of one name may lie side by side."""

    def stat_known(self, path: str, identity: str) -> Receipt | None:
        """The file at ``path`` whose id (of a receipt) is ``identity``; where it is not among them,
        what ``stat`` says of the others. Raises as ``stat``."""
        ...


@runtime_checkable
class ReadBack(Protocol):
    def read(self, receipt: Receipt) -> Iterator[bytes]:
        """The bytes as the sink holds them now, from its medium and not from a cache, in chunks of
        at most a few MiB. Raises NotFound, ItemError (it may not or cannot be read), Transient,
        SessionExpired."""
        ...


@runtime_checkable
class Reclaims(Protocol):
    """Can free space at the source. Policy and proof are the engine's."""

    def check_trash(self) -> None:
        """Misconfigured if the settings do not go with deleting. Asks the place nothing."""
        ...

    def trash(self, assets: Sequence[tuple[str, str | None]]) -> list[OutpourError | None]:
        """Move (asset id, revision) pairs to the place's own bin; an answer for each, in order.

        An asset whose revision is another by now is refused with ItemError, and one that lies in
        the bin already with InBin: its owner put it there, or a request whose answer was lost.
        Raises what concerns them all: Transient, SessionExpired, Fatal; then none of them may be
        taken for done or for not done.
        """
        ...

    def restore(self, asset_ids: Sequence[str]) -> list[OutpourError | None]:
        """Bring assets back from the bin; an answer for each, in order: NotFound for one that was
        removed for good. Raises as ``trash``."""
        ...


@dataclass(frozen=True, slots=True)
class Binned:
    """An asset in a place's own bin. ``size`` is the bytes it still takes there, all files
    together; ``leaves`` is when the place removes it for good, None if it does not say."""

    id: str
    size: int
    leaves: datetime | None = None


@runtime_checkable
class HasBin(Protocol):
    """Can tell what lies in its bin. ``emptying`` is one sentence for the person: how to empty
    it at once."""

    emptying: str

    def binned(self, ours: Collection[str]) -> Iterator[Binned]:
        """All that is in the bin, whoever put it there. ``ours`` are the ids of what the caller
        did: those of them that a list of the bin does not show are looked at by name. Raises
        Transient, SessionExpired."""
        ...


@runtime_checkable
class HasMedium(Protocol):
    """A sink that can tell whether copies at two sinks are lost together."""

    def medium(self) -> str:
        """Names what fails as a whole: the disk, or the account. Asks nothing far away.

        Alike from whichever sink one asks; empty where it cannot be told, so that it may be
        that of any other sink of this type. Raises SessionExpired, Misconfigured.
        """
        ...


@dataclass(frozen=True, slots=True)
class Identity:
    """Names the bytes of a copy on their medium, and that (as ``HasMedium``), alike from whichever
    sink one asks. What names ``content`` alike is one copy: a hard link, a folder configured twice,
    a sink below another's root. In a folder of the sink another disk may be mounted."""

    content: str
    medium: str


@runtime_checkable
class Identifies(Protocol):
    """A sink that can tell whether two copies are really two."""

    def identity(self, path: str) -> Identity:
        """Of the copy at ``path``. Raises NotFound."""
        ...


class Prompter(Protocol):
    """How a connector speaks with the person while connecting. Questions raise SessionExpired where
    nobody answers them."""

    def tell(self, message: str) -> None:
        """Say something, on as many lines as it has."""
        ...

    def ask(self, question: str, *, secret: bool = False) -> str:
        """The answer, without space around it; a ``secret`` one is not shown as it is typed."""
        ...

    def choose(self, question: str, options: Sequence[str]) -> int:
        """The index, from 0, of the option that was chosen."""
        ...


@runtime_checkable
class Interruptible(Protocol):
    """A place that waits by itself now and then, inside of what it was asked."""

    def interrupt(self) -> None:
        """End that at once, and all such waiting from now on, with Transient. Nothing that is cut
        short by it may look whole. May be called at any moment, from any thread, and more than
        once; waits for nothing itself."""
        ...


@runtime_checkable
class Reconnects(Protocol):
    def reconnect(self, prompter: Prompter) -> None:
        """Renew an expired session with the person's help; raises SessionExpired if that fails."""
        ...
