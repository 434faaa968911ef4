"""A sidecar at Dropbox follows its photo's metadata, and a person's edit of it stays."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from connectors.base import Receipt
from connectors.checksums import Algorithm, digest
from connectors.errors import ItemError
from pipeline.config.models import Keep
from pipeline.states import Exit
from sandbox.dropbox import Dropbox as Double
from sandbox.dropbox.content import Content
from sandbox.dropbox.tree import Commit
from tests.conformance.making import Bench, content
from tests.dropbox.bench import DropboxPlace, held
from tests.keep.reading import read
from tests.keep.test_engine import World


def sidecars(double: Double) -> dict[str, bytes]:
    """By the asset they are of."""
    found = [(path, data) for path, data in held(double).items() if path.endswith(".xmp")]
    return {read(data).plain["dc:identifier"]: data for _, data in found}


def test_it_is_written_anew_when_the_source_says_more(place: DropboxPlace, tmp_path: Path) -> None:
    world = World(tmp_path)
    world.keep = Keep(sidecars="always")
    assert world.run(place.open()).exit is Exit.OK
    before = held(place.double)
    world.say("asset-00002", caption="new")
    outcome = world.run(place.open())
    assert outcome.exit is Exit.OK and outcome.summary.yielded == 0
    assert outcome.summary.downloaded_bytes == 0
    assert b"new" in sidecars(place.double)["asset-00002"]
    assert len(sidecars(place.double)) == 6 and held(place.double).keys() == before.keys()


def test_one_that_a_person_edited_stays(place: DropboxPlace, tmp_path: Path) -> None:
    world = World(tmp_path)
    world.keep = Keep(sidecars="always")
    world.run(place.open())
    (path,) = [p for p, data in held(place.double).items() if b"asset-00002" in data]
    edited = held(place.double)[path].replace(b"asset-00002", b"asset-00002 (mine)")
    place.double.tree.write(Commit(path, "overwrite"), Content.of(edited, keep=True))
    world.say("asset-00002", caption="new")
    outcome = world.run(place.open())
    assert outcome.exit is Exit.OK and outcome.summary.yielded == 1
    assert held(place.double)[path] == edited


def test_a_name_it_refuses_fails_alone(place: DropboxPlace, tmp_path: Path) -> None:
    """One of a batch, where each is to replace something."""
    bench, sink = Bench(tmp_path), place.open()
    old = frozenset({digest([b"older"])[Algorithm.SHA256]})
    staged = [bench.stage(path, content(300)) for path in ("a.xmp", f"{'x' * 300}.xmp")]
    sent = [sink.transfer(replace(put, replaces=old), body, None, bench.keep)
            for put, body in staged]  # fmt: skip
    good, bad = sink.commit(sent)
    assert isinstance(good, Receipt) and isinstance(bad, ItemError)
