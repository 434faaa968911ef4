"""iCloud Photos: a source and a sink, verified against Apple's own fingerprints."""

from __future__ import annotations

from typing import cast

from connectors.abilities import Prompter
from connectors.base import Sink, Source
from connectors.icloud.settings import ICloudSettings, same
from connectors.registry import Connector, Settings

# pyicloud takes a second to import: only what really talks to Apple pays for it.


def _source(name: str, settings: Settings) -> Source:
    from connectors.icloud.source import ICloudSource

    return ICloudSource(name, cast(ICloudSettings, settings))


def _sink(name: str, settings: Settings) -> Sink:
    from connectors.icloud.sink import ICloudSink

    return ICloudSink(name, cast(ICloudSettings, settings))


def _connect(settings: Settings, prompter: Prompter) -> None:
    from connectors.icloud.signin import connect

    connect(cast(ICloudSettings, settings), prompter)


def _disconnect(settings: Settings) -> str:
    from connectors.icloud.signout import sign_out

    return sign_out(cast(ICloudSettings, settings))


def _same(one: Settings, other: Settings) -> bool | None:
    return same(cast(ICloudSettings, one), cast(ICloudSettings, other))


connector = Connector(
    settings=ICloudSettings,
    source=_source,
    sink=_sink,
    connect=_connect,
    disconnect=_disconnect,
    location="account",
    same=_same,
)
