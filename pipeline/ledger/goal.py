"""What makes an asset confirmed: how many whole copies, and where."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import and_, case, exists, literal, or_

from connectors.base import Role
from pipeline.ledger import schema
from pipeline.states import ENDED_WELL

ExcludedRoles = Mapping[str, frozenset[Role]]
"""Roles of files that do not go to a sink, by sink; where one is not named: sidecars."""

_SIDECARS = frozenset({Role.METADATA})
_A, _R, _C = schema.assets.c, schema.resources.c, schema.copies.c


@dataclass(frozen=True, slots=True)
class Goal:
    """What makes an asset confirmed: ``enough`` whole copies at ``sinks``. ``excluded`` are the
    roles of files that a copy at each sink is whole without."""

    sinks: Sequence[str]
    enough: int
    excluded: ExcludedRoles

    def __str__(self) -> str:
        """As the ledger remembers it."""
        roles = {sink: self.excluded.get(sink, _SIDECARS) for sink in sorted(self.sinks)}
        goal = f"{self.enough} of {list(roles)}, "
        goal += f"sidecars at {[sink for sink in roles if Role.METADATA not in roles[sink]]}"
        refused = {sink: sorted(kept) for sink in roles if (kept := roles[sink] - _SIDECARS)}
        return f"{goal}, without {refused}" if refused else goal

    def without_sidecars(self) -> Goal:
        """The same for the files that the source has."""
        kept = {sink: self.excluded.get(sink, _SIDECARS) | _SIDECARS for sink in self.sinks}
        return replace(self, excluded=kept)

    def missed(self) -> Any:
        """Whether an asset falls short of it, as a condition on the table of assets."""
        whole = sum((self._whole(sink) for sink in self.sinks), literal(0))
        return whole < self.enough

    def _whole(self, sink: str) -> Any:
        """1 where every chosen resource of an asset has its copy at the sink."""
        wanted = and_(_R.asset == _A.id, wanted_at(sink, self.excluded))
        missing: Any = exists().where(wanted, ~complete_at(sink))
        if self.excluded.get(sink, _SIDECARS) - _SIDECARS:  # where no file can be, no copy is
            missing = or_(missing, ~exists().where(wanted, _R.role != Role.METADATA))
        return case((missing, 0), else_=1)


def complete_at(sink: str) -> Any:
    """Whether a resource has a copy at the sink that ended well."""
    return exists().where(_C.resource == _R.id, _C.sink == sink, _C.state.in_(ENDED_WELL))


def wanted_at(sink: str, excluded: ExcludedRoles) -> Any:
    """Whether a resource is to be at the sink."""
    return and_(_R.chosen, *(_R.role != role for role in sorted(excluded.get(sink, _SIDECARS))))
