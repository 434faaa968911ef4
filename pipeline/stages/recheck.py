"""Recheck: does a sink still hold what the ledger calls confirmed?"""

from __future__ import annotations

from dataclasses import replace

from connectors.abilities import ReadBack
from connectors.base import Receipt, Sink, Traits
from connectors.checksums import Algorithm, Checksum, Digests, digest
from connectors.errors import ItemError, NotFound
from pipeline.ledger import Ledger
from pipeline.ledger.copies.checks import GONE, Held, mark
from pipeline.stages.confirm import confirm
from pipeline.stages.copy_lookup import find_copy
from pipeline.stopping import Stop


def recheck(ledger: Ledger, sink: Sink, copy: Held, digests: Digests, stop: Stop) -> Receipt | str:
    """A confirmed copy as the sink shows it, with the checksum that says that it is what it was:
    its own, or that of its bytes, which are read where it tells none. Else why it does not count
    any more, which the ledger is told, or nothing ("") where nothing tells. Raises what asking
    and reading raise."""
    receipt = find_copy(sink, copy.path, copy.remote_id)
    if receipt is None:
        why = GONE
    elif receipt.checksums:
        why = differs(sink.traits, receipt, digests)
    elif isinstance(sink, ReadBack):
        why = reread(sink, copy, stop)
        read = Checksum(Algorithm.SHA256, copy.sha256)
        receipt = replace(receipt, checksums=(read,))
    else:
        return ""
    if receipt is not None and not why:
        return receipt
    mark(ledger, copy, why)
    return why


def reread(sink: ReadBack, copy: Held, stop: Stop) -> str:
    """Read the copy back from its medium. Why it is not what it was; empty if it is.

    Raises what says nothing of the copy: ItemError where it may not or cannot be read.
    """
    receipt = Receipt(copy.path, copy.size, (), copy.remote_id)
    try:
        found = sha256(sink, receipt, stop)
    except NotFound:
        return GONE
    return "" if found == copy.sha256 else other_content(found, copy)


def other_content(found: str, copy: Held) -> str:
    """Why a copy whose bytes have the SHA-256 ``found`` does not count."""
    return f"holds sha256:{found}, not sha256:{copy.sha256}"


def sha256(sink: ReadBack, receipt: Receipt, stop: Stop) -> str:
    """Of a file at the sink, as its medium has it. Raises ItemError, NotFound among them, where
    it cannot be read."""
    return digest(stop.through(sink.read(receipt)))[Algorithm.SHA256]


def differs(traits: Traits, receipt: Receipt, digests: Digests) -> str:
    """Why a sink's own answer says that the copy is not what it was; empty if it is."""
    # What is known of the bytes may lack an algorithm (a copy that was adopted).
    known = tuple(c for c in receipt.checksums if digests.values.get(c.algorithm) is not None)
    try:
        confirm(traits, replace(receipt, checksums=known), digests)
    except ItemError as error:
        return str(error)
    return ""
