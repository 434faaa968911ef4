"""From an entry under ``source`` or ``sinks`` to a place with its connector and settings."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, get_args

from pydantic import ValidationError

from connectors import registry
from connectors.errors import Misconfigured
from connectors.registry import Connector, Settings
from pipeline.config.document import Loc
from pipeline.config.models import Place
from pipeline.config.problems import Mistake, Mistakes, of_model, suggest
from pipeline.config.targets import LOCATION, home

Side = Literal["source", "sink"]


def resolve(
    sources: Sequence[Any], sinks: Sequence[Any], base: Path, *, rename: bool = False
) -> tuple[tuple[Place, ...], tuple[Place, ...]]:
    """All places, named apart; Mistakes lists whatever is wrong with them.

    ``base`` is what relative folders count from. ``rename`` numbers places that would have
    the same name by default, instead of asking for names.
    """
    mistakes: list[Mistake] = []
    taken: dict[str, Loc] = {}
    found: dict[Side, list[Place]] = {"source": [], "sink": []}
    # Sinks first: their names stand in the ledger and must not depend on the sources.
    sides: tuple[tuple[Side, str, Sequence[Any]], ...] = (
        ("sink", "sinks", sinks),
        ("source", "source", sources),
    )
    for side, key, entries in sides:
        for at, entry in enumerate(entries):
            loc: Loc = (key, at) if len(entries) > 1 or side == "sink" else (key,)
            try:
                place = _place(entry, side, loc, base)
                place = _named(place, side, entry, loc, taken, rename)
            except Mistakes as wrong:
                mistakes += wrong.found
                continue
            taken[place.name] = loc
            found[side].append(place)
    mistakes += _at_odds(found["source"], found["sink"], taken)
    if mistakes:
        raise Mistakes(mistakes)
    return tuple(found["source"]), tuple(found["sink"])


def _at_odds(
    sources: Sequence[Place], sinks: Sequence[Place], taken: Mapping[str, Loc]
) -> Iterator[Mistake]:
    """Places that cannot stand beside each other: one named twice, or a source as a sink."""
    for at, place in enumerate(sources):
        if any((place.type, place.settings) == (s.type, s.settings) for s in sources[:at]):
            yield Mistake(taken[place.name], "is named twice")
    for at, place in enumerate(sinks):
        again = next((s for s in sinks[:at] if place.same_as(s)), None)
        if again:
            why = f"{place.name!r} is the same place as {again.name!r}: name it once"
            yield Mistake(taken[place.name], why)
        elif any(place.same_as(source) for source in sources):
            yield Mistake(taken[place.name], "is the source itself")
        elif any(source.settings.lists(place.settings) == "" for source in sources):
            why = "lies within the source, which would list its copies as new"
            yield Mistake(taken[place.name], f"{why}: choose a folder outside")


def alone(entry: Mapping[str, Any], base: Path) -> Place:
    """One place that need not be a source or a sink of anything yet; Mistakes as ``resolve``."""
    return _place(entry, None, (), base)


def _place(entry: Any, side: Side | None, loc: Loc, base: Path) -> Place:
    if not isinstance(entry, Mapping) or not isinstance(entry.get("type"), str):
        raise Mistakes([Mistake((*loc, "type"), f"is needed: {_types()}")])
    kind = entry["type"]
    connector = _connector(kind, side, (*loc, "type"))
    name = entry.get("name", kind)
    if not isinstance(name, str) or not name.strip():
        raise Mistakes([Mistake((*loc, "name"), "must be text")])
    values = {key: value for key, value in entry.items() if key not in ("type", "name", LOCATION)}
    if LOCATION in entry:
        if connector.location is None:
            raise Mistakes([Mistake(loc, f"{kind} takes nothing after the colon")])
        values.setdefault(connector.location, entry[LOCATION])
    try:
        anchored = _anchored(values, connector.settings, base, loc)
        settings = connector.settings.model_validate(anchored)
    except ValidationError as error:
        also = ("type", "name")
        raise Mistakes(of_model(error, connector.settings, loc, also=also)) from None
    return Place(name.strip(), kind, connector, settings)


def _types() -> str:
    return f"one of {', '.join(registry.names())}"


def _connector(kind: str, side: Side | None, loc: Loc) -> Connector[Any]:
    try:
        connector = registry.get(kind)
    except registry.UnknownConnector:
        near = suggest(kind, registry.names())
        message = f"unknown connector {kind!r}; {near} (a folder: ./{kind})"
        raise Mistakes([Mistake(loc, message)]) from None
    except registry.MissingExtra:
        raise  # nothing is wrong with what was written
    except Misconfigured as error:
        raise Mistakes([Mistake(loc, str(error))]) from None
    if side is not None and getattr(connector, side) is None:
        raise Mistakes([Mistake(loc, f"{kind} cannot be a {side}")])
    return connector


def _named(
    place: Place,
    side: Side,
    entry: Mapping[str, Any],
    loc: Loc,
    taken: dict[str, Loc],
    rename: bool,
) -> Place:
    if place.name not in taken:
        return place
    if "name" not in entry and (rename or side == "source"):
        stem = f"{place.type}-source" if side == "source" else place.type
        numbered = (stem if n == 1 else f"{stem}-{n}" for n in range(1, len(taken) + 3))
        name = next(name for name in numbered if name not in taken)
        return Place(name, place.type, place.connector, place.settings)
    raise Mistakes(
        [Mistake(loc, f"another place is called {place.name!r} already; give this one a name:")]
    )


def _anchored(
    values: dict[str, Any], model: type[Settings], base: Path, loc: Loc
) -> dict[str, Any]:
    """The values with every folder and file absolute, ``~`` resolved.

    An empty one is left out: it would quietly mean wherever we happen to be.
    """

    def is_path(key: str, value: Any) -> bool:
        field = model.model_fields.get(key)
        wanted = field is not None and Path in (field.annotation, *get_args(field.annotation))
        return wanted and isinstance(value, str)

    anchored = {}
    for key, value in values.items():
        if not is_path(key, value):
            anchored[key] = value
        elif value.strip():
            try:
                anchored[key] = base / home(Path(value))
            except ValueError as error:
                raise Mistakes([Mistake((*loc, key), str(error))]) from None
    return anchored
