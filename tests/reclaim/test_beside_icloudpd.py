"""Deleting after copying, beside icloudpd: who deletes a photo of which no good copy is left?

Both meet the same damage to the same library. With ``-s`` the slow ones print the rows of the
table in docs/reclaim.md.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from pipeline.cli.app import invoke
from sandbox.faults import Faults
from sandbox.icloud import Account, ICloud
from sandbox.library import Library
from sandbox.library.model import Asset
from tests.cases import wide_after
from tests.rehearsal.rig import served, sha

ICLOUDPD = os.environ.get("OUTPOUR_ICLOUDPD") or shutil.which("icloudpd")
KEEP, AFTER = ("--keep-icloud-recent-days", "0"), ("--delete-after-download",)


class Scene:
    """Seven photos and a Live Photo in iCloud; ``victims`` are what happens to them."""

    def __init__(self, folder: Path) -> None:
        self.library = Library(0, plain=True)
        for number in range(7):
            self.library.add(f"IMG_{number:04}", size=20_000 + 100 * number)
        self.library.add("IMG_0100", "live", "heic", (("live_video", "mov"),))
        self.assets = list(self.library)
        self.double = ICloud(self.library, Account(), Faults())
        self.photos = folder / "Photos"
        self.cookies = folder / "cookies"
        self.config = folder / "scene.yaml"
        self.config.write_text(
            f"source: icloud:demo@example.com\nsinks: [{{type: local, path: {self.photos}}}]\n"
            "limits: {attempts: 2}\n"
        )
        self.photos.mkdir()

    @property
    def live(self) -> Asset:
        return self.assets[-1]

    def on_disk(self, number: int) -> Path:
        digest = sha(self.assets[number].original.content.read())
        return next(p for p in self.photos.rglob("*.*") if p.is_file() and
                    sha(p.read_bytes()) == digest)  # fmt: skip

    def icloudpd(self, *options: str) -> None:
        account = self.double.account
        subprocess.run(
            [str(ICLOUDPD), "--username", account.apple_id, "--password", account.password,
             "--password-provider", "parameter", "--directory", str(self.photos),
             "--cookie-directory", str(self.cookies), "--folder-structure", "none",
             "--no-progress-bar", *options],
            capture_output=True, timeout=200, check=False,
        )  # fmt: skip

    def lost(self) -> int:
        """Assets that were deleted though a file of theirs is nowhere else."""
        held = {sha(path.read_bytes()) for path in self.photos.rglob("*") if path.is_file()}
        trashed = [asset for asset in self.library if asset.trashed is not None]
        return sum(any(sha(f.content.read()) not in held for f in a.files) for a in trashed)

    def deleted(self) -> int:
        return sum(asset.trashed is not None for asset in self.library)


@dataclass(frozen=True)
class Case:
    """``faults`` hold from the beginning, ``damage`` is done between copying and deleting."""

    name: str
    faults: tuple[tuple[str, str], ...] = ()  # name, victim: first or live
    damage: Callable[[Scene], None] = field(default=lambda scene: None)


def flip(scene: Scene) -> None:
    path = scene.on_disk(0)
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)


def replace(scene: Scene) -> None:
    scene.on_disk(0).write_bytes(scene.on_disk(1).read_bytes())


def missing(scene: Scene) -> None:
    scene.on_disk(0).unlink()
    scene.double.faults.add("gone", key=f"*{scene.assets[0].id}*")


def edit(scene: Scene) -> None:
    scene.library.edit(scene.assets[0].id)


CASES = (
    Case("download refused for good (410)", (("gone", "first"),)),
    Case("bytes damaged on the way", (("flip_byte", "first"),)),
    Case("an error page instead of the photo", (("error_body", "first"),)),
    Case("the download ends early", (("short_length", "first"),)),
    Case("a Live Photo whose video cannot be had", (("gone", "live"),)),
    Case("copy: one bit flipped", damage=flip),
    Case("copy: cut short", damage=lambda s: os.truncate(s.on_disk(0), 1000)),
    Case("copy: empty", damage=lambda s: os.truncate(s.on_disk(0), 0)),
    Case("copy: replaced by another photo", damage=replace),
    Case("copy: missing, and the download refused", damage=missing),
    Case("edited in iCloud after it was copied", damage=edit),
)


def prepare(case: Case, folder: Path) -> Scene:
    folder.mkdir()
    scene = Scene(folder)
    for name, victim in case.faults:
        key = f"*{scene.assets[0].id}*" if victim == "first" else f"*{scene.live.id}/live_video*"
        scene.double.faults.add(name, key=key)
    return scene


def ours(case: Case, folder: Path) -> Scene:
    scene = prepare(case, folder)
    with served(scene.double):
        invoke(["run", "-q", str(scene.config)])
        case.damage(scene)
        rules = ["--older-than", "2100-01-01", "--keep", "2100-01-01", "--copies", "1"]
        invoke(["reclaim", str(scene.config), *rules, "--yes"])
    return scene


def theirs(case: Case, folder: Path, *options: str) -> Scene:
    scene = prepare(case, folder)
    with served(scene.double):
        if not case.faults:
            scene.icloudpd()
            case.damage(scene)
        scene.icloudpd(*options)
    return scene


@pytest.mark.parametrize("case", wide_after(1, CASES[9::-3]), ids=lambda case: case.name)
def test_nothing_is_deleted_whose_copy_is_not_good(case: Case, tmp_path: Path) -> None:
    scene = ours(case, tmp_path / "ours")
    assert scene.lost() == 0
    assert scene.deleted() >= 5, "what is proven does go"


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.skipif(not ICLOUDPD, reason="icloudpd is not installed (or OUTPOUR_ICLOUDPD)")
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_the_table(case: Case, tmp_path: Path) -> None:
    """A row of it: deleted without a good copy, of all that were deleted."""
    kept = theirs(case, tmp_path / "keep", *KEEP)
    after = theirs(case, tmp_path / "after", *AFTER)
    own = ours(case, tmp_path / "ours")
    cells = [f"{scene.lost()} of {scene.deleted()}" for scene in (kept, after, own)]
    print(f"\n| {case.name} | {' | '.join(cells)} |", flush=True)
    assert own.lost() == 0
