"""One iCloud library on its way to a folder, Google Drive and Dropbox at once."""

from __future__ import annotations

import os
import random
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pipeline.cli.app import invoke
from sandbox.faults import Faults
from sandbox.icloud import Account
from sandbox.library import Library
from sandbox.world import World
from tests.dropbox.bench import DropboxPlace
from tests.dropbox.bench import broken as broken_dropbox
from tests.dropbox.bench import held as held_by_dropbox
from tests.gdrive.bench import DrivePlace
from tests.gdrive.bench import broken as broken_drive
from tests.rehearsal.rig import killed_run, landed, sha, wanted

SINKS = ("folder", "drive", "dropbox")

# What the places do to requests and answers; the source's own trouble is in the fault table.
TROUBLE = (
    "flip_byte:0.02,cut_stream:0.01,gone:0.02,unavailable:0.02,throttle_bare:0.01,reset:0.02,"
    "lost_answer:0.03,error_after:0.03,cut_upload:0.03,token_expired:0.01,"
    # Google Drive
    "partial_chunk:0.2,session_expired:0.05,stored_flip:0.02,no_sha256:0.1,listing_lag:0.1,"
    "rate:0.02,"
    # Dropbox. Not flip_stored: wrong bytes whose answer is lost too look like a file of its
    # owner's, which is never touched; by itself it is tested with the connector.
    "throttle_text:0.01,busy_request:0.02,busy_write:0.03,busy_entry:0.03,gone_session:0.01,"
    "cursor_reset:0.02"
)


def trouble(seed: int) -> Faults:
    faults = Faults.of(TROUBLE, seed=seed)
    faults.retry_after = 0
    return faults


class FanOut:
    """A world with the pipeline file that moves its library to all three sinks."""

    def __init__(self, world: World, folder: Path) -> None:
        self.world = world
        self.folder = folder / "Photos"
        self.config = folder / "fan-out.yaml"
        self.config.write_text(
            "source: icloud:demo@example.com\n"
            f"sinks: [{{type: local, name: folder, path: {self.folder}}}, "
            "{type: gdrive, name: drive, chunk_mib: 1}, dropbox]\n"
            "limits: {attempts: 6}\n"
        )

    def run(self) -> int:
        """One run in this process; returns the exit code."""
        return invoke(["run", str(self.config)])

    def killed_run(self, most: int, chance: random.Random) -> bool:
        """One run in a process of its own, killed within ``most`` requests; whether it was."""
        asked = self.world.sandbox.requests.total
        return killed_run(["run", str(self.config)], asked, most, chance)

    def held(self) -> dict[str, Counter[str]]:
        """Every file that each sink shows, by content."""
        store = self.world.drive.store
        nodes = [node for nodes in store.paths().values() for node in nodes]
        return {
            "folder": landed(self.folder),
            "drive": Counter(sha(store.file(node).read_bytes()) for node in nodes),
            "dropbox": Counter(map(sha, held_by_dropbox(self.world.dropbox).values())),
        }

    def wanted(self) -> Counter[str]:
        return wanted(self.world.cloud.library)

    def assert_whole(self) -> None:
        """Every sink is byte-exact: none missing, none doubled, nothing else."""
        library = self.wanted()
        for sink, found in self.held().items():
            assert not found - library, f"{sink} holds a file that is no photo, or one twice"
            assert not library - found, f"{sink} lacks a photo"
        folders = self.world.drive.store.folders()
        assert len(folders) == len(set(folders)), "a folder was doubled at Google Drive"

    def assert_brought_back(self) -> None:
        """The next run makes every sink whole again."""
        assert self.run() == 0
        self.assert_whole()

    def assert_at_rest(self) -> None:
        """Without trouble another run has nothing to do, and does nothing."""
        drive, dropbox = self.world.drive, self.world.dropbox
        sent = drive.received, dropbox.received
        assert self.run() == 0
        assert (drive.received, dropbox.received) == sent
        self.assert_whole()
        assert not broken_drive(drive) and not broken_dropbox(dropbox)


@contextmanager
def fan_out(library: Library, faults: Faults, folder: Path) -> Iterator[FanOut]:
    """All doubles, this process pointed at them and signed in everywhere."""
    folder.mkdir(parents=True, exist_ok=True)
    before = dict(os.environ)
    with World(library, Account(), faults) as world:
        world.drive.lag = 1.0
        os.environ |= world.environ()
        try:
            DrivePlace(world.drive)
            DropboxPlace(world.dropbox)
            yield FanOut(world, folder)
        finally:
            os.environ.clear()
            os.environ.update(before)
