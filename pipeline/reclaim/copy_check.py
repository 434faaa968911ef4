"""Asking the sinks: is every copy of an asset still there, and are the copies really several?

A hard link, or a folder that is configured twice, is one copy: ``Identifies``, or the sink's own
id, tells. What is lost together stands in ``groups``, but for a folder of another disk in a sink.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from connectors.abilities import Identifies, Identity, ReadBack
from connectors.base import Receipt, Sink
from connectors.checksums import Algorithm
from connectors.errors import ItemError, NotFound, OutpourError
from pipeline.ledger.codec import now
from pipeline.ledger.copies.checks import GONE, Held
from pipeline.ledger.reclaimable import Candidate, File
from pipeline.stages.copy_lookup import stat_copy
from pipeline.stages.recheck import differs, reread
from pipeline.stopping import Stop


@dataclass(frozen=True, slots=True)
class CopyCheck:
    """What a sink said of one copy today. ``wrong`` says what is not as it was, ``unproven``
    why nothing can be said; both empty: the bytes are there. ``identity`` names them."""

    copy: Held
    how: str = ""
    checksum: str = ""
    time: str = ""
    identity: Identity | None = None
    wrong: str = ""
    unproven: str = ""

    @property
    def good(self) -> bool:
        return not self.wrong and not self.unproven


def check_copy(sink: Sink, file: File, copy: Held, stop: Stop) -> CopyCheck:
    """Look at one copy: by the sink's own checksum where it keeps one, else by its bytes.

    Raises what says nothing about the copy (Transient, SessionExpired, ...).
    """
    receipt = stat_copy(sink, copy.path, copy.remote_id)
    if receipt is None:
        return CopyCheck(copy, wrong=GONE)
    algorithm = sink.traits.algorithm
    if algorithm is not None and algorithm in {given.algorithm for given in receipt.checksums}:
        expected = file.digests.values.get(algorithm)
        if expected is None:
            return CopyCheck(copy, unproven=f"{algorithm} of its bytes is not known")
        wrong = differs(sink.traits, receipt, file.digests)
        how, checksum = "listed", f"{algorithm}:{expected}"
    elif isinstance(sink, ReadBack):
        wrong = reread(sink, copy, stop)
        how, checksum = "read back", f"{Algorithm.SHA256}:{copy.sha256}"
    else:
        return CopyCheck(copy, unproven="the sink gives no checksum of it")
    if wrong:
        return CopyCheck(copy, wrong=wrong)
    try:
        identity = _identity(sink, copy, receipt)
    except NotFound:
        return CopyCheck(copy, wrong=GONE)
    except ItemError as error:
        return CopyCheck(copy, unproven=str(error))
    return CopyCheck(copy, how, checksum, now(), identity)


def _identity(sink: Sink, copy: Held, receipt: Receipt) -> Identity | None:
    if isinstance(sink, Identifies):
        return sink.identity(copy.path)
    return Identity(receipt.id, "") if receipt.id is not None else None


@dataclass
class AssetCheck:
    """What the sinks said of all copies of one asset. With ``same_disk`` two on one disk are
    two."""

    candidate: Candidate
    same_disk: bool
    seen: dict[int, list[CopyCheck]] = field(default_factory=dict)  # by file

    def add(self, file: File, seen: CopyCheck) -> None:
        self.seen.setdefault(file.key, []).append(seen)

    @property
    def wrong(self) -> list[CopyCheck]:
        """Copies that are not as they were."""
        return [one for seen in self.seen.values() for one in seen if one.wrong]

    def why_not(self, groups: Iterable[Sequence[str]], copies: int) -> str:
        """Why the asset may not go; empty if it may."""
        for file in self.candidate.files:
            for one in self.seen.get(file.key, ()):
                if not one.good:
                    return f"{one.copy.sink}: {one.copy.path}: {one.wrong or one.unproven}"
        whole = self._distinct(groups)
        if whole < copies:
            return f"has {whole} of {copies} independent copies"
        return ""

    def _distinct(self, groups: Iterable[Sequence[str]]) -> int:
        """Places that hold every file; those that share the bytes or the disk of one count once."""
        clusters = [set(group) for group in groups]
        for file in self.candidate.files:
            shared: dict[str, set[str]] = {}
            for one in self.seen.get(file.key, ()):
                for name in self._names(one.identity):
                    shared.setdefault(name, set()).add(one.copy.sink)
            for sinks in shared.values():
                touched = [cluster for cluster in clusters if cluster & sinks]
                clusters = [cluster for cluster in clusters if not cluster & sinks]
                clusters.append(set().union(*touched))
        return sum(1 for cluster in clusters if cluster & self._whole())

    def _names(self, identity: Identity | None) -> Iterator[str]:
        if identity is not None:
            yield identity.content
            if identity.medium and not self.same_disk:
                yield identity.medium

    def _whole(self) -> set[str]:
        held = [
            {one.copy.sink for one in self.seen.get(file.key, ()) if one.good}
            for file in self.candidate.files
        ]
        return set.intersection(*held) if held else set()


def unchecked(copy: Held, error: OutpourError) -> CopyCheck:
    """A copy whose sink could not be asked."""
    return CopyCheck(copy, unproven=f"could not be checked: {error}")
