"""Local disk: a folder as a sink and as a source."""

from __future__ import annotations

import contextlib
from pathlib import Path

from pydantic import Field, field_validator

from connectors.local.sink import LocalSink
from connectors.local.source import LocalSource, is_skipped
from connectors.registry import Connector, Settings

__all__ = ["LocalSettings", "LocalSink", "LocalSource", "connector"]


class LocalSettings(Settings):
    """A folder on a disk of this machine."""

    path: Path = Field(description="The folder. A sink makes it if only its last part is missing.")
    readback: bool = Field(
        default=False,
        description="Read each file back from the disk before it counts, and keep its SHA-256.",
    )

    @field_validator("path")
    @classmethod
    def _whole(cls, path: Path) -> Path:
        return path.expanduser().absolute()

    @property
    def resolved(self) -> Path | None:
        """The folder itself, whatever links lead to it; None where they cannot be followed."""
        try:
            return self.path.resolve()
        except (OSError, RuntimeError):  # RuntimeError: a loop of links, until 3.13
            return None

    def lists(self, other: Settings) -> str | None:
        if not isinstance(other, LocalSettings):
            return None
        source, sink = self.resolved, other.resolved
        if source is None or sink is None:
            return None
        if sink.is_relative_to(source):
            return None if any(map(is_skipped, sink.relative_to(source).parts)) else ""
        return source.relative_to(sink).as_posix() if source.is_relative_to(sink) else None


def _source(name: str, settings: LocalSettings) -> LocalSource:
    return LocalSource(name, settings.path)


def _sink(name: str, settings: LocalSettings) -> LocalSink:
    return LocalSink(name, settings.path, readback=settings.readback)


def _same(one: LocalSettings, other: LocalSettings) -> bool | None:
    with contextlib.suppress(OSError):  # the system knows of mounts, and of disks without case
        if one.path.samefile(other.path):
            return True
    folders = one.resolved, other.resolved
    return None if None in folders else folders[0] == folders[1]


connector = Connector(LocalSettings, source=_source, sink=_sink, location="path", same=_same)
