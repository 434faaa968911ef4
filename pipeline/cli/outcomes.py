"""What a batch says of its pipelines, by what was done with each."""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from pipeline.batch import Ended
from pipeline.cli.answers import to_do
from pipeline.states import NOT_WANTED, AssetState, Exit
from pipeline.wording import count, counted, share, show_size

Answer = Mapping[str, Any]
"""The summary, or the document, that a command gave with ``--json``."""


class Do(StrEnum):
    """What is done with each pipeline: a command of that name."""

    RUN = "run"
    PLAN = "plan"
    VERIFY = "verify"
    REBUILD = "rebuild"
    STATUS = "status"


BAD = {
    Exit.ITEMS_FAILED: "not everything is right",
    Exit.USAGE: "could not begin",
    Exit.NEEDS_PERSON: "a person is needed",
    Exit.NO_ROOM: "no room",
    Exit.FATAL: "failed as a whole",
    Exit.INTERRUPTED: "stopped",
}
"""What an exit code other than 0 means, for a pipeline among others."""


@dataclass(frozen=True)
class Outcome:
    """``good`` is what a pipeline that ended with 0 is; ``numbers`` says what came of one, and
    ``total`` of all of them (empty: nothing is added up), each from answers."""

    good: str
    numbers: Callable[[Answer], str]
    total: Callable[[Sequence[Answer]], str] = lambda _: ""


def outcome(do: Do) -> Outcome:
    """How a batch speaks of ``do``."""
    return _OUTCOMES[do]


def tell(do: Do, ended: Ended) -> str:
    """How one pipeline ended, on one line."""
    said, hint = ended.error or BAD.get(ended.exit, ""), ended.hint
    if ended.exit is Exit.OK and ended.answer is not None:
        said = outcome(do).numbers(ended.answer)
    elif do is Do.VERIFY and (lost := wrong(ended)):
        said = f"{counted(lost, 'copy')} missing or changed"
        hint = f"which: {shlex.join(['outpour', *ended.task.arguments])}"
    elif do in (Do.PLAN, Do.REBUILD) and (answer := answered(ended)):
        said = f"{outcome(do).numbers(answer)}; {said}"
    return f"{ended.task.name}: {said}{f' ({hint})' if hint else ''}"


def answered(ended: Ended) -> Answer | None:
    """What a command came to; None where it told only why it came to nothing."""
    return None if ended.answer is None or ended.answer.get("error") else ended.answer


def wrong(ended: Ended) -> int:
    """Copies that a check found missing or changed."""
    sinks = (ended.answer or {}).get("sinks", ())
    return sum(len(sink.get("wrong", ())) for sink in sinks)


def nothing_yet(answer: Answer | None) -> bool:
    """Whether a pipeline has nothing to show: it is not due, or was never able to begin."""
    if answer is None:
        return False
    sinks = answer.get("sinks", ())
    unchecked = bool(sinks) and all(sink.get("checked") == 0 for sink in sinks)
    return unchecked or bool(answer.get("idle"))


def _ran(answer: Answer) -> str:
    if answer.get("idle"):
        return str(answer["idle"])
    confirmed = answer["assets"].get(AssetState.CONFIRMED, 0)
    return f"{counted(confirmed)} confirmed, {show_size(answer['confirmed_bytes'])}"


def _planned(answer: Answer) -> str:
    return to_do(answer["assets"], answer["bytes"], _again(answer))


def _again(answer: Answer) -> int:
    return sum(sink["again"] for sink in answer["sinks"])


def _to_move(answers: Sequence[Answer]) -> str:
    assets, size = (sum(answer[key] for answer in answers) for key in ("assets", "bytes"))
    return f"in all: {to_do(assets, size, sum(map(_again, answers)))}"


def _verified(answer: Answer) -> str:
    if nothing_yet(answer):
        return "nothing was moved yet"
    checked = sum(sink["checked"] for sink in answer["sinks"])
    return f"{counted(checked, 'copy')} checked, all as they were"


def _rebuilt(answer: Answer) -> str:
    assets = answer["assets"]
    proven = assets.get(AssetState.CONFIRMED, 0) + answer["unlabelled"]
    wanted = sum(number for state, number in assets.items() if state not in NOT_WANTED)
    missing = sum(sink["missing"] for sink in answer["sinks"])
    gone = f", {counted(missing, 'copy')} missing" if missing else ""
    return f"{count(proven)} of {counted(wanted)} confirmed from what is there{gone}"


def _stands(answer: Answer) -> str:
    at = answer["pipeline"]
    parts = [_by_state(Counter(_assets(at)))] if at else ["has not run yet"]
    if at and (ended := at["run_state"]):
        parts.insert(0, f"last run {ended.replace('_', ' ')}")
    for place in answer["places"]:
        if place["error"]:
            parts.append(f"{place['name']}: {place['error']}")
        elif (room := place["capacity"]) and room["total"]:
            parts.append(f"{place['name']} {share(room['used'], room['total'])} full")
    return "; ".join(filter(None, parts))


def _stand(answers: Sequence[Answer]) -> str:
    assets: Counter[str] = Counter()
    for answer in answers:
        assets.update(_assets(answer["pipeline"] or {}))
    free = sum(answer["reclaim"]["now"]["bytes"] for answer in answers if answer["reclaim"])
    reclaim = f"; {show_size(free)} could be freed" if free else ""
    return f"in all: {_by_state(assets) or 'nothing yet'}{reclaim}"


def _assets(standing: Mapping[str, Any]) -> dict[str, int]:
    return {state: totals["assets"] for state, totals in standing.get("assets", {}).items()}


def _by_state(assets: Counter[str]) -> str:
    return ", ".join(f"{count(assets[state])} {state}" for state in AssetState if assets[state])


_OUTCOMES = {
    Do.RUN: Outcome("confirmed", _ran),
    Do.PLAN: Outcome("planned", _planned, _to_move),
    Do.VERIFY: Outcome("as they were", _verified),
    Do.REBUILD: Outcome("whole again", _rebuilt),
    Do.STATUS: Outcome("looked up", _stands, _stand),
}
