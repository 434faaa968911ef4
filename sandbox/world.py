"""All doubles at once, of one library and with one set of faults: what `outpour sandbox` runs."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack

from sandbox import dropbox, gdrive, icloud, iphone
from sandbox.faults import GENERIC, Faults
from sandbox.icloud.control import Control
from sandbox.library import Asset, Library
from sandbox.server import Sandbox

FAULTS: Mapping[str, str] = {
    **GENERIC,
    **iphone.FAULTS,
    **dropbox.FAULTS,
    **gdrive.FAULTS,
    **icloud.FAULTS,
}


class World:
    """Runs until ``close`` (or ``with``). ``latency`` and ``bandwidth`` as for ``Sandbox``;
    ``on_phone`` is the same library, made once more for a phone with this ``ios``; then each
    lacks some of what the other has. None for no phone."""

    def __init__(
        self,
        library: Library,
        account: icloud.Account,
        faults: Faults,
        *,
        latency: float = 0,
        bandwidth: int | None = None,
        port: int = 0,
        on_phone: Library | None = None,
        ios: int = 18,
    ) -> None:
        if on_phone is not None:
            for asset in list(library):
                if _only_on_phone(asset):
                    library.purge(asset.id)
        self.cloud = icloud.ICloud(library, account, faults)
        self.drive = gdrive.GoogleDrive(faults=faults)
        self.dropbox = dropbox.Dropbox(faults=faults)
        services = (
            self.cloud,
            Control(self.cloud, FAULTS),
            self.drive,
            self.drive.signin,
            self.dropbox,
        )
        self.phones: iphone.SandboxPhones | None = None
        with ExitStack() as parts:
            parts.callback(self.drive.close)
            self.sandbox = parts.enter_context(
                Sandbox(services, faults=faults, latency=latency, bandwidth=bandwidth, port=port)
            )
            if on_phone is not None:
                one = iphone.Phone(faults=faults, latency=latency, version=f"{ios}.5")
                self.on_phone = iphone.OnPhone(one, on_phone, ios=ios, place=_placed)
                self.phones = parts.enter_context(iphone.SandboxPhones([one]))
            self._parts = parts.pop_all()

    def environ(self) -> dict[str, str]:
        """What sends Outpour here, with what it needs to sign in everywhere."""
        client = self.drive.signin.client
        return {
            **self.sandbox.environ(),
            **(self.phones.environ() if self.phones else {}),
            "OUTPOUR_ICLOUD_PASSWORD": self.cloud.account.password,
            "OUTPOUR_GDRIVE_CLIENT_ID": client.id,
            "OUTPOUR_GDRIVE_CLIENT_SECRET": client.secret,
            "OUTPOUR_DROPBOX_APP_KEY": self.dropbox.signin.app_key,
        }

    def __enter__(self) -> World:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        self._parts.close()


def _only_on_phone(asset: Asset) -> bool:
    """One in ten, the newest among them, and none of those that came from iCloud. A shared
    library is not on the phone."""
    return asset.number % 10 == 0 and not asset.shared


def _placed(asset: Asset) -> iphone.Placement | None:
    """As usual, but one in ten is in iCloud only."""
    return None if asset.number % 10 == 8 else iphone.usual(asset)
