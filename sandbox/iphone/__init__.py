"""A double of an iPhone on a cable: usbmuxd, lockdownd and AFC on loopback.

Clients reach it by ``USBMUXD_SOCKET_ADDRESS`` alone: ``SandboxPhones([phone]).environ()``.
Facts of the protocols: libusbmuxd, libimobiledevice and pymobiledevice3 speak them; the tests
run all three against it. A double proves agreement with those clients, not with iOS.
"""

from __future__ import annotations

from types import TracebackType

from sandbox.iphone.library import OnPhone, Place, Placement, usual
from sandbox.iphone.phone import FAULTS, Phone, Trust
from sandbox.iphone.usbmux import Usbmuxd

__all__ = ["FAULTS", "OnPhone", "Phone", "Place", "Placement", "SandboxPhones", "Trust", "usual"]


class SandboxPhones(Usbmuxd):
    """Phones on the cable while it is open (``with``)."""

    def environ(self) -> dict[str, str]:
        """What points every client at these phones."""
        return {"USBMUXD_SOCKET_ADDRESS": self.address}

    def __enter__(self) -> SandboxPhones:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
