"""Dropbox: keeps copies in an app's own folder or anywhere in a person's Dropbox."""

from __future__ import annotations

from connectors.abilities import Prompter
from connectors.base import Sink
from connectors.dropbox.settings import DropboxSettings, same
from connectors.registry import Connector

__all__ = ["DropboxSettings", "connector"]


def _sink(name: str, settings: DropboxSettings) -> Sink:
    from connectors.dropbox.sink import DropboxSink  # the SDK would slow every start

    return DropboxSink(name, settings)


def _connect(settings: DropboxSettings, prompter: Prompter) -> None:
    from connectors.dropbox.signin import sign_in

    sign_in(settings, prompter)


def _disconnect(settings: DropboxSettings) -> str:
    from connectors.dropbox.signout import sign_out

    return sign_out(settings)


connector = Connector(
    settings=DropboxSettings,
    sink=_sink,
    connect=_connect,
    disconnect=_disconnect,
    location="folder",
    same=same,
)
