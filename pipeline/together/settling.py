"""Files that only their bytes can tell apart: read once, compared, remembered."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from connectors.base import Resource, Source
from connectors.checksums import Algorithm, Hasher
from connectors.errors import OutpourError, Transient
from pipeline import retry
from pipeline.ledger import Ledger, sightings
from pipeline.limits import Place
from pipeline.stopping import Stop

_BATCH = 64

Found = tuple[str, str, int, str, str]
"""(source, asset id, sighting, resource id, content)"""


@dataclass
class Settling:
    """Reads what has to be read. ``tell`` hears of files that cannot be."""

    stop: Stop
    attempts: int
    readers: int
    tell: Callable[[str, str], None]

    def found(self, ledger: Ledger, sources: Mapping[str, Source]) -> Iterator[list[Found]]:
        """What the files turned out to be, some at a time.

        Only files of which another source has one of the same role and size: all others are
        different whatever their bytes. What cannot be read stays unsettled and is told.
        """
        places = {name: Place(name, self.readers, self.stop) for name in sources}
        after = (0, "")
        with ThreadPoolExecutor(self.readers, thread_name_prefix="settle") as readers:
            while True:
                with ledger.read() as connection:
                    rows = sightings.unsettled(connection, after, _BATCH)
                if not rows:
                    return
                after = (rows[-1].sighting, rows[-1].resource_id)
                known = [row for row in rows if row.source in sources]
                answers = readers.map(
                    lambda row: self._read(places[row.source], sources[row.source], row), known
                )
                found = [one for one in answers if one is not None]
                if found:
                    yield found

    def _read(self, place: Place, source: Source, row: Any) -> Found | None:
        asset = sightings.load(row.asset)
        resource = next(r for r in asset.resources if r.id == row.resource_id)
        if not resource.local:
            return None
        try:
            content = retry.call(
                place,
                lambda: self._content(source, asset.id, resource),
                stop=self.stop,
                attempts=self.attempts,
            )
        except OutpourError as error:
            self.tell(source.name, f"{resource.filename} cannot be compared: {error}")
            return None
        return source.name, asset.id, row.sighting, resource.id, content

    def _content(self, source: Source, asset_id: str, resource: Resource) -> str:
        hasher = Hasher()
        stream = source.open(asset_id, resource)
        try:
            for chunk in stream:
                self.stop.check()
                hasher.update(chunk)
        finally:
            stream.close()
        if resource.size is not None and hasher.size != resource.size:
            raise Transient(f"{hasher.size} of {resource.size} bytes came")
        return f"{Algorithm.APPLE}:{hasher.digests()[Algorithm.APPLE]}"
