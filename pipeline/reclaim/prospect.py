"""What a reclaim could free, by what the ledger knows: a look ahead that asks no place."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from pipeline.ledger import Ledger, reclaimable
from pipeline.ledger.items import Totals
from pipeline.ledger.reclaimable import Kept
from pipeline.reclaim.groups import group_sinks
from pipeline.reclaim.policy import KEEP, Policy, moment
from pipeline.reclaim.target import targets
from pipeline.runner.job import Job


@dataclass(frozen=True, slots=True)
class Prospect:
    """``now`` may go by the rules that hold unless told otherwise, with ``copies`` copies;
    ``moved`` could besides, once it is moved (at most: favourites and what is new stay)."""

    source: str
    copies: int
    now: Totals
    moved: Totals


def prospect(job: Job, ledger: Ledger) -> Prospect | None:
    """None where no source can free space, or more than one, where no sink counts, or one is
    away: then a reclaim would free nothing."""
    possible = targets(job)
    if len(possible) != 1 or any(sink.name in job.away for sink in job.sinks):
        return None
    counted = group_sinks(job.pipeline, job.sinks, same_disk=False)
    today = datetime.now(UTC)
    copies = min(2, len(counted.groups), job.goal.enough)
    policy = Policy(fresh=moment(KEEP, today), copies=copies)
    if not policy.copies:
        return None
    totals = reclaimable.tally(ledger, policy.rules(counted.groups, possible[0].part))
    return Prospect(
        possible[0].source.name,
        policy.copies,
        totals.get(None, Totals()),
        totals.get(Kept.UNCONFIRMED, Totals()),
    )
