"""The digest of the selection that all of the ledger's choices were made with."""

from __future__ import annotations

from sqlalchemy import Connection

from pipeline.ledger import meta
from pipeline.ledger.store import Ledger

_SELECTION = "selection"


def selection(connection: Connection) -> str | None:
    """None while the choices are being made anew, or never were."""
    return meta.get(connection, _SELECTION)


def forget(ledger: Ledger) -> None:
    """Choices are about to be made with another selection: until all are, they are of none."""
    ledger.transact(lambda connection: meta.forget(connection, _SELECTION))


def remember(ledger: Ledger, digest: str) -> None:
    """All choices are of this one now."""
    ledger.transact(lambda connection: meta.put(connection, _SELECTION, digest))
