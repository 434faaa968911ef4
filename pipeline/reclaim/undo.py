"""Bringing back from the source's bin what a run put there."""

from __future__ import annotations

from collections.abc import Sequence

from connectors.abilities import Reclaims
from connectors.errors import OutpourError
from pipeline.ledger import trash
from pipeline.ledger.trash import Trashed
from pipeline.reclaim.freeing import Answers, Done, Pace
from pipeline.runner.move import Mover
from pipeline.states import TrashState


class Undo:
    def __init__(self, mover: Mover, source: Reclaims, pace: Pace) -> None:
        self._mover = mover
        self._source = source
        self._pace = pace

    def restore(self, run: int) -> Done:
        """Restore what ``run`` trashed; what ends it early stands in the answer."""
        mover = self._mover
        done = Done(run)
        items = trash.of_run(mover.ledger, run)
        mover.meter.phase = "restoring"
        mover.meter.assets_total = len(items)
        with done.keeping(mover.stop):
            for start in range(0, len(items), self._pace.batch):
                if start:
                    mover.stop.sleep(self._pace.pause)
                self._batch(items[start : start + self._pace.batch], done)
        return done

    def _batch(self, batch: Sequence[Trashed], done: Done) -> None:
        mover = self._mover
        items = {item.key: item for item in batch}
        answers = Answers(mover)

        def ask(keys: Sequence[int]) -> list[OutpourError | None]:
            return self._source.restore([items[key].asset for key in keys])

        try:
            answers.gather(list(items), ask)
        finally:
            restored = {key: why for key, why in answers.told.items() if not why}
            failed = {key: why for key, why in answers.told.items() if why}
            for key in restored:  # first: the ledger's disk may be full
                mover.meter.settled(ok=True)
                done.assets += 1
                done.bytes += items[key].size
            done.refused += [(items[key].filename, why) for key, why in failed.items()]
            done.unclear += len(items) - len(answers.told)
            trash.settle(mover.ledger, done.run, restored, TrashState.RESTORED)
            trash.note_failed(mover.ledger, done.run, failed)
