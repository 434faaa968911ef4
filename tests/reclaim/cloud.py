"""An iCloud of the sandbox whose photos lie in two folders, and processes that die on the way.

``die_after`` steps a process kills itself. Steps are all that leaves a trace: each side of
every transaction of the ledger, and of every request to delete or restore.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import Connection

from connectors.base import Sink, Source
from connectors.errors import OutpourError
from connectors.icloud import connector as icloud
from connectors.icloud.settings import ICloudSettings
from connectors.icloud.source import ICloudSource
from connectors.local import LocalSettings, LocalSink
from connectors.local import connector as local
from pipeline.config.models import Pipeline, Place, Staging
from pipeline.ledger import Ledger
from pipeline.reclaim import Pace, Policy, reclaiming
from pipeline.runner import Job
from pipeline.stopping import Stop
from tests.engine.rig import Recorder

ACCOUNT = "demo@example.com"
PACE = Pace(batch=3, pause=0)
LATER = datetime(2100, 1, 1, tzinfo=UTC)
POLICY = Policy(fresh=LATER, before=LATER, same_disk=True)
T = TypeVar("T")


class Countdown:
    def __init__(self, steps: int) -> None:
        self._left = steps

    def step(self) -> None:
        self._left -= 1
        if self._left == 0:
            os.kill(os.getpid(), signal.SIGKILL)


class MortalLedger(Ledger):
    countdown = Countdown(0)

    def transact(self, work: Callable[[Connection], T]) -> T:
        def fatal(connection: Connection) -> T:
            self.countdown.step()
            answer = work(connection)
            self.countdown.step()
            return answer

        answer = super().transact(fatal)
        self.countdown.step()
        return answer


class MortalSource(ICloudSource):
    countdown = Countdown(0)

    def trash(self, assets: Sequence[tuple[str, str | None]]) -> list[OutpourError | None]:
        self.countdown.step()
        answers = super().trash(assets)
        self.countdown.step()
        return answers

    def restore(self, asset_ids: Sequence[str]) -> list[OutpourError | None]:
        self.countdown.step()
        answers = super().restore(asset_ids)
        self.countdown.step()
        return answers


def job(folder: Path, kind: type[ICloudSource] = ICloudSource) -> Job:
    settings = ICloudSettings(account=ACCOUNT)
    roots = {name: folder / name for name in ("a", "b")}
    pipeline = Pipeline(
        name="cloud",
        sources=(Place("icloud", "icloud", icloud, settings),),
        sinks=tuple(
            Place(name, "local", local, LocalSettings(path=root)) for name, root in roots.items()
        ),
        staging=Staging(path=folder / "staging"),
    )
    sinks = tuple(LocalSink(name, root) for name, root in roots.items())
    return Job(pipeline, (kind("icloud", settings),), sinks)


def close(work: Job) -> None:
    ends: tuple[Source | Sink, ...] = (*work.sources, *work.sinks)
    for end in ends:
        end.close()


def ledger_of(folder: Path) -> Path:
    return folder / "cloud.sqlite"


def act(folder: Path, what: str, die_after: int, environ: Mapping[str, str]) -> None:
    """``free`` or ``undo`` in this process, which is killed after so many steps (0: never)."""
    os.environ.update(environ)
    MortalLedger.countdown = MortalSource.countdown = Countdown(die_after)
    work = job(folder, MortalSource)
    with (
        MortalLedger.open(ledger_of(folder)) as ledger,
        reclaiming(work, ledger, Recorder(), stop=Stop(), pace=PACE) as session,
    ):
        outcome: Any
        if what == "free":
            outcome = session.free(POLICY, session.survey(POLICY))
        else:
            outcome = session.undo(None)
    close(work)
    assert outcome.error is None
