"""A phone and a cloud in memory, one library at two sinks, of which the cloud can be freed."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from sqlalchemy import select

from connectors.abilities import Album
from connectors.base import Asset, Page, Problem, Resource, Role, Source, Stream
from connectors.errors import Fatal, OutpourError
from connectors.memory import Library, MemorySink, MemorySource, Shelf
from pipeline.config.models import Keep, Limits, Pipeline, Staging
from pipeline.ledger import Ledger, albums, schema
from pipeline.reclaim import Done, Policy, Session, Survey, reclaiming
from pipeline.runner import Job, verify
from pipeline.states import AssetState, Exit
from pipeline.stopping import Stop
from pipeline.together.owning import claim
from tests.engine.rig import Recorder, apple, go, place
from tests.reclaim.rig import FAST, ask
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
        return Job(pipeline, tuple(self.sources), sinks)

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

    def add_sink_without_the_cloud(self) -> Shelf:
        """What was freed can come to it from the other sinks alone."""
        self.in_cloud.bin.clear()
        self.in_cloud.contents.clear()
        self.shelves = (*self.shelves, Shelf())
        self.run()
        return self.shelves[-1]

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
