"""The places of one command, each behind its gate: asked, watched over, and left out."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from connectors.abilities import Prompter
from connectors.base import Sink, Source
from connectors.errors import Misconfigured, OutpourError, Paused, Unreachable
from pipeline import retry
from pipeline.ledger import Ledger, places
from pipeline.left_out import LeftOut
from pipeline.limits import Gate, GivenUp
from pipeline.runner.attention import Attention
from pipeline.runner.history import History
from pipeline.runner.job import Job
from pipeline.stopping import Stop
from pipeline.together import Together
from pipeline.together.identifying import Identifying

T = TypeVar("T")
_OTHERS_WAIT = 600.0  # seconds that the others wait for a sink that only asks for pauses


class Connections:
    """``source`` is all sources as one. With ``may_leave_out`` it goes on without a place that
    cannot be used, if the rest can, and ``closing`` is told of a sink before it does; with
    ``compare`` files are read, if need be, to know whether two sources have the same."""

    def __init__(
        self,
        job: Job,
        ledger: Ledger,
        stop: Stop,
        history: History,
        closing: Callable[[str], None],
        *,
        may_leave_out: bool,
        compare: bool,
    ) -> None:
        self._job = job
        self._ledger = ledger
        self._stop = stop
        self._history = history
        self._may_leave_out = may_leave_out
        uploads, downloads = job.pipeline.limits.uploads, job.pipeline.limits.downloads
        self.sinks = {
            sink.name: self._gate(sink.name, uploads or sink.traits.transfers) for sink in job.sinks
        }
        self.sources = {source.name: self._gate(source.name, downloads) for source in job.sources}
        self.sinks_left_out = LeftOut(self.sinks, history.notice, lambda _: may_leave_out, closing)
        self.sources_left_out = LeftOut(self.sources, history.notice, self._dispensable)
        self.source = self._one_source(compare=compare)
        self.source_gate = self.sources.get(self.source.name) or self._gate(
            self.source.name, downloads
        )

    @property
    def places(self) -> list[tuple[Gate, Source | Sink]]:
        """Every place with its connector."""
        sinks = [(self.sinks[sink.name], sink) for sink in self._job.sinks]
        parts = [(self.sources[source.name], source) for source in self._job.sources]
        return [(self.source_gate, self.source), *(parts if self._job.joined else ()), *sinks]

    @property
    def left_out(self) -> list[OutpourError]:
        """Why places were left out."""
        return [*self.sources_left_out.reasons.values(), *self.sinks_left_out.reasons.values()]

    @property
    def usable(self) -> tuple[list[Source], list[Sink]]:
        """Those that were not left out."""
        sources = [one for one in self._job.sources if not self.sources[one.name].left_out]
        return sources, [one for one in self._job.sinks if not self.sinks[one.name].left_out]

    def ask(self, end: Source | Sink, question: Callable[[], T]) -> T:
        """One question to a place, asked again as its errors say. A sink that only asks for pauses
        holds the other ones up no longer than some minutes."""
        gate = next(gate for gate, other in self.places if other is end)
        if self._may_leave_out and gate.name in self.sinks and len(self.usable[1]) > 1:
            try:
                return retry.call(gate, question, longest_pause=_OTHERS_WAIT)
            except Paused as error:
                if self.sinks_left_out.leave_out(gate, error):
                    raise GivenUp(error) from error
        return retry.call(gate, question)

    def attention(self, prompter: Prompter | None) -> Attention:
        return Attention(self.places, self._stop, prompter, self._history.notice, self.leave_out)

    def leave_out(self, gate: Gate, why: OutpourError) -> bool:
        """Go on without a place if that can be: whether it can."""
        return self.sinks_left_out.leave_out(gate, why) or self.sources_left_out.leave_out(
            gate, why
        )

    def ask_only(self, source: Source) -> None:
        """Of several sources ask no other: what they have stays as it was listed last."""
        for name, gate in self.sources.items():
            if name != source.name:
                gate.give_up(Unreachable(f"{name} is not asked"))

    def leave_out_absent(self) -> None:
        """Go on without the places that are not there. Raises for one that the command needs, and
        for a sink that no run ever used."""
        for name, why in self._job.away.items():
            gate = self.sinks.get(name) or self.sources[name]
            new = name in self.sinks and isinstance(why, Misconfigured)
            if new or not self.leave_out(gate, why):
                raise why

    def go_on_without(self, error: OutpourError) -> None:
        """Leave out the one of several sources whose listing, or whose albums, just failed so;
        raises the error where that source is needed."""
        failing = self.source.failing if isinstance(self.source, Together) else ""
        if not (failing and self.sources_left_out.leave_out(self.sources[failing], error)):
            raise error

    def _gate(self, name: str, most: int) -> Gate:
        attempts = self._job.pipeline.limits.attempts
        return Gate(name, most, self._stop, attempts, self._history.retried(name))

    def _one_source(self, *, compare: bool) -> Source:
        job, limits = self._job, self._job.pipeline.limits
        if not job.joined:
            return job.sources[0]
        identifying = None
        if compare:
            leave_out = self.sources_left_out.leave_out
            identifying = Identifying(self.sources, self._stop, limits.downloads, leave_out)
        return Together(job.sources, self._ledger, self.sources, self.sources_left_out, identifying)

    def _dispensable(self, source: str) -> bool:
        """A source that was never listed is more likely misspelt than away."""
        return self._may_leave_out and places.was_listed(self._ledger, source)
