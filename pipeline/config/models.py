"""What a pipeline file says, after every check: frozen, complete, without a secret.

Field descriptions are what ``outpour schema`` and editors show.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    WithJsonSchema,
    model_validator,
)

from connectors.base import Kind, Role, Sink, Source
from connectors.errors import Misconfigured
from connectors.registry import Connector, Settings
from pipeline.config.sizes import parse_rate, parse_share, parse_size
from pipeline.config.targets import home
from pipeline.naming import Template

E = TypeVar("E", bound=StrEnum)

DEFAULT_PATH = "{created:%Y/%m}/{filename}"


def _moment(value: object) -> object:
    """A date is its first instant where this machine is; a time without a zone is local."""
    if isinstance(value, str):
        try:
            value = dt.datetime.fromisoformat(value.strip())
        except ValueError:
            raise ValueError(f"{value!r} is no date; write for example 2020-01-31") from None
    if isinstance(value, dt.date) and not isinstance(value, dt.datetime):
        value = dt.datetime.combine(value, dt.time())
    if not isinstance(value, dt.datetime):
        raise ValueError(f"{value!r} is no date; write for example 2020-01-31")
    try:
        return value if value.tzinfo else value.astimezone()
    except (OverflowError, ValueError):  # the first or last day of the calendar
        far = "back" if value.year < 1000 else "off"
        text = f"{value.date()} is too far {far}; leave it out for no limit"
        raise ValueError(text) from None


def _last_moment(value: object) -> object:
    """The end of a date without a time is the end of that day."""
    if isinstance(value, str):
        try:
            value = dt.date.fromisoformat(value.strip())
        except ValueError:
            return _moment(value)
    if isinstance(value, dt.date) and not isinstance(value, dt.datetime):
        if value >= dt.date.max - dt.timedelta(days=1):
            raise ValueError(f"{value} is too far off; leave it out for no limit")
        return _moment(value + dt.timedelta(days=1))
    return _moment(value)


def _several(value: object) -> object:
    if isinstance(value, list | tuple) and not value:
        raise ValueError("must name at least one; leave it out for all")
    return [value] if isinstance(value, str) else value


def _titles(value: object) -> object:
    """Titles of albums are text, whatever they look like to YAML."""
    for one in value if isinstance(value, list) else [value]:
        kind = next((kind for known, kind in _NO_TEXT.items() if isinstance(one, known)), None)
        if kind:
            raise ValueError(f"{one} is read as {kind}; put it in quotes, in a list")
    return _several(value)


_NO_TEXT: dict[type, str] = {
    bool: "true or false",
    int: "a number",
    float: "a number",
    dt.date: "a date",
}


def _in_order(values: tuple[E, ...]) -> tuple[E, ...]:
    """Each once, in the order of the enumeration: equal selections look equal."""
    return tuple(known for known in type(values[0]) if known in values) if values else ()


FILES = tuple(role for role in Role if role is not Role.METADATA)
"""Roles of the files that a source lists."""


def _of_source(roles: tuple[Role, ...]) -> tuple[Role, ...]:
    if Role.METADATA in roles:
        raise ValueError("metadata is no file of the source: see keep.sidecars")
    return roles


def _template(text: str) -> str:
    """Checked here, so that the message can name the line."""
    try:
        Template(text)
    except Misconfigured as error:
        raise ValueError(error.advice) from None
    return text


RoleName = Annotated[str, WithJsonSchema({"enum": [str(role) for role in FILES]})]
Size = Annotated[
    int,
    BeforeValidator(parse_size, json_schema_input_type=int | str),
]
Rate = Annotated[int, BeforeValidator(parse_rate, json_schema_input_type=int | str), Field(ge=1000)]
Since = Annotated[dt.datetime, BeforeValidator(_moment, json_schema_input_type=str)]
Until = Annotated[dt.datetime, BeforeValidator(_last_moment, json_schema_input_type=str)]


class Section(BaseModel):
    """Base of every part of a pipeline."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


class Select(Section):
    """Which assets are wanted; what is left out ends as *excluded*, with the reason."""

    since: Since | None = None
    """Captured on or after this date (or time). Without a zone: this machine's."""
    until: Until | None = None
    """Captured on or before this date (the whole day counts), or before this time."""
    albums: Annotated[
        tuple[str, ...], BeforeValidator(_titles, json_schema_input_type=str | list[str])
    ] = ()
    """Only what is in one of these albums; folders and title joined by /, for example Trips/Italy.
    A folder stands for all albums below it."""
    favorites: bool | None = None
    """true: only favourites. false: all but favourites."""
    hidden: bool | None = None
    """true: only hidden assets. false: all but hidden ones."""
    kinds: Annotated[
        tuple[Kind, ...],
        BeforeValidator(_several, json_schema_input_type=Kind | list[Kind]),
        AfterValidator(_in_order),
    ] = tuple(Kind)
    """Kinds of assets. A Live Photo is of the kind live."""
    roles: Annotated[
        tuple[Role, ...],
        BeforeValidator(_several, json_schema_input_type=RoleName | list[RoleName]),
        AfterValidator(_in_order),
        AfterValidator(_of_source),
    ] = FILES
    """Which files of each asset. Leaving one out means that it is not copied."""
    min_size: Size = 0
    """Smallest asset, all its chosen files together, for example 1MB."""
    max_size: Size | None = None
    """Largest asset, all its chosen files together, for example 4GB."""

    @model_validator(mode="after")
    def _possible(self) -> Select:
        if self.since and self.until and self.since >= self.until:
            raise ValueError("since must be earlier than until")
        if self.max_size is not None and self.min_size > self.max_size:
            raise ValueError("min_size must not be above max_size")
        return self


class Keep(Section):
    """What people would miss if only the files were kept."""

    sidecars: Literal["auto", "always", "never"] = "auto"
    """An XMP beside each asset with its albums, keywords, title, caption, favourite, hidden,
    place and time with zone. auto: at sinks that are folders. The files are never changed."""
    albums: Literal["none", "index"] = "none"
    """index: albums.json and albums.txt at sinks that are folders, with the files of each album."""


class Staging(Section):
    """Where files wait, complete and verified, until every sink has them."""

    path: Annotated[Path, AfterValidator(home)] | None = None
    """A folder on a local disk; by default below the state folder."""
    size: Size = 4 * 1000**3
    """Bytes that may wait there. One file that is larger than this passes alone."""


class Limits(Section):
    """How much at once. Places that ask for less are given less."""

    downloads: int = Field(default=16, ge=1, le=256)
    """Most files fetched from the source at the same time."""
    uploads: int | None = Field(default=None, ge=1, le=256)
    """Most files sent to each sink at the same time; by default what suits each kind of place."""
    attempts: int = Field(default=5, ge=1, le=100)
    """Tries for one file and step before it is recorded as failed in this run."""
    download_rate: Rate | None = None
    """Most bytes that are fetched from the source in a second; by default any number."""
    upload_rate: Rate | None = None
    """Most bytes that are sent to clouds in a second, all of them together."""


class Verify(Section):
    """How the bytes are checked."""

    attempts: int = Field(default=3, ge=1, le=20)
    """Downloads of a file whose bytes contradict the source's checksum, before quarantine."""


class Route(Section):
    """Which sinks an asset goes to, and what happens when none of them has room."""

    to: Literal["all", "first", "spread"] = "all"
    """all: a copy at every sink. first: at the first sinks, in their order, that have room.
    spread: at those with the most room. An asset is never divided between sinks."""
    copies: int = Field(default=1, ge=1, le=100)
    """How many sinks get each asset, with first or spread."""
    full: Literal["next", "wait", "stop"] = "next"
    """When a sink is full. next: what was meant for it goes to the next sink with room; what
    fits nowhere is left to a later run, which the exit code says. wait: the same, but the run
    waits, looking again at growing intervals, until there is room. stop: nothing more is
    started."""

    def enough(self, sinks: int) -> int:
        """Copies that each asset gets where there are so many sinks."""
        return sinks if self.to == "all" else min(self.copies, sinks)


class Threshold(Section):
    """How full a place must be."""

    used_above: Annotated[float, BeforeValidator(parse_share, json_schema_input_type=float | str)]
    """More than this share of its room is used, for example 95%."""


class When(Section):
    """When a run does anything: always, unless something stands here; then if any of it holds."""

    full: bool = False
    """The source says that it is full."""
    used_above: dict[str, float] = {}
    """Places by name, with the share of their room, for example 95%, above which a run acts."""


def _when(value: object) -> object:
    """``always``, ``full``, or ``{place: {used_above: 95%}}``."""
    if value in ("always", "full"):
        return {"full": value == "full"}
    if isinstance(value, dict) and value and "always" not in value and "full" not in value:
        return {"used_above": {name: _threshold(name, said) for name, said in value.items()}}
    if isinstance(value, When):
        return value
    raise ValueError("write always, full, or for example {icloud: {used_above: 95%}}")


def _threshold(name: str, said: object) -> float:
    if not isinstance(said, dict) or set(said) != {"used_above"}:
        raise ValueError(f"write {name}: {{used_above: 95%}}")
    return parse_share(said["used_above"])


class Choices(Section):
    """Everything about a pipeline but its places."""

    name: str = Field(default="", pattern=r"^[\w][\w .@-]*$|^$", max_length=100)
    """Name of the ledger; by default the file's name without its ending."""
    select: Select = Select()
    when: Annotated[
        When,
        BeforeValidator(
            _when, json_schema_input_type=Literal["always", "full"] | dict[str, Threshold]
        ),
    ] = Field(default=When(), json_schema_extra={"default": "always"})
    """always; full: only when the source says that it is full; or only when a place is fuller
    than a share of its room, for example {icloud: {used_above: 95%}}."""
    path: Annotated[str, AfterValidator(_template)] = DEFAULT_PATH
    """Where a file goes below each sink's root; see the documentation for the fields."""
    keep: Keep = Keep()
    staging: Staging = Staging()
    limits: Limits = Limits()
    verify: Verify = Verify()
    route: Route = Route()


@dataclass(frozen=True, slots=True)
class Place:
    """A source or a sink as the file names it, with its connector and checked settings."""

    name: str
    type: str
    connector: Connector[Any]
    settings: Settings

    @property
    def identity(self) -> list[str]:
        """Its type and its location, as far as the file names one."""
        location = self.connector.location
        where = getattr(self.settings, location) if location else ""
        return [self.type, str(where or "")]

    @property
    def exclusive(self) -> str:
        """Names a sink that one pipeline at a time may fill; empty for one that all may."""
        told = self.connector.exclusive
        return f"{self.type} {told(self.settings)}" if told else ""

    def same_as(self, other: Place) -> bool | None:
        """Whether both are one account or folder, by their settings; None: they may be."""
        if self.type != other.type:
            return False
        if self.connector.same is not None:
            return self.connector.same(self.settings, other.settings)
        if self.settings == other.settings:
            return True
        known = self.connector.location is not None and self.identity == other.identity
        return None if known else False

    def source(self) -> Source:
        """Make the source; Misconfigured if the place cannot be one. Does no network."""
        if self.connector.source is None:
            raise Misconfigured(f"{self.type} cannot be a source")
        return self.connector.source(self.name, self.settings)

    def sink(self) -> Sink:
        """Make the sink; Misconfigured if the place cannot be one. Does no network."""
        if self.connector.sink is None:
            raise Misconfigured(f"{self.type} cannot be a sink")
        return self.connector.sink(self.name, self.settings)


class Pipeline(Choices):
    """A whole pipeline. ``sources`` stand in order of preference; names are unique."""

    model_config = ConfigDict(arbitrary_types_allowed=True)

    sources: tuple[Place, ...] = Field(min_length=1)
    sinks: tuple[Place, ...] = Field(min_length=1)

    def source(self, name: str) -> Place | None:
        """The source that is called so."""
        return next((place for place in self.sources if place.name == name), None)

    def sink(self, name: str) -> Place | None:
        """The sink that is called so."""
        return next((place for place in self.sinks if place.name == name), None)

    def describe(self) -> dict[str, Any]:
        """The pipeline as JSON-able data: what is as it is by default is left out."""
        data = self.model_dump(mode="json", exclude={"sources", "sinks"}, exclude_defaults=True)
        for key, places in (("sources", self.sources), ("sinks", self.sinks)):
            data[key] = [
                {
                    "name": place.name,
                    "type": place.type,
                    **place.settings.model_dump(mode="json", exclude_defaults=True),
                }
                for place in places
            ]
        return data
