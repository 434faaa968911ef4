"""What ``pages`` gives: everything, or the changes since a cursor, over the chosen libraries."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Generator, Iterator
from concurrent.futures import ThreadPoolExecutor

from connectors.base import Asset, Page, Problem
from connectors.errors import (
    CursorLost,
    Fatal,
    ItemError,
    Misconfigured,
    OutpourError,
    Transient,
    Unready,
)
from connectors.icloud import fields, records
from connectors.icloud.changes import Changes, Cursor
from connectors.icloud.cloudkit import CloudKit, Zone
from connectors.icloud.errors import Unservable
from connectors.icloud.listing import BURSTS, DELETED, HIDDEN, VISIBLE, Asked, Lister
from connectors.icloud.settings import ICloudSettings, Library
from connectors.icloud.signed_urls import SignedUrls
from connectors.icloud.window import Index

_PASSES = 3
_UNSTEADY = Problem(
    "the library",
    f"photos left it each of {_PASSES} times that it was listed: others may not have been listed",
)


class Libraries:
    """The libraries the settings choose. Every method may be called from any thread."""

    def __init__(self, cloudkit: CloudKit, urls: SignedUrls, settings: ICloudSettings) -> None:
        self._cloudkit = cloudkit
        self._settings = settings
        self._lister = Lister(cloudkit, urls, settings.parallel)
        self._changes = Changes(cloudkit, hidden=settings.hidden, trashed=settings.trashed)

    @property
    def _scope(self) -> str:
        """What a cursor is valid for."""
        chosen = self._settings
        return f"{chosen.library}{' hidden' * chosen.hidden}{' trashed' * chosen.trashed}"

    def zones(self) -> list[Zone]:
        """Misconfigured when a shared library is wanted and there is none."""
        chosen = self._settings.library
        if chosen is Library.PRIMARY:
            return [Zone()]
        shared = self._cloudkit.zones()
        if chosen is Library.ALL:
            return [Zone(), *shared]
        if not shared:
            raise Misconfigured(
                "this account takes part in no shared library",
                hint="leave library: out, or set it to primary",
            )
        return shared

    def pages(self, since: str | None) -> Iterator[Page]:
        if since is None:
            yield from self._everything()
            return
        cursor = Cursor.read(since, self._scope)
        zones = self.zones()
        if {zone.key for zone in zones} != set(cursor.tokens):
            raise CursorLost("the libraries of this account are others now")
        tokens, puzzling = {}, False
        for zone in zones:
            for found in self._changes.since(zone, cursor.tokens[zone.key]):
                yield found.page
                tokens[zone.key] = found.token
                puzzling = puzzling or found.puzzling
        if puzzling:
            yield from self._everything()
            return
        yield Page(full=False, albums_changed=False, cursor=str(Cursor(self._scope, tokens)))

    def _everything(self) -> Iterator[Page]:
        """Every index, by ranks. What leaves meanwhile moves the ranks of all that follows, so that
        a photo can pass from a window that is not read yet into one that was: then all is listed
        once more, and what the first pass named and has left is a change for the next time."""
        first: dict[str, str] = {}
        for _ in range(_PASSES):
            tokens, counted, uncounted = self._begin()
            first = first or tokens
            tally = yield from self._once(counted, uncounted)
            steady = not self._left(tokens)
            if steady:
                break
        yield Page(
            problems=(*uncounted, *([] if steady else [_UNSTEADY])),
            expected=tally.expected,
            full=tally.complete and steady,
            cursor=str(Cursor(self._scope, first)),
        )

    def _left(self, tokens: dict[str, str]) -> bool:
        """Whether anything left the libraries since."""
        try:
            return any(
                found.page.gone
                for zone in self.zones()
                if zone.key in tokens
                for found in self._changes.since(zone, tokens[zone.key])
            )
        except CursorLost:  # then the next time everything is listed anyway
            return False

    def _once(
        self, counted: list[Asked], uncounted: list[Problem]
    ) -> Generator[Page, None, _Tally]:
        tally = _Tally()
        tally.expect([count for _, index, count in counted if index is not BURSTS])
        tally.short = bool(uncounted)
        with self._lister.listings(counted) as listings:
            for (zone, index, count), listing in zip(counted, listings, strict=True):
                if index is BURSTS and count == len(tally.bursts[zone.key]):
                    continue  # every picture of them has been listed among the others
                try:
                    for window in listing:
                        assets = tally.add(zone, index, window.assets)
                        yield Page(assets, problems=tuple(window.problems), expected=tally.expected)
                except (ItemError, Fatal, Unservable) as error:
                    refused = self._refused(zone, index, count, error)
                    tally.give_up(zone, index, count)
                    yield Page(problems=(refused,), expected=tally.expected)
        return tally

    def _refused(self, zone: Zone, index: Index, count: int | None, error: OutpourError) -> Problem:
        """What is said of an index that cannot be listed, though the others can. Raises ``error``
        where it is a library's main one, and what is raised where the place fails as a whole."""
        if index is VISIBLE:
            raise error
        if isinstance(error, Unservable):
            self._token(zone)
        told = "" if count is None else f"; by its own count there are {count}"
        name = records.asset_id(zone, f"{index.entry}s")
        return Problem(name, f"Apple does not list them ({error}){told}")

    def _begin(self) -> tuple[dict[str, str], list[Asked], list[Problem]]:
        """Tokens by zone, before anything is listed: what changes from here on is a change for
        the next time. All indexes, each with Apple's own count; and the counts that it refuses.

        These first requests are not repeated here: there is nothing yet the engine would have
        to list again.
        """
        self._cloudkit.sign_in()  # once, not by both of the following at the same time
        zones = self.zones()
        with ThreadPoolExecutor(2, thread_name_prefix="icloud-begin") as workers:
            tokens = workers.map(self._token, zones)
            counts = workers.map(self._counts, zones)
            tokens_of = {zone.key: token for zone, token in zip(zones, tokens, strict=True)}
            found = [one for of_zone in counts for one in of_zone]
        asked = [one for one, _ in found]
        return tokens_of, asked, [problem for _, problem in found if problem is not None]

    def _counts(self, zone: Zone) -> list[tuple[Asked, Problem | None]]:
        indexes = [VISIBLE, BURSTS]
        indexes += [HIDDEN] if self._settings.hidden else []
        indexes += [DELETED] if self._settings.trashed else []
        try:
            counts = self._cloudkit.counts(zone, [index.count for index in indexes])
        except (ItemError, Fatal):  # one that is refused takes the others of a request with it
            return [self._count(zone, index) for index in indexes]
        return [
            ((zone, index, count), _uncounted(zone, index) if count is None else None)
            for index, count in zip(indexes, counts, strict=True)
        ]

    def _count(self, zone: Zone, index: Index) -> tuple[Asked, Problem | None]:
        try:
            (count,) = self._cloudkit.counts(zone, [index.count])
        except (ItemError, Fatal) as error:
            return (zone, index, None), _uncounted(zone, index, error)
        return (zone, index, count), _uncounted(zone, index) if count is None else None

    def _token(self, zone: Zone) -> str:
        """The library's sync token now; Unready while Apple is still indexing it, which took
        hours to a day where people told of it (icloudpd#449, #458)."""
        reply = self._cloudkit.query(zone, "CheckIndexingState")
        state = [fields.value(record, "state") for record in reply.records]
        if state and state[0] not in {None, "FINISHED"}:
            raise Unready(
                "iCloud is still indexing this library",
                retry_after=60,
                hint="this can take hours, of a large library days: run again later",
            )
        token = reply.data.get("syncToken")
        if not isinstance(token, str):
            raise Transient("iCloud gave no sync token")
        return token


def _uncounted(zone: Zone, index: Index, error: OutpourError | None = None) -> Problem:
    told = f" ({error})" if error else ""
    return Problem(
        records.asset_id(zone, f"number of {index.entry}s"),
        f"Apple does not tell it{told}: whether all were listed is not known",
    )


class _Tally:
    """What has been listed against what Apple counts.

    The pictures of bursts have an index of their own, which overlaps the others; those met
    only there are outside Apple's other counts and raise the number expected. ``short``: not
    everything could be listed or counted.
    """

    def __init__(self) -> None:
        self.expected: int | None = None
        self.bursts: defaultdict[str, set[str]] = defaultdict(set)  # listed, by library
        self.short = False
        self._listed: Counter[tuple[str, Index]] = Counter()  # by library and index

    @property
    def complete(self) -> bool:
        if self.short:
            return False
        return self.expected is None or self._listed.total() >= self.expected

    def expect(self, counts: list[int | None]) -> None:
        known = [count for count in counts if count is not None]
        self.expected = sum(known) if len(known) == len(counts) else None

    def add(self, zone: Zone, index: Index, assets: list[Asset]) -> tuple[Asset, ...]:
        """Those not listed before."""
        bursts = self.bursts[zone.key]
        if index is BURSTS:
            assets = [asset for asset in assets if asset.id not in bursts]
            if self.expected is not None:
                self.expected += len(assets)
        bursts.update(asset.id for asset in assets if asset.metadata.burst)
        self._listed[zone.key, index] += len(assets)
        return tuple(assets)

    def give_up(self, zone: Zone, index: Index, count: int | None) -> None:
        """Expect no more of an index that cannot be listed."""
        self.short = True
        if self.expected is not None and count is not None and index is not BURSTS:
            self.expected -= max(0, count - self._listed[zone.key, index])
