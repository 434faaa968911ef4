"""The short way to name a place: ``icloud:ann@example.com``, ``./Photos``, ``gdrive:Outpour``."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

LOCATION = "\0location"
"""Stands in an expanded entry for the settings field that the connector calls its location. No
file and no variable holds such a key."""

_VARIABLE = r"\$(\w+|\{\w+\})"
_PATH = re.compile(rf"[.~/\\]|[A-Za-z]:[\\/]|{_VARIABLE}(/|$)")
_SHELL = re.compile(_VARIABLE)


def home(path: Path) -> Path:
    """The path with ``~`` resolved; ValueError where nobody has such a home, or where a variable
    of the shell stands, which would become the name of a folder."""
    for part in filter(_SHELL.fullmatch, path.parts):
        raise ValueError(f"{part!r} is not filled in; write the folder out, or ~ for your home")
    try:
        return path.expanduser()
    except RuntimeError:
        user = path.parts[0][1:]
        raise ValueError(f"no user here is called {user!r}; write the folder out") from None


def expand(target: str) -> dict[str, Any]:
    """The entry that ``target`` is short for: ``type[:location]``, or the path of a folder.

    A path starts with ``.``, ``/``, ``~`` or a drive letter, so that a misspelt connector
    never becomes a folder; or with a variable of the shell, which ``home`` refuses. Nothing is
    looked up.
    """
    target = target.strip()
    if _PATH.match(target):
        return {"type": "local", LOCATION: target}
    kind, colon, location = target.partition(":")
    return {"type": kind, LOCATION: location} if colon else {"type": kind}


def entries(value: object) -> list[Any]:
    """The entries of ``source`` or ``sinks``, whichever way they were written.

    A list, one mapping or one short target; or, where variables added to a list, a mapping of
    positions and names to what they change there. ValueError names a place no entry has.
    """
    if isinstance(value, str):
        return [expand(value)]
    if isinstance(value, list):
        return [expand(item) if isinstance(item, str) else item for item in value]
    if not isinstance(value, dict):
        raise ValueError("must be a place or a list of places")
    if "type" in value or not any(isinstance(part, dict) for part in value.values()):
        return [value]
    return _merged(value)


def indexed(value: object) -> object:
    """Entries by position, so that variables can change one (``OUTPOUR_SINKS__0__PATH``)."""
    if isinstance(value, str):
        return expand(value)
    if not isinstance(value, list) or not value:
        return value
    return {str(at): item for at, item in enumerate(entries(value))}


def called(name: str, found: Iterable[Any]) -> list[dict[str, Any]]:
    """The entries among ``found`` of this name; without one of its own, the type is it."""
    return [
        entry
        for entry in found
        if isinstance(entry, dict)
        and name.casefold() == str(entry.get("name", entry.get("type"))).casefold()
    ]


def _merged(changes: dict[str, Any]) -> list[Any]:
    positions = sorted((key for key in changes if key.isdecimal()), key=int)
    found = [changes[key] for key in positions]
    for key, change in changes.items():
        if key.isdecimal():
            continue
        named = called(key, found)
        if not named or not isinstance(change, dict):
            raise ValueError(f"no place is called {key!r}")
        named[0].update(change)
    return found
