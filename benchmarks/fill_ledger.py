"""``python -m benchmarks.fill_ledger PATH COUNT``: all that a ledger goes through in a life.

Prints the name and the seconds of each stretch, one a line. Nothing is read or sent.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from connectors.base import Asset, Kind, Metadata, Page, Receipt, Resource, Role
from connectors.checksums import Algorithm, Checksum, Digests, digest
from pipeline.ledger import Ledger, asset_states, steps, work
from pipeline.ledger.assets import listing
from pipeline.ledger.goal import Goal
from pipeline.states import AssetState, Proof

_PAGE = 200
_START = datetime(2015, 1, 1, tzinfo=UTC)
_GOAL = Goal(["sink"], 1, {})
_DIGESTS: Digests = digest([b"x"])


def asset(number: int) -> Asset:
    apple = Checksum(Algorithm.APPLE, _DIGESTS[Algorithm.APPLE])
    name = f"IMG_{number:07}.HEIC"
    original = Resource(f"{number:08X}-original", Role.ORIGINAL, name, 2_000_000, apple)
    created = _START + timedelta(minutes=number)
    key = f"{number:08X}-0000-4000-8000-000000000000"
    return Asset(key, Kind.PHOTO, created, (original,), Metadata(), revision="1")


def choose(found: Asset, _unique: bool) -> listing.Choice:
    paths = {part.id: f"{found.created:%Y/%m}/{part.filename}" for part in found.resources}
    return listing.Choice(paths)


def list_all(ledger: Ledger, count: int) -> None:
    number = listing.begin(ledger, "source")
    written = listing.record(ledger, Page(), number, choose)
    for start in range(0, count, _PAGE):
        page = Page(tuple(asset(n) for n in range(start, min(count, start + _PAGE))))
        written()  # one page is written while the next is fetched, as in a run
        written = listing.record(ledger, page, number, choose)
    written()
    listing.finish(ledger, "source", number, cursor="c", expected=count, full=True)


def move_all(ledger: Ledger) -> None:
    asset_states.open_assets(ledger, _GOAL)
    for batch in work.pending(ledger):
        for item in batch:
            for piece in item.pieces:
                receipt = Receipt(piece.path, 2_000_000, (), id=f"{piece.key}")
                steps.plan_copy(ledger, piece.key, "sink")
                steps.received(ledger, piece.key, _DIGESTS, Proof.CHECKSUM)
                steps.transferred(ledger, piece.key, "sink", piece.path, "token")
                steps.confirmed(ledger, piece.key, "sink", receipt)
            steps.finish(ledger, item.key, AssetState.CONFIRMED)
    ledger.flush()


def look_again(ledger: Ledger) -> None:
    """What a run over an unchanged library asks."""
    asset_states.open_assets(ledger, _GOAL)
    work.due(ledger, _GOAL)


@contextmanager
def stretch(name: str) -> Iterator[None]:
    begin = time.perf_counter()
    yield
    print(name, time.perf_counter() - begin, flush=True)


def main() -> None:
    path, count = Path(sys.argv[1]), int(sys.argv[2])
    with Ledger.open(path) as ledger:
        with stretch("listing them"):
            list_all(ledger, count)
        with stretch("moving them"):
            move_all(ledger)
        with stretch("nothing new"):
            look_again(ledger)
        assert work.counts(ledger) == {AssetState.CONFIRMED: count}


if __name__ == "__main__":
    main()
