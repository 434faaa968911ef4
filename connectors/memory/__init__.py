"""Reference implementation of the contract: a source and a sink in this process's memory.

Read it first when writing a connector; nothing here is about anything but the contract.
Places with the same ``store`` share what they hold, so that a second connector object sees
what the first one did, as two processes over one real place would. It forgets everything at the
end of its process, so no installed Outpour offers it: the tests register it for themselves.
"""

from __future__ import annotations

from connectors.memory.sink import MemorySink, Shelf
from connectors.memory.source import Library, MemorySource
from connectors.registry import Connector, Settings

__all__ = ["Library", "MemorySettings", "MemorySink", "MemorySource", "Shelf", "connector"]


class MemorySettings(Settings):
    """``store`` names what is held until this process ends; ``limit`` is in bytes."""

    store: str = "default"
    limit: int | None = None


_libraries: dict[str, Library] = {}
_shelves: dict[str, Shelf] = {}


def library(store: str) -> Library:
    """What sources of this store list; fill it with ``Library.put``."""
    return _libraries.setdefault(store, Library())


def shelf(store: str, limit: int | None = None) -> Shelf:
    """What sinks of this store hold."""
    return _shelves.setdefault(store, Shelf(limit))


def _source(name: str, settings: MemorySettings) -> MemorySource:
    return MemorySource(name, library(settings.store))


def _sink(name: str, settings: MemorySettings) -> MemorySink:
    return MemorySink(name, shelf(settings.store, settings.limit))


connector = Connector(MemorySettings, source=_source, sink=_sink, location="store")
