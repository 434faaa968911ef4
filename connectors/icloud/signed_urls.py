"""Signed URLs of files: where they are kept, and how they are renewed many at a time.

They last an hour (``e=`` in the query is the epoch second of their end, measured here against
Apple's clock and not this machine's). Listings bring them along; later they come from lookups, of
which one carries the wishes of all threads that wait for one.
"""

from __future__ import annotations

import copy
import re
import threading
import time
from collections import OrderedDict, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from connectors.errors import NotFound, OutpourError, Transient
from connectors.icloud import records
from connectors.icloud.cloudkit import PAGE_RECORDS, CloudKit, Record, Reply, Zone
from connectors.icloud.errors import of_record
from connectors.icloud.records import Handle

_MOST = 6_000  # records; about 10 MB of URLs...
_MOST_BYTES = 24 << 20  # ...unless they hold files themselves
_MARGIN = 60.0  # seconds before its end at which one is no longer used
_DEFAULT_LIFE = 1800.0
_SOON = 600.0  # what is prefetched should last at least this long
_EXPIRY = re.compile(r"[?&]e=(\d+)")


@dataclass(frozen=True, slots=True)
class SignedUrl:
    """``good_until`` is in ``time.monotonic`` seconds; ``checksum`` is Apple's of the file."""

    url: str
    checksum: str | None
    good_until: float


_Files = dict[str, SignedUrl]


class _Wish:
    """One record some threads wait for."""

    __slots__ = ("outcome",)

    def __init__(self) -> None:
        self.outcome: _Files | OutpourError | None = None


class SignedUrls:
    """Every method may be called from any thread. Holds a bounded number of them."""

    def __init__(self, cloudkit: CloudKit) -> None:
        self._cloudkit = cloudkit
        self._change = threading.Condition()
        self._known: OrderedDict[tuple[str, str], _Files] = OrderedDict()
        self._bytes = 0
        self._wishes: defaultdict[Zone, dict[str, _Wish]] = defaultdict(dict)
        self._asking: set[Zone] = set()

    def offer(self, zone: Zone, reply: Reply) -> None:
        """Take those that came with a listing, as long as there is room: what is listed
        first is usually opened first.
        """
        for record in reply.records:
            if len(self._known) >= _MOST or self._bytes >= _MOST_BYTES:
                return
            self._keep(zone, record, reply.time)

    def get(self, handle: Handle) -> SignedUrl:
        """A usable one, looked up if need be. Raises NotFound and what lookups raise."""
        return self._kept(handle, _MARGIN) or self.renew(handle)

    def renew(self, handle: Handle) -> SignedUrl:
        """A new one, whatever is known."""
        found = self._wait(handle).get(handle.field)
        if found is None:
            raise NotFound(f"iCloud no longer has the file {handle.field} of {handle.record}")
        return found

    def prefetch(self, handles: Sequence[Handle]) -> None:
        """Look up what is missing or ends soon, in as few requests as possible.

        Raises what the first failing lookup raises.
        """
        wanted: defaultdict[Zone, list[str]] = defaultdict(list)
        for handle in dict.fromkeys(handles):
            if self._kept(handle, _SOON) is None and handle.record not in wanted[handle.zone]:
                wanted[handle.zone].append(handle.record)
        for zone, names in wanted.items():
            for start in range(0, len(names), PAGE_RECORDS):
                self._look_up(zone, names[start : start + PAGE_RECORDS])

    def _kept(self, handle: Handle, margin: float) -> SignedUrl | None:
        key = handle.zone.key, handle.record
        with self._change:
            found = self._known.get(key, {}).get(handle.field)
            if found is None or found.good_until - margin < time.monotonic():
                return None
            self._known.move_to_end(key)
            return found

    def _wait(self, handle: Handle) -> _Files:
        """Wait until somebody has looked the record up; do it for all who wait if nobody is."""
        zone = handle.zone
        with self._change:
            wish = self._wishes[zone].setdefault(handle.record, _Wish())
        while wish.outcome is None:
            with self._change:
                if zone in self._asking:
                    self._change.wait()
                    continue
                names = list(self._wishes[zone])[:PAGE_RECORDS]
                batch = {name: self._wishes[zone].pop(name) for name in names}
                self._asking.add(zone)
            self._grant(zone, batch)
        if isinstance(wish.outcome, OutpourError):
            # A copy of its own for each thread: raising adds a traceback to an exception.
            raise copy.copy(wish.outcome) from wish.outcome
        return wish.outcome

    def _grant(self, zone: Zone, batch: dict[str, _Wish]) -> None:
        outcomes: dict[str, _Files | OutpourError] = {}
        failure: OutpourError = Transient("iCloud did not answer for this file")
        try:
            if batch:
                outcomes = self._look_up(zone, list(batch))
        except OutpourError as error:
            failure = error
        finally:
            with self._change:
                self._asking.discard(zone)
                for name, wish in batch.items():
                    wish.outcome = outcomes.get(name, failure)
                self._change.notify_all()

    def _look_up(self, zone: Zone, names: list[str]) -> dict[str, _Files | OutpourError]:
        reply = self._cloudkit.lookup(zone, names, records.KEYS)
        outcomes: dict[str, _Files | OutpourError] = {}
        for record in reply.records:
            name = str(record.get("recordName") or "")
            if "serverErrorCode" in record:
                outcomes[name] = of_record(record)
            else:
                outcomes[name] = self._keep(zone, record, reply.time)
        return outcomes

    def _keep(self, zone: Zone, record: Record, now: float | None) -> _Files:
        files = {
            field: SignedUrl(url.replace("${f}", "$%7Bf%7D"), checksum, _end(url, now))
            for field, url, checksum in records.signed_urls(record)
        }
        key = zone.key, str(record.get("recordName"))
        with self._change:
            self._bytes += _length(files) - _length(self._known.pop(key, {}))
            self._known[key] = files
            while len(self._known) > _MOST or (self._bytes > _MOST_BYTES and len(self._known) > 1):
                self._bytes -= _length(self._known.popitem(last=False)[1])
        return files


def _length(files: _Files) -> int:
    return sum(len(one.url) for one in files.values())


def _end(url: str, now: float | None) -> float:
    expiry = _EXPIRY.search(url)
    if expiry is None:
        return time.monotonic() + _DEFAULT_LIFE
    return time.monotonic() + int(expiry[1]) - (time.time() if now is None else now)
