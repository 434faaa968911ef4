"""Dropbox: keeps copies in an app's own folder or anywhere in a person's Dropbox."""

from __future__ import annotations

from connectors.abilities import Prompter
from connectors.base import Sink
from connectors.dropbox.settings import DropboxSettings, dropbox_settings
from connectors.registry import Connector, Settings

__all__ = ["DropboxSettings", "connector"]


def _sink(name: str, settings: Settings) -> Sink:
    from connectors.dropbox.sink import DropboxSink  # the SDK would slow every start

    return DropboxSink(name, dropbox_settings(settings))


def _connect(settings: Settings, prompter: Prompter) -> None:
    from connectors.dropbox.signin import sign_in

    sign_in(dropbox_settings(settings), prompter)


def _disconnect(settings: Settings) -> str:
    from connectors.dropbox.signout import sign_out

    return sign_out(dropbox_settings(settings))


connector = Connector(
    settings=DropboxSettings,
    sink=_sink,
    connect=_connect,
    disconnect=_disconnect,
    location="folder",
)
