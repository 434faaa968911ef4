"""A small iCloud library moved into a folder through the command line, and what to hold it to."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pipeline.cli.app import invoke
from sandbox.faults import Faults
from sandbox.icloud import Account, ICloud
from sandbox.library import Library
from sandbox.server import Sandbox

ARGUMENTS = ["run", "--from", "icloud:demo@example.com", "--to"]


def sha(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def wanted(library: Library) -> Counter[str]:
    """Every file that has to land: of each asset that is neither trashed nor shared."""
    assets = (a for a in library if a.trashed is None and not a.shared)
    return Counter(sha(file.content.read()) for asset in assets for file in asset.files)


def landed(folder: Path) -> Counter[str]:
    """Every file below the folder, whatever its name, by content."""
    return Counter(sha(path.read_bytes()) for path in folder.rglob("*") if path.is_file())


def strays(folder: Path) -> list[str]:
    return [path.name for path in folder.rglob(".outpour*")]


@contextmanager
def served(double: ICloud) -> Iterator[Sandbox]:
    """The double within reach, the environment pointing at it."""
    before = dict(os.environ)
    with Sandbox([double], faults=double.faults) as sandbox:
        os.environ |= {
            **sandbox.environ(),
            "OUTPOUR_ICLOUD_PASSWORD": double.account.password,
            "OUTPOUR_LIMITS__ATTEMPTS": "6",
        }
        try:
            yield sandbox
        finally:
            os.environ.clear()
            os.environ.update(before)


def double_of(count: int, faults: Faults, *, seed: int = 1, size: int = 3000) -> ICloud:
    """With ``count`` assets; small libraries hold nothing but plain photos."""
    return ICloud(Library(count, seed=seed, size=size, plain=count < 20), Account(), faults)


@contextmanager
def cloud(count: int, faults: Faults, *, seed: int = 1, size: int = 3000) -> Iterator[ICloud]:
    """A double with ``count`` assets, the environment pointing at it."""
    double = double_of(count, faults, seed=seed, size=size)
    with served(double):
        yield double


def run(folder: Path) -> int:
    """One run in this process; returns the exit code."""
    return invoke([*ARGUMENTS, str(folder)])


def killed_run(folder: Path, after: float) -> int | None:
    """One run in a process of its own, killed with SIGKILL ``after`` seconds; None if it was."""
    return struck_down([sys.executable, "-m", "pipeline.cli", *ARGUMENTS, str(folder)], after)


def struck_down(command: list[str], after: float) -> int | None:
    """A process killed with SIGKILL ``after`` seconds; its exit code if it ended before."""
    with subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    ) as process:
        try:
            return process.wait(after)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            return None


def named(output: str) -> str:
    """What the run's JSON events name, for asserting that an item was not passed over."""
    events = [json.loads(line) for line in output.splitlines() if line.startswith("{")]
    return json.dumps(events)
