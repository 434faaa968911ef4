"""Confirm: does what the sink says it holds agree with the bytes that were verified?"""

from __future__ import annotations

from connectors.base import Receipt, Sink, Traits, Transferred
from connectors.checksums import Digests
from connectors.errors import ItemError


def confirm(traits: Traits, receipt: Receipt, digests: Digests) -> None:
    """Accept a receipt or raise ItemError that says what differs.

    The sink's own checksum decides, where its receipts carry one; a sink that promises one
    and gives none is not believed. The size must agree in any case.
    """
    if receipt.size != digests.size:
        raise ItemError(f"{receipt.path}: the sink holds {receipt.size} bytes, not {digests.size}")
    given = [checksum for checksum in receipt.checksums if checksum.verifiable]
    for checksum in given:
        if not digests.agrees(checksum):
            raise ItemError(
                f"{receipt.path}: the sink holds {checksum}, "
                f"not {checksum.algorithm}:{digests[checksum.algorithm]}"
            )
    if traits.algorithm and traits.algorithm not in {checksum.algorithm for checksum in given}:
        raise ItemError(f"{receipt.path}: the sink gave no {traits.algorithm} checksum")


def commit_one(sink: Sink, sent: Transferred) -> Receipt:
    """Commit what was sent by itself. Raises what ``Sink.commit`` raises or answers."""
    (answer,) = sink.commit([sent])
    if not isinstance(answer, Receipt):
        raise answer
    return answer
