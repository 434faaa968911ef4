"""The whole library, by windows of ranks asked for in parallel and handed on in order.

Apple's indexes answer 100 assets from a rank on. An answer may hold fewer, or none, though
more follow; an asset may come without its master or twice; single records may be errors. None
of that may lose an asset or end the listing, so each window is asked again until its ranks
are covered, what is missing is looked up by name, and windows go on past Apple's own count
until several in a row bring nothing new.
"""

from __future__ import annotations

import contextlib
import threading
from collections import OrderedDict, deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial

from connectors.base import Asset, Problem
from connectors.icloud import records
from connectors.icloud.addresses import Addresses
from connectors.icloud.cloudkit import (
    PAGE_ASSETS,
    PAGE_RECORDS,
    CloudKit,
    Reply,
    Zone,
    equals,
)
from connectors.icloud.gather import Gather
from connectors.icloud.patience import EMPTY, Patience

_PROBES = 2  # windows past Apple's own count that must bring nothing new...
_BLIND_PROBES = 5  # ...and in a row where it does not count
_SILENT = 2  # answers in a row that bring nothing, where perhaps there is nothing
_RECENT = 50_000  # names remembered: ranks shift by a few at most while a listing runs
_AHEAD = 2  # windows under way or waiting for each worker


@dataclass(frozen=True, slots=True)
class Index:
    """One of Apple's orders of a library, and the name its count goes by."""

    record_type: str
    count: str


VISIBLE = Index(
    "CPLAssetAndMasterByAssetDateWithoutHiddenOrDeleted",
    "CPLAssetByAssetDateWithoutHiddenOrDeleted",
)
HIDDEN = Index("CPLAssetAndMasterHiddenByAssetDate", "CPLAssetHiddenByAssetDate")
DELETED = Index("CPLAssetAndMasterDeletedByExpungedDate", "CPLAssetDeletedByExpungedDate")
BURSTS = Index("CPLBurstStackAssetAndMasterByAssetDate", "CPLAssetBurstStackAssetByAssetDate")


Asked = tuple[Zone, Index, int | None]


@dataclass(slots=True)
class Window:
    """What some 100 ranks from ``start`` on hold."""

    start: int
    assets: list[Asset] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)


class Lister:
    """Lists the indexes of libraries, ``parallel`` requests at a time."""

    def __init__(self, cloudkit: CloudKit, addresses: Addresses, parallel: int) -> None:
        self._cloudkit = cloudkit
        self._addresses = addresses
        self._parallel = parallel

    def windows(self, zone: Zone, index: Index, count: int | None) -> Iterator[Window]:
        """The windows of one index in order, each asset once. ``count`` is Apple's own."""
        with self.listings([(zone, index, count)]) as (listing,):
            yield from listing

    @contextlib.contextmanager
    def listings(self, asked: Iterable[Asked]) -> Iterator[list[Listing]]:
        """One listing for each index (with Apple's own count); they share the workers.

        Each begins when the one before it has asked for all its windows; BURSTS, which may turn
        out not to be needed, only when it is read.
        """
        stopped, most = threading.Event(), self._parallel * _AHEAD
        with ThreadPoolExecutor(self._parallel, thread_name_prefix="icloud-list") as workers:
            made: list[Listing] = []
            ahead: Listing | None = None
            for zone, index, count in asked:
                patience = Patience(stopped, self._cloudkit)
                fetch = partial(self._window, _Task(self._cloudkit, patience, zone, index, count))
                made.append(Listing(workers, fetch, count, most))
                if index is not BURSTS:
                    if ahead is not None:
                        ahead.then = made[-1]
                    ahead = made[-1]
            try:
                yield made
            finally:
                stopped.set()
                for listing in made:
                    listing.cancel()

    def _window(self, task: _Task, start: int, end: int) -> Window:
        gather = Gather(task.cloudkit, task.patience, task.zone)
        self._walk(task, gather, start, end)
        if gather.orphans():  # their assets may be on another page, or lost with a broken answer
            self._walk(task, gather, start, end)
        window = Window(start)
        for item in gather.finish():
            if isinstance(item, Asset):
                window.assets.append(item)
            else:
                window.problems.append(item)
        return window

    def _walk(self, task: _Task, gather: Gather, start: int, end: int) -> None:
        """Ask until the ranks from ``start`` to ``end`` are covered, as far as they can be had."""
        rank, last, empty = start, min(end, task.count or end) - 1, 0
        most = EMPTY if start < (task.count or 0) else _SILENT
        while rank < end and empty < most and not task.patience.stopped:
            reply = task.ask(rank, "ASCENDING")
            self._addresses.offer(task.zone, reply)
            covered = gather.take(reply.records)
            if not covered and task.count is not None and rank >= task.count:
                return
            rank += covered
            empty = 0 if covered else empty + 1
            if not empty or empty % 2:
                continue
            # Nothing from this rank on, though there should be: come from the other side.
            if gather.take(task.ask(last, "DESCENDING").records) > last - rank:
                return


class Listing:
    """The windows of one index in order, each asset once. To be iterated once, by one thread.

    ``fetch`` gives the window from one rank up to another; ``most`` of them are under way or
    waiting at once.
    """

    def __init__(
        self, workers: Executor, fetch: Callable[[int, int], Window], count: int | None, most: int
    ) -> None:
        self._workers = workers
        self._fetch = fetch
        self._most = most
        self._start, self._end = 0, count or 0
        self._probes = _BLIND_PROBES if count is None else _PROBES
        self._silent = 0  # windows past the end, in a row, that brought nothing new
        self._under_way: deque[Future[Window]] = deque()
        self.then: Listing | None = None

    def begin(self) -> None:
        """Ask for the next windows now. Once all are asked for, ``then`` begins too: its own
        arrive while this one is read."""
        while self._start < self._end and len(self._under_way) < self._most:
            self._next()
        # Past the end no more are asked for than have to be silent.
        while self._start >= self._end and self._past < self._probes - self._silent:
            self._next()
        if self._start >= self._end and self.then is not None:
            self.then.begin()

    def __iter__(self) -> Iterator[Window]:
        fresh = _Fresh()
        while self._silent < self._probes:
            self.begin()
            window = self._under_way.popleft().result()
            window.assets = [asset for asset in window.assets if fresh.add(asset.id)]
            found = bool(window.assets or window.problems)
            self._silent = 0 if found or window.start < self._end else self._silent + 1
            if found:
                yield window

    def cancel(self) -> None:
        for future in self._under_way:
            future.cancel()

    @property
    def _past(self) -> int:
        """How many windows past the end are under way."""
        return min(len(self._under_way), (self._start - self._end) // PAGE_ASSETS)

    def _next(self) -> None:
        start, end = self._start, self._start + PAGE_ASSETS
        if start < self._end < end:
            end = self._end  # what may lie past it is for the next to find
        self._under_way.append(self._workers.submit(self._fetch, start, end))
        self._start = end


@dataclass(frozen=True, slots=True)
class _Task:
    """What all windows of one listing share."""

    cloudkit: CloudKit
    patience: Patience
    zone: Zone
    index: Index
    count: int | None

    def ask(self, rank: int, direction: str) -> Reply:
        return self.patience.call(
            lambda: self.cloudkit.query(
                self.zone,
                self.index.record_type,
                (equals("startRank", rank), equals("direction", direction)),
                keys=records.KEYS,
                limit=PAGE_RECORDS,
            )
        )


class _Fresh:
    """Tells new names from those met before, remembering the latest only."""

    def __init__(self) -> None:
        self._names: OrderedDict[str, None] = OrderedDict()

    def add(self, name: str) -> bool:
        if name in self._names:
            return False
        self._names[name] = None
        if len(self._names) > _RECENT:
            self._names.popitem(last=False)
        return True
