"""Reads a pipeline: a file, then the variables that override it, then every check.

Relative folders count from the file's own folder, so that a pipeline means the same wherever
it is started from.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from pydantic import Field, ValidationError, field_validator
from pydantic_settings import (
    BaseSettings,
    EnvSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from connectors.errors import Misconfigured
from pipeline.config import document, places, problems, table, targets, variables
from pipeline.config.document import Document, read
from pipeline.config.models import Choices, Pipeline, Place

_LONGEST = 255 - len(".sqlite-journal")  # bytes of a name that file systems take


_SETTINGS = SettingsConfigDict(
    env_prefix=problems.PREFIX, env_nested_delimiter="__", extra="forbid"
)
S = TypeVar("S", bound=BaseSettings)


class _Variables(EnvSettingsSource):
    """``OUTPOUR_`` variables; a value that is not plain text is read as YAML."""

    def decode_complex_value(
        self,
        field_name: str,
        field: Any,  # noqa: ARG002 - the signature is the library's
        value: Any,
    ) -> Any:
        names = [name for name, text in os.environ.items() if text == value]
        name = next(filter(lambda name: name.startswith(problems.PREFIX), names), field_name)
        return document.value(value, name)


class _Sources(BaseSettings):
    """The sources of a pipeline file, with what variables say of them."""

    model_config = _SETTINGS

    source: list[dict[str, Any]] = Field(min_length=1)

    _entries = field_validator("source", "sinks", mode="before", check_fields=False)(
        targets.entries
    )

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return _Variables(settings_cls), init_settings


class _File(_Sources, Choices):
    """What may stand at the top of a pipeline file."""

    model_config = _SETTINGS

    each: str | None = None
    sinks: list[dict[str, Any]] = Field(min_length=1)


def load(path: Path, row: str | None = None) -> Pipeline:
    """The pipeline in the file ``path``, of this ``row`` where the file stands for many.

    Misconfigured names every mistake by line and key.
    """
    written = read(path)
    found = _table(written, path)
    if found is None:
        if row is not None:
            raise Misconfigured(f"{path}: is one pipeline and no table: leave out --for")
        return _built(written, path)
    if row is None:
        raise Misconfigured(
            f"{path}: is one pipeline for each row of {found.name}: say which",
            hint=f"for example --for {shlex.quote(found.rows()[0].key)}; "
            "outpour batch runs all of them",
        )
    chosen = found.row(row)
    try:
        return _of_row(written, path, chosen)
    except Misconfigured as wrong:
        lines = [_told(line, [chosen]) for line in str(wrong).splitlines()]
        raise Misconfigured("\n".join(lines), hint=wrong.hint) from None


def load_all(path: Path) -> list[tuple[str | None, Pipeline]]:
    """The pipelines in the file ``path``, each with the row that it is of, if it is of one.
    Misconfigured names every mistake of every row."""
    written = read(path)
    found = _table(written, path)
    if found is None:
        return [(None, _built(written, path))]
    made: list[tuple[str | None, Pipeline]] = []
    wrong: dict[str, list[table.Row]] = {}
    for row in found.rows():
        try:
            made.append((row.key, _of_row(written, path, row)))
        except Misconfigured as error:
            for line in str(error).splitlines():
                wrong.setdefault(line, []).append(row)
    if wrong:
        raise Misconfigured(table.some_of([_told(line, rows) for line, rows in wrong.items()]))
    return made


def _told(line: str, rows: Sequence[table.Row]) -> str:
    more = len(rows) - 1
    others = f" (and {more} more row{'s' if more > 1 else ''})" if more else ""
    return f"{rows[0].where}: {rows[0].key}: {line}{others}"


def one_shot(
    source: Sequence[str], sinks: Sequence[str], options: Mapping[str, Any], base: Path
) -> Pipeline:
    """A pipeline without a file. Its name depends on its places only, so that the same command
    goes on where it stopped."""
    data = {"source": list(source), "sinks": list(sinks), **options}
    return _checked(_build(Document("command line", data, {}), base, default_name=None))


def one_place(target: str, settings: Mapping[str, Any], base: Path) -> Place:
    """The place that ``target`` names in short, with ``settings`` beside."""
    try:
        return places.alone({**targets.expand(target), **settings}, base)
    except problems.Mistakes as wrong:
        raise problems.report(wrong.found, Document(target, {}, {})) from None


def several_places(wanted: Sequence[str], base: Path) -> tuple[Place, ...]:
    """The sources that these short targets name, each with a name of its own."""
    data = {"source": targets.indexed(list(wanted))}
    try:
        variables.check(_File.model_fields, data)
        entries = _validated(_Sources, data).source
        return places.resolve(entries, (), base, rename=True)[0]
    except problems.Mistakes as wrong:
        raise problems.report(wrong.found, Document("command line", {}, {})) from None


def _table(written: Document, path: Path) -> table.Table | None:
    """What the file's ``each`` names; no text is left to be complained of with the rest."""
    named = os.environ.get(f"{problems.PREFIX}EACH") or written.data.get("each")
    if not isinstance(named, str) or not named.strip():
        return None
    try:
        return table.read(path.resolve().parent / targets.home(Path(named)), named)
    except ValueError as wrong:
        raise problems.report([problems.Mistake(("each",), str(wrong))], written) from None


def _of_row(written: Document, path: Path, row: table.Row) -> Pipeline:
    try:
        filled = table.fill(written.data, row)
    except problems.Mistakes as wrong:
        raise problems.report(wrong.found, written) from None
    made = _build(written.with_data(filled), path.resolve().parent, default_name=path.stem)
    return _checked(made.model_copy(update={"name": f"{made.name}-{row.slug}"}))


def _built(written: Document, path: Path) -> Pipeline:
    """The pipeline of a file without a table."""
    found = table.unfilled(written.data)
    if found and not written.data.get("each"):  # what stands there instead of a name is told first
        raise problems.report(found, written)
    return _checked(_build(written, path.resolve().parent, default_name=path.stem))


def _checked(pipeline: Pipeline) -> Pipeline:
    """The same. Misconfigured where no ledger can have its name: what is kept beside the ledgers is
    called after them, too."""
    name = pipeline.name
    if name.casefold().endswith(table.LEDGERS):
        raise Misconfigured(f"{name!r} is how a ledger's own files are called: choose another name")
    if len(os.fsencode(name)) > _LONGEST:
        raise Misconfigured(f"{name!r} is too long for the name of a ledger")
    return pipeline


def _build(written: Document, base: Path, default_name: str | None) -> Pipeline:
    data = dict(written.data)
    for key in ("source", "sinks"):
        if key in data:
            data[key] = targets.indexed(data[key])
    try:
        variables.check(_File.model_fields, data)
        file = _validated(_File, data)
        sources, sinks = places.resolve(file.source, file.sinks, base, rename=default_name is None)
        _check_policy(file, sources, sinks)
    except problems.Mistakes as wrong:
        raise problems.report(wrong.found, written) from None
    chosen = {name: getattr(file, name) for name in Choices.model_fields}
    if file.staging.path:
        folder = base / file.staging.path
        chosen["staging"] = file.staging.model_copy(update={"path": folder})
    pipeline = Pipeline(**chosen, sources=sources, sinks=sinks)
    name = pipeline.name or default_name or _derived(pipeline)
    return pipeline.model_copy(update={"name": name})


def _validated(model: type[S], data: dict[str, Any]) -> S:
    try:
        return model(**data)
    except ValidationError as error:
        raise problems.Mistakes(problems.of_model(error, model)) from None


def _check_policy(file: _File, sources: Sequence[Place], sinks: Sequence[Place]) -> None:
    """What the policy says must fit the places that are there."""
    found: list[problems.Mistake] = []
    copies, key = file.route.copies, ("route", "copies")
    if copies > len(sinks):
        there = "there is 1 sink" if len(sinks) == 1 else f"there are {len(sinks)} sinks"
        found.append(problems.Mistake(key, f"asks for {copies} copies, but {there}"))
    elif file.route.to == "all" and "copies" in file.route.model_fields_set:
        found.append(problems.Mistake(key, "goes with to: first or to: spread"))
    names = [place.name for place in (*sources, *sinks)]
    for name in file.when.used_above:
        if name not in names:
            message = f"no place is called {name!r}; {problems.suggest(name, names)}"
            found.append(problems.Mistake(("when", name), message))
    if found:
        raise problems.Mistakes(found)


def _derived(pipeline: Pipeline) -> str:
    ends = (pipeline.sources, pipeline.sinks)
    readable = "-to-".join("-".join(place.name for place in places) for places in ends)
    described = pipeline.describe()
    identity = json.dumps([described["sources"], described["sinks"]], sort_keys=True)
    digest = hashlib.sha256(identity.encode()).hexdigest()[:8]
    return re.sub(r"[^\w.@-]+", "_", f"{readable}-{digest}")
