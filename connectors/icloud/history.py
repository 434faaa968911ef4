"""What a library holds and no index names, by Apple's record of it from the beginning.

icloud.com shows of a burst the picture in front, and so do the indexes behind it (icloudpd#758).
The others are assets like any, that a phone syncs by the same record of changes. It names every
asset there is, at some two requests for each hundred, one after another: it is read where there are
bursts, and where a listing falls short of what Apple counts.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from dataclasses import dataclass, field, replace

from connectors.base import Asset, Page, Problem
from connectors.errors import CursorLost, Fatal, ItemError
from connectors.icloud import records
from connectors.icloud.changes import STATE, Answer, Stuck, answers, may_be_asset
from connectors.icloud.cloudkit import PAGE_ASSETS, CloudKit, Record, Zone
from connectors.icloud.gather import ASSET, Gather
from connectors.icloud.listing import Names
from connectors.icloud.patience import Patience
from connectors.icloud.settings import ICloudSettings

_REFUSED = (CursorLost, ItemError, Fatal, Stuck)
_EVERY = 10  # answers between two words of how far it is


@dataclass(slots=True)
class Unlisted:
    """Record names of assets that a listing did not meet, in Apple's order, as it was at
    ``token``.

    ``reason`` says why there may be more; None where these are all, for certain. Where pictures of
    bursts alone are looked for, ``unsure`` are those that were not told to be any, nor to be none.
    """

    names: dict[str, None] = field(default_factory=dict)
    unsure: dict[str, None] = field(default_factory=dict)
    token: str | None = None
    reason: str | None = None

    def add(self, name: str, sure: bool | None) -> None:
        """``sure``: whether it is looked for; None where that is not told."""
        if sure:
            self.names[name] = None
        elif sure is None:
            self.unsure[name] = None

    def forget(self, name: str) -> None:
        self.names.pop(name, None)
        self.unsure.pop(name, None)


class History:
    """Reads the records of libraries. Both methods raise what requests raise."""

    def __init__(self, cloudkit: CloudKit, settings: ICloudSettings) -> None:
        self._cloudkit = cloudkit
        self._settings = settings

    def unlisted(
        self, zone: Zone, met: Names, *, bursts_only: bool
    ) -> Generator[Page, None, Unlisted]:
        """What is wanted of a library and not among ``met``, asset ids. The pages tell how far it
        is."""
        found = Unlisted()
        seen, read = Names(), 0
        try:
            for number, answer in enumerate(self._answers(zone), 1):
                read += len(answer.records)
                if number % _EVERY == 0:
                    yield Page(doing=f"reading its whole record, for what no list shows: {read:,}")
                for record in filter(may_be_asset, answer.records):
                    name = str(record.get("recordName"))
                    asset_id = records.asset_id(zone, name)
                    found.forget(name)  # what was said of it before is out of date
                    if asset_id in met:
                        seen.add(asset_id)
                    elif self._is_wanted(record):
                        sure = not bursts_only or _is_of_burst(record, less=answer.less)
                        found.add(name, sure)
                found.token = answer.token
        except _REFUSED as error:
            found.reason = f"its own record of the library cannot be read ({error})"
        else:
            if not seen.covers(met):
                found.reason = "its own record of the library names fewer than it lists"
        return found

    def _answers(self, zone: Zone) -> Iterator[Answer]:
        """All there ever was; of all kinds where a choice of them is refused."""
        patience = Patience(self._cloudkit)
        for kinds in ((ASSET,), ()):
            begun = False
            try:
                for answer in answers(
                    self._cloudkit, patience, zone, None, replace(STATE, kinds=kinds)
                ):
                    begun = True
                    yield answer
                return
            except _REFUSED:
                if begun or not kinds:
                    raise

    def pages(self, zone: Zone, names: list[str], token: str | None) -> Iterator[Page]:
        """The assets of what was named at ``token``, and Problems for those that cannot be had.
        What has left since is passed over."""
        patience = Patience(self._cloudkit)
        unknown: list[str] = []

        def is_there(record: Record) -> bool:
            if record.get("serverErrorCode") == "NOT_FOUND":
                unknown.append(str(record.get("recordName")))
                return False
            return "serverErrorCode" in record or records.is_chosen(record, self._settings)

        for start in range(0, len(names), PAGE_ASSETS):
            live = Gather(self._cloudkit, patience, zone)
            live.ask_for(names[start : start + PAGE_ASSETS], is_there)
            items = list(live.finish())
            yield Page(
                assets=tuple(item for item in items if isinstance(item, Asset)),
                problems=tuple(item for item in items if isinstance(item, Problem)),
            )
        if unknown:
            yield Page(problems=tuple(self._missed(zone, token, unknown)))

    def _missed(self, zone: Zone, token: str | None, unknown: list[str]) -> Iterator[Problem]:
        """Of those that are not found by their names, the ones that have not gone since."""
        gone: set[str] = set()
        try:
            for answer in answers(self._cloudkit, Patience(self._cloudkit), zone, token, STATE):
                gone |= {str(one.get("recordName")) for one in answer.records if one.get("deleted")}
        except _REFUSED:
            gone.clear()
        for name in unknown:
            if name not in gone:
                reason = "iCloud's record of the library names it, and it is not found by its name"
                yield Problem(records.asset_id(zone, name), reason)

    def _is_wanted(self, record: Record) -> bool:
        if record.get("deleted"):
            return False
        if "serverErrorCode" in record:
            return True  # asking for it by name will tell
        return records.is_chosen(record, self._settings)


def _is_of_burst(record: Record, *, less: bool) -> bool | None:
    """None where it is not told; what is an error here tells when it is asked for by name."""
    if records.burst(record) or "serverErrorCode" in record:
        return True
    return None if less else False
