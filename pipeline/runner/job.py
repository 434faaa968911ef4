"""What a command is asked to do, and how it ended."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from connectors.base import Sink, Source
from connectors.errors import Fatal, OutpourError
from connectors.private import state_path
from pipeline.config.models import Pipeline
from pipeline.keep import policy
from pipeline.ledger import Ledger, places
from pipeline.ledger.goal import Goal
from pipeline.report import Summary
from pipeline.states import Exit, RunState

_MARK = 12  # digits that tell apart pipelines of one name


@dataclass(frozen=True)
class Job:
    """A pipeline with its places made. What its ``sources`` hold is one library; they stand in
    order of preference. ``away`` says why places cannot be used as it is, by name: Misconfigured,
    or Fatal of one that is not there today."""

    pipeline: Pipeline
    sources: tuple[Source, ...]
    sinks: tuple[Sink, ...]
    away: Mapping[str, OutpourError] = field(default_factory=dict)

    @property
    def joined(self) -> bool:
        """Whether the library is that of several sources."""
        return len(self.sources) > 1

    def after(self, ledger: Ledger) -> Job:
        """The same, knowing what the ledger does."""
        away = {name: fatal_if_used_before(ledger, name, why) for name, why in self.away.items()}
        return replace(self, away=away)

    def require_all(self) -> None:
        """Raise why a place cannot be used, if there is one."""
        for why in self.away.values():
            raise why

    @property
    def goal(self) -> Goal:
        """What makes an asset confirmed."""
        names = [sink.name for sink in self.sinks]
        excluded = policy.excluded_roles(self.pipeline.keep, self.sinks)
        return Goal(names, self.pipeline.route.enough(len(names)), excluded)

    @property
    def staging(self) -> Path:
        """A folder of this pipeline's own, also where several have one ``staging.path``: what waits
        there is named by numbers of the ledger. Two users may have pipelines of one name."""
        own = state_path("pipelines", self.pipeline.name, "staging")
        chosen = self.pipeline.staging.path
        if chosen is None:
            return own
        mark = hashlib.sha256(str(own).encode()).hexdigest()[:_MARK]
        return chosen / f"{self.pipeline.name}-{mark}"

    @property
    def quarantine(self) -> Path:
        return state_path("pipelines", self.pipeline.name, "quarantine")


def fatal_if_used_before(ledger: Ledger, name: str, why: OutpourError) -> OutpourError:
    """What it means that a place cannot be used as it is: Fatal for one that was used before, which
    is not there now; as it is for any other, which is more likely misspelt."""
    return Fatal(str(why), hint=why.hint) if places.was_used(ledger, name) else why


@dataclass(frozen=True)
class Outcome:
    """How a run ended. ``error`` is one line for the person, empty when all is well; ``idle``
    says why there was nothing to do yet, ``short`` what beside the assets themselves is not as
    it was asked for. ``lost`` counts copies that an earlier check missed,
    of assets that are no longer at the source."""

    state: RunState
    exit: Exit
    summary: Summary
    error: str = ""
    idle: str = ""
    short: str = ""
    lost: int = 0
