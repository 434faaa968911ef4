"""Variables that would silently do nothing, or change another thing than was meant."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping
from typing import Any

from connectors import registry
from connectors.errors import Misconfigured
from pipeline.config import targets
from pipeline.config.problems import PREFIX, close, suggest
from pipeline.config.table import BLANK

_ALIKE = 0.8  # a letter too many or too few; VERSION is no VERIFY


def check(keys: Collection[str], data: Mapping[str, Any]) -> None:
    """Misconfigured if a variable is meant for one of the ``keys`` of a pipeline file and names
    none, or no place of the file's ``data``."""
    for name, value in os.environ.items():
        if not name.startswith(PREFIX):
            continue
        head, nested, rest = name.removeprefix(PREFIX).lower().partition("__")
        if head in keys:
            if blank := BLANK.search(value):  # the same for every row
                raise Misconfigured(f"{name}: {blank[0]!r} is filled in only in a pipeline file")
            if nested and f"{PREFIX}{head.upper()}" not in os.environ:
                _check_place(name, head, rest.partition("__")[0], data.get(head))
        elif nested:
            raise Misconfigured(f"{name}: unknown variable; {suggest(head, keys)}")
        else:
            _check_word(name, head, keys)


def _check_word(name: str, head: str, keys: Collection[str]) -> None:
    """Others have variables too, places above all: only what resembles a key is meant for one."""
    word, more, _ = head.partition("_")
    if word in registry.names():
        return
    if more and word in keys:
        raise Misconfigured(f"{name}: unknown variable; two underscores stand between keys")
    if close(word, keys, _ALIKE):
        raise Misconfigured(f"{name}: unknown variable; {suggest(word, keys)}")


def _check_place(name: str, head: str, key: str, written: object) -> None:
    """A list of places, indexed by now, is changed at a position or by the name of a place."""
    if head not in ("source", "sinks") or not isinstance(written, dict) or "0" not in written:
        return
    if key.isdecimal():
        if key not in written:
            last = len(written) - 1
            raise Misconfigured(
                f"{name}: there is no place {key}; the first of {head} is 0, the last {last}"
            )
    elif not targets.called(key, written.values()):
        raise Misconfigured(f"{name}: no place is called {key!r}")
