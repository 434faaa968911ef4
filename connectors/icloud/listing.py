"""The whole library, by windows of ranks asked for in parallel and handed on in order.

Apple's indexes answer 100 assets from a rank on. Windows of as many ranks are covered each for
itself (``window``), and go on past Apple's own count until several in a row bring nothing new.
"""

from __future__ import annotations

import contextlib
import itertools
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future, ThreadPoolExecutor

from connectors.icloud.cloudkit import PAGE_ASSETS, CloudKit, Zone
from connectors.icloud.patience import Patience
from connectors.icloud.signed_urls import SignedUrls
from connectors.icloud.window import Index, Task, Window

_PROBES = 2  # windows past Apple's own count that must bring nothing new...
_BLIND_PROBES = 5  # ...and in a row where it does not count
TORN = 4  # times that windows with torn pairs are read again where assets are missing
_AHEAD = 2  # windows under way or waiting for each worker


VISIBLE = Index(
    "CPLAssetAndMasterByAssetDateWithoutHiddenOrDeleted",
    "CPLAssetByAssetDateWithoutHiddenOrDeleted",
    "photo",
)
HIDDEN = Index("CPLAssetAndMasterHiddenByAssetDate", "CPLAssetHiddenByAssetDate", "hidden photo")
DELETED = Index(
    "CPLAssetAndMasterDeletedByExpungedDate", "CPLAssetDeletedByExpungedDate", "deleted photo"
)
BURSTS = Index(
    "CPLBurstStackAssetAndMasterByAssetDate", "CPLAssetBurstStackAssetByAssetDate", "burst"
)


Asked = tuple[Zone, Index, int | None]


class Lister:
    """Lists the indexes of libraries, ``parallel`` requests at a time."""

    def __init__(self, cloudkit: CloudKit, urls: SignedUrls, parallel: int) -> None:
        self._cloudkit = cloudkit
        self._urls = urls
        self._parallel = parallel

    def windows(self, zone: Zone, index: Index, count: int | None) -> Iterator[Window]:
        """The windows of one index in order, each asset once, torn ones again where they are fewer
        than ``count``, Apple's own."""
        with self.listings([(zone, index, count)]) as (listing,):
            yield from listing
            for _ in range(TORN):
                if listing.found < (count or 0):
                    yield from listing.again()

    @contextlib.contextmanager
    def listings(self, asked: Iterable[Asked]) -> Iterator[list[Listing]]:
        """One listing for each index (with Apple's own count); they share the workers.

        Each begins when the one before it has asked for all its windows.
        """
        stopped, most = threading.Event(), self._parallel * _AHEAD
        with ThreadPoolExecutor(self._parallel, thread_name_prefix="icloud-list") as workers:
            made: list[Listing] = []
            for zone, index, count in asked:
                patience = Patience(self._cloudkit, stopped)
                task = Task(self._cloudkit, self._urls, patience, zone, index, count)
                made.append(Listing(workers, task.window, count, most))
            for ahead, listing in itertools.pairwise(made):
                ahead.then = listing
            try:
                yield made
            finally:
                stopped.set()
                for listing in made:
                    listing.cancel()


class Listing:
    """The windows of one index in order, each asset once. To be iterated once, by one thread.

    ``fetch`` gives the window from one rank up to another; ``most`` of them are under way or
    waiting at once. ``names`` are those of the assets met, ``problems`` how many cannot be had,
    ``torn`` the windows that halves of pairs came alone in.
    """

    def __init__(
        self, workers: Executor, fetch: Callable[[int, int], Window], count: int | None, most: int
    ) -> None:
        self._workers = workers
        self._fetch = fetch
        self._most = most
        self._start, self._end = 0, count or 0
        self.names = Names()
        self.problems = 0
        self.torn: list[tuple[int, int]] = []
        self._probes = _BLIND_PROBES if count is None else _PROBES
        self._silent = 0  # windows past the end, in a row, that brought nothing new
        self._under_way: deque[Future[Window]] = deque()
        self.then: Listing | None = None

    @property
    def found(self) -> int:
        """Entries of the index that were met, those among them that cannot be had."""
        return len(self.names) + self.problems

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
        while self._silent < self._probes:
            self.begin()
            window = self._arrived()
            silent = not window.assets and window.start >= self._end
            self._silent = self._silent + 1 if silent else 0
            self.problems += len(window.problems)
            if window.assets or window.problems:
                yield window

    def again(self) -> Iterator[Window]:
        """What else the torn windows hold, once the others have come. A half that went to another
        page can get lost there, and nothing but Apple's own count tells."""
        waiting, self.torn = deque(self.torn), []
        while waiting or self._under_way:
            while waiting and len(self._under_way) < self._most:
                self._ask(*waiting.popleft())
            window = self._arrived()
            window.problems = []  # they are known
            if window.assets:
                yield window

    def _arrived(self) -> Window:
        """The next window, with what is new in it."""
        window = self._under_way.popleft().result()
        window.assets = [asset for asset in window.assets if self.names.add(asset.id)]
        if window.torn:
            self.torn.append((window.start, window.end))
        return window

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
        self._ask(start, end)
        self._start = end

    def _ask(self, start: int, end: int) -> None:
        self._under_way.append(self._workers.submit(self._fetch, start, end))


class Names:
    """Tells new names from those met before, by their hashes (some 70 bytes for each): a window
    that is read again may be any. Of a million names two have one hash in fewer than one listing
    of ten million, and Apple's own count tells then."""

    def __init__(self) -> None:
        self._hashes: set[int] = set()

    def __len__(self) -> int:
        return len(self._hashes)

    def __contains__(self, name: object) -> bool:
        return hash(name) in self._hashes

    def add(self, name: str) -> bool:
        """Whether it is new."""
        before = len(self)
        self._hashes.add(hash(name))
        return len(self) > before

    def update(self, other: Names) -> None:
        self._hashes |= other._hashes

    def covers(self, other: Names) -> bool:
        return other._hashes <= self._hashes
