"""Properties within Drive's bounds: 124 bytes of UTF-8 for key and value together, 30 an app.

A longer value is cut over ``key``, ``key~1``, ``key~2`` and joined again on reading.
Source: Drive API guide "Add custom file properties".
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from connectors.errors import ItemError

_BYTES = 124
_MOST = 30
_SUFFIX = 3  # room for ~ and two digits


def packed(properties: Mapping[str, str]) -> dict[str, str]:
    """As Drive can keep them; ItemError where they are too many."""
    cut = {key: part for name, value in properties.items() for key, part in _cut(name, value)}
    if len(cut) > _MOST:
        raise ItemError("these properties are more than Google Drive keeps with a file")
    return cut


def unpacked(properties: Mapping[str, str]) -> dict[str, str]:
    """As they were given to ``packed``."""
    joined: dict[str, str] = {}
    for name in properties:
        base, mark, _ = name.rpartition("~")
        if mark and base in properties:
            continue
        parts = [properties[name]]
        while (part := properties.get(f"{name}~{len(parts)}")) is not None:
            parts.append(part)
        joined[name] = "".join(parts)
    return joined


def _cut(name: str, value: str) -> Iterator[tuple[str, str]]:
    room = _BYTES - len(name.encode()) - _SUFFIX
    if room < 4:
        raise ItemError(f"the property name {name!r} is too long for Google Drive")
    number, part, size = 0, "", 0
    for letter in value:
        length = len(letter.encode())
        if size + length > room:
            yield (f"{name}~{number}" if number else name), part
            number, part, size = number + 1, "", 0
        part += letter
        size += length
    yield (f"{name}~{number}" if number else name), part
