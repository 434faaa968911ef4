"""Finds copies that are not where they were put, in a place that lists no checksums: their owner
may have renamed or moved them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator

from connectors.base import Receipt
from connectors.errors import ItemError
from pipeline.ledger import Ledger
from pipeline.ledger.copies import checks, losses
from pipeline.ledger.copies.checks import Held


def find(
    ledger: Ledger,
    sink: str,
    listed: Iterable[Receipt],
    apart: Callable[[str], bool],
    sha256: Callable[[Receipt], str],
) -> Iterator[tuple[Held, Receipt]]:
    """Each copy that was lost and is among the files ``listed``, and where. What lies at a path
    that is ``apart`` is no copy. Only files that have the size of a lost copy are read, for their
    ``sha256``; one that cannot be read is none. Raises what listing and reading raise otherwise.
    """
    lost: dict[int, list[Held]] = defaultdict(list)
    for copy in losses.lost(ledger, sink):
        lost[copy.size].append(copy)
    if not lost:
        return
    for receipt in listed:
        if not lost.get(receipt.size) or apart(receipt.path):
            continue
        if checks.is_copy(ledger, sink, receipt.path, receipt.id):
            continue
        try:
            found = sha256(receipt)
        except ItemError:
            continue
        alike = [copy for copy in lost[receipt.size] if copy.sha256 == found]
        if alike:
            lost[receipt.size].remove(alike[0])
            yield alike[0], receipt
