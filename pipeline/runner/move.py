"""The run itself: discover, route, move, and end with everything in a named state."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from typing import TypeVar

from connectors.abilities import Capacity, Prompter, Reserves
from connectors.base import Sink, Source
from connectors.errors import (
    CapacityExceeded,
    ItemError,
    Leftover,
    OutpourError,
    SessionExpired,
)
from pipeline import retry
from pipeline.events import Observer
from pipeline.keep import policy
from pipeline.keep.xmp import compose
from pipeline.ledger import Ledger, albums, places, sidecars, steps, work
from pipeline.limits import Gate, GivenUp
from pipeline.meter import Meter
from pipeline.report.summary import Spared
from pipeline.rooms import Room
from pipeline.routing import Router
from pipeline.runner.adopt import Adoption, adopt
from pipeline.runner.attention import Attention
from pipeline.runner.due import why_idle
from pipeline.runner.footing import Footing
from pipeline.runner.fullness import Fullness
from pipeline.runner.index import write_index
from pipeline.runner.inherit import Inheritance
from pipeline.runner.job import Job
from pipeline.runner.overlap import check_paths, sources_own
from pipeline.runner.passes import Passes, Sending
from pipeline.runner.preflight import check_staging, outlook, preflight
from pipeline.runner.same_place import check_source
from pipeline.runner.shelves import Shelves
from pipeline.selection import Selection
from pipeline.sparing import Sparing
from pipeline.stages.context import Run
from pipeline.stages.discover import Discovered, Discovery
from pipeline.stages.parcel import Tokens
from pipeline.staging import Staging
from pipeline.stopping import Stop, Stopped
from pipeline.together import Together
from pipeline.together.settling import Settling

T = TypeVar("T")


@dataclass
class Mover:
    """Everything of one run that lives only while it runs."""

    job: Job
    ledger: Ledger
    observer: Observer
    stop: Stop
    run_id: int
    spares: bool = False  # goes on without a sink that cannot be used
    compare: bool = True  # read files, if need be, to know whether two sources have the same
    meter: Meter = field(default_factory=Meter)
    unindexed: OutpourError | None = None  # what kept an album index from being written
    moved: bool = False  # began to
    idle: str = ""  # why there is nothing to do yet

    def __post_init__(self) -> None:
        limits = self.job.pipeline.limits
        self.rooms = {sink.name: Room(sink) for sink in self.job.sinks}
        self.goal = self.job.goal
        self.router = Router(self.job.pipeline.route, list(self.rooms.values()), self.goal)
        self.gates = {
            sink.name: self._gate(sink.name, limits.uploads or sink.traits.transfers)
            for sink in self.job.sinks
        }
        self.tokens = {
            sink.name: Tokens(sink) for sink in self.job.sinks if isinstance(sink, Reserves)
        }
        self.sources = {
            source.name: self._gate(source.name, limits.downloads) for source in self.job.sources
        }
        self.without_sinks = Sparing(self.gates, self._tell, lambda _: self.spares, self._close)
        self.without_sources = Sparing(self.sources, self._tell, self._dispensable)
        self.source = self._one_source()
        gate = self.sources.get(self.source.name)
        gate = gate or self._gate(self.source.name, limits.downloads)
        self.run = Run(
            id=self.run_id,
            ledger=self.ledger,
            observer=self.observer,
            meter=self.meter,
            stop=self.stop,
            staging=Staging(self.job.staging, self.job.pipeline.staging.size, self.stop),
            source=self.source,
            source_gate=gate,
            rooms=self.rooms,
            traits={sink.name: sink.traits for sink in self.job.sinks},
            quarantine=self.job.quarantine,
            verify_attempts=self.job.pipeline.verify.attempts,
            spare=self.without_sinks.spare,
        )
        self.footing = Footing(self.job, self.run, self.goal, self.without_sinks, self.ask)
        self.shelves = Shelves(self.run)
        full = self.job.pipeline.route.full
        without = self.goal.without
        spare, tell = self.without_sinks.spare, self.run.notice
        self.full = Fullness(full, self.rooms, self.gates, self.ledger, without, tell, spare)

    @property
    def ends(self) -> list[tuple[Gate, Source | Sink]]:
        """Every place of this run with its connector."""
        sinks = [(self.gates[sink.name], sink) for sink in self.job.sinks]
        parts = [(self.sources[source.name], source) for source in self.job.sources]
        return [(self.run.source_gate, self.source), *(parts if self.job.others else ()), *sinks]

    def _gate(self, name: str, most: int) -> Gate:
        """In front of a place. Retries are counted, and their reasons kept in the ledger's history;
        what one left behind at the place is told, too."""

        def retried(error: BaseException) -> None:
            self.meter.add(retries=1)
            steps.note(self.ledger, self.run_id, "retry", f"{name}: {error}")
            if isinstance(error, Leftover):
                self._tell("warning", str(error), name, error.hint)

        return Gate(name, most, self.stop, self.job.pipeline.limits.attempts, retried)

    def _one_source(self) -> Source:
        """The source, or several as one."""
        job, limits = self.job, self.job.pipeline.limits
        if not job.others:
            return job.source
        settling = None
        if self.compare:
            spare = self.without_sources.spare
            settling = Settling(self.sources, self.stop, limits.downloads, spare)
        return Together(job.sources, self.ledger, self.sources, self.without_sources, settling)

    @property
    def spared(self) -> tuple[Spared, ...]:
        """What one source spared another, where there are several."""
        return self.source.spared.totals() if isinstance(self.source, Together) else ()

    def attention(self, prompter: Prompter | None) -> Attention:
        return Attention(self.ends, self.stop, prompter, self._tell, self._spare)

    def _spare(self, gate: Gate, why: OutpourError) -> bool:
        return self.without_sinks.spare(gate, why) or self.without_sources.spare(gate, why)

    def _close(self, sink: str) -> None:
        self.rooms[sink].closed = True

    def _dispensable(self, source: str) -> bool:
        """One that was never listed is rather misspelt than away."""
        return self.spares and places.was_listed(self.ledger, source)

    @property
    def lost(self) -> list[OutpourError]:
        """Why places were left out."""
        return [*self.without_sources.lost.values(), *self.without_sinks.lost.values()]

    def _tell(self, level: str, text: str, place: str = "", hint: str = "") -> None:
        self.run.notice(level, text, place, hint)

    def conduct(self) -> None:
        """Do it all; whatever ends it early is kept in ``stop``."""
        try:
            self._leave_out()
            when = self.job.pipeline.when
            self.idle = why_idle(when, *self._usable(), self.ask)
            if self.idle:
                return
            check_staging(self.job)
            self.run.staging.make()
            self.footing.check()
            self.footing.settle()
            self.discover()
            self.open_assets()
            self._survey()
            assets, size = work.totals(self.ledger)
            self.meter.assets_total, self.meter.bytes_total = assets, size
            self.meter.phase = "moving"
            self._sweep()
            if assets:
                self.moved = True
                self.footing.begin()
                self._passes().move()
                self.footing.look_back()
            self._index()
        except Stopped:
            pass
        except SessionExpired as error:
            self.stop.set("a sign-in is needed", error)
        except GivenUp as error:  # what was asked there, the rest depends on
            self.stop.set("the run failed", error.why)
        except Exception as error:  # noqa: BLE001  (ends the run; the main thread tells the person)
            self.stop.set("the run failed", error)

    def ask(self, end: Source | Sink, question: Callable[[], T]) -> T:
        """One question to a place, asked again as its errors say."""
        gate = next(gate for gate, other in self.ends if other is end)
        return retry.call(gate, question)

    def _leave_out(self) -> None:
        """The places that are not there; raises where a run cannot do without. A sink that never
        was there is rather misspelt than away."""
        for name, why in self.job.away.items():
            gate = self.gates.get(name) or self.sources[name]
            new = name in self.gates and self.footing.is_new(name)
            if new or not self._spare(gate, why):
                raise why

    def _usable(self) -> tuple[list[Source], list[Sink]]:
        sources = [one for one in self.job.sources if not self.sources[one.name].lost]
        return sources, [one for one in self.job.sinks if not self.gates[one.name].lost]

    def discover(self) -> Discovered:
        """Bring the ledger up to date with the source."""
        source = self.source
        for part in self.job.sources:
            with self.without_sources.apart(part.name):
                check_source(self.ledger, part, partial(self.ask, part))
        members = self._members()
        found = self._list(members)
        if members is not None and isinstance(source, Together) and source.unsure:
            members = self._members()  # what was listed just now can be in albums too
            found = self._list(members)
        if found.missing:
            self.run.notice(
                "error",
                f"counts {found.expected} assets but lists {found.present}",
                source.name,
                "Run again later; what is missing is not copied.",
            )
        self._keep(albums_read=members is not None)
        return found

    def _list(self, members: Collection[str] | None) -> Discovered:
        selection = Selection(self.job.pipeline, members)
        discovery = Discovery(self.run)
        while True:
            try:
                found = discovery.run(selection)
                break
            except OutpourError as error:
                self._go_on_without(error)
        if not self.without_sources.lost:  # what one of them has was not chosen anew
            albums.remember_selection(self.ledger, selection.digest)
        return found

    def _go_on_without(self, error: OutpourError) -> None:
        """The one of several sources that cannot be listed; raises where that cannot be."""
        failing = self.source.failing if isinstance(self.source, Together) else ""
        if not (failing and self.without_sources.spare(self.sources[failing], error)):
            raise error

    def _members(self) -> set[str] | None:
        """What the selected albums hold; None if none are selected."""
        wanted = self.job.pipeline.select.albums
        return self.shelves.selected(wanted) if wanted else None

    def _keep(self, *, albums_read: bool) -> None:
        """Find out which sidecars are new or other than before. The source is asked for its
        albums only when it says that they changed. Where it refuses them, sidecars that could
        not be made whole later wait for a run that knows."""
        form = policy.form(self.goal.without)
        wanted = form or self.job.pipeline.keep.albums != "none"
        if wanted and not albums_read:
            self.shelves.refresh()
        if not self.shelves.unread or policy.completes(self.job.sinks, self.goal.without):
            sidecars.refresh(self.ledger, form, compose)

    def _index(self) -> None:
        """Say at each folder which of its files are in which album."""
        self.ledger.flush()
        for sink in self.job.sinks:
            if self.shelves.unread or not policy.takes_index(self.job.pipeline.keep, sink):
                continue
            with self.without_sinks.apart(sink.name):
                try:
                    self.ask(sink, partial(write_index, self.run, sink))
                except (CapacityExceeded, ItemError) as error:
                    self.unindexed = error
                    text = f"the album index was not written: {error}"
                    self.run.notice("error", text, sink.name, error.hint)

    def open_assets(self) -> None:
        """Set to pending whatever has work left; Misconfigured if a source would list it."""
        work.open_assets(self.ledger, self.goal)
        check_paths(self.ledger, self.job.pipeline, self.goal.without)

    def _survey(self) -> None:
        """Before the first byte: what the sinks hold already, what room they have, and what of
        the rest will not fit. Of sinks that nothing is for, only what they hold."""
        pending, _ = work.totals(self.ledger)
        asked = self.job.sinks if pending else ()
        with ThreadPoolExecutor(thread_name_prefix="survey") as workers:
            looks = {
                sink.name: workers.submit(self.ask, sink, self.rooms[sink.name].look)
                for sink in asked
            }
            for sink in asked:
                if sink.name in self.tokens:
                    workers.submit(self.tokens[sink.name].fill)
            self._adopt()
        capacities = {}
        for name, look in looks.items():
            with self.without_sinks.apart(name):
                capacities[name] = look.result()
        self._foretell(capacities)

    def _adopt(self) -> None:
        self.meter.phase = "adopting"
        adopted = beside = 0
        for sink in self.job.sinks:
            with self.without_sinks.apart(sink.name):
                found = adopt(self.search(sink))
                adopted, beside = adopted + found.files, beside + found.sidecars
                apart = sources_own(self.job.pipeline, sink.name)
                adopted += Inheritance(self.run, sink, self.gates[sink.name], apart).look()
        if adopted or beside:
            self.open_assets()
        if adopted:
            self.run.notice("info", f"{adopted} files were there already and are proven")

    def search(self, sink: Sink) -> Adoption:
        """What looks for copies that are at the sink already."""
        apart = sources_own(self.job.pipeline, sink.name)
        return Adoption(self.run, sink, self.gates[sink.name], apart)

    def _foretell(self, capacities: Mapping[str, Capacity | None]) -> None:
        route = self.job.pipeline.route
        plans = preflight(self.ledger, route, capacities, self.goal.without) if capacities else []
        for remark in outlook(self.ledger, self.job, plans):
            self.run.notice(remark.level, remark.text, remark.place)

    def _passes(self) -> Passes:
        limits = self.job.pipeline.limits
        sinks = [
            Sending(sink, self.gates[sink.name], self.tokens.get(sink.name), limits.uploads)
            for sink in self.job.sinks
        ]
        source, reach = self.source, None
        if isinstance(source, Together):
            reach = source.within_reach
        return Passes(self.run, self.router, self.full, sinks, limits.downloads, reach)

    def _sweep(self) -> None:
        """Staged files nobody will ask for any more."""
        wanted = work.wanted(self.ledger, [key for key, _ in self.run.staging.leftovers()])
        for key, path in self.run.staging.leftovers():
            if key not in wanted:
                path.unlink(missing_ok=True)
