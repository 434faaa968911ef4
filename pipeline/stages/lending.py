"""Files that lie on a local disk already: read where they are, not copied into staging first."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path

from connectors.abilities import Lends
from connectors.base import Source, Traits
from pipeline.stages.context import PieceWork, Run


def lends(source: Source, sinks: Iterable[Traits]) -> bool:
    """Whether the source's files go to these sinks without staging.

    They belong to a person, who may change them at any moment. So they are lent only to sinks
    whose receipts say which bytes arrived: what changed on the way is noticed there.
    """
    return isinstance(source, Lends) and all(sink.algorithm is not None for sink in sinks)


def lender(run: Run, work: PieceWork) -> Callable[[], Path] | None:
    """What gives the file where it lies; None if it has to come into staging.

    A file that the source has a checksum for is staged: only a copy can be put into quarantine.
    """
    resource, source = work.piece.resource, run.source
    sinks = [run.traits[name] for name in work.sinks]
    if resource.checksum is not None or not lends(source, sinks):
        return None
    assert isinstance(source, Lends)
    return partial(source.lend, work.asset.item.asset.id, resource)
