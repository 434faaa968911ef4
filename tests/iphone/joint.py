"""A sandbox phone and a sandbox iCloud that share a part of one library.

Both are made from one seed, so that an asset has the same bytes wherever it is.
"""

from __future__ import annotations

import dataclasses
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from sandbox.faults import Faults
from sandbox.icloud import Account, ICloud
from sandbox.iphone import OnPhone, Phone, Placement, SandboxPhones
from sandbox.iphone.media import File
from sandbox.library import Asset, Library
from sandbox.server import Sandbox
from tests.pointing import Point
from tests.rehearsal.rig import sha

ENDS = ["--from", "iphone", "--from", "icloud:demo@example.com"]
SHARE = 10  # of so many assets, by their number: what each list below says
IN_CLOUD = (0, 3, 6)
OPTIMISED = (3,)
ONLY_IN_CLOUD = (9,)


def on(asset: Asset, places: tuple[int, ...]) -> bool:
    return asset.number % SHARE in places


@dataclasses.dataclass
class Joint:
    """``mine`` is the library on the phone, ``theirs`` the one in iCloud; with ``cloud_only``
    some assets are not on the phone at all. ``scheme`` is what the phone has for fingerprints
    of what it holds, as in ``Placement``."""

    phone: Phone
    on_phone: OnPhone
    cloud: ICloud
    mine: Library
    theirs: Library
    cloud_only: bool
    scheme: int

    def held(self) -> tuple[list[Asset], list[Asset]]:
        """What the phone lists, and what iCloud lists."""
        mine = [
            asset for asset in self.mine if placed(asset, self.cloud_only, self.scheme) is not None
        ]
        return _kept(mine), _kept(self.theirs)

    def wanted(self) -> Counter[str]:
        """Every file that has to land, by content; the recipes of edits too.

        What one of them has twice lands twice; what each has once lands once.
        """
        mine, theirs = (_contents(assets) for assets in self.held())
        for asset in self.held()[0]:
            if any(file.role.startswith("edited") for file in asset.files):
                mine[sha(self._recipe(asset))] += 1
        return mine | theirs

    @property
    def count(self) -> int:
        """How many assets the two are together."""
        mine, theirs = (
            Counter(asset.original.fingerprint for asset in assets) for assets in self.held()
        )
        return (mine | theirs).total()

    def whereabouts(self) -> dict[tuple[str, ...], int]:
        """Assets by where their originals are. Of equal photos, two that each exist at one
        place only are one."""
        found: Counter[tuple[str, ...]] = Counter()
        mine, theirs = (_by_original(assets) for assets in self.held())
        for mark in mine.keys() | theirs.keys():
            ours, others = mine[mark], theirs[mark]
            shared = ours & others
            away = {number for number in shared if number % SHARE in OPTIMISED}
            pairs = min(len(ours - shared), len(others - shared))
            found["iphone", "icloud"] += len(shared - away) + pairs
            found["iphone",] += len(ours - shared) - pairs
            found["icloud",] += len(away) + len(others - shared) - pairs
        return dict(found)

    def _recipe(self, asset: Asset) -> bytes:
        stem = self.on_phone.path(asset).rpartition(".")[0]
        recipe = self.phone.media.find(f"PhotoData/Mutations/{stem}/Adjustments/Adjustments.plist")
        assert isinstance(recipe, File)
        return recipe.content.read()


def placed(asset: Asset, cloud_only: bool, scheme: int) -> Placement | None:
    if cloud_only and on(asset, ONLY_IN_CLOUD):
        return None
    away = on(asset, OPTIMISED)
    return Placement(
        synced=on(asset, IN_CLOUD),
        local=not away,
        stand_in=asset.number % 20 == 3,
        scheme=1 if away else scheme,
    )


@contextmanager
def joint(
    use: Point,
    count: int,
    *,
    cloud_only: bool = False,
    scheme: int = 1,
    account: Account | None = None,
) -> Iterator[Joint]:
    """Both doubles, with ``use`` told to point this process at them."""
    mine, theirs = (Library(count, shared=False) for _ in range(2))
    there = IN_CLOUD + (ONLY_IN_CLOUD if cloud_only else ())
    for asset in list(theirs):
        if not on(asset, there):
            theirs.purge(asset.id)
    phone = Phone(away=0.02)
    on_phone = OnPhone(phone, mine, place=lambda asset: placed(asset, cloud_only, scheme))
    cloud = ICloud(theirs, account or Account(), Faults(seed=7))
    with Sandbox([cloud], faults=cloud.faults) as sandbox, SandboxPhones([phone]) as phones:
        use(sandbox)
        use(phones)
        yield Joint(phone, on_phone, cloud, mine, theirs, cloud_only, scheme)


def _kept(assets: Iterable[Asset]) -> list[Asset]:
    return [asset for asset in assets if asset.trashed is None]


def _by_original(assets: Iterable[Asset]) -> defaultdict[str, set[int]]:
    found: defaultdict[str, set[int]] = defaultdict(set)
    for asset in assets:
        found[asset.original.fingerprint].add(asset.number)
    return found


def _contents(assets: Iterable[Asset]) -> Counter[str]:
    return Counter(sha(file.content.read()) for asset in assets for file in asset.files)
