"""Where a pipeline stands, read from its ledger alone."""

from __future__ import annotations

from dataclasses import dataclass, field

from sqlalchemy import select
from sqlalchemy.exc import DatabaseError

from pipeline.ledger import schema, work
from pipeline.ledger.items import Totals
from pipeline.ledger.store import Ledger, damaged


@dataclass(frozen=True, slots=True)
class Standing:
    """``since`` is when the last run ended, or began if it is under way (ISO 8601, UTC);
    ``rebuilt`` the same of the last rebuild, where the ledger knows of no run.

    ``error`` says why the ledger could not be read; all else is empty then.
    """

    name: str
    run_state: str = ""
    since: str = ""
    rebuilt: str = ""
    assets: dict[str, Totals] = field(default_factory=dict)
    error: str = ""


def standing(ledger: Ledger) -> Standing:
    """The state of the last run, and assets and bytes by state.

    Misconfigured where the ledger lacks what it should have.
    """
    try:
        return _standing(ledger)
    except DatabaseError as broken:
        raise damaged(ledger.path, broken) from None


def _standing(ledger: Ledger) -> Standing:
    runs = schema.runs.c
    with ledger.read() as connection:
        assets = work.by_state(connection)
        last, rebuilt = (
            connection.execute(
                select(schema.runs).where(runs.command == command).order_by(runs.id.desc()).limit(1)
            ).one_or_none()
            for command in ("run", "rebuild")
        )
    return Standing(
        name=ledger.path.stem,
        run_state=last.state if last else "",
        since=(last.ended or last.started) if last else "",
        rebuilt=(rebuilt.ended or rebuilt.started) if rebuilt and not last else "",
        assets=assets,
    )
