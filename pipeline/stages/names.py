"""Under which names a file may stand at a sink: beside the other files of its asset, if it can."""

from __future__ import annotations

from collections.abc import Iterator

from pipeline import naming
from pipeline.stages.context import PieceWork

_MOST = 10  # suffixes that are tried, where other content has the names


def names(piece: PieceWork, sink: str, sha256: str) -> Iterator[str]:
    """Its path at the sink, then what it is called where other content has the one before.

    The suffixes depend on the asset and on the content alone, so that another run finds what
    this one brought.
    """
    tried: set[str] = set()
    for path in _wanted(piece, sink, sha256):
        if path not in tried:
            tried.add(path)
            yield path


def _wanted(piece: PieceWork, sink: str, sha256: str) -> Iterator[str]:
    own, asset = piece.piece, piece.asset
    path, first, spot = own.path, asset.item.first.path, asset.spots.get(sink)
    if spot is not None and spot[0] != path:
        path, first = naming.beside(path, *spot), naming.beside(first, *spot)
    if own.generated:
        yield naming.sidecar(first)
        return
    copy = own.copies.get(sink)
    # Where an upload was begun counts less than where the other files have come to stand.
    if copy and copy.path and (copy.confirmed or spot is None):
        yield copy.path
    yield path
    for salt in (asset.item.asset.id, sha256, *(f"{sha256} {n}" for n in range(2, _MOST))):
        suffix = naming.suffix_for(salt)
        if f"-{suffix}" not in first:
            yield naming.apart(path, first, suffix)
