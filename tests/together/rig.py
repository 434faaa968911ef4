"""A phone and a cloud in memory that share a part of one library."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from connectors.base import Asset, Kind, Resource, Role, Source, Stream
from connectors.checksums import Algorithm, Checksum
from connectors.errors import Transient
from connectors.memory import Library, MemorySink, MemorySource, Shelf
from pipeline.config.models import Limits, Pipeline, Select, Staging
from pipeline.ledger import Ledger
from pipeline.left_out import LeftOut
from pipeline.limits import Gate
from pipeline.runner import Job, Outcome, run
from pipeline.stopping import Stop
from pipeline.together import Together
from tests.engine.rig import Recorder, apple, contents, place

START = datetime(2024, 5, 1, 12, tzinfo=UTC)


@dataclass
class Photo:
    """What one asset is made of, wherever it is."""

    number: int
    files: dict[str, tuple[Role, bytes]]

    @classmethod
    def made(cls, number: int, *roles: Role) -> Photo:
        chance = random.Random(number)
        roles = roles or (Role.ORIGINAL,)
        return cls(
            number,
            {r.value: (r, chance.randbytes(chance.randint(500, 900))) for r in roles},
        )

    def asset(self, key: str, *, known: bool = True, absent: Sequence[str] = ()) -> Asset:
        """As a source lists it; ``known`` False leaves its checksums out."""
        resources = tuple(
            Resource(
                id=name,
                role=role,
                filename=f"IMG_{self.number:04}.{'MOV' if 'video' in name else 'HEIC'}",
                size=len(data),
                checksum=apple(data) if known else None,
                local=name not in absent,
            )
            for name, (role, data) in self.files.items()
        )
        kind = Kind.LIVE if "live_video" in self.files else Kind.PHOTO
        return Asset(key, kind, START + timedelta(minutes=self.number), resources)


class Counting(MemorySource):
    """Counts the files it was asked for; ``broken`` makes it answer with a passing fault."""

    def __init__(self, name: str, library: Library) -> None:
        super().__init__(name, library)
        self.opened: Counter[tuple[str, str]] = Counter()
        self.broken = False

    def open(self, asset_id: str, resource: Resource, offset: int = 0) -> Stream:
        if self.broken:
            raise Transient("the cable is out")
        self.opened[asset_id, resource.id] += 1
        return super().open(asset_id, resource, offset)


@dataclass
class World:
    """``phone`` is preferred to ``cloud``; both go to one shelf."""

    folder: Path
    phone: Library = field(default_factory=Library)
    cloud: Library = field(default_factory=Library)
    shelf: Shelf = field(default_factory=Shelf)

    def __post_init__(self) -> None:
        self.sources = [Counting("phone", self.phone), Counting("cloud", self.cloud)]

    @property
    def ledger(self) -> Path:
        return self.folder / "l.sqlite"

    def put(self, library: Library, photo: Photo, asset: Asset) -> None:
        held = {name: data for name, (_, data) in photo.files.items()}
        library.put(asset, {r.id: held[r.id] for r in asset.resources if r.local})

    def both(self, number: int, *roles: Role, known: bool = True) -> Photo:
        photo = Photo.made(number, *roles)
        self.put(self.phone, photo, photo.asset(f"P{number}", known=known))
        self.put(self.cloud, photo, photo.asset(f"C{number}"))
        return photo

    def only(self, library: Library, number: int, *roles: Role, known: bool = True) -> Photo:
        photo = Photo.made(number, *roles)
        letter = "P" if library is self.phone else "C"
        self.put(library, photo, photo.asset(f"{letter}{number}", known=known))
        return photo

    def job(self, sources: Sequence[Source] | None = None, select: Select | None = None) -> Job:
        these = tuple(self.sources if sources is None else sources)
        sink = MemorySink("to", self.shelf)
        pipeline = Pipeline(
            name="test",
            sources=tuple(place(source.name) for source in these),
            sinks=(place("to"),),
            select=select or Select(),
            staging=Staging(path=self.folder / "s"),
            limits=Limits(downloads=4, uploads=4, attempts=3),
        )
        return Job(pipeline, these, (sink,))

    def run(self, sources: Sequence[Source] | None = None, select: Select | None = None) -> Outcome:
        with Ledger.open(self.ledger) as ledger:
            return run(self.job(sources, select), ledger, Recorder(), stop=Stop(), prompter=None)

    def landed(self) -> Counter[bytes]:
        return Counter(contents(self.shelf).values())


def together(sources: Sequence[Source], ledger: Ledger) -> Together:
    """The sources as one, all of which are needed."""
    gates = {source.name: Gate(source.name, 4, Stop()) for source in sources}
    return Together(sources, ledger, gates, LeftOut(gates, lambda *_: None, lambda _: False))


def other_scheme(asset: Asset) -> Asset:
    """The same asset, with fingerprints of a kind that nobody can recompute."""
    odd = Checksum(Algorithm.APPLE, "BAAAAAAAAAAAAAAAAAAAAAAAAAAA")
    return replace(asset, resources=tuple(replace(r, checksum=odd) for r in asset.resources))


def files(*photos: Photo) -> Counter[bytes]:
    return Counter(data for photo in photos for _, data in photo.files.values())
