"""iCloud Photos as a source: everything the engine may ask of it."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

from connectors.abilities import Album, Binned, Capacity, Prompter
from connectors.base import Page, Resource, Stream
from connectors.errors import Fatal, ItemError, Misconfigured, OutpourError
from connectors.icloud import albums, reclaim, records, storage
from connectors.icloud.account import Account
from connectors.icloud.cloudkit import CloudKit
from connectors.icloud.content import Content
from connectors.icloud.library import Libraries
from connectors.icloud.records import Handle
from connectors.icloud.settings import ICloudSettings, Library
from connectors.icloud.signed_urls import SignedUrls
from connectors.icloud.signin import sign_in


class ICloudSource:
    """A Source that HasCapacity, HasAlbums, Prefetches, Reclaims, HasBin, is Situated,
    Interruptible and Reconnects.

    Nothing is asked of Apple before the first call. Every method may be called from any
    thread.
    """

    emptying = "in Photos, on the phone or on icloud.com, open Recently Deleted and delete all"

    def __init__(self, name: str, settings: ICloudSettings) -> None:
        self.name = name
        self._settings = settings
        self._account = Account(settings)
        self._cloudkit = CloudKit(self._account)
        self._urls = SignedUrls(self._cloudkit)
        self._content = Content(self._urls)
        self._libraries = Libraries(self._cloudkit, self._urls, settings)

    def pages(self, since: str | None = None) -> Iterator[Page]:
        return self._libraries.pages(since)

    def open(self, asset_id: str, resource: Resource, offset: int = 0) -> Stream:  # noqa: ARG002 - the handle says it all
        return self._content.open(resource, offset)

    def prefetch(self, items: Sequence[tuple[str, Resource]]) -> None:
        handles = []
        for _, resource in items:
            try:
                handles.append(Handle.of(resource.handle))
            except ValueError:
                continue  # open will say so
        try:
            self._urls.prefetch(handles)
        except OutpourError:
            return  # open meets the same trouble and reports it

    def capacity(self) -> Capacity:
        return storage.capacity(self._account)

    def albums(self) -> Iterator[Album]:
        return albums.tree(self._cloudkit)

    def members(self, album: Album) -> Iterator[str]:
        return albums.members(self._cloudkit, album)

    def check_trash(self) -> None:
        if self._settings.trashed:
            raise Misconfigured(
                "with 'trashed: true' what is deleted stays in the listing",
                hint="Leave it out of the pipeline that frees space.",
            )

    def trash(self, assets: Sequence[tuple[str, str | None]]) -> list[OutpourError | None]:
        self.check_trash()
        return reclaim.trash(self._cloudkit, assets)

    def restore(self, asset_ids: Sequence[str]) -> list[OutpourError | None]:
        return reclaim.restore(self._cloudkit, asset_ids)

    def binned(self, ours: Collection[str]) -> Iterator[Binned]:
        """What lies in Recently Deleted, and when Apple removes it for good; of shared libraries as
        far as they can be read."""
        for zone in self._libraries.zones():
            names = [name for library, name in map(records.split_id, ours) if library == zone.name]
            try:
                for item in reclaim.trashed(self._cloudkit, zone, names):
                    size = sum(resource.size or 0 for resource in item.asset.resources)
                    yield Binned(item.asset.id, size, item.leaves)
            except (ItemError, Fatal):
                if zone.own:
                    raise

    def whereabouts(self) -> str:
        """The account. Its shared library is another place than its own."""
        only_shared = self._settings.library is Library.SHARED
        return f"{self._account.person()}{' shared' * only_shared}"

    def reconnect(self, prompter: Prompter) -> None:
        self._account.adopt(sign_in(self._settings, self._account.name, prompter))

    def interrupt(self) -> None:
        self._account.ended.set()

    def close(self) -> None:
        self._content.close()
        self._account.close()
