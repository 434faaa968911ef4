"""Promise: what a verify found before it was broken off is not called confirmed by the next run."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import select

from connectors.base import Receipt
from connectors.errors import Fatal
from connectors.local import LocalSink
from connectors.memory import Library, MemorySource
from pipeline.ledger import Ledger, schema
from pipeline.runner import Outcome, run, verify
from pipeline.states import Exit, RunState
from pipeline.stopping import Stop
from tests.engine.rig import Recorder, fill, job

COUNT = 30


class Killed(BaseException):
    """Nothing of ours runs any more."""


class Dying(LocalSink):
    """The machine goes down once so many files were read."""

    left = 5

    def read(self, receipt: Receipt) -> Iterator[bytes]:
        self.left -= 1
        if self.left < 0:
            raise Killed
        return super().read(receipt)


def moved(folder: Path, library: Library) -> Outcome:
    sink = LocalSink("to", folder / "Photos", readback=False)
    with Ledger.open(folder / "l.sqlite") as ledger:
        made = job(MemorySource("from", library), [sink], staging=folder / "s")
        return run(made, ledger, Recorder(), stop=Stop(), prompter=None)


def test_a_run_after_it_brings_what_was_found_to_be_lost(tmp_path: Path) -> None:
    library = Library()
    fill(library, COUNT)
    assert moved(tmp_path, library).exit is Exit.OK
    files = sorted((tmp_path / "Photos").rglob("*.HEIC"))
    files[0].unlink()
    dying = Dying("to", tmp_path / "Photos", readback=False)
    with Ledger.open(tmp_path / "l.sqlite") as ledger, pytest.raises(Killed):
        made = job(MemorySource("from", library), [dying], staging=tmp_path / "s")
        verify(made, ledger, Recorder(), stop=Stop())
    assert moved(tmp_path, library).exit is Exit.OK
    assert sorted((tmp_path / "Photos").rglob("*.HEIC")) == files


def test_one_that_failed_is_no_run_that_goes_on(tmp_path: Path) -> None:
    """Whoever reads the ledger's history sees how it ended."""
    library = Library()
    fill(library, COUNT)
    assert moved(tmp_path, library).exit is Exit.OK

    class Away(LocalSink):
        def read(self, receipt: Receipt) -> Iterator[bytes]:
            raise Fatal("the disk is gone")

    with Ledger.open(tmp_path / "l.sqlite") as ledger:
        away = Away("to", tmp_path / "Photos", readback=False)
        made = job(MemorySource("from", library), [away], staging=tmp_path / "s")
        with pytest.raises(Fatal):
            verify(made, ledger, Recorder(), stop=Stop())
        with ledger.read() as connection:
            states = connection.execute(select(schema.runs.c.command, schema.runs.c.state)).all()
    assert states == [("run", RunState.COMPLETE), ("verify", RunState.FAILED)]
