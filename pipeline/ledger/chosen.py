"""With which selection the ledger's choices were made."""

from __future__ import annotations

from sqlalchemy import Connection

from pipeline.ledger import meta
from pipeline.ledger.store import Ledger

_SELECTION = "selection"


def selection(connection: Connection) -> str | None:
    """Its digest; None while the choices are of none."""
    return meta.get(connection, _SELECTION)


def forget(ledger: Ledger) -> None:
    """Choices are about to be made with another: until that came to its end, they are of none."""
    ledger.transact(lambda connection: meta.forget(connection, _SELECTION))


def remember(ledger: Ledger, digest: str) -> None:
    """All choices are of this one now."""
    ledger.transact(lambda connection: meta.put(connection, _SELECTION, digest))
