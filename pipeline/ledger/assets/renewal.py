"""What is left of a file's proof and of its copies when its source lists it anew."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, case, update

from connectors.checksums import Algorithm
from pipeline.ledger import schema
from pipeline.states import CopyState, Proof

_C = schema.copies.c
_UNREAD: dict[str, Any] = {"proof": Proof.NONE, "received": None, **dict.fromkeys(Algorithm)}
_IN_DOUBT = {"proof": Proof.NONE}
_UNSENT: dict[str, Any] = dict.fromkeys(
    ("path", "token", "remote_id", "checksum", "size", "confirmed", "checked")
)


def invalidate(
    connection: Connection, row: Any, listed: Mapping[str, Any], renewed: bool
) -> dict[str, Any]:
    """What is to be written of the file in ``row`` beside, or instead of, what is ``listed``.

    Without proof its copies are due again. Without a checksum, a file that is ``renewed`` may
    hold other bytes of the same size: nobody but the source could tell. Until it was read, its
    digests stay: they say what its copies hold.
    """
    same = (row.checksum, row.size) == (listed["checksum"], listed["size"])
    # Of several sources the one that told the checksum has the file no more.
    vanished = (listed["checksum"], listed["size"]) == (None, row.size)
    if vanished and row.proof == Proof.CHECKSUM and not renewed:
        return {"checksum": row.checksum}
    # A checksum that comes late, for bytes that were received, is no other content.
    late = row.apple is not None and listed["checksum"] == f"apple:{row.apple}"
    if not same and not vanished and not (late and row.checksum is None):
        _due(connection, row.id, "changed at the source", _UNSENT)
        return _UNREAD
    if late and row.proof == Proof.SIZE:
        return {"proof": Proof.CHECKSUM}
    if not renewed or listed["checksum"] is not None:
        return {}
    doubted: dict[str, Any] = {"token": None}
    if row.proof:  # else they were in doubt before: what a sink confirmed is as it was then
        right = (_C.state == CopyState.CONFIRMED, _C.confirmed)
        doubted["confirmed"] = case(right, else_=None)
    _due(connection, row.id, "may have changed at the source", doubted)
    return _IN_DOUBT


def _due(connection: Connection, resource: int, why: str, values: Mapping[str, Any]) -> None:
    copies = update(schema.copies).where(_C.resource == resource)
    connection.execute(copies.values(state=CopyState.PENDING, reason=why, **values))
