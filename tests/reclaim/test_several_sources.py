"""A phone and a cloud are one library: room is made in the cloud, and what the phone has stays."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Literal

import pytest
from sqlalchemy import select, update

from connectors.abilities import Album
from connectors.base import Asset, Page, Problem, Resource, Role, Source, Stream
from connectors.errors import Fatal, Misconfigured, OutpourError
from connectors.memory import Library, MemorySink, MemorySource, Shelf
from pipeline.config.models import Keep, Limits, Pipeline, Staging
from pipeline.ledger import Ledger, albums, schema
from pipeline.ledger.reclaimable import Order
from pipeline.reclaim import Done, Policy, Session, Survey, reclaiming
from pipeline.reclaim.prospect import prospect
from pipeline.runner import Job, verify
from pipeline.states import AssetState, Exit
from pipeline.stopping import Stop
from pipeline.together.owning import claim
from tests.engine.rig import Recorder, apple, contents, go, place
from tests.ledger.earlier import as_version_six
from tests.reclaim.rig import FAST, NOW, ask
from tests.together.rig import Photo

BOTH, ONLY_CLOUD, ONLY_PHONE = (0, 1, 2), (3, 4), (5, 6)


class Phone:
    """What a person holds in the hand: nobody deletes there, and it is not always plugged in."""

    def __init__(self, library: Library) -> None:
        self.name = "phone"
        self.plugged = True
        self.opened = 0
        self.unreadable: list[Problem] = []
        self._inner = MemorySource("phone", library)

    def pages(self, since: str | None = None) -> Iterator[Page]:
        self._require()
        for page in self._inner.pages(since):
            yield replace(page, problems=tuple(self.unreadable))

    def open(self, asset_id: str, resource: Resource, offset: int = 0) -> Stream:
        self._require()
        self.opened += 1
        return self._inner.open(asset_id, resource, offset)

    def albums(self) -> Iterator[Album]:
        self._require()
        yield from self._inner.albums()

    def members(self, album: Album) -> Iterator[str]:
        self._require()
        yield from self._inner.members(album)

    def close(self) -> None:
        self._inner.close()

    def _require(self) -> None:
        if not self.plugged:
            raise Fatal("no phone is connected")


class Cloud(MemorySource):
    """Answers to deletions can be lost on the way."""

    silent = False
    short = False  # it lists one less than it counts

    def pages(self, since: str | None = None) -> Iterator[Page]:
        for page in super().pages(since):
            yield replace(page, assets=page.assets[1:]) if self.short else page

    def trash(self, assets: Sequence[tuple[str, str | None]]) -> list[OutpourError | None]:
        answers = super().trash(assets)
        if self.silent:
            raise Fatal("the line is dead")
        return answers


@dataclass
class World:
    """``first`` says which of the two is preferred."""

    folder: Path
    first: str = "phone"
    sidecars: Literal["auto", "always"] = "auto"
    on_phone: Library = field(default_factory=Library)
    in_cloud: Library = field(default_factory=Library)
    shelves: tuple[Shelf, ...] = field(default_factory=lambda: (Shelf(), Shelf()))

    def __post_init__(self) -> None:
        self.phone = Phone(self.on_phone)
        self.cloud = Cloud("cloud", self.in_cloud)
        self.sources: list[Source] = [self.phone, self.cloud]
        if self.first == "cloud":
            self.sources.reverse()
        for number in (*BOTH, *ONLY_PHONE):
            self.put(self.on_phone, f"P{number}", number, Role.ORIGINAL, Role.LIVE_VIDEO)
        for number in (*BOTH, *ONLY_CLOUD):
            self.put(self.in_cloud, f"C{number}", number, Role.ORIGINAL, Role.LIVE_VIDEO)

    def put(self, library: Library, key: str, number: int, *roles: Role) -> None:
        photo = Photo.made(number, *roles)
        known = library is self.in_cloud  # a phone has no checksums
        held = {name: data for name, (_, data) in photo.files.items()}
        library.put(photo.asset(key, known=known), held)

    def change(self, library: Library, key: str, asset: Asset) -> None:
        library.put(asset, {r.id: library.contents[key, r.id] for r in asset.resources})

    def edit(self, key: str, data: bytes) -> None:
        """A file more in the cloud."""
        asset = self.in_cloud.assets[key]
        edit = replace(
            asset.resources[0],
            id="edited", role=Role.EDITED, checksum=apple(data), size=len(data),
        )  # fmt: skip
        self.in_cloud.contents[key, "edited"] = data
        self.change(self.in_cloud, key, replace(asset, resources=(*asset.resources, edit)))

    # --- acting ---

    @property
    def ledger(self) -> Path:
        return self.folder / "l.sqlite"

    @property
    def job(self) -> Job:
        sinks = tuple(MemorySink(f"to{n}", shelf) for n, shelf in enumerate(self.shelves))
        pipeline = Pipeline(
            name="test",
            sources=tuple(place(source.name) for source in self.sources),
            sinks=tuple(place(sink.name) for sink in sinks),
            staging=Staging(path=self.folder / "s"),
            limits=Limits(attempts=2),
            keep=Keep(sidecars=self.sidecars),
        )
        return Job(pipeline, self.sources[0], sinks, tuple(self.sources[1:]))

    def run(self, expected: Exit = Exit.OK) -> None:
        with Ledger.open(self.ledger) as ledger:
            claim(ledger, self.job.pipeline)
        assert go(self.job, self.ledger).exit is expected

    @contextmanager
    def session(self, at: str | None = None) -> Iterator[Session]:
        with Ledger.open(self.ledger) as ledger:
            claim(ledger, self.job.pipeline)
            told = Recorder()
            with reclaiming(self.job, ledger, told, at=at, stop=Stop(), pace=FAST) as session:
                yield session

    def reclaim(self, policy: Policy | None = None) -> tuple[Survey, Done]:
        with self.session() as session:
            chosen = session.survey(policy or ask())
            return chosen, session.free(policy or ask(), chosen)

    def undo(self) -> Done:
        with self.session() as session:
            return session.undo(None)

    # --- what is left ---

    def states(self, *, there: bool = False) -> dict[str, tuple[str, str]]:
        """States and reasons by file name of what the ledger has, or of what is still ``there``."""
        a = schema.assets.c
        query = select(a.filename, a.state, a.reason)
        with Ledger.open(self.ledger) as ledger, ledger.read() as connection:
            rows = connection.execute(query).all()
        gone = AssetState.GONE
        return {
            row.filename: (row.state, row.reason)
            for row in rows
            if not (there and row.state == gone)
        }

    def described(self) -> dict[str, tuple[str, list[tuple[str, ...]]]]:
        """What sidecars are made of, by file name: metadata and albums."""
        a = schema.assets.c
        with Ledger.open(self.ledger) as ledger, ledger.read() as connection:
            rows = connection.execute(select(a.asset_id, a.filename, a.metadata)).all()
            paths = albums.of_many(connection, [row.asset_id for row in rows])
        return {row.filename: (row.metadata, paths[row.asset_id]) for row in rows}

    def cursor(self) -> dict[str, str]:
        """Where the listing of each source stands."""
        with Ledger.open(self.ledger) as ledger, ledger.read() as connection:
            kept = connection.execute(select(schema.cursors.c.cursor)).scalar_one()
        return dict(json.loads(kept))

    def problems(self) -> int:
        with Ledger.open(self.ledger) as ledger, ledger.read() as connection:
            return len(connection.execute(select(schema.problems)).all())

    def verify(self, told: str = "") -> int:
        """How many copies are found missing, of which that is told."""
        with Ledger.open(self.ledger) as ledger:
            found = verify(self.job, ledger, Recorder(), stop=Stop())
        return sum(told in why for sink in found.sinks for _, why in sink.wrong)


def name(number: int) -> str:
    return f"IMG_{number:04}.HEIC"


def ids(*numbers: int) -> set[str]:
    return {f"C{number}" for number in numbers}


@pytest.fixture(params=["phone", pytest.param("cloud", marks=pytest.mark.wide)])
def world(tmp_path: Path, request: pytest.FixtureRequest) -> World:
    made = World(tmp_path, request.param)
    made.run()
    return made


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


def test_what_only_the_cloud_knew_of_it_stays_known(world: World) -> None:
    """Sidecars are made from that: room in the cloud must not cost a caption or an album."""
    world.sidecars = "always"
    asset = world.in_cloud.assets["C0"]
    told = replace(asset.metadata, caption="At the lake", keywords=("lake",), favorite=True)
    world.change(world.in_cloud, "C0", replace(asset, metadata=told))
    world.in_cloud.albums[Album("A", ("Trips", "Lake"))] = ("C0", "C3")
    world.on_phone.albums[Album("A", ("Phone",))] = ("P0", "P5")
    world.run()
    before = world.described()
    assert ("Trips", "Lake") in before[name(0)][1] and ("Phone",) in before[name(0)][1]
    assert world.reclaim(ask(favorites=True))[1].assets == 5
    world.in_cloud.albums[Album("A", ("Trips", "Lake"))] = ()
    world.put(world.in_cloud, "C9", 9, Role.ORIGINAL)  # so that albums are read again
    world.run()
    after = world.described()
    assert {key: after[key] for key in before} == before
    world.on_phone.albums[Album("A", ("Phone",))] = ("P5",)
    world.put(world.on_phone, "P9", 9, Role.ORIGINAL)
    world.run()
    assert world.described()[name(0)][1] == [("Trips", "Lake")], "what the phone tells is heard"


@pytest.mark.parametrize("purged", [False, True], ids=["in the bin", "for good"])
def test_what_only_the_cloud_had_of_it_is_made_again_where_it_is_lost(
    world: World, purged: bool
) -> None:
    """An edit made in the cloud, of a photo that the phone has as it was."""
    world.edit("C0", b"edited in the cloud")
    world.run()
    assert world.reclaim()[1].assets == 5
    world.run()
    if purged:
        world.in_cloud.bin.clear()
        for key in [key for key in world.in_cloud.contents if key[0] == "C0"]:
            del world.in_cloud.contents[key]
    shelf = world.shelves[1]
    paths = [p for p, (_, data) in shelf.visible.items() if data == b"edited in the cloud"]
    (lost,) = paths
    del shelf.visible[lost]
    assert world.verify("outpour reclaim --undo") == 1
    world.run()
    assert shelf.visible[lost][1] == b"edited in the cloud"
    assert {state for state, _ in world.states(there=True).values()} == {AssetState.CONFIRMED}
    assert world.verify() == 0


def test_what_only_the_cloud_had_of_it_is_the_last_once_the_phone_lost_it_too(world: World) -> None:
    world.edit("C0", b"edited in the cloud")
    world.run()
    world.reclaim()
    for number in BOTH:
        world.on_phone.trash(f"P{number}")
    world.run()
    world.in_cloud.bin.clear()
    shelf = world.shelves[0]
    (lost,) = (p for p, (_, data) in shelf.visible.items() if data == b"edited in the cloud")
    del shelf.visible[lost]
    assert world.verify() == 1
    world.run()
    assert shelf.visible[lost][1] == b"edited in the cloud"


def test_what_only_the_cloud_had_of_it_is_given_to_a_sink_that_is_added(world: World) -> None:
    world.edit("C0", b"edited in the cloud")
    world.run()
    world.reclaim()
    world.run()
    world.in_cloud.bin.clear()
    world.in_cloud.contents.clear()
    world.shelves = (*world.shelves, Shelf())
    world.run()
    assert contents(world.shelves[2]) == contents(world.shelves[0])


@pytest.mark.parametrize("changed", ["a favourite", "unreadable", "other bytes", "another size"])
def test_what_becomes_of_it_on_the_phone_costs_no_copy_of_what_was_freed(
    world: World, changed: str
) -> None:
    held = set(contents(world.shelves[0]).values())
    world.reclaim()
    world.run()
    asset = world.on_phone.assets["P0"]
    old = world.on_phone.contents["P0", "original"]
    new = old if "bytes" not in changed and "size" not in changed else bytes(len(old))
    new = new + b"longer" * (changed == "another size")
    files = (replace(asset.resources[0], size=len(new)), *asset.resources[1:])
    world.on_phone.contents["P0", "original"] = new
    dear = replace(asset.metadata, favorite=True)
    world.change(world.on_phone, "P0", replace(asset, resources=files, metadata=dear))
    if changed == "unreadable":
        del world.on_phone.contents["P0", "original"]
    world.run(Exit.ITEMS_FAILED if changed == "unreadable" else Exit.OK)
    assert world.verify() == 0
    assert set(contents(world.shelves[0]).values()) == held | {new}
    video = new != old  # of the phone's other photo, which has one too
    assert len(contents(world.shelves[0])) == len(held | {new}) + video
    world.on_phone.trash("P0")
    world.run()
    (lost,) = (p for p, (_, data) in world.shelves[0].visible.items() if data == old)
    del world.shelves[0].visible[lost]
    assert world.verify() == 1, "it is not forgotten"
    world.run()
    assert set(contents(world.shelves[0]).values()) == held | {new}
    done = world.undo()
    assert done.assets == 5 and "C0" in world.in_cloud.assets


@pytest.mark.parametrize("order", ["largest", "oldest"])
def test_two_equal_photos_of_the_cloud_stay_two(world: World, order: Order) -> None:
    """One that was freed comes back after another of its bytes took its place."""
    world.reclaim()
    world.put(world.in_cloud, "C0b", 0, Role.ORIGINAL, Role.LIVE_VIDEO)
    world.run()
    assert world.undo().assets == 5
    world.run()
    assert set(world.in_cloud.assets) == {"C0b", *ids(*BOTH, *ONLY_CLOUD)}
    chosen, done = world.reclaim(ask(order=order))
    assert len(chosen.candidates) == done.assets == 6 and done.whole
    assert not world.in_cloud.assets
    assert world.undo().assets == 6


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


def test_what_then_left_the_phone_too_was_freed(world: World) -> None:
    """A phone that shares its library with the cloud loses what was freed there by itself."""
    world.reclaim()
    for number in BOTH:
        world.on_phone.trash(f"P{number}")
    world.run()
    for number in BOTH:
        state, reason = world.states()[name(number)]
        assert state == AssetState.GONE and reason.startswith("freed by reclaim, run 2")
    assert world.undo().assets == 5


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
