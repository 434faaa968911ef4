"""The iPhone source keeps what every source keeps."""

from __future__ import annotations

import pytest

from connectors.base import Asset, Resource, Role, Source
from sandbox.iphone import OnPhone, Phone, Placement, Trust, usual
from sandbox.library import Asset as Photo
from sandbox.library import Library
from tests.conformance.places import SourcePlace
from tests.conformance.source_suite import SourceSuite
from tests.iphone.conftest import Open, Plug

pytest.importorskip("pymobiledevice3")


class PhonePlace(SourcePlace):
    def __init__(self, plug: Plug, open_source: Open) -> None:
        self.phone = Phone(away=0.1)
        self.library = Library(30)
        film = self.library.add("IMG_9500", "video", "mov", size=10_000_000)

        def place(asset: Photo) -> Placement:
            return Placement() if asset.id == film.id else usual(asset)

        self.on_phone = OnPhone(self.phone, self.library, place=place)
        self._open = open_source
        plug(self.phone)

    def open(self) -> Source:
        return self._open()

    def truth(self, asset: Asset, resource: Resource) -> bytes | None:
        if resource.role is Role.SIDECAR:
            return None
        file = self.library.find(asset.id).file(resource.role)
        assert file is not None
        return file.content.read()

    def empty(self) -> None:
        for asset in list(self.library):
            self.library.purge(asset.id)
        for name in ("DCIM", "PhotoData"):
            self.phone.media.remove(name)
        self.on_phone.update()

    def change(self) -> str:
        asset = self.library.add("IMG_9600")
        self.on_phone.update()
        return asset.id

    def remove(self) -> str:
        asset = next(asset for asset in self.library if asset.trashed is None and not asset.shared)
        self.library.trash(asset.id)
        self.on_phone.update()
        return asset.id

    def damage(self) -> None:
        self.on_phone.lie(self.library.add("IMG_9700"), "DCIM/100APPLE", "no/name.JPG")

    def cut(self) -> None:
        self.phone.unplug_after(1, back_after=0)

    def expire(self) -> None:
        self.phone.trust = Trust.NO
        self.phone.hosts.clear()
        self.phone.unplug()
        self.phone.plug()


class TestIPhoneSource(SourceSuite):
    @pytest.fixture
    def place(self, plug: Plug, open_source: Open) -> SourcePlace:
        return PhonePlace(plug, open_source)
