"""Promise: a deletion whose answer was lost costs no copy, and can be brought back."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import pytest

from connectors.base import Page, Problem
from connectors.errors import Fatal, Misconfigured, OutpourError
from connectors.icloud.source import ICloudSource
from pipeline.ledger import Ledger, trash
from pipeline.ledger.reclaimable import Candidate
from pipeline.reclaim import Done, Session, freeing, reclaiming
from pipeline.reclaim.copy_check import AssetCheck
from pipeline.runner import run
from pipeline.stopping import Stop
from sandbox.library import Library
from tests.engine.rig import Recorder, contents
from tests.icloud.rig import Rig, rig
from tests.pointing import Point
from tests.reclaim import joint
from tests.reclaim.cloud import PACE, POLICY, close, job, ledger_of
from tests.reclaim.rig import ask

T = TypeVar("T")


def freed_without_answer(world: joint.World) -> None:
    world.run()
    world.cloud.silent = True
    world.reclaim()
    world.cloud.silent = False


@pytest.mark.parametrize("first", ["phone", "cloud"])
def test_what_only_the_cloud_had_is_given_to_a_sink_that_is_added(
    tmp_path: Path, first: str
) -> None:
    """Also where a run, which asks for no deletion, is the first to list what became of it."""
    world = joint.World(tmp_path, first)
    world.edit("C0", b"edited in the cloud")
    freed_without_answer(world)
    world.run()
    world.reclaim()
    added = world.add_sink_without_the_cloud()
    assert set(contents(added).values()) == set(contents(world.shelves[0]).values())


def test_what_only_the_cloud_had_is_made_again_where_it_is_lost(tmp_path: Path) -> None:
    world = joint.World(tmp_path)
    world.edit("C0", b"edited in the cloud")
    freed_without_answer(world)
    world.reclaim()
    world.run()
    shelf = world.shelves[1]
    (lost,) = [at for at, (_, data) in shelf.visible.items() if data == b"edited in the cloud"]
    del shelf.visible[lost]
    assert world.verify("select leaves it out") == 0
    world.run()
    assert lost in shelf.visible and world.verify() == 0


def test_what_the_cloud_knew_of_it_stays_known(tmp_path: Path) -> None:
    world = joint.World(tmp_path, sidecars="always")
    asset = world.in_cloud.assets["C0"]
    told = replace(asset.metadata, caption="At the lake")
    world.change(world.in_cloud, "C0", replace(asset, metadata=told))
    world.run()
    before = world.described()
    freed_without_answer(world)
    for _ in range(2):
        world.run()
        world.reclaim()
    assert {name: world.described()[name] for name in before} == before


class Dying(ICloudSource):
    """Its line breaks after a request was carried out."""

    def trash(self, assets: Sequence[tuple[str, str | None]]) -> list[OutpourError | None]:
        super().trash(assets)
        raise Fatal("the line is dead")


class Deaf(ICloudSource):
    """Its line breaks before a request arrives."""

    def trash(self, assets: Sequence[tuple[str, str | None]]) -> list[OutpourError | None]:
        raise Fatal("the line is dead")


@pytest.fixture
def cloud(use_sandbox: Point, tmp_path: Path) -> Iterator[Rig]:
    """A library with a photo that iCloud cannot give, so that no listing of it is whole."""
    with rig(use_sandbox, Library(8, size=1500, plain=True)) as made:
        made.connect()
        lost = made.library.add("BROKEN").id
        made.faults.add("error_item", key=f"record/{lost}")
        made.icloud.cloudkit.indexed = lambda name: name != lost
        work = job(tmp_path)
        with Ledger.open(ledger_of(tmp_path)) as ledger:
            run(work, ledger, Recorder(), stop=Stop(), prompter=None)
        close(work)
        yield made


def session(
    folder: Path, what: Callable[[Session], T], kind: type[ICloudSource] = ICloudSource
) -> T:
    work = job(folder, kind)
    with (
        Ledger.open(ledger_of(folder)) as ledger,
        reclaiming(work, ledger, Recorder(), stop=Stop(), pace=PACE) as made,
    ):
        answer = what(made)
    close(work)
    return answer


def free(made: Session) -> Done:
    return made.free(POLICY, made.survey(POLICY))


def test_what_is_asked_for_again_is_taken_for_ours(cloud: Rig, tmp_path: Path) -> None:
    shown = cloud.ids("shown")
    lost = session(tmp_path, free, Dying)
    done = session(tmp_path, free)
    assert done.assets >= lost.unclear > 0 and not done.refused
    session(tmp_path, lambda made: made.undo(None))
    assert cloud.ids("shown") == shown


def test_what_its_owner_deletes_meanwhile_is_not_ours(cloud: Rig, tmp_path: Path) -> None:
    """It is not called freed, and it is not brought back."""

    def late(made: Session) -> Done:
        chosen = made.survey(POLICY)
        cloud.library.trash(chosen.candidates[0].asset)
        return made.free(POLICY, chosen)

    before = cloud.ids("shown")
    done = session(tmp_path, late)
    ((_, why),) = done.refused
    assert why == "it was deleted in iCloud already"
    assert done.assets == len(cloud.ids("trashed")) - 1
    session(tmp_path, lambda made: made.undo(None))
    assert len(cloud.ids("trashed")) == 1
    assert len(cloud.ids("shown")) == len(before) - 1


@pytest.mark.parametrize("mended", [False, True])
def test_it_is_brought_back_though_no_listing_is_whole(
    cloud: Rig, tmp_path: Path, mended: bool
) -> None:
    shown = cloud.ids("shown")
    done = session(tmp_path, free, Dying)
    assert done.unclear and len(cloud.ids("trashed")) == done.unclear
    session(tmp_path, lambda made: made.survey(POLICY))  # learns nothing of them
    if mended:
        cloud.faults.clear()
        cloud.icloud.cloudkit.indexed = lambda name: True
    back = session(tmp_path, lambda made: made.undo(None))
    assert back.assets == done.unclear
    assert cloud.ids("shown") == shown and not cloud.ids("trashed")


def in_bin(folder: Path) -> list[tuple[int, int]]:
    with Ledger.open(ledger_of(folder)) as ledger:
        return trash.runs(ledger, None)


def test_what_a_listing_names_was_not_deleted_though_it_is_not_whole(
    cloud: Rig, tmp_path: Path
) -> None:
    """What its owner deletes later is then not ours to bring back."""
    chosen = session(tmp_path, lambda made: made.survey(POLICY))
    session(tmp_path, free, Deaf)
    session(tmp_path, lambda made: made.survey(POLICY))
    assert in_bin(tmp_path) == []
    cloud.library.trash(chosen.candidates[0].asset)
    with pytest.raises(Misconfigured, match="nothing is left to bring back"):
        session(tmp_path, lambda made: made.undo(None))


@pytest.mark.parametrize("kind", [Deaf, Dying])
def test_what_two_runs_asked_for_is_of_the_one_that_was_answered(
    cloud: Rig, tmp_path: Path, kind: type[ICloudSource]
) -> None:
    shown = cloud.ids("shown")
    session(tmp_path, free, kind)
    done = session(tmp_path, free)
    assert in_bin(tmp_path) == [(done.run, done.assets)]
    session(tmp_path, lambda made: made.undo(None))
    assert cloud.ids("shown") == shown and in_bin(tmp_path) == []


class Garbled(joint.Cloud):
    """Of what left, its changes tell errors instead."""

    garbled = False

    def pages(self, since: str | None = None) -> Iterator[Page]:
        for page in super().pages(since):
            if self.garbled and since is not None:
                errors = tuple(Problem(one, "INTERNAL_ERROR") for one in page.gone)
                page = replace(page, gone=(), problems=errors)
            yield page


def test_changes_that_came_with_errors_tell_nothing_of_the_rest(tmp_path: Path) -> None:
    world = joint.World(tmp_path)
    world.cloud = Garbled("cloud", world.in_cloud)
    world.sources = [world.phone, world.cloud]
    freed_without_answer(world)
    world.cloud.garbled = True
    with world.session() as made:
        made.survey(ask())
    world.cloud.garbled = False
    world.undo()
    assert not world.in_cloud.bin


def test_what_was_withdrawn_before_it_was_asked_for_is_not_in_the_bin(
    cloud: Rig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(freeing, "_FRESH", -1.0)  # as if the source had let us wait
    look, looks = freeing.Freeing._look, []

    def damaged_meanwhile(made: freeing.Freeing, batch: Sequence[Candidate]) -> list[AssetCheck]:
        looks.append(batch)
        if len(looks) == 2:
            copy = batch[0].files[0].copies[0]
            (tmp_path / copy.sink / copy.path).write_bytes(b"x" * copy.size)
        return look(made, batch)

    monkeypatch.setattr(freeing.Freeing, "_look", damaged_meanwhile)
    done = session(tmp_path, free)
    assert len(done.withdrawn) == 1 and len(cloud.ids("trashed")) == done.assets > 0
    assert in_bin(tmp_path) == [(done.run, done.assets)]
