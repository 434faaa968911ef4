"""What the stages write, in the order in which an item passes through them."""

from __future__ import annotations

from sqlalchemy import and_, bindparam, delete, insert, update
from sqlalchemy.dialects.sqlite import insert as upsert

from connectors.base import Receipt
from connectors.checksums import Algorithm, Digests
from pipeline.ledger import schema
from pipeline.ledger.codec import now
from pipeline.ledger.store import Ledger, Op
from pipeline.states import AssetState, CopyState, Proof

_A, _R, _C = schema.assets.c, schema.resources.c, schema.copies.c

_by_copy = and_(_C.resource == bindparam("key"), _C.sink == bindparam("at"))

_PLANNED = Op(
    0,
    upsert(schema.copies)
    .values(resource=bindparam("key"), sink=bindparam("at"), state=CopyState.PENDING, reason="")
    .on_conflict_do_update(["resource", "sink"], set_={"state": CopyState.PENDING, "reason": ""}),
)
_RECEIVED = Op(
    1,
    update(schema.resources)
    .where(_R.id == bindparam("key"))
    .values({name: bindparam(f"new_{name}")
             for name in ("proof", "apple", "sha256", "md5", "dropbox", "received")}),
)  # fmt: skip
_TOKEN = Op(
    2, update(schema.copies).where(_by_copy).values(token=bindparam("new"), path=bindparam("where"))
)
_TRANSFERRED = Op(
    3,
    update(schema.copies)
    .where(_by_copy)
    .values(token=bindparam("new"), path=bindparam("where"), state=CopyState.TRANSFERRED),
)
_CONFIRMED = Op(
    4,
    update(schema.copies)
    .where(_by_copy)
    .values(
        state=CopyState.CONFIRMED,
        token=None,
        reason="",
        path=bindparam("where"),
        remote_id=bindparam("remote"),
        checksum=bindparam("sum"),
        size=bindparam("bytes"),
        confirmed=bindparam("when"),
        checked=bindparam("when"),
        replaces="",
    ),
)
_KEPT = Op(4, update(schema.copies).where(_by_copy).values(state=CopyState.CONFIRMED, reason=""))
_COPY_FAILED = Op(
    4,
    update(schema.copies)
    .where(_by_copy)
    .values(state=bindparam("new_state"), reason=bindparam("why")),
)
_HANDED_OVER = Op(5, delete(schema.copies).where(_by_copy))
_ASSET = Op(
    5,
    update(schema.assets)
    .where(_A.id == bindparam("key"))
    .values(state=bindparam("new_state"), reason=bindparam("why")),
)
_EVENT = Op(6, insert(schema.events))


def plan_copy(ledger: Ledger, resource: int, sink: str) -> None:
    """The resource is on its way to this sink; what is known of the copy stays."""
    ledger.add(_PLANNED, key=resource, at=sink)


def received(ledger: Ledger, resource: int, digests: Digests, proof: Proof) -> None:
    """The bytes of a resource arrived whole and were verified."""
    values = {f"new_{algorithm}": digests[algorithm] for algorithm in Algorithm}
    ledger.add(_RECEIVED, key=resource, new_proof=proof, new_received=digests.size, **values)


def keep_token(ledger: Ledger, resource: int, sink: str, path: str, token: str) -> int:
    """Queue a token; it survives a crash once its ticket is durable."""
    return ledger.add(_TOKEN, key=resource, at=sink, new=token, where=path)


def transferred(ledger: Ledger, resource: int, sink: str, path: str, token: str) -> None:
    """The sink has the bytes under ``token``, not yet visible."""
    ledger.add(_TRANSFERRED, key=resource, at=sink, new=token, where=path)


def confirmed(ledger: Ledger, resource: int, sink: str, receipt: Receipt) -> None:
    """The sink's own answer agrees with the bytes."""
    checksum = str(receipt.checksums[0]) if receipt.checksums else None
    ledger.add(
        _CONFIRMED,
        key=resource,
        at=sink,
        where=receipt.path,
        remote=receipt.id,
        sum=checksum,
        bytes=receipt.size,
        when=now(),
    )


def handed_over(ledger: Ledger, former: int, sink: str) -> None:
    """The copy of the resource ``former`` there is another's now."""
    ledger.add(_HANDED_OVER, key=former, at=sink)


def kept(ledger: Ledger, resource: int, sink: str) -> None:
    """The source still has the bytes that the sink confirmed: its copy counts as before."""
    ledger.add(_KEPT, key=resource, at=sink)


def copy_failed(ledger: Ledger, resource: int, sink: str, state: CopyState, why: str) -> None:
    ledger.add(_COPY_FAILED, key=resource, at=sink, new_state=state, why=why)


def finish(ledger: Ledger, asset: int, state: AssetState, why: str = "") -> None:
    """The asset reached its end in this run."""
    ledger.add(_ASSET, key=asset, new_state=state, why=why)


def note(
    ledger: Ledger,
    run: int,
    kind: str,
    detail: str,
    *,
    asset: int | None = None,
    resource: int | None = None,
) -> None:
    """Append to the run's history."""
    ledger.add(
        _EVENT, run=run, time=now(), kind=kind, asset=asset, resource=resource, detail=detail
    )


def leave_waiting(ledger: Ledger, why: str) -> int:
    """Whatever is still pending at the end of a run waits for the next; returns how many."""
    statement = (
        update(schema.assets)
        .where(_A.state == AssetState.PENDING)
        .values(state=AssetState.WAITING, reason=why)
    )
    return ledger.transact(lambda connection: connection.execute(statement).rowcount)
