"""Which source a reclaim frees."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

from connectors.abilities import Reclaims
from connectors.base import Source
from connectors.errors import Misconfigured
from pipeline.runner.job import Job


@dataclass(frozen=True, slots=True)
class Target:
    """The ``source`` to be freed. ``part`` is its name where it is one of several, which are one
    library: then only its own half of an asset goes."""

    source: Source
    part: str | None

    @property
    def reclaims(self) -> Reclaims:
        return cast(Reclaims, self.source)  # or it is no target


def targets(job: Job) -> list[Target]:
    """The sources that can free space."""
    return [
        Target(source, source.name if job.joined else None)
        for source in job.sources
        if isinstance(source, Reclaims)
    ]


def target(job: Job, name: str | None) -> Target:
    """The source of that name; None: the only one that can free space. Misconfigured if there is
    none, or it is not clear which."""
    possible = targets(job)
    chosen = [one for one in possible if name in (None, one.source.name)]
    names = [source.name for source in job.sources]
    if name is not None and name not in names:
        raise Misconfigured(f"no source is called {name!r}", hint=f"There is {_either(names)}.")
    if not chosen:
        raise Misconfigured(
            f"{_either([name] if name else names)} cannot free space: its assets can be deleted "
            "only by hand there"
        )
    if len(chosen) > 1:
        which = [one.source.name for one in chosen]
        raise Misconfigured(
            f"which source is to be freed, {_either(which)}?", hint=f"Say so: --at {which[0]}"
        )
    return chosen[0]


def _either(names: list[str]) -> str:
    return " or ".join(names)
