"""Check, write down, delete, write down: batch by batch, slowly."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

from connectors.errors import Fatal, InBin, OutpourError
from pipeline.events import ItemEvent
from pipeline.ledger import asset_states, trash
from pipeline.ledger.copies import adoption, checks
from pipeline.ledger.copies.checks import Held
from pipeline.ledger.reclaimable import Candidate, File
from pipeline.reclaim.asking import Answers, Pace, batches
from pipeline.reclaim.copy_check import AssetCheck, CopyCheck, check_copy, unchecked
from pipeline.reclaim.done import Done
from pipeline.reclaim.groups import SinkGroups
from pipeline.reclaim.policy import Policy
from pipeline.reclaim.target import Target
from pipeline.runner.move import Mover

_READERS = 4  # for each sink
_FRESH = 10.0  # seconds after which what was looked at is looked at again
_LONG = 300.0  # seconds a look takes if it waited, for a person who signs in or a place's pause
_ASKED_BEFORE = "; whether a request before that took it, the next run finds out"
_ABSENT = 5  # files that are missing, all that were asked for, before we doubt the place itself


class Freeing:
    """Moves what was chosen into the source's bin, each asset once all its copies were
    looked at, and writes down why and how it went."""

    def __init__(
        self, mover: Mover, target: Target, policy: Policy, grouped: SinkGroups, pace: Pace
    ) -> None:
        self._mover = mover
        self._target = target
        self._copies = policy.copies
        self._same_disk = policy.same_disk
        self._grouped = grouped
        self._rules = policy.rules(grouped.groups, target.part)
        self._pace = pace
        self._done = Done(mover.run_id)
        self._looked: float | None = None  # as of when, if nothing was asked for since

    def free(self, candidates: Sequence[Candidate]) -> Done:
        """Free these, in order. What ends it early stands in the answer."""
        mover, done = self._mover, self._done
        size = sum(candidate.size for candidate in candidates)
        mover.meter.begin("freeing", assets=len(candidates), size=size)
        with done.keeping(mover.stop), asset_states.rechecked_if_interrupted(mover.ledger):
            for batch in batches(candidates, self._pace, mover.stop):
                self._delete(self._proven(batch))
        return done

    # --- proof ---

    def _proven(self, batch: Sequence[Candidate]) -> list[tuple[Candidate, str]]:
        """Those whose copies all are right now, with the evidence; the others are withdrawn."""
        proven = []
        for checked in self._look(batch):
            why = self._why_not(checked)
            if why:
                self._withdraw(checked.candidate, why)
            else:
                proven.append((checked.candidate, _evidence(checked)))
        return proven

    def _why_not(self, checked: AssetCheck) -> str:
        return checked.why_not(self._grouped.groups, self._copies)

    def _look(self, batch: Sequence[Candidate]) -> list[AssetCheck]:
        by_key = {candidate.key: AssetCheck(candidate, self._same_disk) for candidate in batch}
        asked = [(candidate, file, copy) for candidate in batch for file in candidate.files
                 for copy in file.copies]  # fmt: skip
        began = time.monotonic()
        with ThreadPoolExecutor(_READERS * len(self._grouped.sinks), "reclaim") as readers:
            answers = list(readers.map(lambda one: self._check(one[1], one[2]), asked))
        _refuse_absent(answers)
        for (candidate, file, copy), seen in zip(asked, answers, strict=True):
            by_key[candidate.key].add(file, seen)
            if not seen.unproven:
                checks.mark(self._mover.ledger, copy, seen.wrong)
        wrong = [seen for checked in by_key.values() for seen in checked.wrong]
        for sink in {seen.copy.sink for seen in wrong}:
            checks.mark_waiting(self._mover.ledger, sink, self._mover.goal)
        for sink in {seen.copy.sink for seen in wrong if seen.wrong == checks.GONE}:
            adoption.look_again(self._mover.ledger, sink)  # its owner may have moved it
        self._mover.ledger.flush()
        ended = time.monotonic()
        self._looked = began if ended - began > _LONG else ended
        return list(by_key.values())

    def _check(self, file: File, copy: Held) -> CopyCheck:
        sink, stop = self._grouped.sinks[copy.sink], self._mover.stop
        try:
            return self._mover.connections.ask(sink, lambda: check_copy(sink, file, copy, stop))
        except OutpourError as error:
            return unchecked(copy, error)

    # --- deletion ---

    def _delete(self, proven: Sequence[tuple[Candidate, str]]) -> None:
        mover = self._mover
        going = trash.intend(
            mover.ledger,
            mover.run_id,
            mover.run.source.name,
            self._rules,
            proven,
        )
        for candidate, _ in proven:
            if candidate.key not in going:
                self._withdraw(candidate, "is another in the ledger since it was chosen")
        chosen = {candidate.key: candidate for candidate, _ in proven if candidate.key in going}
        answers = Answers(mover, self._target.source)
        before = trash.asked_before(mover.ledger, mover.run_id, chosen)
        asked: set[int] = set()

        def ask(keys: Sequence[int]) -> list[OutpourError | None]:
            self._looked = None
            again = (asked | before) & set(keys)
            asked.update(keys)
            wanted = [(chosen[key].asset, chosen[key].revision) for key in keys]
            return [
                # Else its owner put it there, and it is not ours to bring back.
                None if key in again and isinstance(answer, InBin) else answer
                for key, answer in zip(keys, self._target.reclaims.trash(wanted), strict=True)
            ]

        def withdraw(keys: Sequence[int]) -> Mapping[int, str]:
            """A source may let us wait, for hours where a person has to sign in."""
            if self._looked is not None and time.monotonic() - self._looked < _FRESH:
                return {}
            more = _ASKED_BEFORE if self._looked is None else ""
            looked = self._look([chosen[key] for key in keys])
            return {one.candidate.key: why + more for one in looked if (why := self._why_not(one))}

        try:
            if chosen:
                answers.gather(list(chosen), ask, withdraw)
        finally:
            for key, candidate in chosen.items():  # first: the ledger's disk may be full
                if key in answers.withdrawn:
                    self._withdraw(candidate, answers.withdrawn[key])
                else:
                    self._tell(candidate, answers.told.get(key))
            never = {key: why for key, why in answers.withdrawn.items() if key not in asked}
            trash.record_answers(mover.ledger, mover.run_id, answers.told | never)

    def _tell(self, candidate: Candidate, answer: str | None) -> None:
        if answer is None:
            self._done.unclear += 1
        elif answer:
            self._done.refused.append((candidate.filename, answer))
            self._item(candidate, "refused", answer)
        else:
            self._done.assets += 1
            self._done.bytes += candidate.size
            self._mover.meter.add(done=candidate.size)
            self._item(candidate, "freed")

    def _withdraw(self, candidate: Candidate, why: str) -> None:
        self._done.withdrawn.append((candidate.filename, why))
        self._item(candidate, "withdrawn", why)

    def _item(self, candidate: Candidate, state: str, why: str = "") -> None:
        self._mover.meter.finished(ok=not why)
        event = ItemEvent(candidate.asset, candidate.filename, state, why, candidate.size)
        self._mover.observer.item(event)


def _refuse_absent(seen: Sequence[CopyCheck]) -> None:
    """A sink that holds nothing at all is more likely not there than empty."""
    for sink in {one.copy.sink for one in seen}:
        answers = [one for one in seen if one.copy.sink == sink]
        if len(answers) >= _ABSENT and all(one.wrong == checks.GONE for one in answers):
            raise Fatal(
                f"{sink} holds none of the files it should: is it connected?",
                hint="If they are gone for good: outpour verify, then outpour run.",
            )


def _evidence(checked: AssetCheck) -> str:
    """What the deletion rests on, as the ledger keeps it."""
    files = [
        {
            "resource": file.resource,
            "role": file.role,
            "proof": file.proof,
            "source": file.source,
            "sha256": file.copies[0].sha256,
            "copies": [
                {
                    "sink": seen.copy.sink,
                    "path": seen.copy.path,
                    "id": seen.copy.remote_id,
                    "how": seen.how,
                    "checksum": seen.checksum,
                    "checked": seen.time,
                }
                for seen in checked.seen[file.key]
            ],
        }
        for file in checked.candidate.files
    ]
    return json.dumps({"revision": checked.candidate.revision, "files": files}, ensure_ascii=False)
