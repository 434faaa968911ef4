"""A library of favourites in two albums, and a folder that keeps it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from connectors.abilities import Album
from connectors.base import Page, Sink
from connectors.local import LocalSink
from connectors.memory import Library, MemorySource
from pipeline.config.models import Keep, Select
from pipeline.ledger import Ledger
from pipeline.runner import Outcome, verify
from pipeline.runner.verification import Verified
from pipeline.stopping import Stop
from tests.engine.rig import Recorder, fill, go, job
from tests.keep.reading import read

NORWAY, GARDEN = Album("a1", ("Trips", "Norway")), Album("a2", ("Garden",))


class Careful(MemorySource):
    """Says when its albums changed, and counts how often it is asked for them."""

    albums_changed = True
    asked = 0

    def pages(self, since: str | None = None) -> Iterator[Page]:
        for page in super().pages(since):
            yield replace(page, albums_changed=self.albums_changed)

    def albums(self) -> Iterator[Album]:
        self.asked += 1
        return super().albums()


class World:
    """A library of favourites and what a folder holds of it."""

    def __init__(self, folder: Path, count: int = 6) -> None:
        self.folder = folder
        self.library = Library()
        fill(self.library, count)
        for asset in list(self.library.assets.values()):
            self.say(asset.id, title=asset.id)
        self.library.albums[NORWAY] = ("asset-00000", "asset-00001")
        self.source = Careful("from", self.library)
        self.root = folder / "Photos"
        self.ledger = folder / "l.sqlite"
        self.keep = Keep()
        self.select = Select()
        self.template = "{created:%Y/%m}/{filename}"
        self.attempts = 4
        self.recorder = Recorder()

    def say(self, asset_id: str, *, title: str = "", caption: str = "") -> None:
        asset = self.library.assets[asset_id]
        said = asset.metadata
        told = replace(said, title=title or said.title, caption=caption or said.caption)
        self.library.put(replace(asset, metadata=told), {})

    def run(self, *sinks: Sink) -> Outcome:
        places = sinks or [LocalSink("here", self.root)]
        made = job(self.source, places, staging=self.folder / "s", attempts=self.attempts)
        changed = {"keep": self.keep, "path": self.template, "select": self.select}
        made = replace(made, pipeline=made.pipeline.model_copy(update=changed))
        self.recorder = Recorder()
        return go(made, self.ledger, self.recorder)

    def verify(self, *, accept_lost: bool = False) -> Verified:
        made = job(self.source, [LocalSink("here", self.root)], staging=self.folder / "s")
        with Ledger.open(self.ledger) as ledger:
            return verify(made, ledger, Recorder(), stop=Stop(), accept_lost=accept_lost)

    def sidecars(self) -> dict[str, Path]:
        found = {read(p.read_bytes()).plain["dc:identifier"]: p for p in self.root.rglob("*.xmp")}
        assert len(found) == len(list(self.root.rglob("*.xmp")))
        return found

    def tags(self, asset_id: str) -> list[str]:
        return read(self.sidecars()[asset_id].read_bytes()).lists.get("digiKam:TagsList", [])
