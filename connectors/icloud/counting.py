"""Apple's own numbers of what is to be listed."""

from __future__ import annotations

from dataclasses import dataclass

from connectors.base import Problem
from connectors.errors import Fatal, ItemError, OutpourError
from connectors.icloud import records
from connectors.icloud.cloudkit import CloudKit, Zone
from connectors.icloud.listing import BURSTS, DELETED, HIDDEN, VISIBLE
from connectors.icloud.settings import ICloudSettings
from connectors.icloud.window import Index


@dataclass(frozen=True, slots=True)
class Count:
    """``number`` is None, and ``problem`` says why, where Apple does not tell it."""

    zone: Zone
    index: Index
    number: int | None
    problem: Problem | None = None


class Counting:
    """Counts the indexes that the settings choose."""

    def __init__(self, cloudkit: CloudKit, settings: ICloudSettings) -> None:
        self._cloudkit = cloudkit
        asked_for = {VISIBLE: True, HIDDEN: settings.hidden, DELETED: settings.trashed}
        self.listed = [index for index, wanted in asked_for.items() if wanted]
        others = [index for index, wanted in asked_for.items() if not wanted]
        self._indexes = [*self.listed, *others, BURSTS]

    def counts(self, zone: Zone) -> list[Count]:
        """One for each index of a library: those to be ``listed``, in order, then the others.
        Raises what requests raise, but for a refusal of a count."""
        try:
            numbers = self._cloudkit.counts(zone, [index.count for index in self._indexes])
        except (ItemError, Fatal):  # one that is refused takes the others of a request with it
            return [self._alone(zone, index) for index in self._indexes]
        return [
            self._count(zone, index, number)
            for index, number in zip(self._indexes, numbers, strict=True)
        ]

    def _alone(self, zone: Zone, index: Index) -> Count:
        try:
            (number,) = self._cloudkit.counts(zone, [index.count])
        except (ItemError, Fatal) as error:
            return self._count(zone, index, None, error)
        return self._count(zone, index, number)

    def _count(
        self, zone: Zone, index: Index, number: int | None, error: OutpourError | None = None
    ) -> Count:
        if number is not None or index not in self.listed:
            return Count(zone, index, number)
        told = f" ({error})" if error else ""
        name = records.asset_id(zone, f"number of {index.entry}s")
        reason = f"Apple does not tell it{told}: whether all were listed is not known"
        return Count(zone, index, None, Problem(name, reason))
