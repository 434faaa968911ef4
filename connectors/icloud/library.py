"""What ``pages`` gives: everything, or the changes since a cursor, over the chosen libraries."""

from __future__ import annotations

import contextlib
from collections.abc import Generator, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from connectors.base import Page, Problem
from connectors.errors import (
    CursorLost,
    Fatal,
    ItemError,
    Misconfigured,
    OutpourError,
    Transient,
    Unready,
)
from connectors.icloud import records
from connectors.icloud.changes import Changes, Cursor
from connectors.icloud.cloudkit import INDEXING, CloudKit, Shared, Zone, is_indexing
from connectors.icloud.counting import Count, Counting
from connectors.icloud.drift import Drift
from connectors.icloud.errors import Unservable
from connectors.icloud.history import History
from connectors.icloud.listing import BURSTS, TORN, VISIBLE, Lister
from connectors.icloud.settings import ICloudSettings, Library
from connectors.icloud.signed_urls import SignedUrls
from connectors.icloud.tally import Tally
from connectors.icloud.window import Window

_OWN_ONLY = "leave library: out, or set it to primary"


@dataclass(frozen=True, slots=True)
class Unsure:
    """A library that may hold more than was listed: so many by Apple's counts, and pictures of
    ``bursts`` if there are any."""

    zone: Zone
    reason: str
    bursts: bool
    lacking: int

    @property
    def notice(self) -> str:
        return f"what Apple counts and does not list cannot be looked for: {self.reason}"

    @property
    def problems(self) -> tuple[Problem, ...]:
        if self.lacking or not self.bursts:
            return ()
        name = records.asset_id(self.zone, "pictures of bursts")
        return (Problem(name, f"those behind the one in front may be missing: {self.reason}"),)


@dataclass(frozen=True, slots=True)
class _Begun:
    """Tokens by library, from before anything was counted or listed: what changes from there on is
    a change for the next time. All indexes, each with Apple's own count. A Problem for each library
    that cannot be read."""

    tokens: dict[Zone, str]
    counts: list[Count]
    problems: list[Problem]


class Libraries:
    """The libraries the settings choose. Every method may be called from any thread."""

    def __init__(self, cloudkit: CloudKit, urls: SignedUrls, settings: ICloudSettings) -> None:
        self._cloudkit = cloudkit
        self._settings = settings
        self._lister = Lister(cloudkit, urls, settings.parallel)
        self._changes = Changes(cloudkit, settings)
        self._history = History(cloudkit, settings)
        self._counting = Counting(cloudkit, settings)

    @property
    def _scope(self) -> str:
        """What a cursor is valid for."""
        chosen = self._settings
        return f"{chosen.library}{' hidden' * chosen.hidden}{' trashed' * chosen.trashed}"

    def zones(self) -> list[Zone]:
        """Raises Misconfigured when a shared library is wanted and there is none."""
        return self._chosen().zones

    def _chosen(self) -> Shared:
        """The same, and what there may be beside them."""
        chosen = self._settings.library
        if chosen is Library.PRIMARY:
            return Shared([Zone()], {})
        shared = self._cloudkit.shared()
        if chosen is Library.ALL:
            return Shared([Zone(), *shared.zones], shared.unread)
        if not shared.zones and not shared.unread:
            raise Misconfigured("this account takes part in no shared library", hint=_OWN_ONLY)
        return shared

    def pages(self, since: str | None) -> Iterator[Page]:
        if since is None:
            yield from self._everything()
            return
        cursor = Cursor.read(since, self._scope)
        chosen = self._chosen()
        if chosen.unread or {zone.key for zone in chosen.zones} != set(cursor.tokens):
            raise CursorLost("the libraries of this account are others now")
        tokens, puzzling = {}, False
        for zone in chosen.zones:
            for found in self._changes.since(zone, cursor.tokens[zone.key]):
                yield found.page
                tokens[zone.key] = found.token
                puzzling = puzzling or found.puzzling
        if puzzling:
            yield from self._everything()
            return
        yield Page(full=False, albums_changed=False, cursor=str(Cursor(self._scope, tokens)))

    def _everything(self) -> Iterator[Page]:
        """Every index, by ranks; then by name what is in none, and what has got out of sight there
        while the library changed."""
        begun = self._begin()
        tokens, counts = begun.tokens, begun.counts
        drift = Drift(self._cloudkit, self._counting, tokens, counts)
        listed = [one for one in counts if one.index in self._counting.listed]
        tally = yield from self._once(listed, drift)
        unsure, notices = list[Unsure](), list[str]()
        for zone in tokens:
            others = (one for one in counts if one.zone == zone and one not in listed)
            certain = tally.certain(zone)
            bursts = tally.has_bursts(zone) or any(map(self._may_hold_bursts, others))
            if certain and not bursts:
                continue
            reason = yield from self._by_name(tally, zone, bursts_only=certain)
            lacking = tally.lacking(zone)
            if reason is not None:
                unsure.append(Unsure(zone, reason, bursts, lacking))
            elif (surplus := lacking - tally.found_bursts(zone)) > 0:
                notices.append(
                    f"Apple counts {surplus:,} more photos and videos than its own record of the "
                    "library names; all that it names were listed"
                )
        yield self._last(begun, drift, tally, unsure, [*notices, *self._left_out()])

    def _last(
        self,
        begun: _Begun,
        drift: Drift,
        tally: Tally,
        unsure: list[Unsure],
        notices: list[str],
    ) -> Page:
        """What there is to say at the end of a listing of everything."""
        uncounted = [problem for one in unsure for problem in drift.uncounted(one.zone)]
        refused = [problem for one in unsure for problem in tally.given_up(one.zone)]
        unsaid = [problem for one in unsure for problem in one.problems]
        problems = [*begun.problems, *refused, *uncounted, *unsaid]
        failed = tally.problems.union(problem.id for problem in problems)
        known = tally.named + len(failed) + sum(one.lacking for one in unsure)
        full = not unsure and not failed
        cursor = Cursor(self._scope, {zone.key: token for zone, token in begun.tokens.items()})
        return Page(
            problems=tuple(problems),
            expected=None if uncounted else known,
            full=full,
            # What is missing, if anything is, is in no later change.
            cursor=str(cursor) if full else None,
            notices=(*notices, *(one.notice for one in unsure if one.lacking)),
        )

    def _by_name(
        self, tally: Tally, zone: Zone, *, bursts_only: bool
    ) -> Generator[Page, None, str | None]:
        """What no index named, and why there may be more."""
        met = tally.names(zone)
        unlisted = yield from self._history.unlisted(zone, met, bursts_only=bursts_only)
        for names, only in ((unlisted.names, bursts_only), (unlisted.unsure, False)):
            for page in self._history.pages(zone, list(names), unlisted.token):
                yield tally.add_unlisted(zone, page, bursts_only=only)
        return unlisted.reason

    def _may_hold_bursts(self, count: Count) -> bool:
        """Whether an index that is not asked for tells of a burst: the picture in front may be away
        and the others still there."""
        if count.index is BURSTS or count.number is None:
            return count.number != 0
        windows = self._lister.windows(count.zone, count.index, count.number)
        try:
            found = (one for window in windows for one in window.assets)
            return count.number > 0 and any(one.metadata.burst for one in found)
        except (ItemError, Fatal, Unservable):
            return True

    def _left_out(self) -> tuple[str, ...]:
        """The shared libraries that are left out: photos that were moved to one are in none but
        that, and nobody should take the rest for all."""
        if self._settings.library is not Library.PRIMARY:
            return ()
        asked = CloudKit(self._cloudkit.account, renews=False)
        try:
            zones = asked.shared().zones
        except OutpourError:
            return ()  # what was asked for is listed all the same
        numbers = list[int | None]()
        for zone in zones:
            with contextlib.suppress(OutpourError):
                numbers += asked.counts(zone, [VISIBLE.count])
        known = [number for number in numbers if number is not None]
        if len(known) == len(numbers) and not sum(known):
            return ()
        count = f"{sum(known):,} photos and videos" if known else "photos and videos"
        return (f"{count} of a Shared Library are left out; 'library: all' takes them too",)

    def _once(self, counts: list[Count], drift: Drift) -> Generator[Page, None, Tally]:
        """Lists every index; torn windows again while photos are missing."""
        tally = Tally(counts, drift)
        asked = [(count.zone, count.index, count.number) for count in counts]
        with self._lister.listings(asked) as listings:
            for count, listing in zip(counts, listings, strict=True):
                tally.begin(count, listing)
                yield from self._pages(tally, count, listing)
            drift.read(tally.certain)
            for _ in range(TORN):
                torn = [(count, listing) for count, listing in tally.short() if listing.torn]
                for count, listing in torn:
                    yield from self._pages(tally, count, listing.again())
                if torn:
                    drift.read(tally.certain)
        return tally

    def _pages(self, tally: Tally, count: Count, windows: Iterable[Window]) -> Iterator[Page]:
        """Of one index, or that it cannot be listed."""
        try:
            for window in windows:
                assets = tally.add(count, window)
                yield Page(assets, problems=tuple(window.problems), expected=tally.counted)
        except (ItemError, Fatal, Unservable) as error:
            if count.index is VISIBLE and (count.zone.own or len(tally.zones) == 1):
                if count.zone.own or isinstance(error, Unservable):
                    raise
                raise _none_readable(str(error)) from error
            tally.give_up(count, self._refused(count, error))

    def _refused(self, count: Count, error: OutpourError) -> Problem:
        """What is said of an index that cannot be listed, though others can. Raises what is raised
        where the place fails as a whole."""
        if isinstance(error, Unservable):
            self._token(count.zone)
        told = "" if count.number is None else f"; by its own count there are {count.number}"
        name = records.asset_id(count.zone, f"{count.index.entry}s")
        return Problem(name, f"Apple does not list them ({error}){told}")

    def _begin(self) -> _Begun:
        """The libraries that can be read. Fatal where none can.

        These first requests are not repeated here: there is nothing yet the engine would have
        to list again.
        """
        self._cloudkit.sign_in()  # once, not by both of the following at the same time
        chosen = self._chosen()
        with ThreadPoolExecutor(2, thread_name_prefix="icloud-begin") as workers:
            opened = list(workers.map(self._opened, chosen.zones))
            answers = list(zip(chosen.zones, opened, strict=True))
            tokens = {zone: answer for zone, answer in answers if isinstance(answer, str)}
            counts = list(workers.map(self._counting.counts, tokens))
        refused = {zone.name: str(answer) for zone, answer in answers if zone not in tokens}
        unread = refused | chosen.unread
        if not tokens:
            raise _none_readable("; ".join(unread.values()))
        problems = [
            Problem(name, f"it cannot be read, and nothing of it is listed: {why}")
            for name, why in unread.items()
        ]
        return _Begun(tokens, [one for some in counts for one in some], problems)

    def _opened(self, zone: Zone) -> str | OutpourError:
        """Its sync token; why there is none of a shared library that cannot be read, which does not
        keep the others back."""
        try:
            return self._token(zone)
        except (ItemError, Fatal) as error:
            if zone.own:
                raise
            return error

    def _token(self, zone: Zone) -> str:
        """The library's sync token now; Unready while Apple is still indexing it, which took
        hours to a day where people told of it (icloudpd#449, #458)."""
        reply = self._cloudkit.query(zone, INDEXING)
        if is_indexing(reply):
            raise Unready(
                "iCloud is still indexing this library",
                retry_after=60,
                hint="this can take hours, of a large library days: run again later; where it "
                "does not end, connect again with: outpour connect icloud",
            )
        token = reply.data.get("syncToken")
        if not isinstance(token, str):
            raise Transient("iCloud gave no sync token")
        return token


def _none_readable(why: str) -> Fatal:
    return Fatal(f"no shared library of this account can be read: {why}", hint=_OWN_ONLY)
