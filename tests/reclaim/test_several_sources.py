"""A phone and a cloud are one library: room is made in the cloud, and what the phone has stays."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import select, update

from connectors.base import Problem, Role
from connectors.errors import Fatal, Misconfigured
from connectors.memory import Library, MemorySource
from pipeline.ledger import Ledger, schema
from pipeline.reclaim.prospect import prospect
from pipeline.report.rows import rows
from pipeline.states import AssetState, Exit
from tests.engine.rig import apple, contents
from tests.ledger.earlier import as_version_six
from tests.reclaim.joint import BOTH, ONLY_CLOUD, ONLY_PHONE, Cloud, World, ids, name
from tests.reclaim.rig import NOW, ask
from tests.together.rig import Photo

pytestmark = pytest.mark.wide


def test_only_what_the_cloud_has_goes_and_only_from_there(world: World) -> None:
    chosen, done = world.reclaim()
    assert {one.asset for one in chosen.candidates} == ids(*BOTH, *ONLY_CLOUD)
    sizes = [sum(r.size or 0 for r in a.resources) for a in world.in_cloud.bin.values()]
    assert (done.assets, done.bytes) == (5, sum(sizes))
    assert set(world.in_cloud.bin) == ids(*BOTH, *ONLY_CLOUD) and not world.in_cloud.assets
    assert len(world.on_phone.assets) == 5 and not world.on_phone.bin
    states = world.states()
    for number in (*BOTH, *ONLY_PHONE):
        assert states[name(number)][0] == AssetState.CONFIRMED
    for number in ONLY_CLOUD:
        state, reason = states[name(number)]
        assert state == AssetState.GONE and reason.startswith("freed by reclaim, run 2")
    with Ledger.open(world.ledger) as ledger:
        told = {row.filename: row.reason for row in rows(ledger)}
    for number in BOTH:
        assert told[name(number)].startswith("cloud: freed by reclaim, run 2")
    assert [told[name(number)] for number in ONLY_PHONE] == ["", ""]


def test_the_phone_is_not_asked(world: World) -> None:
    """It may lie in a pocket while room is made in the cloud."""
    world.phone.plugged = False
    _, done = world.reclaim()
    assert done.assets == 5 and done.whole
    assert world.undo().assets == 5


def test_what_was_freed_comes_back_and_is_not_copied_again(world: World) -> None:
    world.reclaim()
    held, read = [contents(shelf) for shelf in world.shelves], world.phone.opened
    world.run()
    done = world.undo()
    assert done.assets == 5 and set(world.in_cloud.assets) == ids(*BOTH, *ONLY_CLOUD)
    world.run()
    assert [contents(shelf) for shelf in world.shelves] == held
    assert world.phone.opened == read
    assert {state for state, _ in world.states().values()} == {AssetState.CONFIRMED}
    assert world.reclaim()[1].assets == 5


def test_a_reclaim_without_the_phone_forgets_nothing_of_it(world: World) -> None:
    """Neither where its listing stands, nor what could not be read, nor new problems."""
    asset = world.on_phone.assets["P5"]
    world.change(world.on_phone, "P5", replace(asset, revision=None))
    world.run()
    size = asset.resources[0].size
    data = bytes(size or 0)
    twin = replace(asset.resources[0], checksum=apple(data), size=size)
    world.in_cloud.put(replace(asset, id="C5", resources=(twin,)), {twin.id: data})
    before = world.cursor()
    world.phone.plugged = False
    world.reclaim()
    assert (world.problems(), world.cursor()["phone"]) == (0, before["phone"])


def test_what_its_owner_brought_back_and_deleted_is_not_brought_back(world: World) -> None:
    world.reclaim()
    world.in_cloud.restore("C0")
    world.run()
    world.in_cloud.trash("C0")
    world.run()
    assert world.undo().assets == 4
    assert set(world.in_cloud.assets) == ids(1, 2, *ONLY_CLOUD)


def test_what_became_of_a_request_whose_answer_was_lost_is_found_out(world: World) -> None:
    world.cloud.silent = True
    _, done = world.reclaim()
    assert isinstance(done.error, Fatal) and done.unclear
    world.cloud.silent = False
    lost = set(world.in_cloud.bin)
    assert lost
    with world.session() as session:
        session.survey(ask())
    with Ledger.open(world.ledger) as ledger, ledger.read() as connection:
        t, s = schema.trash.c, schema.sightings.c
        query = select(s.asset_id).join(schema.trash, t.sighting == s.id)
        assert set(connection.execute(query.where(t.state == "trashed")).scalars()) == lost
    assert world.undo().assets == len(lost)


def test_what_became_of_it_is_asked_of_the_source_that_was_to_delete_it(world: World) -> None:
    """Another that is freed in between knows nothing of it."""
    other = Cloud("other", Library())
    world.sources = [*world.sources, other]
    world.run()
    world.cloud.silent = True
    with world.session("cloud") as session:
        session.free(ask(), session.survey(ask()))
    lost = set(world.in_cloud.bin)
    world.cloud.silent = False
    with world.session("other") as session:
        session.survey(ask())
    with world.session("cloud") as session:
        session.survey(ask())
        done = session.undo(None)
    assert done.assets == len(lost) > 0


def test_what_changed_in_the_cloud_stays(world: World) -> None:
    """An edit that was made after the copy has none yet."""
    world.edit("C0", b"new")
    _, done = world.reclaim()
    assert "C0" not in world.in_cloud.bin and done.assets == 4


def test_what_the_cloud_shares_or_holds_dear_stays(world: World) -> None:
    """Whatever the phone says of the same photo."""
    one, other, young = (world.in_cloud.assets[f"C{n}"] for n in BOTH)
    world.change(world.in_cloud, "C0", replace(one, library="SharedSync-1"))
    dear = replace(other.metadata, favorite=True)
    world.change(world.in_cloud, "C1", replace(other, metadata=dear))
    new = replace(young.metadata, added=NOW - timedelta(days=1))
    world.change(world.in_cloud, "C2", replace(young, metadata=new))
    world.run()
    _, done = world.reclaim()
    assert set(world.in_cloud.bin) == ids(*ONLY_CLOUD) and done.assets == 2


def test_a_copy_that_is_gone_withdraws_it(world: World) -> None:
    shelf = world.shelves[1]
    lost = next(path for path in shelf.visible if path.endswith(name(3)))
    del shelf.visible[lost]
    _, done = world.reclaim()
    assert [filename for filename, _ in done.withdrawn] == [name(3)]
    assert "C3" in world.in_cloud.assets and done.assets == 4


@pytest.mark.parametrize("earlier", [False, True], ids=["now", "by an earlier version"])
def test_what_was_freed_before_there_was_a_phone_comes_back(tmp_path: Path, earlier: bool) -> None:
    world = World(tmp_path)
    world.sources = [world.cloud]
    world.run()
    _, done = world.reclaim()
    assert done.assets == 5
    world.sources = [world.phone, world.cloud]
    world.run()
    if earlier:
        as_version_six(world.ledger)
    for number in BOTH:
        world.on_phone.trash(f"P{number}")
    world.run()
    assert world.states()[name(3)][1].startswith("freed by reclaim, run 2")
    assert world.undo().assets == 5
    assert set(world.in_cloud.assets) == ids(*BOTH, *ONLY_CLOUD)


@pytest.mark.wide
def test_what_was_freed_before_another_cloud_had_it_comes_back(tmp_path: Path) -> None:
    """The other's checksums made them one before ledgers told of each source what was freed."""
    world = World(tmp_path)
    world.sources = [world.cloud]
    world.run()
    world.reclaim()
    other = Library()
    for number in (*BOTH, *ONLY_CLOUD):
        photo = Photo.made(number, Role.ORIGINAL, Role.LIVE_VIDEO)
        files = {name: data for name, (_, data) in photo.files.items()}
        other.put(photo.asset(f"O{number}"), files)
    world.sources = [world.cloud, MemorySource("other", other)]
    world.run()
    assert len(world.states(there=True)) == 5
    as_version_six(world.ledger)
    with world.session("cloud") as session:
        assert session.undo(None).assets == 5
    assert set(world.in_cloud.assets) == ids(*BOTH, *ONLY_CLOUD)


@pytest.mark.wide
def test_what_could_not_be_read_of_the_phone_is_still_told(world: World) -> None:
    unread = world.phone.unreadable
    unread.append(Problem("P8", "damaged"))
    world.run(Exit.ITEMS_FAILED)
    assert world.problems() == 1
    world.phone.plugged = False
    assert world.reclaim()[1].assets == 5
    assert world.problems() == 1
    unread.clear()
    world.phone.plugged = True
    world.run()
    assert world.problems() == 0


def test_what_came_from_the_phone_is_proven_once_the_cloud_tells_its_checksum(
    tmp_path: Path,
) -> None:
    world = World(tmp_path)
    world.sources = [world.phone]
    world.run()
    world.sources = [world.phone, world.cloud]
    read = world.phone.opened
    world.run()
    assert world.phone.opened == read
    assert world.reclaim()[1].assets == 5


def test_what_could_be_freed_is_foretold(world: World) -> None:
    job = world.job
    with Ledger.open(world.ledger, exclusive=False) as ledger:
        ahead = prospect(job, ledger)
        assert ahead is not None
        assert (ahead.source, ahead.now.assets) == ("cloud", 5)
    world.reclaim()
    with Ledger.open(world.ledger, exclusive=False) as ledger:
        after = prospect(job, ledger)
        assert after is not None and after.now.assets == 0


def test_afterwards_the_bin_of_the_cloud_is_told(world: World) -> None:
    with world.session() as session:
        done = session.free(ask(), session.survey(ask()))
        after = session.aftermath(done)
    assert after is not None
    assert (after.source, after.ours.assets, after.ours.bytes) == ("cloud", 5, done.bytes)


def test_a_cloud_that_falls_short_is_not_freed(world: World) -> None:
    world.phone.plugged = False
    with Ledger.open(world.ledger) as ledger:
        ledger.transact(lambda c: c.execute(update(schema.cursors).values(cursor=None)))
    world.cloud.short = True
    with world.session() as session, pytest.raises(Fatal, match="cloud counts more assets than"):
        session.survey(ask())


def test_it_must_be_clear_which_source_is_meant(world: World) -> None:
    with pytest.raises(Misconfigured, match="phone cannot free space"), world.session("phone"):
        pass
    with pytest.raises(Misconfigured, match="no source is called 'clout'"), world.session("clout"):
        pass
    world.sources = [*world.sources, MemorySource("other", Library())]
    with pytest.raises(Misconfigured, match="cloud or other"), world.session():
        pass
