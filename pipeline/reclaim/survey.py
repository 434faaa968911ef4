"""What could go, what of it the goal asks for, and why the rest stays. Changes nothing."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from connectors.abilities import Capacity
from connectors.errors import Misconfigured
from pipeline.ledger import Ledger, reclaimable, trash
from pipeline.ledger.codec import timestamp
from pipeline.ledger.items import Totals
from pipeline.ledger.reclaimable import Candidate, Kept
from pipeline.reclaim.groups import SinkGroups
from pipeline.reclaim.policy import Policy
from pipeline.wording import counted, show_size

_BIN_DAYS = 30  # what a bin is taken to keep where the place does not tell
_LONGEST = 45  # days that no bin keeps


@dataclass(frozen=True)
class Survey:
    """``candidates`` are what would go, in order. ``wanted`` are the bytes the goal asks for (None:
    all that may go); ``possible`` is all that may go, ``kept`` the rest by reason."""

    candidates: tuple[Candidate, ...]
    wanted: int | None
    possible: Totals
    kept: dict[Kept, Totals]
    remarks: tuple[str, ...] = ()

    @property
    def bytes(self) -> int:
        return sum(candidate.size for candidate in self.candidates)

    @property
    def left(self) -> int:
        """Bytes that the goal asks for and the cap of one run leaves to the next."""
        goal = self.possible.bytes if self.wanted is None else self.wanted
        return max(0, goal - self.bytes)


def survey(
    ledger: Ledger,
    policy: Policy,
    source: str | None,
    grouped: SinkGroups,
    capacity: Capacity | None,
    binned: int,
) -> Survey:
    """Choose what would go of ``source`` (None: of the only one). ``capacity`` is the source's,
    ``binned`` the bytes in its bin.

    Misconfigured, with what is possible instead, where the goal cannot be met.
    """
    if len(grouped.groups) < policy.copies:
        places = ", ".join("+".join(group) for group in grouped.groups) or "none"
        raise Misconfigured(
            f"{policy.copies} independent copies are asked for, but the sinks that count are: "
            + "; ".join((places, *grouped.remarks)),
            hint="Add a sink, or lower --copies.",
        )
    rules = policy.rules(grouped.groups, source)
    totals = reclaimable.tally(ledger, rules)
    possible = totals.get(None, Totals())
    kept = {why: totals[why] for why in Kept if why in totals}
    wanted = _wanted(policy, capacity, binned)
    if wanted is not None and wanted > possible.bytes:
        raise Misconfigured(unmet(wanted, possible, kept))
    if wanted == 0:
        return Survey((), 0, possible, kept, grouped.remarks)
    candidates = reclaimable.candidates(ledger, rules, policy.ordered, policy.limit, wanted)
    return Survey(tuple(candidates), wanted, possible, kept, grouped.remarks)


def unmet(wanted: int, possible: Totals, kept: dict[Kept, Totals]) -> str:
    """One line: what cannot be freed, what can, and what the rest waits for."""
    line = f"{show_size(wanted)} cannot be freed: "
    if possible.assets:
        line += f"{show_size(possible.bytes)} can ({counted(possible.assets)})"
    else:
        line += "nothing can"
    rest = [f"{total.assets:,} {why} ({show_size(total.bytes)})" for why, total in kept.items()]
    return "; ".join([line, *rest])


def in_bin(ledger: Ledger, source: str | None) -> int:
    """Bytes we put into a bin that cannot be looked into, and that are likely there still."""
    return trash.bytes_since(ledger, source, _days_ago(_BIN_DAYS))


def bin_began() -> str:
    """What was put into a bin before (ISO 8601, UTC) is in none any more."""
    return _days_ago(_LONGEST)


def _days_ago(days: int) -> str:
    return timestamp(datetime.now(UTC) - timedelta(days=days)) or ""


def _wanted(policy: Policy, capacity: Capacity | None, binned: int) -> int | None:
    """Bytes to free; None for all that may go."""
    wanted = [] if policy.free is None else [policy.free]
    if policy.until is not None:
        if capacity is None or not capacity.total:
            raise Misconfigured("--until: the source does not tell how much room it has in all")
        target = int(policy.until * capacity.total)
        # What lies in the bin is used still, and free when it leaves: not twice.
        wanted.append(max(0, capacity.used - binned - target))
    return max(wanted, default=None)
