"""What a library holds and no index names, by Apple's record of it from the beginning.

icloud.com shows of a burst the picture in front, and so do the indexes behind it (icloudpd#758).
The others are assets like any, that a phone syncs by the same record of changes. It names every
asset there is, at some two requests for each hundred, one after another: it is read where there are
bursts, and where a listing falls short of what Apple counts.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from dataclasses import dataclass, field

from connectors.base import Asset, Page, Problem
from connectors.errors import CursorLost
from connectors.icloud import fields, records
from connectors.icloud.changes import answers, may_be_asset
from connectors.icloud.cloudkit import PAGE_ASSETS, CloudKit, Record, Zone
from connectors.icloud.gather import ASSET, Gather
from connectors.icloud.listing import Names
from connectors.icloud.patience import Patience
from connectors.icloud.settings import ICloudSettings

_KEYS = ("isDeleted", "isExpunged", "isHidden", "burstId")
_EVERY = 10  # answers between two words of how far it is


@dataclass(slots=True)
class Unlisted:
    """Record names of assets that a listing did not meet, in Apple's order.

    ``reason`` says why there may be more; None where these are all, for certain.
    """

    names: list[str] = field(default_factory=list)
    reason: str | None = None


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
        left: dict[str, None] = {}
        seen, read = Names(), 0
        patience = Patience(self._cloudkit)
        try:
            told = answers(self._cloudkit, patience, zone, None, _KEYS, (ASSET,))
            for number, answer in enumerate(told, 1):
                read += len(answer.records)
                if number % _EVERY == 0:
                    yield Page(doing=f"reading its whole record, for what no list shows: {read:,}")
                for record in filter(may_be_asset, answer.records):
                    name = str(record.get("recordName"))
                    asset_id = records.asset_id(zone, name)
                    left.pop(name, None)  # what was said of it before is out of date
                    if asset_id in met:
                        seen.add(asset_id)
                    elif self._is_wanted(record, bursts_only=bursts_only):
                        left[name] = None
        except CursorLost as error:
            return Unlisted(list(left), f"its own record of the library cannot be read ({error})")
        if not seen.covers(met):
            return Unlisted(list(left), "its own record of the library names fewer than it lists")
        return Unlisted(list(left))

    def pages(self, zone: Zone, names: list[str]) -> Iterator[Page]:
        """Assets by their records' names, and Problems for those that cannot be had. What has left
        since is passed over."""
        patience = Patience(self._cloudkit)
        for start in range(0, len(names), PAGE_ASSETS):
            live = Gather(self._cloudkit, patience, zone)
            live.ask_for(names[start : start + PAGE_ASSETS], self._is_there)
            items = list(live.finish())
            yield Page(
                assets=tuple(item for item in items if isinstance(item, Asset)),
                problems=tuple(item for item in items if isinstance(item, Problem)),
            )

    def _is_wanted(self, record: Record, *, bursts_only: bool) -> bool:
        if record.get("deleted"):
            return False
        if "serverErrorCode" in record:
            return True  # asking for it by name will tell
        if bursts_only and fields.plain(record, "burstId") is None:
            return False
        return records.is_chosen(record, self._settings)

    def _is_there(self, record: Record) -> bool:
        if "serverErrorCode" in record:
            return bool(record["serverErrorCode"] != "NOT_FOUND")
        return records.is_chosen(record, self._settings)
