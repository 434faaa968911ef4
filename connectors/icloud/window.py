"""One window of ranks of an index, asked for until it is covered.

An answer may hold fewer assets than were asked for, or none, though more follow; an asset may
come without its master or twice; single records may be errors. None of that may lose an asset,
so what an answer leaves out is asked for again, and what is missing is looked up by name.

Some assets are broken at Apple: every answer that would hold one is a 500 ("could not decrypt
bytes", docker-icloudpd#720) until the person deletes it. So what fails is asked for in smaller
and smaller answers, until the broken asset alone is left out. An index that answers for no rank
at all is not divided: then it is the place that fails.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import cycle

from connectors.base import Asset, Problem
from connectors.icloud import records
from connectors.icloud.cloudkit import PAGE_ASSETS, CloudKit, Record, Reply, Zone, equals
from connectors.icloud.errors import Unservable
from connectors.icloud.gather import ASSET, Gather
from connectors.icloud.patience import EMPTY, Patience
from connectors.icloud.signed_urls import SignedUrls

_SILENT = 2  # answers in a row that bring nothing, where perhaps there is nothing
_TRIES = 3  # of a whole page, and of one asset, that Apple fails over
_PER_ASSET = 2  # records of one asset: of ``resultsLimit`` 50 come 25 (ElyaConrad/iCloud-API#16)


@dataclass(frozen=True, slots=True)
class Index:
    """One of Apple's orders of a library, the name its count goes by, and what one entry is."""

    record_type: str
    count: str
    entry: str


@dataclass(slots=True)
class Window:
    """What the ranks from ``start`` up to ``end``, some 100, hold.

    ``torn``: halves of pairs came alone in it, so that it may lack an asset whose half went
    elsewhere and got lost there.
    """

    start: int
    end: int
    torn: bool = False
    assets: list[Asset] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)


@dataclass(slots=True)
class Task:
    """What all windows of one listing share; ``count`` is Apple's own.

    ``served`` is a rank that was answered for, None before the first answer.
    """

    cloudkit: CloudKit
    urls: SignedUrls
    patience: Patience
    zone: Zone
    index: Index
    count: int | None
    served: int | None = None

    def limit(self, end: int) -> int:
        """The rank from which on there should be nothing; ``end`` where Apple does not count."""
        return end if self.count is None else self.count

    def window(self, start: int, end: int) -> Window:
        """What the ranks from ``start`` up to ``end`` hold, and a Problem for each of them that
        Apple cannot serve. Raises what requests raise."""
        return _Walk(self, start, end).whole()

    def ask(self, rank: int, direction: str, most: int = PAGE_ASSETS, tries: int = _TRIES) -> Reply:
        """At most ``most`` assets from ``rank`` on; Unservable after so many ``tries``."""
        return self.patience.call(lambda: self._query(rank, direction, most), unservable=tries)

    def vouch(self, error: Unservable, window: range) -> None:
        """Raises ``error`` unless this index answers for some rank: if not for one that it did
        answer for, then for one in the ``window`` or beside it. Waits as for any request."""
        start, end = window.start, window.stop
        near = (start - 1, end, start, (start + end) // 2, end - 1)
        served = [] if self.served is None else [self.served]
        ranks = cycle([*served, *(rank for rank in near if 0 <= rank < self.limit(end))])

        def answers() -> None:
            if not self._query(next(ranks), "ASCENDING", 1).records:
                raise error

        self.patience.call(answers)

    def _query(self, rank: int, direction: str, most: int) -> Reply:
        reply = self.cloudkit.query(
            self.zone,
            self.index.record_type,
            (equals("startRank", rank), equals("direction", direction)),
            keys=records.KEYS,
            limit=most * _PER_ASSET,
        )
        if reply.records:
            self.served = rank
        self.urls.offer(self.zone, reply)
        return reply


@dataclass(slots=True)
class _Gap:
    """A rank that Apple cannot serve, and the assets listed before and after it."""

    error: Unservable
    before: str | None
    after: str | None = None


class _Walk:
    def __init__(self, task: Task, start: int, end: int) -> None:
        self._task = task
        self._gather = Gather(task.cloudkit, task.patience, task.zone)
        self._start, self._end = start, end
        self._most = PAGE_ASSETS  # assets asked for at once
        self._gaps: dict[int, _Gap] = {}
        self._doubt: Unservable | None = None  # what no answer has come after
        self._last: str | None = None  # the asset listed last

    def whole(self) -> Window:
        self._cover()
        if self._gather.orphans():  # their assets may be on another page, or lost with an answer
            self._cover()
        if self._doubt is not None:
            self._vouch(self._doubt)
        window = Window(self._start, self._end, self._gather.torn())
        for item in self._gather.finish():
            if isinstance(item, Asset):
                window.assets.append(item)
            else:
                window.problems.append(item)
        known = {records.split_id(asset.id)[1]: asset for asset in window.assets}
        window.problems += [self._problem(rank, known) for rank in self._gaps]
        return window

    def _cover(self) -> None:
        """Ask until every rank is covered, as far as they can be had."""
        task, rank, empty = self._task, self._start, 0
        last = min(self._end, task.count or self._end) - 1
        most = EMPTY if rank < (task.count or 0) else _SILENT
        while rank < self._end and empty < most and not task.patience.stopped:
            covered = self._step(rank)
            if not covered and task.count is not None and rank >= task.count:
                return
            rank += covered
            empty = 0 if covered else empty + 1
            # Nothing from this rank on, though there should be: come from the other side.
            if empty and not empty % 2 and self._from_behind(last) > last - rank:
                return

    def _from_behind(self, last: int) -> int:
        """How many ranks from ``last`` down an answer covers."""
        try:
            return self._gather.take(self._task.ask(last, "DESCENDING").records)
        except Unservable:
            return 0  # it reaches further back than it has to: from the front that is told apart

    def _step(self, rank: int) -> int:
        """How many ranks from ``rank`` on are done with."""
        if rank in self._gaps:
            return 1
        most = min([self._most, *(gap - rank for gap in self._gaps if gap > rank)])
        # On the way down one try will do: what failed by chance is asked for again, in parts.
        tries = 1 if 1 < most < PAGE_ASSETS else _TRIES
        try:
            reply = self._task.ask(rank, "ASCENDING", most, tries)
        except Unservable as error:
            return self._divided(rank, most, error)
        if reply.records:
            self._doubt = None
        self._note(reply.records)
        self._most = min(self._most * 2, PAGE_ASSETS)
        return self._gather.take(reply.records, most)

    def _divided(self, rank: int, most: int, error: Unservable) -> int:
        """The same for fewer assets; one that is alone is a gap."""
        if rank >= self._task.limit(self._end):
            raise error  # past Apple's own count there is nothing that could be broken
        if most == PAGE_ASSETS:
            self._vouch(error)
        if most > 1:
            left = self._end - rank
            self._most = left if left < most else most // 2
            return self._step(rank)
        self._doubt = error
        self._gaps[rank] = _Gap(error, self._last)
        return 1

    def _vouch(self, error: Unservable) -> None:
        self._task.vouch(error, range(self._start, self._end))

    def _note(self, found: list[Record]) -> None:
        """Remember what lies before and after the gaps."""
        names = [str(one.get("recordName")) for one in found if one.get("recordType") == ASSET]
        if names:
            for gap in self._gaps.values():
                gap.after = gap.after or names[0]
            self._last = names[-1]

    def _problem(self, rank: int, known: dict[str, Asset]) -> Problem:
        task, gap = self._task, self._gaps[rank]
        total = f" of {task.count}" if task.count else ""
        name = records.asset_id(task.zone, f"{task.index.entry} {rank + 1}{total}")
        beside = " and ".join(_described(known, [gap.before, gap.after]))
        where = f"; it is listed next to {beside}" if beside else ""
        return Problem(name, f"Apple cannot serve it ({gap.error}){where}")


def _described(known: dict[str, Asset], names: list[str | None]) -> Iterator[str]:
    for name in names:
        asset = known.get(name or "")
        if asset is not None:
            when = f" of {asset.created.date()}" if asset.created else ""
            yield f"{asset.resources[0].filename}{when}"
