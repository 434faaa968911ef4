"""One reclaim, from the first look at the source to the truth afterwards."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from typing import TypeVar

from connectors.abilities import Binned, Capacity, HasBin, HasCapacity, Prompter
from connectors.base import Sink, Source
from connectors.errors import Fatal, Misconfigured
from pipeline.events import Observer
from pipeline.ledger import Ledger, asset_states, places, trash
from pipeline.ledger.assets.listing import Coverage
from pipeline.reclaim.aftermath import Aftermath, aftermath
from pipeline.reclaim.asking import Pace
from pipeline.reclaim.done import Done
from pipeline.reclaim.freeing import Freeing
from pipeline.reclaim.groups import group_sinks
from pipeline.reclaim.policy import Policy
from pipeline.reclaim.survey import Survey, bin_began, in_bin, survey
from pipeline.reclaim.target import Target, target
from pipeline.reclaim.undo import Undo
from pipeline.runner.attention import Attention
from pipeline.runner.ending import recorded
from pipeline.runner.job import Job
from pipeline.runner.move import Mover
from pipeline.stages.discover import Discovered
from pipeline.stopping import Stop
from pipeline.together import Together
from pipeline.wording import counted

T = TypeVar("T")
_LATER = "run again later"
_INCOMPLETE = "--incomplete frees what is listed and proven all the same"
_FRESH = 10.0  # seconds after which the source is listed again before anything is freed


@contextlib.contextmanager
def reclaiming(
    job: Job,
    ledger: Ledger,
    observer: Observer,
    *,
    stop: Stop,
    at: str | None = None,
    prompter: Prompter | None = None,
    pace: Pace | None = None,
    undoing: bool = False,
) -> Iterator[Session]:
    """A session, which the ledger keeps record of. ``at`` names the source to be freed; None: the
    only one that can be. Of the others none is asked. ``prompter`` is None where nobody can be.
    With ``undoing`` nothing but that is done, which needs no sink.

    Misconfigured where the source cannot free space; raises why it, or a sink, is away.
    """
    chosen = target(job, at)
    needed: tuple[Source | Sink, ...] = (chosen.source, *(() if undoing else job.sinks))
    for end in needed:
        if end.name in job.away:
            raise job.away[end.name]
    with recorded(ledger, "reclaim", stop) as record:
        mover = Mover(job, ledger, observer, stop, record.run)
        mover.connections.ask_only(chosen.source)
        yield Session(mover, chosen, mover.connections.attention(prompter), pace or Pace())


class Session:
    """The steps of one reclaim, or of what brings it back."""

    def __init__(self, mover: Mover, target: Target, attention: Attention, pace: Pace) -> None:
        self._mover = mover
        self._target = target
        self._source = target.source
        self._attention = attention
        self._pace = pace
        self._job = mover.job
        self._ledger = mover.ledger
        self._listed = 0.0

    def survey(self, policy: Policy) -> Survey:
        """Bring the ledger up to date with the source and choose what would go.

        Misconfigured where the goal cannot be met, or a sink is not the place that it was. Fatal
        where albums are to be kept and cannot be read: the source forgets them with its assets.
        """
        return self._during(lambda: self._survey(policy))

    def free(self, policy: Policy, chosen: Survey) -> Done:
        """Check every copy of what was chosen and move what is proven to the source's bin.

        What ends that early stands in the answer. Raises, before anything is done, what
        ``survey`` raises of the source and the sinks.
        """
        return self._during(lambda: self._free(policy, chosen))

    def undo(self, run: int | None) -> Done:
        """Bring back what ``run`` (None: the last one) put into the bin.

        What ends that early stands in the answer. Misconfigured where there is nothing to bring
        back; raises what ends the listing before it.
        """
        return self._during(lambda: self._undo(run))

    def aftermath(self, done: Done) -> Aftermath | None:
        """What lies in the bin, when it leaves, and how full the source is still. None where
        that cannot be asked: ``done`` says why."""
        after = None
        # An interrupted session asks nothing more; a place that failed would only fail again.
        if not done.ended_early:
            with done.keeping(self._mover.stop):
                after = self._during(self._aftermath)
        return after

    # --- steps ---

    def _survey(self, policy: Policy) -> Survey:
        self._target.reclaims.check_trash()
        self._list(policy)
        self._check_renamed()
        groups = group_sinks(self._job.pipeline, self._job.sinks, same_disk=policy.same_disk)
        capacity, binned = None, 0
        if policy.until is not None:
            capacity, binned = self._capacity(), self._binned()
        found = survey(self._ledger, policy, self._target.part, groups, capacity, binned)
        self._check_sinks(found)
        return found

    def _list(self, policy: Policy) -> None:
        """Know the source as it is, whole, with its albums."""
        missing = self._discover().missing
        if missing and not policy.incomplete:
            # Of several sources those that are not asked are not listed either.
            more = "more assets" if self._target.part else f"{counted(missing)} more"
            told = f"{self._source.name} counts {more} than it lists: nothing is freed"
            raise Fatal(told, hint=f"{_LATER}; if it stays so: {_INCOMPLETE}")
        if self._mover.catalogue.album_reader.unread:
            raise Fatal("without its albums nothing is freed", hint=_LATER)
        self._listed = time.monotonic()

    def _free(self, policy: Policy, chosen: Survey) -> Done:
        if time.monotonic() - self._listed > _FRESH:  # a person thought it over
            self._list(policy)
        self._check_sinks(chosen)
        groups = group_sinks(self._job.pipeline, self._job.sinks, same_disk=policy.same_disk)
        freeing = Freeing(self._mover, self._target, policy, groups, self._pace)
        return freeing.free(chosen.candidates)

    def _check_sinks(self, chosen: Survey) -> None:
        """A place that is not connected has not lost its copies."""
        files = (file for candidate in chosen.candidates for file in candidate.files)
        self._mover.guard.check({copy.sink for file in files for copy in file.copies})

    def _check_renamed(self) -> None:
        """A sink that no run has met yet may be one that had another name."""
        names = {sink.name for sink in self._job.sinks}
        if set(places.with_copies(self._ledger)) - names:
            self._mover.guard.check(
                {name for name in names if places.remembered(self._ledger, name) is None}
            )

    def _undo(self, run: int | None) -> Done:
        self._discover()
        part = self._target.part
        wanted = run if run is not None else trash.last_run(self._ledger, part)
        if wanted is None or not trash.of_run(self._ledger, part, wanted):
            known = ", ".join(f"{key} ({count})" for key, count in trash.runs(self._ledger, part))
            what = "nothing" if run is None else f"nothing of run {run}"
            raise Misconfigured(
                f"{what} is left to bring back",
                hint=f"Runs with assets in the bin: {known}" if known else "",
            )
        done = Undo(self._mover, self._target, self._pace).restore(wanted)
        if not done.ended_early:
            with done.keeping(self._mover.stop):
                self._discover()
        return done

    def _aftermath(self) -> Aftermath:
        return aftermath(self._ledger, self._target, self._capacity(), self._bin())

    def _discover(self) -> Discovered:
        """What the source holds now, and how deletions ended whose answers were lost."""
        mover = self._mover
        found = mover.catalogue.refresh()
        asset_states.confirm_complete(self._ledger, mover.goal)
        gone, there = trash.reconcile(self._ledger, self._target.part, self._coverage(found))
        if gone or there:
            text = f"an interrupted deletion: {gone} assets are in the bin, {there} stayed"
            mover.run.notice("warning", text, self._source.name)
        return found

    def _coverage(self, found: Discovered) -> Coverage:
        source = self._mover.run.source
        if isinstance(source, Together):
            return source.coverage[self._source.name]
        return found.coverage

    def _capacity(self) -> Capacity | None:
        source = self._source
        if not isinstance(source, HasCapacity):
            return None
        return self._mover.connections.ask(source, source.capacity)

    def _binned(self) -> int:
        found = self._bin()
        if found is None:
            return in_bin(self._ledger, self._target.part)
        return sum(item.size for item in found)

    def _bin(self) -> list[Binned] | None:
        source = self._source
        if not isinstance(source, HasBin):
            return None
        ours = trash.in_bin(self._ledger, self._target.part, since=bin_began())
        return self._mover.connections.ask(source, lambda: list(source.binned(ours)))

    def _during(self, work: Callable[[], T]) -> T:
        mover = self._mover
        return self._attention.during(work, lambda: mover.observer.progress(mover.meter.snapshot()))
