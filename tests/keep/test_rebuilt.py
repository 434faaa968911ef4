"""Promise: whether a library is still there, its photos say, and not the sidecars beside them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from connectors.local import LocalSink
from pipeline.ledger import Ledger
from pipeline.runner import Rebuilt, rebuild
from pipeline.states import Exit
from pipeline.stopping import Stop
from tests.engine.rig import Recorder, job
from tests.keep.rig import World


def rebuilt(world: World) -> Rebuilt:
    for path in world.ledger.parent.glob(f"{world.ledger.name}*"):
        path.unlink()
    made = job(world.source, [LocalSink("here", world.root)], staging=world.folder / "s")
    made = replace(made, pipeline=made.pipeline.model_copy(update={"path": world.template}))
    with Ledger.open(world.ledger) as ledger:
        return rebuild(made, ledger, Recorder(), stop=Stop())


def edited(sidecar: Path) -> None:
    sidecar.write_text(sidecar.read_text().replace("</rdf:RDF>", "<!-- mine --></rdf:RDF>"))


@pytest.mark.parametrize("change", [edited, Path.unlink], ids=["edited", "deleted"])
def test_sidecars_that_are_not_as_they_were_make_no_photo_missing(
    world: World, change: object
) -> None:
    assert world.run().exit is Exit.OK
    for sidecar in world.sidecars().values():
        change(sidecar)  # type: ignore[operator]
    found = rebuilt(world)
    assert (found.exit, found.unlabelled) == (Exit.OK, 6)
    outcome = world.run()
    assert (outcome.exit, outcome.summary.downloaded_bytes) == (Exit.OK, 0)


def test_a_photo_that_is_missing_is_missing(world: World) -> None:
    assert world.run().exit is Exit.OK
    next(world.root.rglob("IMG_0004.HEIC")).unlink()
    found = rebuilt(world)
    assert (found.exit, found.unlabelled, found.confirmed) == (Exit.ITEMS_FAILED, 0, 5)
