"""A library that has landed at memory sinks, ready to be freed, and an oracle that knows proof."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TypedDict, Unpack

from connectors.base import Sink
from connectors.checksums import Algorithm, Checksum, digest
from connectors.memory import Library, MemorySink, MemorySource, Shelf
from pipeline.config.models import Route, Select
from pipeline.ledger import Ledger
from pipeline.ledger.reclaimable import Order
from pipeline.reclaim import Done, Pace, Policy, Session, Survey, reclaiming
from pipeline.runner import Job
from pipeline.states import Exit
from pipeline.stopping import Stop
from tests.engine.rig import Recorder, fill, go, job

NOW = datetime(2026, 1, 1, tzinfo=UTC)  # all photos of the rig are of 2024
FAST = Pace(batch=4, pause=0)


class Changes(TypedDict, total=False):
    """What of a policy a test wants otherwise."""

    free: int
    until: float
    before: datetime | None
    copies: int
    favorites: bool
    by_size: bool
    same_disk: bool
    incomplete: bool
    order: Order
    limit: int


class World:
    """A library and the sinks that hold it, with the ledger that says so."""

    def __init__(
        self,
        folder: Path,
        count: int = 9,
        sinks: int = 2,
        *,
        select: Select | None = None,
        route: Route | None = None,
    ) -> None:
        self.folder = folder
        self.library = Library()
        self.shelves = [Shelf() for _ in range(sinks)]
        self.held = fill(self.library, count)
        self.source = MemorySource("from", self.library)
        self.sinks: Sequence[Sink] = [
            MemorySink(f"to{n}", shelf) for n, shelf in enumerate(self.shelves)
        ]
        self.select = select
        self.route = route
        assert go(self.job, self.ledger).exit is Exit.OK

    @property
    def ledger(self) -> Path:
        return self.folder / "l.sqlite"

    @property
    def job(self) -> Job:
        return job(
            self.source, self.sinks, staging=self.folder / "s", select=self.select,
            route=self.route, attempts=3,
        )  # fmt: skip

    # --- what can happen to a photo ---

    def path(self, shelf: Shelf, asset: str, resource: str = "original") -> str:
        return next(
            path
            for path, (receipt, _) in shelf.visible.items()
            if (receipt.properties["asset"], receipt.properties["resource"]) == (asset, resource)
        )

    def become(self, shelf: Shelf, path: str, data: bytes) -> None:
        """The sink holds other bytes, and says so when asked."""
        receipt, _ = shelf.visible[path]
        own = Checksum(Algorithm.SHA256, digest([data])[Algorithm.SHA256])
        shelf.visible[path] = (replace(receipt, size=len(data), checksums=(own,)), data)

    def present(self) -> set[str]:
        return set(self.library.assets)

    # --- acting ---

    def reclaim(
        self, policy: Policy | None = None, **changes: Unpack[Changes]
    ) -> tuple[Survey, Done]:
        policy = policy or ask(**changes)
        with Ledger.open(self.ledger) as ledger, self.session(ledger) as session:
            chosen = session.survey(policy)
            return chosen, session.free(policy, chosen)

    def undo(self, run: int | None = None, observer: Recorder | None = None) -> Done:
        with Ledger.open(self.ledger) as ledger, self.session(ledger, observer) as session:
            return session.undo(run)

    def session(
        self, ledger: Ledger, observer: Recorder | None = None
    ) -> AbstractContextManager[Session]:
        told = observer or Recorder()
        return reclaiming(self.job, ledger, told, stop=Stop(), pace=FAST)


def ask(**changes: Unpack[Changes]) -> Policy:
    """Free whatever is older than this rig's today."""
    return replace(Policy(fresh=NOW - timedelta(days=30), before=NOW), **changes)
