"""Before the first byte: what each sink will be asked to take, and whether it has the room."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from connectors.abilities import Capacity
from connectors.base import Role, Sink
from connectors.errors import Misconfigured
from connectors.private import may
from pipeline.config.models import Route
from pipeline.ledger import Ledger, work
from pipeline.ledger.copies import losses
from pipeline.ledger.goal import ExcludedRoles, Goal
from pipeline.routing import preferred
from pipeline.runner.job import Job
from pipeline.stages.lending import lends
from pipeline.wording import show_size


@dataclass(frozen=True, slots=True)
class Remark:
    """One line. ``place`` is empty where it concerns no single one."""

    level: str
    text: str
    place: str = ""


@dataclass(frozen=True, slots=True)
class StagingPlan:
    """Bytes that may lie on the staging disk at once, and what is free there."""

    path: str
    needed: int
    free: int

    @property
    def fits(self) -> bool:
        return self.needed <= self.free


@dataclass(frozen=True, slots=True)
class SinkPlan:
    """Bytes one sink will be asked to take. ``capacity`` is None where it tells nothing;
    ``lacking`` are those that it has no room for and that go to no other; ``sidecars`` what of
    ``needed`` is written beside the files, 0 where the policy chooses the sink later. ``again``
    counts the copies of what is no longer at the source that another sink has and this one lacks;
    their bytes are part of ``needed``."""

    name: str
    needed: int
    capacity: Capacity | None
    lacking: int = 0
    sidecars: int = 0
    again: int = 0


@dataclass(frozen=True, slots=True)
class Forecast:
    """What goes where. ``unplaced`` are bytes for which none of several sinks has room."""

    sinks: tuple[SinkPlan, ...]
    unplaced: int = 0

    @property
    def fits(self) -> bool:
        return not self.unplaced and not any(sink.lacking for sink in self.sinks)


def preflight(
    ledger: Ledger,
    route: Route,
    capacities: Mapping[str, Capacity | None],
    goal: Goal,
) -> Forecast:
    """Apply the policy to the sizes of all pending assets; sinks stand in their order. What is
    made again from another sink goes to where it is missing, whatever the policy."""
    again = {name: losses.to_make_again(ledger, name, goal.sinks) for name in capacities}
    if route.to == "all":
        return Forecast(
            tuple(
                _alone(ledger, name, capacities[name], again[name], goal.excluded)
                for name in capacities
            )
        )
    return _shared(ledger, route, capacities, again, goal.excluded)


def _free(capacity: Capacity | None) -> float:
    return float("inf") if capacity is None or capacity.free is None else capacity.free


def _alone(
    ledger: Ledger,
    name: str,
    capacity: Capacity | None,
    again: tuple[int, int],
    excluded: ExcludedRoles,
) -> SinkPlan:
    needed = work.missing_bytes(ledger, name, excluded) + again[1]
    sidecars = work.missing_bytes(ledger, name, excluded, role=Role.METADATA)
    return SinkPlan(name, needed, capacity, _lacking(needed, capacity), sidecars, again[0])


def _lacking(needed: int, capacity: Capacity | None) -> int:
    return int(max(0.0, min(needed - _free(capacity), needed)))  # of an endless room: none


def _shared(
    ledger: Ledger,
    route: Route,
    capacities: Mapping[str, Capacity | None],
    again: Mapping[str, tuple[int, int]],
    excluded: ExcludedRoles,
) -> Forecast:
    needed = {name: size for name, (_, size) in again.items()}
    lacking = {name: _lacking(needed[name], capacities[name]) for name in needed}
    left = {name: max(0.0, _free(capacities[name]) - needed[name]) for name in needed}
    unplaced = 0
    for size, missing in work.pending_bytes(ledger, list(left), excluded):
        order = preferred(
            [name for name in left if missing[name]],
            route,
            free=left.__getitem__,
            begun=[name for name in left if missing[name] < size],
        )
        copies = max(0, route.enough(len(left)) - (len(left) - len(order)))
        chosen = [name for name in order if left[name] >= missing[name]][:copies]
        for name in chosen:
            left[name] -= missing[name]
            needed[name] += missing[name]
        unplaced += size * (copies - len(chosen))
    sinks = (
        SinkPlan(name, needed[name], capacity, lacking[name], again=again[name][0])
        for name, capacity in capacities.items()
    )
    return Forecast(tuple(sinks), unplaced)


def staging_plan(ledger: Ledger, job: Job) -> StagingPlan:
    """What will lie on the staging disk at most, and what is free there."""
    size = work.due(ledger, job.goal).bytes
    if not job.joined and lends(job.sources[0], [sink.traits for sink in job.sinks]):
        size = 0
    needed = min(size, max(job.pipeline.staging.size, work.largest_file(ledger)))
    return StagingPlan(str(job.staging), needed, staging_room(job.staging))


def outlook(ledger: Ledger, job: Job, forecast: Forecast) -> list[Remark]:
    """What a person should know before the first byte; nothing where all fits at one sink."""
    route = job.pipeline.route
    remarks = [*_refusals(ledger, job.sinks)]
    used = [one for one in forecast.sinks if one.needed]
    if route.to != "all" and len(used) > 1:
        parts = [f"{show_size(one.needed)} to {one.name}" for one in used]
        remarks.append(Remark("info", f"by free space: {', '.join(parts)}"))
    for one in forecast.sinks:
        if one.lacking:
            text = f"{show_size(one.lacking)} will not fit: {consequence(route)}"
            remarks.append(Remark("warning", text, one.name))
    if forecast.unplaced:
        text = f"{show_size(forecast.unplaced)} will not fit anywhere: {consequence(route)}"
        remarks.append(Remark("warning", text))
    staging = staging_plan(ledger, job)
    if not staging.fits:
        text = (
            f"the staging disk ({staging.path}) has {show_size(staging.free)} free of the "
            f"{show_size(staging.needed)} that may wait there: set staging.size or staging.path"
        )
        remarks.append(Remark("warning", text))
    return remarks


def _refusals(ledger: Ledger, sinks: Iterable[Sink]) -> Iterator[Remark]:
    """What some sinks cannot keep, counted."""
    for sink in sinks:
        roles = sorted(sink.traits.refuses - {Role.METADATA})
        count = work.refused(ledger, roles) if roles else 0
        if count:
            names = " or ".join(role.replace("_", " ") for role in roles)
            text = f"keeps no {names} files; left out there: {count}"
            yield Remark("info", text, sink.name)


def consequence(route: Route) -> str:
    """What the policy does about what does not fit."""
    if route.full == "wait":
        return "the run waits for room and goes on"
    if route.full == "stop":
        return "the run stops there"
    return "it waits for a later run, the rest goes on"


def check_staging(job: Job) -> None:
    """Misconfigured where the folder that was chosen for staging cannot be made or written: more
    than its last part is missing where a disk is not connected."""
    chosen = job.pipeline.staging.path
    if chosen is None:
        return
    nearest = chosen if chosen.is_dir() else chosen.parent
    if not nearest.is_dir():
        raise Misconfigured(
            f"staging.path: there is no folder {nearest}",
            hint="Connect its disk, or make the folder.",
        )
    if not may(nearest, os.W_OK | os.X_OK):
        raise Misconfigured(
            f"staging.path: cannot write in {nearest}", hint="Choose another folder."
        )


def staging_room(folder: Path) -> int:
    """Free bytes on the disk that holds the staging folder, made or not."""
    while not folder.exists():
        folder = folder.parent
    return shutil.disk_usage(folder).free
