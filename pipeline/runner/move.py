"""The run itself: discover, route, move, and end with everything in a named state."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial

from connectors.abilities import Capacity, Reserves
from connectors.base import Sink
from connectors.errors import (
    CapacityExceeded,
    DiskFailed,
    ItemError,
    OutpourError,
    SessionExpired,
)
from pipeline.bandwidth import Bandwidth
from pipeline.events import Observer
from pipeline.keep import policy
from pipeline.ledger import Ledger, asset_states, work
from pipeline.ledger.copies import adoption, losses
from pipeline.limits import GivenUp
from pipeline.meter import Meter
from pipeline.report.summary import Spared
from pipeline.rooms import Room
from pipeline.routing import Router
from pipeline.runner.album_index import write_index
from pipeline.runner.catalogue import Catalogue
from pipeline.runner.connections import Connections
from pipeline.runner.copies.adopt import Adoption, adopt
from pipeline.runner.copies.healing import Healing
from pipeline.runner.copies.inherit import Inheritance
from pipeline.runner.due import why_idle
from pipeline.runner.fullness import Fullness
from pipeline.runner.history import History
from pipeline.runner.job import Job
from pipeline.runner.passes import Passes, Sending
from pipeline.runner.places.overlap import check_paths, in_sources
from pipeline.runner.places.place_guard import PlaceGuard
from pipeline.runner.preflight import check_staging, outlook, preflight
from pipeline.stages.context import Run
from pipeline.stages.parcel import Tokens
from pipeline.staging import Staging
from pipeline.stopping import Stop, Stopped
from pipeline.together import Together
from pipeline.wording import counted


@dataclass
class Mover:
    """Everything of one run that lives only while it runs: its stages, in their order."""

    job: Job
    ledger: Ledger
    observer: Observer
    stop: Stop
    run_id: int
    may_leave_out: bool = False  # goes on without a sink that cannot be used
    compare: bool = True  # read files, if need be, to know whether two sources have the same
    meter: Meter = field(default_factory=Meter)
    unindexed: OutpourError | None = None  # what kept an album index from being written
    unmade: CapacityExceeded | None = None  # what kept a lost copy from being made again
    moved: bool = False  # began to
    idle: str = ""  # why there is nothing to do yet

    def __post_init__(self) -> None:
        self.rooms = {sink.name: Room(sink) for sink in self.job.sinks}
        self.goal = self.job.goal
        self.router = Router(self.job.pipeline.route, list(self.rooms.values()), self.goal)
        self.tokens = {
            sink.name: Tokens(sink) for sink in self.job.sinks if isinstance(sink, Reserves)
        }
        history = History(self.run_id, self.ledger, self.observer, self.meter)
        self.connections = Connections(
            self.job, self.ledger, self.stop, history, self._close,
            may_leave_out=self.may_leave_out, compare=self.compare,
        )  # fmt: skip
        self.run = Run(
            id=self.run_id,
            ledger=self.ledger,
            observer=self.observer,
            meter=self.meter,
            stop=self.stop,
            staging=Staging(self.job.staging, self.job.pipeline.staging.size, self.stop),
            source=self.connections.source,
            source_gate=self.connections.source_gate,
            rooms=self.rooms,
            traits={sink.name: sink.traits for sink in self.job.sinks},
            quarantine=self.job.quarantine,
            verify_attempts=self.job.pipeline.verify.attempts,
            notice=history.notice,
            leave_out=self.connections.sinks_left_out.leave_out,
            downloading=Bandwidth(self.job.pipeline.limits.download_rate, self.stop),
            uploading=Bandwidth(self.job.pipeline.limits.upload_rate, self.stop),
        )
        self.guard = PlaceGuard(self.job, self.run, self.goal, self.connections)
        self.catalogue = Catalogue(self.job, self.run, self.connections, self.goal)
        self.full = Fullness(self.job, self.run, self.connections, self.goal.excluded)

    @property
    def spared(self) -> tuple[Spared, ...]:
        """What one source spared another, where there are several."""
        source = self.run.source
        return source.spared.totals() if isinstance(source, Together) else ()

    def _close(self, sink: str) -> None:
        self.rooms[sink].closed = True

    def conduct(self) -> None:
        """Do it all; whatever ends it early is kept in ``stop``."""
        try:
            self.connections.leave_out_absent()
            when = self.job.pipeline.when
            self.idle = why_idle(when, *self.connections.usable, self.connections.ask)
            if self.idle:
                return
            check_staging(self.job)
            self.run.staging.make()
            self.guard.check()
            self.guard.settle_unchecked()
            self.catalogue.refresh()
            healing = Healing(self.run, self.job.pipeline, self.goal, self.connections)
            healing.heal_freed_files()
            self.open_assets()
            self._survey()
            pending = work.due(self.ledger, self.goal)
            self.meter.begin("moving", assets=pending.assets, size=pending.bytes)
            self._sweep()
            if pending.assets:
                self.moved = True
                self.guard.begin()
                self._passes().move()
                self.guard.look_back()
                # What a sink had already of an earlier run lies there still. All has been moved:
                # where it cannot be removed, the next run meets that.
                with contextlib.suppress(DiskFailed):
                    self._sweep()
            healing.heal()
            self.unmade = healing.unmade
            self._index()
        except Stopped:
            pass
        except SessionExpired as error:
            self.stop.set("a person is needed", error)
        except GivenUp as error:  # the rest of the run depends on what was asked there
            self.stop.set("the run failed", error.why)
        except Exception as error:  # noqa: BLE001  (ends the run; the main thread tells the person)
            self.stop.set("the run failed", error)

    def _index(self) -> None:
        """Say at each folder which of its files are in which album."""
        self.ledger.flush()
        if self.catalogue.album_reader.unread:
            return
        for sink in self.job.sinks:
            if not policy.takes_index(self.job.pipeline.keep, sink):
                continue
            with self.connections.sinks_left_out.tolerating(sink.name):
                try:
                    self.connections.ask(sink, partial(write_index, self.run, sink))
                except (CapacityExceeded, ItemError) as error:
                    self.unindexed = error
                    text = f"the album index was not written: {error}"
                    self.run.notice("error", text, sink.name, error.hint)

    def open_assets(self) -> None:
        """Set to pending whatever has work left, and to missing what a sink is owed of what was
        freed. Misconfigured if a source would list it."""
        asset_states.open_assets(self.ledger, self.goal)
        losses.owe(self.ledger, self.goal)
        check_paths(self.ledger, self.job.pipeline, self.goal.excluded)

    def _survey(self) -> None:
        """Before the first byte: what the sinks hold already, what room they have, and what of
        the rest will not fit. Of sinks that nothing is for, only what they hold."""
        names = [sink.name for sink in self.job.sinks]
        needed = work.any_pending(self.ledger) or losses.count_last(self.ledger, names)
        asked = self.job.sinks if needed else ()
        with ThreadPoolExecutor(thread_name_prefix="survey") as workers:
            looks = {
                sink.name: workers.submit(self.connections.ask, sink, self.rooms[sink.name].look)
                for sink in asked
            }
            for sink in asked:
                if sink.name in self.tokens:
                    workers.submit(self.tokens[sink.name].fill)
            self._adopt()
        capacities = {}
        for name, look in looks.items():
            with self.connections.sinks_left_out.tolerating(name):
                capacities[name] = look.result()
        self._foretell(capacities)

    def _adopt(self) -> None:
        self.meter.begin("adopting")
        adopted = beside = 0
        for sink in self.job.sinks:
            with self.connections.sinks_left_out.tolerating(sink.name):
                found = adopt(self.search(sink))
                adopted, beside = adopted + found.files, beside + found.sidecars
                apart = in_sources(self.job.pipeline, sink.name)
                gate = self.connections.sinks[sink.name]
                inheritance = Inheritance(self.run, sink, gate, apart)
                adopted += inheritance.look()
                if inheritance.missed:
                    adoption.look_again(self.ledger, sink.name)
                    adopted += adopt(self.search(sink)).files
        if adopted or beside:
            self.open_assets()
        if adopted:
            self.run.notice("info", f"{counted(adopted, 'file')} found there already, and proven")

    def search(self, sink: Sink) -> Adoption:
        """What looks for copies that are at the sink already."""
        apart = in_sources(self.job.pipeline, sink.name)
        return Adoption(self.run, sink, self.connections.sinks[sink.name], apart)

    def _foretell(self, capacities: Mapping[str, Capacity | None]) -> None:
        forecast = preflight(self.ledger, self.job.pipeline.route, capacities, self.goal)
        for remark in outlook(self.ledger, self.job, forecast):
            self.run.notice(remark.level, remark.text, remark.place)

    def _passes(self) -> Passes:
        pipeline, gates = self.job.pipeline, self.connections.sinks
        limits = pipeline.limits
        sinks = [
            Sending(
                sink, gates[sink.name], self.tokens.get(sink.name), limits.uploads,
                in_sources(pipeline, sink.name),
            )
            for sink in self.job.sinks
        ]  # fmt: skip
        source, reach = self.run.source, None
        if isinstance(source, Together):
            reach = source.within_reach
        return Passes(self.run, self.router, self.full, sinks, limits.downloads, reach)

    def _sweep(self) -> None:
        """Staged files nobody will ask for any more."""
        with self.run.staging.in_use():
            left = list(self.run.staging.leftovers())
            wanted = work.wanted(self.ledger, [key for key, _ in left])
            for key, path in left:
                if key not in wanted:
                    path.unlink(missing_ok=True)
