"""A sidecar at Dropbox follows its photo's metadata, and a person's edit of it stays."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from connectors.base import Body, Put, Receipt
from connectors.checksums import Algorithm, digest
from connectors.errors import ItemError, NotFound, PathConflict, Transient
from pipeline.config.models import Keep
from pipeline.states import Exit
from sandbox.dropbox import Dropbox as Double
from sandbox.dropbox.content import Content
from sandbox.dropbox.tree import Commit
from tests.conformance.making import Bench, content, only
from tests.dropbox.bench import DropboxPlace, held
from tests.keep.reading import read
from tests.keep.rig import World

pytestmark = pytest.mark.wide


def sidecars(double: Double) -> dict[str, bytes]:
    """By the asset they are of."""
    found = [(path, data) for path, data in held(double).items() if path.endswith(".xmp")]
    return {read(data).plain["dc:identifier"]: data for _, data in found}


def newer(bench: Bench) -> tuple[Put, Body]:
    """To take the place of two older ones."""
    put, body = bench.stage("a.xmp", content(300, 1))
    older = (content(300), content(200))
    return replace(put, replaces=frozenset(digest([o])[Algorithm.SHA256] for o in older)), body


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


def test_one_whose_upload_expired_is_sent_again(place: DropboxPlace, tmp_path: Path) -> None:
    """What is at its path is an older one of ours: that is no reason to leave it there."""
    world = World(tmp_path)
    world.keep = Keep(sidecars="always")
    world.run(place.open())
    world.say("asset-00002", caption="new")
    place.double.faults.once("gone_session")  # a sidecar that goes alone meets it at its commit
    outcome = world.run(place.open())
    assert place.double.faults.counts["gone_session"] == 1
    assert outcome.exit is Exit.OK and outcome.summary.yielded == 0
    assert b"new" in sidecars(place.double)["asset-00002"]


def test_a_commit_after_a_week_asks_for_the_bytes_of_a_newer_one(
    place: DropboxPlace, tmp_path: Path
) -> None:
    bench, sink, double = Bench(tmp_path), place.open(), place.double
    old = bench.place(sink, "a.xmp", content(300))
    put, body = newer(bench)
    sent = sink.transfer(put, body, None, bench.keep)
    later = double.sessions.clock() + 8 * 24 * 3600
    double.sessions.clock = lambda: later
    (answer,) = sink.commit([sent])
    assert type(answer) is NotFound and sink.stat("a.xmp") == old
    only(sink.commit([sink.transfer(put, body, None, bench.keep)]))
    assert held(double) == {"/Outpour/a.xmp": content(300, 1)}


@pytest.mark.parametrize("ours", [True, False])
def test_what_is_there_may_change_just_before_a_commit(
    place: DropboxPlace, tmp_path: Path, ours: bool
) -> None:
    """Another one of ours gives way to the same commit, done again; all else stays."""
    bench, sink, double = Bench(tmp_path), place.open(), place.double
    bench.place(sink, "a.xmp", content(300))
    sent = sink.transfer(*newer(bench), None, bench.keep)
    other, hit = content(200, 0 if ours else 7), double.faults.hit

    def meanwhile(name: str, key: str = "") -> bool:
        if name == "busy_entry":
            double.tree.write(Commit(key, "overwrite"), Content.of(other, keep=True))
        return hit(name, key)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(double.faults, "hit", meanwhile)
        (answer,) = sink.commit([sent])
    assert type(answer) is (Transient if ours else PathConflict)
    assert held(double) == {"/Outpour/a.xmp": other}
    (answer,) = sink.commit([sent])
    assert type(answer) is (Receipt if ours else PathConflict)
    assert held(double) == {"/Outpour/a.xmp": content(300, 1) if ours else other}


def test_a_name_it_refuses_fails_alone(place: DropboxPlace, tmp_path: Path) -> None:
    """One of a batch, where each is to replace something."""
    bench, sink = Bench(tmp_path), place.open()
    old = frozenset({digest([b"older"])[Algorithm.SHA256]})
    staged = [bench.stage(path, content(300)) for path in ("a.xmp", f"{'x' * 300}.xmp")]
    sent = [sink.transfer(replace(put, replaces=old), body, None, bench.keep)
            for put, body in staged]  # fmt: skip
    good, bad = sink.commit(sent)
    assert isinstance(good, Receipt) and isinstance(bad, ItemError)
