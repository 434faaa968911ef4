"""The folder that a person named: whether it is there, may be used, and is still the same."""

from __future__ import annotations

import os
from pathlib import Path

from connectors.errors import Fatal, Misconfigured
from connectors.local import disk
from connectors.private import may


def check_reading(root: Path, *, made: bool = False) -> None:
    """Misconfigured unless what is below ``root`` can be read; changes nothing.

    Where it is ``made`` if missing, only its last part may be: more than that is a disk that is
    not connected.
    """
    try:
        place = _nearest(root) if made else root
        if place.exists() and not place.is_dir():
            raise Misconfigured(f"{place} is a file, not a folder", hint="Choose another folder.")
        if not place.exists():
            otherwise = "make the folder" if made else "check its path"
            raise Misconfigured(
                f"there is no folder {place}", hint=f"Connect its disk, or {otherwise}."
            )
    except OSError as error:
        raise _unreachable(root, error) from error
    if place == root and not may(root, os.R_OK | os.X_OK):
        raise Misconfigured(f"cannot read {root}", hint="Give yourself read permission there.")


def check_writing(root: Path) -> None:
    """Misconfigured unless files can be put below ``root``; changes nothing."""
    try:
        place = _nearest(root)
        read_only = bool(os.statvfs(place).f_flag & os.ST_RDONLY)
    except OSError as error:
        raise _unreachable(root, error) from error
    if read_only or not may(place, os.W_OK | os.X_OK):
        raise Misconfigured(
            f"cannot write in {place}", hint="Give yourself write permission, or choose another."
        )


def check_same(root: Path, device: int | None) -> None:
    """Fatal unless ``root`` shows the file system that it did: ``disk.device`` of then."""
    if device is None or disk.device(root) != device:
        raise Fatal(f"{root} is gone", hint="Connect its disk again, then run again.")


def _nearest(root: Path) -> Path:
    """The folder itself, or the one that it would be made in."""
    return root if root.exists() else root.parent


def _unreachable(root: Path, error: OSError) -> Misconfigured:
    return Misconfigured(f"cannot reach {root}: {error.strerror}", hint="Check the path.")
