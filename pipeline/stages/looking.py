"""Looking at one copy that the ledger knows."""

from __future__ import annotations

from connectors.abilities import TellsApart
from connectors.base import Receipt, Sink


def look(sink: Sink, path: str, identity: str | None) -> Receipt | None:
    """What is visible where the copy is: the copy itself, though another file of its name may
    lie beside it. ``identity`` is the sink's own name for it, None where it gave none."""
    if identity and isinstance(sink, TellsApart):
        return sink.stat_known(path, identity)
    return sink.stat(path)
