"""Files that only their bytes can tell apart: read once, compared, remembered."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any

from connectors.base import Resource, Role, Source
from connectors.checksums import Algorithm, Hasher
from connectors.errors import Fatal, ItemError, OutpourError, Transient
from pipeline import retry
from pipeline.ledger import Ledger
from pipeline.ledger.assets import sightings
from pipeline.ledger.codec import parse_asset
from pipeline.limits import Gate, GivenUp
from pipeline.stopping import Stop

_BATCH = 64

Found = tuple[str, str, int, str, str]
"""(source, asset id, sighting, resource id, content)"""


@dataclass(frozen=True, slots=True)
class Failed:
    """A file that could not be read. ``original`` says that it is what its asset is known by,
    ``asked`` that its source was asked for it, and not left out."""

    id: str
    principal: str
    original: bool
    reason: str
    asked: bool


@dataclass
class Identifying:
    """Reads what has to be read, through the gate in front of each source."""

    gates: Mapping[str, Gate]
    stop: Stop
    readers: int
    leave_out: Callable[[Gate, OutpourError], bool]

    def answers(
        self, ledger: Ledger, sources: Mapping[str, Source]
    ) -> Iterator[tuple[list[Found], list[Failed]]]:
        """What the files turned out to be, some at a time.

        Only files of which another source has one of the same role and size: all others are
        different whatever their bytes. Raises Fatal where nothing can be read, or Stopped.
        """
        with ThreadPoolExecutor(self.readers, thread_name_prefix="identify") as readers:
            for name, source in sources.items():
                others = [other for other in sources if other != name]
                read = partial(self._read, source)
                for rows in _unidentified(ledger, name, others):
                    answers = [answer for answer in readers.map(read, rows) if answer is not None]
                    found = [answer for answer in answers if not isinstance(answer, Failed)]
                    yield found, [answer for answer in answers if isinstance(answer, Failed)]

    def _read(self, source: Source, row: Any) -> Found | Failed | None:
        asset, gate = parse_asset(row.asset), self.gates[source.name]
        resource = next(r for r in asset.resources if r.id == row.resource_id)
        if not resource.local:
            return None
        try:
            content = retry.call(gate, lambda: self._content(source, asset.id, resource))
        except (Transient, ItemError, GivenUp, Fatal) as error:
            if isinstance(error, Fatal) and not self.leave_out(gate, error):
                raise
            if isinstance(error, Transient) and (why := gate.dead_end(error)):
                raise why from error
            reason = f"{resource.filename} cannot be compared: {error}"
            original = resource.role is Role.ORIGINAL
            return Failed(
                f"{source.name}/{asset.id}/{resource.id}", row.principal, original, reason,
                asked=not gate.left_out,
            )  # fmt: skip
        gate.succeeded(resource.size or 0)
        return source.name, asset.id, row.sighting, resource.id, content

    def _content(self, source: Source, asset_id: str, resource: Resource) -> str:
        hasher = Hasher()
        stream = source.open(asset_id, resource)
        try:
            for chunk in self.stop.through(stream):
                hasher.update(chunk)
        finally:
            stream.close()
        if resource.size is not None and hasher.size != resource.size:
            raise Transient(f"{hasher.size} of {resource.size} bytes came")
        return f"{Algorithm.APPLE}:{hasher.digests()[Algorithm.APPLE]}"


def _unidentified(ledger: Ledger, source: str, others: Sequence[str]) -> Iterator[list[Any]]:
    after = (0, "")
    while True:
        with ledger.read() as connection:
            rows = sightings.unidentified(connection, source, others, after, _BATCH)
        if not rows:
            return
        after = (rows[-1].sighting, rows[-1].resource_id)
        yield rows
