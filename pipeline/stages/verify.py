"""Verify: do the bytes that came agree with what the source says of them?"""

from __future__ import annotations

from connectors.base import Resource
from connectors.checksums import Digests
from pipeline.states import Proof


class Mismatch(Exception):
    """The bytes contradict the source's checksum or size. Says both."""


def prove(resource: Resource, digests: Digests) -> Proof:
    """How these bytes are proven to be the resource's.

    A checksum that can be recomputed decides alone (a listing's size may be wrong, a
    fingerprint is not). Without one, the size must agree, and the proof says so. Raises
    Mismatch.
    """
    checksum = resource.checksum
    if checksum is not None and checksum.verifiable:
        if digests.agrees(checksum):
            return Proof.CHECKSUM
        raise Mismatch(
            f"expected {checksum}, received {checksum.algorithm}:{digests[checksum.algorithm]}"
            f" ({digests.size} bytes of {resource.size})"
        )
    if resource.size is not None and digests.size != resource.size:
        raise Mismatch(f"expected {resource.size} bytes, received {digests.size}")
    return Proof.SIZE
