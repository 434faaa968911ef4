"""Local disk: a folder as a sink and as a source."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field, field_validator

from connectors.local.sink import LocalSink
from connectors.local.source import LocalSource
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

    def lists(self, other: Settings) -> bool:
        if not isinstance(other, LocalSettings):
            return False
        try:
            source, sink = self.path.resolve(), other.path.resolve()
        except (OSError, RuntimeError):  # RuntimeError: a loop of links, until 3.13
            return False
        below = sink.relative_to(source).parts if sink.is_relative_to(source) else (".",)
        return not any(part.startswith(".") for part in below)  # what is hidden is not listed


def _source(name: str, settings: Settings) -> LocalSource:
    assert isinstance(settings, LocalSettings)
    return LocalSource(name, settings.path)


def _sink(name: str, settings: Settings) -> LocalSink:
    assert isinstance(settings, LocalSettings)
    return LocalSink(name, settings.path, readback=settings.readback)


connector = Connector(LocalSettings, source=_source, sink=_sink, location="path")
