"""iCloud Photos: a source and a sink, verified against Apple's own fingerprints."""

from __future__ import annotations

from connectors.abilities import Prompter
from connectors.base import Sink, Source
from connectors.icloud.settings import PASSWORD_VARIABLE, ICloudSettings, same
from connectors.registry import Connector

# pyicloud takes a second to import: only what really talks to Apple pays for it.


def _source(name: str, settings: ICloudSettings) -> Source:
    from connectors.icloud.source import ICloudSource

    return ICloudSource(name, settings)


def _sink(name: str, settings: ICloudSettings) -> Sink:
    from connectors.icloud.sink import ICloudSink

    return ICloudSink(name, settings)


def _connect(settings: ICloudSettings, prompter: Prompter) -> None:
    from connectors.icloud.signin import connect

    connect(settings, prompter)


def _disconnect(settings: ICloudSettings) -> str:
    from connectors.icloud.signout import sign_out

    return sign_out(settings)


connector = Connector(
    settings=ICloudSettings,
    source=_source,
    sink=_sink,
    connect=_connect,
    disconnect=_disconnect,
    location="account",
    same=same,
    password=PASSWORD_VARIABLE,
    exclusive=lambda settings: settings.account.strip().casefold(),
)
