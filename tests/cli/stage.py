"""A memory library to move, and ``python -m tests.cli.stage ARGS``: outpour with it on stage.

Trouble comes from the library's contents, never from the connector: ``slow:SECONDS`` for each
file, ``expire:N`` after N files, in the variable STAGE. ``full:N``: after N files the disk of
the ledger is full.
"""

from __future__ import annotations

import os
import random
import time
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Engine, event

from connectors.base import Asset, Kind, Metadata, Resource, Role
from connectors.checksums import Algorithm, Checksum, digest
from connectors.errors import SessionExpired
from connectors.memory import Library, library
from pipeline.cli import main
from tests.ledger.disk import Disk

START = datetime(2024, 1, 1, 12, tzinfo=UTC)


class SlowContents(dict[tuple[str, str], bytes]):
    """Every look takes its time."""

    def __init__(self, seconds: float) -> None:
        super().__init__()
        self.seconds = seconds

    def get(self, *args: Any) -> Any:
        time.sleep(self.seconds)
        return super().get(*args)


class ExpiringContents(dict[tuple[str, str], bytes]):
    """The sign-in ends after so many looks."""

    def __init__(self, looks: int) -> None:
        super().__init__()
        self.looks = looks

    def get(self, *args: Any) -> Any:
        self.looks -= 1
        if self.looks < 0:
            raise SessionExpired("the sign-in has ended", hint="Run outpour connect memory")
        return super().get(*args)


class FillingContents(dict[tuple[str, str], bytes]):
    """The disk of the ledger is full after so many looks."""

    def __init__(self, looks: int) -> None:
        super().__init__()
        self.looks = looks
        self.below = Disk()
        event.listen(Engine, "begin", self.below.begin)

    def get(self, *args: Any) -> Any:
        self.looks -= 1
        if self.looks < 0:
            self.below.trouble = "full"
        return super().get(*args)


def fill(held: Library, count: int, *, size: int = 4000) -> None:
    """Every fifth is a Live Photo; every tenth has no checksum that can be recomputed."""
    chance = random.Random(count)
    for number in range(count):
        data = chance.randbytes(chance.randint(1, size))
        apple = None if number % 10 == 9 else digest([data])[Algorithm.APPLE]
        checksum = Checksum(Algorithm.APPLE, apple) if apple else None
        name = f"IMG_{number:04}"
        resources = [Resource("o", Role.ORIGINAL, f"{name}.HEIC", len(data), checksum)]
        contents = {"o": data}
        if number % 5 == 0:
            resources.append(Resource("v", Role.LIVE_VIDEO, f"{name}.MOV", len(data), checksum))
            contents["v"] = data
        kind = Kind.LIVE if len(resources) == 2 else Kind.PHOTO
        held.put(
            Asset(
                f"asset-{number}",
                kind,
                START + timedelta(days=number),
                tuple(resources),
                Metadata(favorite=number % 3 == 0),
            ),
            contents,
        )


def contents_for(trouble: str) -> dict[tuple[str, str], bytes]:
    kind, _, value = trouble.partition(":")
    if kind == "slow":
        return SlowContents(float(value))
    if kind == "full":
        return FillingContents(int(value))
    return ExpiringContents(int(value)) if kind == "expire" else {}


if __name__ == "__main__":
    on_stage = library("stage")
    on_stage.contents = contents_for(os.environ.get("STAGE", ""))
    fill(on_stage, 60)
    main()
