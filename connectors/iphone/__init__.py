"""An iPhone on a cable, through pymobiledevice3 (the extra ``outpour[iphone]``, GPL-3.0)."""

from __future__ import annotations

from typing import cast

from connectors.abilities import Prompter
from connectors.base import Source
from connectors.iphone.link import Link
from connectors.iphone.source import IPhoneSettings, IPhoneSource
from connectors.registry import Connector, Settings


def _source(name: str, settings: Settings) -> Source:
    return IPhoneSource(name, cast(IPhoneSettings, settings))


def _connect(settings: Settings, prompter: Prompter) -> None:
    """List the phones, explain what is in the way, pair. Ends after ``wait`` seconds where that
    is set, else after five minutes."""
    chosen = cast(IPhoneSettings, settings)
    link = Link(chosen.device, chosen.wait, 1)
    try:
        for phone in link.plugged_in():
            prompter.tell(f"Plugged in: {phone.described}")
        patience = chosen.wait if "wait" in chosen.model_fields_set else None
        link.reconnect(prompter, patience)
        prompter.tell(f"Connected to {link.present}.")
    finally:
        link.close()


connector = Connector(IPhoneSettings, source=_source, connect=_connect, location="device")
