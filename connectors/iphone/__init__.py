"""An iPhone on a cable, through pymobiledevice3 (the extra ``outpour[iphone]``, GPL-3.0)."""

from __future__ import annotations

from connectors.abilities import Prompter
from connectors.base import Source
from connectors.iphone.link import Link
from connectors.iphone.source import IPhoneSettings, IPhoneSource
from connectors.registry import Connector


def _source(name: str, settings: IPhoneSettings) -> Source:
    return IPhoneSource(name, settings)


def _connect(settings: IPhoneSettings, prompter: Prompter) -> None:
    """List the phones, explain what is in the way, pair. Ends after ``wait`` seconds where that
    is set, else after five minutes."""
    link = Link(settings.device, settings.wait, 1)
    try:
        for phone in link.plugged_in():
            prompter.tell(f"Plugged in: {phone.described}")
        patience = settings.wait if "wait" in settings.model_fields_set else None
        link.reconnect(prompter, patience)
        prompter.tell(f"Connected to {link.present}.")
    finally:
        link.close()


connector = Connector(
    IPhoneSettings, source=_source, connect=_connect, location="device", recognised=True
)
