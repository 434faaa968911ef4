"""Finds connectors by name, ours and third parties', through entry points.

A distribution adds one under ``[project.entry-points."outpour.connectors"]``:
``name = "module:object"``, the object being a ``Connector``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from importlib.metadata import EntryPoint, PackageNotFoundError, distribution, entry_points
from typing import Any, Generic, TypeVar

from pydantic import BaseModel, ConfigDict

from connectors.abilities import Prompter
from connectors.base import Sink, Source
from connectors.errors import Misconfigured

GROUP = "outpour.connectors"
_OURS = "outpour"


class Settings(BaseModel):
    """Base of a connector's settings: what may stand under it in YAML. Never a secret."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    def lists(self, other: Settings) -> str | None:  # noqa: ARG002
        """The folder below a sink of ``other`` (POSIX, "" for the whole sink) of which a source
        of these settings would list what is put there, so that each run would copy the copies
        of the last one; None if there is none."""
        return None


S = TypeVar("S", bound=Settings)


@dataclass(frozen=True, slots=True)
class Connector(Generic[S]):
    """What a place offers. ``source`` and ``sink`` get (name, settings); either may be absent.
    Whatever gets settings gets those of the class ``settings``, checked.

    ``location`` is the settings field that a one-shot target such as ``local:./Photos`` or
    ``gdrive:Photos`` fills. Constructing does no network; ``connect`` signs a person in;
    ``disconnect`` forgets that and has the service end it, and says what is left for the person
    to do (empty for nothing; SessionExpired where nobody is signed in).
    ``same`` tells from two settings alone whether they are of one place: True where they
    surely are, False where they surely are not, None where they may be, or share an account.
    Without it, only places whose locations differ are surely two.
    ``password`` is the environment variable that may hold the password of one account.
    ``exclusive`` is for sinks where files of one name can lie side by side: a text that is alike
    for settings of one place, into which one pipeline at a time may then put files.
    ``recognised`` says that its sources find out whether they are the place of last time
    (``abilities.Recognises``), so that a pipeline may name another location.
    """

    settings: type[S]
    source: Callable[[str, S], Source] | None = None
    sink: Callable[[str, S], Sink] | None = None
    connect: Callable[[S, Prompter], None] | None = None
    disconnect: Callable[[S], str] | None = None
    location: str | None = None
    same: Callable[[S, S], bool | None] | None = None
    password: str | None = None
    exclusive: Callable[[S], str] | None = None
    recognised: bool = False


class UnknownConnector(Misconfigured):
    """No installed distribution has a connector of that name."""


class MissingExtra(Misconfigured):
    """The connector is known; what it needs is not installed. The hint says how to."""


def how_to_install(package: str, extra: str) -> str:
    """What to type, with the package from an index or in a clone of it."""
    return f"pip install '{package}[{extra}]' (in a clone: pip install '.[{extra}]')"


def names() -> list[str]:
    """Names of all installed connectors, sorted."""
    return sorted({entry.name for entry in entry_points(group=GROUP)})


def get(name: str) -> Connector[Any]:
    """The connector called ``name``.

    Raises UnknownConnector; MissingExtra; Misconfigured where what is registered is none or cannot
    be loaded.
    """
    found = _registered(name)
    if found is None:
        raise UnknownConnector(f"unknown connector {name!r}: choose one of {', '.join(names())}")
    try:
        loaded = found.load()
    except ImportError as missing:
        if name not in _extras(found):
            raise Misconfigured(f"connector {name!r} cannot be loaded: {missing}") from missing
        package = found.dist.name if found.dist else _OURS
        raise MissingExtra(
            f"{name} needs the extra {name!r}, which is not installed ({missing.name})",
            hint=how_to_install(package, name),
        ) from missing
    except AttributeError:
        loaded = None
    if not isinstance(loaded, Connector):
        raise Misconfigured(f"connector {name!r} is broken: {found.value} is no Connector")
    return loaded


def _registered(name: str) -> EntryPoint | None:
    """Ours before others', whose every distribution has to be read for it."""
    return _ours().get(name) or next(iter(entry_points(group=GROUP, name=name)), None)


@cache
def _ours() -> dict[str, EntryPoint]:
    try:
        found = distribution(_OURS).entry_points.select(group=GROUP)
    except PackageNotFoundError:  # the packages alone, by PYTHONPATH
        return {}
    return {entry.name: entry for entry in found}


def _extras(entry: EntryPoint) -> list[str]:
    """The extras that what registered it can be installed with."""
    return entry.dist.metadata.get_all("Provides-Extra") or [] if entry.dist else []
