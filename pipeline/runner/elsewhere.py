"""Copies that are not where they were put, in a place that lists no checksums: is one of the
files that nobody put there what is looked for? Their owner may have renamed or moved it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator

from connectors.base import Receipt
from pipeline.ledger import Ledger, checks, losses
from pipeline.ledger.checks import Held

Read = Callable[[Receipt], str | None]
"""The SHA-256 of a file at the sink; None where it cannot be told."""


def find(
    ledger: Ledger, sink: str, listed: Iterator[Receipt], read: Read
) -> Iterator[tuple[Held, Receipt]]:
    """Each copy that was lost and is among the files ``listed``, and where. Only files that have
    the size of such a copy are read. Raises what listing and reading raise."""
    lost: dict[int, list[Held]] = defaultdict(list)
    for copy in losses.lost(ledger, sink):
        lost[copy.size].append(copy)
    if not lost:
        return
    for receipt in listed:
        if not lost.get(receipt.size) or checks.is_copy(ledger, sink, receipt.path, receipt.id):
            continue
        found = read(receipt)
        alike = [copy for copy in lost[receipt.size] if copy.sha256 == found]
        if alike:
            lost[receipt.size].remove(alike[0])
            yield alike[0], receipt
