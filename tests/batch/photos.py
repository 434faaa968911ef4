"""Folders of photos to move, and what came of them."""

from __future__ import annotations

import random
from pathlib import Path


def library(folder: Path, files: int, size: int = 3000) -> None:
    """A folder of photos to move."""
    folder.mkdir(parents=True, exist_ok=True)
    chance = random.Random(folder.name)
    for number in range(files):
        (folder / f"IMG_{number:04}.JPG").write_bytes(chance.randbytes(size))


def contents(folder: Path) -> list[bytes]:
    return sorted(path.read_bytes() for path in folder.rglob("*.JPG"))
