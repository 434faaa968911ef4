"""A folder of photos, and the folder that a pipeline copies it to."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path

from connectors.base import Body, Checkpoint, Put, Transferred
from connectors.errors import ItemError
from connectors.local.sink import LocalSink
from connectors.local.source import LocalSource
from pipeline.ledger import Ledger
from pipeline.runner import Job, Outcome, verify
from pipeline.states import Exit
from pipeline.stopping import Stop
from tests.engine.rig import Recorder, go, job

NOVEMBER, DECEMBER = 1_604_600_000, 1_608_800_000


@dataclass
class Folders:
    """A folder of photos, the folder that they are copied to, and the ledger between them."""

    root: Path
    template: str = "{created:%Y/%m}/{filename}"
    attempts: int = 8

    @property
    def to(self) -> Path:
        return self.root / "to"

    @property
    def ledger(self) -> Path:
        return self.root / "ledger.sqlite"

    def put(self, name: str, data: bytes, when: int = NOVEMBER) -> None:
        path = self.root / "from" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        os.utime(path, (when, when))

    def occupy(self, path: str) -> None:
        """A person's own file has the name."""
        (self.to / path).parent.mkdir(parents=True, exist_ok=True)
        (self.to / path).write_bytes(b"a person's own")

    def run(self, expected: Exit = Exit.OK, sink: type[LocalSink] = LocalSink) -> Outcome:
        outcome = go(self.job_with(sink), self.ledger)
        assert outcome.exit is expected
        return outcome

    def verify(self) -> int:
        with Ledger.open(self.ledger) as ledger:
            return verify(self.job_with(LocalSink), ledger, Recorder(), stop=Stop()).exit

    def held(self) -> dict[str, bytes]:
        found = (path for path in self.to.rglob("*") if path.is_file())
        return {path.relative_to(self.to).as_posix(): path.read_bytes() for path in found}

    def job_with(self, sink: type[LocalSink]) -> Job:
        source = LocalSource("from", self.root / "from")
        sinks = [sink("to", self.to)]
        made = job(
            source, sinks, staging=self.root / "staging", downloads=1, attempts=self.attempts
        )
        return replace(made, pipeline=made.pipeline.model_copy(update={"path": self.template}))


class Refusing(LocalSink):
    """Takes nothing for now."""

    def transfer(self, put: Put, body: Body, token: str | None, keep: Checkpoint) -> Transferred:
        raise ItemError("not today")
