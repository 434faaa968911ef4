"""A person's own files on their way from a folder to Dropbox, which may change at any moment."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import pytest

from connectors.base import Body, Checkpoint, Put, Transferred
from connectors.dropbox.sink import Answer, DropboxSink
from connectors.local.source import LocalSource
from pipeline.states import Exit
from sandbox.dropbox import Dropbox as Double
from tests.conformance.making import content
from tests.dropbox.bench import DropboxPlace, held
from tests.engine.rig import go, job


def pour(tmp_path: Path, sink: DropboxSink) -> Exit:
    work = job(LocalSource("from", tmp_path / "from"), [sink], staging=tmp_path / "staging")
    return go(work, tmp_path / "ledger").exit


@pytest.mark.parametrize("tells", [True, False], ids=["newer", "with its old time"])
def test_small_files_that_change_are_named_and_taken_by_the_next_run(
    tells: bool, double: Double, place: DropboxPlace, tmp_path: Path
) -> None:
    """What was not verified is never seen there, not even for a moment."""
    photos = [tmp_path / "from" / f"IMG_{n}.JPG" for n in range(20)]
    photos[0].parent.mkdir()
    for n, photo in enumerate(photos):
        photo.write_bytes(content(5000, n))

    class Late(DropboxSink):
        """Gets one of them after it was changed."""

        def change(self, put: Put) -> None:
            if put.path.endswith(photos[7].name):
                before = photos[7].stat().st_mtime_ns
                photos[7].write_bytes(content(5000, 99))
                os.utime(photos[7], ns=(before + tells, before + tells))

        def transfer(
            self, put: Put, body: Body, token: str | None, keep: Checkpoint
        ) -> Transferred:
            self.change(put)
            return super().transfer(put, body, token, keep)

        def transfer_many(self, items: Sequence[tuple[Put, Body, str | None]]) -> list[Answer]:
            for put, _, _ in items:
                self.change(put)
            return super().transfer_many(items)

    assert pour(tmp_path, Late("dropbox", place.settings)) is Exit.ITEMS_FAILED
    assert len(held(double)) == double.tree.writes == 19
    assert pour(tmp_path, place.open()) is Exit.OK
    assert sorted(held(double).values()) == sorted(photo.read_bytes() for photo in photos)
    assert double.tree.writes == 20
