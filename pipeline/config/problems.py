"""Turns what is wrong with a pipeline into one line each: where it stands, what to do."""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, cast

from pydantic import BaseModel, ValidationError

from connectors.errors import Misconfigured
from pipeline.config import targets
from pipeline.config.document import Document, Loc

PREFIX = "OUTPOUR_"

_SECRET = re.compile(
    r"(?<!by)pass(word|wd|phrase|code)?$|passw|^pwd?$|kennwort"
    r"|secret(?!ar)|token|api_?key|private_?key|credential|cookie",
    re.I,
)


@dataclass(frozen=True, slots=True)
class Mistake:
    """``loc`` is where in the pipeline; ``message`` says what to do.

    ``{key!r}`` in the message stands for ``loc`` as written, which then is not put before it.
    """

    loc: Loc
    message: str


class Mistakes(Exception):
    """Everything that is wrong, found at once."""

    def __init__(self, found: Iterable[Mistake]) -> None:
        super().__init__()
        self.found = tuple(found)


def of_model(
    error: ValidationError, model: type[BaseModel], loc: Loc = (), *, also: Iterable[str] = ()
) -> list[Mistake]:
    """The mistakes in ``error``, raised by ``model`` for what stands at ``loc``.

    ``also`` are keys that are known there beside the model's own.
    """
    mistakes = []
    meant: set[Loc] = set()  # keys that a misspelt one stands for: not missing as well
    details = error.errors(include_url=False)
    for detail in sorted(details, key=lambda detail: detail["type"] != "extra_forbidden"):
        inner = detail["loc"]
        kind = detail["type"]
        if kind == "extra_forbidden":
            known = [*_known(model, inner[:-1]), *(also if len(inner) == 1 else ())]
            message = unknown_key(str(inner[-1]), known)
            meant |= {(*inner[:-1], key) for key in close(str(inner[-1]), known)}
        elif kind == "missing":
            if inner in meant:
                continue
            message = "is needed"
        else:
            message = _message(cast("Mapping[str, Any]", detail))
            inner = _existing(inner, model)
        mistakes.append(Mistake((*loc, *inner), message))
    return mistakes


def is_secret(key: str) -> bool:
    """Whether what stands under this name should stand in no file."""
    return bool(_SECRET.search(key))


def unknown_key(key: str, known: Iterable[str]) -> str:
    """What to say of a key that nobody knows, above all when it looks like a password."""
    if is_secret(key):
        return (
            "{key!r} must not stand here; remove it: "
            "'outpour connect' asks for passwords and keeps them in the keyring"
        )
    return f"unknown key; {suggest(key, known)}"


def suggest(word: str, known: Iterable[str]) -> str:
    """``did you mean 'x'?`` where something is close, else all there is."""
    options = sorted(known)
    if near := close(word, options):
        return f"did you mean {near[0]!r}?"
    return f"known are {', '.join(options)}" if options else "nothing can be set here"


def close(word: str, known: Iterable[str], likeness: float = 0.6) -> list[str]:
    """The one of ``known`` that ``word`` may be a misspelling of, if there is any."""
    return difflib.get_close_matches(word.lower(), sorted(known), n=1, cutoff=likeness)


def report(mistakes: Iterable[Mistake], document: Document) -> Misconfigured:
    """One error with one line for each mistake, in the order of the file."""
    lines = {_line(mistake, document): document.line(mistake.loc) or 0 for mistake in mistakes}
    return Misconfigured("\n".join(sorted(lines, key=lambda line: lines[line])))


def written(loc: Loc) -> str:
    """``sinks[0].path``, as people write it."""
    parts = (f"[{part}]" if isinstance(part, int) else f".{part}" for part in loc)
    return "".join(parts).lstrip(".")


def variable(loc: Loc) -> str:
    """The environment variable that sets what stands at ``loc``."""
    return PREFIX + "__".join(str(part) for part in loc).upper()


def _line(mistake: Mistake, document: Document) -> str:
    place, loc = _where(mistake.loc, document)
    key = written(loc)
    if "{key!r}" in mistake.message:
        named = mistake.message.replace("{key!r}", repr(key or place))
        return f"{place}: {named}" if key else named
    return ": ".join(part for part in (place, key, mistake.message) if part)


def _where(loc: Loc, document: Document) -> tuple[str, Loc]:
    """The variable or the line that holds ``loc``, and what of ``loc`` is left to say."""
    for end in range(len(loc), 0, -1):
        for name in (variable(loc[:end]), variable(_by_name(loc[:end], document))):
            if name in os.environ:
                return name, loc[end:]
        if document.line(loc[:end]):
            break
    return document.nearest(loc), loc


def _by_name(loc: Loc, document: Document) -> Loc:
    """The same with the name of a place for its position, by which a variable may choose it."""
    if len(loc) < 2 or not isinstance(loc[1], int):
        return loc
    try:
        entry = targets.entries(document.data.get(str(loc[0])))[loc[1]]
    except (ValueError, IndexError):
        return loc
    if not isinstance(entry, dict):
        return loc
    return (loc[0], str(entry.get("name", entry.get("type"))), *loc[2:])


def _known(model: type[BaseModel], loc: Loc) -> list[str]:
    for part in loc:
        field = model.model_fields.get(str(part))
        if field is None or not isinstance(field.annotation, type):
            return []
        if not issubclass(field.annotation, BaseModel):
            return []
        model = field.annotation
    return list(model.model_fields)


def _existing(loc: Loc, model: type[BaseModel]) -> Loc:
    """``loc`` without what pydantic appends for the branches of a union or a list's items."""
    for at, part in enumerate(loc):
        field = model.model_fields.get(str(part))
        if field is None:
            return loc[:at] or loc
        if not (isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel)):
            return loc[: at + 1]
        model = field.annotation
    return loc


def _message(detail: Mapping[str, Any]) -> str:
    kind, value = detail["type"], detail["input"]
    if kind == "value_error":
        return str(detail["ctx"]["error"])
    wanted = {
        "int_parsing": "must be a whole number",
        "int_type": "must be a whole number",
        "int_from_float": "must be a whole number",
        "float_parsing": "must be a number",
        "bool_parsing": "must be true or false",
        "bool_type": "must be true or false",
        "string_type": "must be text (put it in quotes)",
        "path_type": "must be a path",
        "model_type": "must be 'key: value' lines below it",
        "dict_type": "must be 'key: value' lines below it",
        "tuple_type": "must be a list",
        "frozen_set_type": "must be a list",
        "list_type": "must be a list",
        "too_short": "must name at least one",
    }.get(kind)
    if kind == "string_pattern_mismatch":
        wanted = f"must look like {detail['ctx']['pattern']}"
    message = wanted or str(detail["msg"]).replace("Input should be", "must be")
    simple = isinstance(value, str | int | float) or value is None
    return f"{message}, not {value!r}" if simple and len(str(value)) <= 60 else message
