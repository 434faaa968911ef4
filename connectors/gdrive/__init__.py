"""Google Drive: keeps copies in a folder of My Drive or of a shared drive."""

from __future__ import annotations

from connectors.abilities import Prompter
from connectors.base import Sink
from connectors.gdrive.settings import DriveSettings, same
from connectors.registry import Connector

__all__ = ["DriveSettings", "connector"]

# Google's client takes a while to import: only what really talks to Drive pays for it.


def _sink(name: str, settings: DriveSettings) -> Sink:
    from connectors.gdrive.sink import DriveSink

    return DriveSink(name, settings)


def _connect(settings: DriveSettings, prompter: Prompter) -> None:
    from connectors.gdrive.signin import sign_in

    sign_in(settings, prompter)


def _disconnect(settings: DriveSettings) -> str:
    from connectors.gdrive.signout import sign_out

    return sign_out(settings)


connector = Connector(
    settings=DriveSettings,
    sink=_sink,
    connect=_connect,
    disconnect=_disconnect,
    location="folder",
    same=same,
    exclusive=lambda settings: f"{settings.drive or settings.person} {settings.folder}",
)
