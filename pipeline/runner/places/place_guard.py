"""Checks that each sink is still the place its copies went to, before a run and after."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from connectors.base import Sink
from connectors.errors import Misconfigured
from pipeline.ledger import places
from pipeline.ledger.copies import unchecked
from pipeline.ledger.goal import Goal
from pipeline.runner.connections import Connections
from pipeline.runner.job import Job
from pipeline.runner.places.deleted_folders import withdraw_copies
from pipeline.runner.places.same_place import check_distinct, check_sink, source_whereabouts
from pipeline.runner.places.unchecked_copies import settle_unchecked
from pipeline.stages.context import Run


class PlaceGuard:
    """Asks all sinks at once, and leaves out the one that fails at an answer."""

    def __init__(self, job: Job, run: Run, goal: Goal, connections: Connections) -> None:
        self._job = job
        self._run = run
        self._ledger = run.ledger
        self._goal = goal
        self._left_out = connections.sinks_left_out
        self._sources_left_out = connections.sources_left_out
        self._ask = connections.ask

    def check(self, names: Collection[str] | None = None, *, after: bool = False) -> None:
        """Misconfigured where a sink, or one of these, is no longer the place that its copies
        went to, or is another's too. ``after`` copies were made there."""
        found: dict[str, str] = {}

        def look(sink: Sink) -> None:
            new = not after and not places.was_used(self._ledger, sink.name)
            with self._left_out.tolerating(sink.name, new=new):
                ask = partial(self._ask, sink)
                where = check_sink(self._ledger, self._job.pipeline, sink, ask, after=after)
                found[sink.name] = where

        sinks = [sink for sink in self._job.sinks if names is None or sink.name in names]
        with ThreadPoolExecutor(thread_name_prefix="places") as workers:
            list(workers.map(look, sinks))
        check_distinct([(sink, found[sink.name]) for sink in sinks if sink.name in found])
        self._check_apart(found)

    def _check_apart(self, found: Mapping[str, str]) -> None:
        """Misconfigured where a sink is a source, under another name that the place goes by."""
        pipeline = self._job.pipeline
        types = {place.type for place in pipeline.sinks if found.get(place.name)}
        for source in self._job.sources:
            place = pipeline.source(source.name)
            if place is None or place.type not in types:
                continue
            where = ""
            with self._sources_left_out.tolerating(source.name):
                where = source_whereabouts(place, source, partial(self._ask, source))
            itself = [name for name, there in found.items() if where and there == where]
            if itself:
                raise Misconfigured(f"{itself[0]} is the source itself, {source.name}")

    def settle_unchecked(self) -> None:
        """Look after what runs left undone that could not look back."""
        for sink in self._usable:
            with self._left_out.tolerating(sink.name):
                settle_unchecked(self._run, sink, self._goal, partial(self._ask, sink))

    def begin(self) -> None:
        """Copies are about to be made."""
        for sink in self._usable:
            unchecked.mark(self._ledger, sink.name, self._run.id)

    def look_back(self) -> None:
        """What was made on the way may have gone again."""

        def vanished(sink: Sink) -> None:
            with self._left_out.tolerating(sink.name):
                withdraw_copies(self._run, sink, self._goal, partial(self._ask, sink))

        with ThreadPoolExecutor(thread_name_prefix="look-back") as workers:
            list(workers.map(vanished, self._job.sinks))
        self.check(after=True)
        for sink in self._usable:
            unchecked.clear(self._ledger, sink.name)
            places.note_copies(self._ledger, sink.name)

    @property
    def _usable(self) -> list[Sink]:
        return [sink for sink in self._job.sinks if sink.name not in self._left_out.reasons]
