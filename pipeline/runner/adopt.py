"""Adopt what a sink already holds: an earlier archive counts, once its bytes are proven.

Files are matched by content alone, never by name: by the source's checksum that we once left
with the copy, or by reading a file of the right size and recomputing the source's checksum.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice

from connectors.base import Inventory, ReadBack, Receipt, Sink
from connectors.checksums import Digests, digest
from connectors.errors import OutpourError
from pipeline.ledger import adoption
from pipeline.stages.context import Run

_BATCH = 64
_READERS = 4


def adopt(run: Run, sink: Sink) -> int:
    """Confirm copies that are at the sink before the first byte moves; returns how many.

    Only for a sink the ledger knows no copy at: afterwards the ledger itself knows.
    """
    if not isinstance(sink, Inventory) or adoption.knows(run.ledger, sink.name):
        return 0
    adopted = 0
    with ThreadPoolExecutor(_READERS, thread_name_prefix="adopt") as readers:
        for batch in _batches(sink.inventory()):
            run.stop.check()
            candidates = adoption.candidates(run.ledger, sink.name, batch)
            wanted = [receipt for receipt in batch if candidates.get(receipt.path)]
            proofs = readers.map(lambda receipt: _prove(run, sink, receipt), wanted)
            found = [(r, d, candidates[r.path]) for r, d in zip(wanted, proofs, strict=True) if d]
            adopted += adoption.adopt(run.ledger, sink.name, found)
            run.meter.adopted = adopted
    return adopted


def _batches(receipts: Iterator[Receipt]) -> Iterator[list[Receipt]]:
    while batch := list(islice(receipts, _BATCH)):
        yield batch


def _prove(run: Run, sink: Sink, receipt: Receipt) -> Digests | None:
    """Digests of the file as the sink holds it; None where reading fails or costs a download."""
    if receipt.checksums or not isinstance(sink, ReadBack):
        return adoption.from_properties(receipt)
    try:
        return digest(_unless_stopped(run, sink.read(receipt)))
    except OutpourError as error:
        run.notice("warning", f"{receipt.path} cannot be read: {error}", sink.name)
        return None


def _unless_stopped(run: Run, chunks: Iterator[bytes]) -> Iterator[bytes]:
    for chunk in chunks:
        run.stop.check()
        yield chunk
