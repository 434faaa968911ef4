"""What the goal makes of assets: confirmed, or with work left."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence

from sqlalchemy import Connection, update

from pipeline.ledger import meta, schema
from pipeline.ledger.goal import Goal
from pipeline.ledger.store import Ledger
from pipeline.states import AssetState

_GOAL = "goal"
_A = schema.assets.c


def open_assets(ledger: Ledger, goal: Goal) -> None:
    """Set to pending what has work left: what falls short of the goal.

    What was confirmed is looked at again only when the goal is another than last time, so that
    an unchanged library of any size costs next to nothing.
    """
    told = str(goal)

    def work(connection: Connection) -> None:
        before = meta.get(connection, _GOAL)
        unfinished = [AssetState.FAILED, AssetState.WAITING, AssetState.QUARANTINED]
        states = unfinished if before == told else [*unfinished, AssetState.CONFIRMED]
        connection.execute(
            update(schema.assets)
            .where(_A.state.in_(states), goal.missed())
            .values(state=AssetState.PENDING, reason="")
        )
        _confirm(connection, [*unfinished, AssetState.PENDING], goal)
        meta.put(connection, _GOAL, told)

    ledger.transact(work)


@contextlib.contextmanager
def rechecked_if_interrupted(ledger: Ledger) -> Iterator[None]:
    """Around whatever may find copies wrong one by one: should it not come to its end, the next
    run looks at every asset that was called confirmed."""

    def forget(connection: Connection) -> str | None:
        told = meta.get(connection, _GOAL)
        meta.forget(connection, _GOAL)
        return told

    told = ledger.transact(forget)
    yield
    if told is not None:
        ledger.transact(lambda connection: meta.put(connection, _GOAL, told))


def await_sidecars(ledger: Ledger, goal: Goal, why: str) -> int:
    """What is pending for its sidecars alone waits, for this reason; returns how many."""
    missed = goal.without_sidecars().missed()
    statement = update(schema.assets).where(_A.state == AssetState.PENDING, ~missed)
    statement = statement.values(state=AssetState.WAITING, reason=why)
    return ledger.transact(lambda connection: connection.execute(statement).rowcount)


def confirm_complete(ledger: Ledger, goal: Goal) -> None:
    """Confirm what is pending although its copies are there (an asset that came back)."""
    ledger.transact(lambda c: _confirm(c, [AssetState.PENDING], goal))


def _confirm(connection: Connection, states: Sequence[AssetState], goal: Goal) -> None:
    connection.execute(
        update(schema.assets)
        .where(_A.state.in_(states), ~goal.missed())
        .values(state=AssetState.CONFIRMED, reason="")
    )
