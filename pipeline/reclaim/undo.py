"""Bringing back from the source's bin what a run put there."""

from __future__ import annotations

from collections.abc import Sequence

from connectors.errors import OutpourError
from pipeline.events import ItemEvent
from pipeline.ledger import trash
from pipeline.ledger.trash import Trashed
from pipeline.reclaim.asking import Answers, Pace, batches
from pipeline.reclaim.done import Done
from pipeline.reclaim.target import Target
from pipeline.runner.move import Mover
from pipeline.states import TrashState


class Undo:
    """Brings back from the source's bin what a run put there, and writes down how it went."""

    def __init__(self, mover: Mover, target: Target, pace: Pace) -> None:
        self._mover = mover
        self._target = target
        self._pace = pace

    def restore(self, run: int) -> Done:
        """Restore what ``run`` trashed; what ends it early stands in the answer."""
        mover = self._mover
        done = Done(run)
        items = trash.of_run(mover.ledger, self._target.part, run)
        mover.meter.begin("restoring", assets=len(items))
        with done.keeping(mover.stop):
            for batch in batches(items, self._pace, mover.stop):
                self._batch(batch, done)
        return done

    def _batch(self, batch: Sequence[Trashed], done: Done) -> None:
        mover = self._mover
        items = {item.key: item for item in batch}
        answers = Answers(mover, self._target.source)

        def ask(keys: Sequence[int]) -> list[OutpourError | None]:
            return self._target.reclaims.restore([items[key].asset for key in keys])

        try:
            answers.gather(list(items), ask)
        finally:
            restored = {key: why for key, why in answers.told.items() if not why}
            failed = {key: why for key, why in answers.told.items() if why}
            for key, item in items.items():  # first: the ledger's disk may be full
                self._tell(item, answers.told.get(key), done)
            trash.record_answers(mover.ledger, done.run, restored, TrashState.RESTORED)
            trash.note_failed(mover.ledger, done.run, failed)

    def _tell(self, item: Trashed, answer: str | None, done: Done) -> None:
        if answer is None:
            done.unclear += 1
            return
        if answer:
            done.refused.append((item.filename, answer))
        else:
            done.assets += 1
            done.bytes += item.size
        self._mover.meter.finished(ok=not answer)
        state = "refused" if answer else "restored"
        event = ItemEvent(item.asset, item.filename, state, answer, item.size)
        self._mover.observer.item(event)
