"""What a sink holds already counts only when its own checksum says what it is."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from connectors.base import Receipt
from connectors.checksums import Algorithm, Checksum, digest
from connectors.memory import Library, MemorySink, MemorySource, Shelf
from pipeline.states import Exit
from tests.engine.rig import Recorder, contents, fill, go, job


class Listing(MemorySink):
    """Lists MD5, or nothing, where the shelf's own SHA-256 would tell more."""

    algorithm: Algorithm | None = Algorithm.SHA256

    def inventory(self) -> Iterator[Receipt]:
        for receipt in super().inventory():
            value = digest([self._shelf.visible[receipt.path][1]])
            given = (Checksum(self.algorithm, value[self.algorithm]),) if self.algorithm else ()
            yield replace(receipt, checksums=given)


@pytest.mark.parametrize(
    ("algorithm", "changed", "adopted"),
    [
        (Algorithm.SHA256, False, 4),
        (Algorithm.SHA256, True, 3),
        (Algorithm.MD5, False, 0),  # what we left beside a copy says nothing of its bytes now
        (None, True, 3),  # read back
    ],
)
def test_a_lost_ledger_is_rebuilt_from_proof_alone(
    tmp_path: Path, algorithm: Algorithm | None, changed: bool, adopted: int
) -> None:
    library, shelf = Library(), Shelf()
    fill(library, 3)
    sink = Listing("to", shelf)
    sink.algorithm = algorithm
    work = job(MemorySource("from", library), [sink], staging=tmp_path / "s")
    assert go(work, tmp_path / "first.sqlite").exit is Exit.OK
    if changed:
        path, (receipt, data) = next(iter(shelf.visible.items()))
        other = data[::-1] + b"!"
        own = Checksum(Algorithm.SHA256, digest([other])[Algorithm.SHA256])
        shelf.visible[path] = (replace(receipt, size=len(other), checksums=(own,)), other)
    watcher = Recorder()
    outcome = go(work, tmp_path / "second.sqlite", watcher)
    assert outcome.exit is Exit.OK and outcome.summary.adopted_files == adopted
    assert set(library.contents.values()) <= set(contents(shelf).values())
